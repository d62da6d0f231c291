"""Results on disk: a writable folder, a free name, and a file that appears only when it is complete. A finished clip is never removed."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from aio.errors import Cancelled, ConfigError, OutputError
from aio.machine import shell, whole

TRIES = 10_000
"""Names that are tried for one result. Each is above all that are there, so the second is free but for other processes."""


def prepare(folder: Path, name: str | None = None) -> Path:
    """Make `folder` and prove that a result can be published there, by the very steps that publishing takes, before anything costs time.

    Raises:
        OutputError: it cannot be made or written. ConfigError: `name` is not a plain file name.
    """
    if name is not None and (not name.strip() or re.search(r'[/\\\x00]', name) or name in (".", "..")):
        raise ConfigError(f"output.name: {name!r} is not a file name; give one without slashes, the folder is output.dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if name is not None:
            _taken(folder, name)
        with whole.part(folder) as (file, probe):
            file.write(b"aio")
            file.close()
            named = probe.with_name(f"{probe.stem}-{(name or '')[:20]}.part")   # its letters too: not every disk takes all
            whole.name(probe, named)
            named.unlink()
    except OSError as error:
        if name is not None and error.errno == errno.EINVAL:
            raise ConfigError(f"output.name: the disk of {folder} takes no file name like {name!r}; give another one") from None
        raise failure(error, folder) from None
    return folder


def _taken(folder: Path, name: str) -> None:
    """Look for the longest name that a result may get: a disk has a limit, of bytes or of characters."""
    try:
        os.lstat(folder / f"{name}-0001.preview.mp4")
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise ConfigError(f"output.name: {name[:40]!r}… is too long for a file name; give a shorter one") from None


def failure(error: OSError, path: Path) -> OutputError:
    """The OutputError of an operating-system error while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"output.dir: the disk is full at {path}; free space or choose another folder with output.dir=…")
    if error.errno == errno.EFBIG:
        return OutputError(f"output.dir: the file is larger than the disk of {path}, or `ulimit -f`, allows; choose another folder with output.dir=…")
    return OutputError(f"output.dir: cannot write {path} ({error.strerror or error}); choose another folder with output.dir=…")


def ending(real: bool) -> str:
    """How the file of a result ends. real: see aio.engine.Engine."""
    return ".mp4" if real else ".preview.mp4"


def publish(made: Path, folder: Path, stem: str, ending: str, *, numbered: bool) -> Path:
    """Move `made` into `folder` as STEM-0001ENDING (or STEMENDING) without ever replacing a file.

    Args:
        made: the complete file.
        stem: name without number. ending: e.g. `.preview.mp4`.
        numbered: whether the first file has a number too.

    Returns:
        The final path. Other processes may publish into the same folder at the same time.

    Raises:
        OutputError: it cannot be published. Cancelled: it was interrupted. `made` stays, and the message says where and what to do.
    """
    def names() -> Iterator[Path]:
        number = 1
        for _ in range(TRIES):
            yield folder / f"{stem}{f'-{number:04}' if numbered or number > 1 else ''}{ending}"
            number = max(number + 1, _last(folder, stem, ending) + 1)

    try:
        return whole.move(made, names).resolve()
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise OutputError(f"{failure(error, folder)}{kept(made, folder.absolute() if full else Path())}") from None
    except KeyboardInterrupt:
        raise Cancelled(f"cancelled{kept(made, folder)}") from None


def kept(made: Path, folder: Path) -> str:
    """Where a finished clip lies, and how to take it from there."""
    if not made.is_file():
        return ""
    words = [str(made), str(folder)]
    command = subprocess.list2cmdline(["move", *words]) if os.name == "nt" else shell.line(["mv", *words])
    return f"\nthe finished clip is kept: {made}\nto take it from there: {command}"


def _last(folder: Path, stem: str, ending: str) -> int:
    pattern = re.compile(re.escape(stem) + r"-(\d{4,})" + re.escape(ending))
    numbers = [int(match[1]) for entry in os.scandir(folder) if (match := pattern.fullmatch(entry.name))]
    return max(numbers, default=0)
