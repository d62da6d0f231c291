"""Results on disk: a writable folder, a free name, and a file that appears only when it is complete."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from pathlib import Path

from aio.errors import ConfigError, OutputError


def prepare(folder: Path, name: str | None = None) -> Path:
    """Make `folder` and prove that a file can be written there, before anything costs time.

    Raises:
        OutputError: it cannot be made or written. ConfigError: `name` is not a plain file name.
    """
    if name is not None and (not name.strip() or re.search(r'[/\\\x00]', name) or name in (".", "..")):
        raise ConfigError(f"output.name: {name!r} is not a file name; give one without slashes, the folder is output.dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"aio")
    except OSError as error:
        raise failure(error, folder) from None
    return folder


def failure(error: OSError, path: Path) -> OutputError:
    """The OutputError of an operating-system error while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"output.dir: the disk is full at {path}; free space or choose another folder with output.dir=…")
    return OutputError(f"output.dir: cannot write {path} ({error.strerror or error}); choose another folder with output.dir=…")


def publish(made: Path, folder: Path, stem: str, ending: str, *, numbered: bool) -> Path:
    """Move `made` into `folder` as STEM-0001ENDING (or STEMENDING) without ever replacing a file.

    Args:
        made: the complete file.
        stem: name without number. ending: e.g. `.preview.mp4`.
        numbered: whether the first file has a number too.

    Returns:
        The final path. Other processes may publish into the same folder at the same time.
    """
    try:
        staged = _beside(made, folder)
        try:
            number = 1
            while True:
                tail = f"-{number:04}" if numbered or number > 1 else ""
                target = folder / f"{stem}{tail}{ending}"
                try:
                    os.link(staged, target)   # atomic, and fails where the name is taken
                    return target.resolve()
                except FileExistsError:
                    number = max(number + 1, _last(folder, stem, ending) + 1)
        finally:
            staged.unlink(missing_ok=True)
    except OSError as error:
        raise failure(error, folder) from None


def _beside(made: Path, folder: Path) -> Path:
    """`made` under a hidden name in `folder`, on the same device as the final name."""
    handle, name = tempfile.mkstemp(prefix=".aio-", suffix=".part", dir=folder)
    os.close(handle)
    try:
        shutil.move(made, name)
        os.chmod(name, 0o666 & ~_umask())   # mkstemp makes private files
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _last(folder: Path, stem: str, ending: str) -> int:
    pattern = re.compile(re.escape(stem) + r"-(\d{4,})" + re.escape(ending))
    numbers = [int(match[1]) for entry in os.scandir(folder) if (match := pattern.fullmatch(entry.name))]
    return max(numbers, default=0)
