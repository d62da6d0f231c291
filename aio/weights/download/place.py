"""How a file of the cache comes into the models folder: by a symbolic link, a hard link, or a copy where links are refused.

Which of them works, and whether there is room for it, is proved with a tiny file before anything is fetched.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aio.errors import ModelMissing
from aio.machine import links, whole
from aio.weights.download import remedies
from aio.weights.download.hub import locked
from aio.weights.download.watch import Stopped
from aio.weights.registry import cache as disk

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Need:
    """Room that a disk must have: `bytes` more under `folder`. `what`: for which. elsewhere: what to set for another disk."""

    folder: Path
    bytes: int
    what: str
    elsewhere: str

    def __str__(self) -> str:
        return f"{remedies.size(self.bytes)} {self.what} {self.folder}"


def needs(fetched: int, copied: int, cache: Path, models_dir: Path) -> list[Need]:
    """The room for so many bytes to fetch and to copy."""
    both = Need(cache, fetched, "to fetch into", remedies.CACHE), Need(models_dir, copied, "to copy, for want of links, into", remedies.MODELS)
    return [need for need in both if need.bytes]


def writable(folder: Path, elsewhere: str) -> Path:
    """Make `folder` and prove that a file can be made in it; return the folder.

    Raises:
        OutputError: it cannot, and why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole.part(folder) as (file, _):
            file.write(b"aio")
        return folder
    except OSError as error:
        raise remedies.disk(_named(error, folder), elsewhere) from None


def _named(error: OSError, folder: Path) -> OSError:
    """The error with the path that stands in the way: mkdir names what it wanted to make, not the file that is no folder."""
    for part in reversed((folder, *folder.parents)):
        with suppress(OSError):
            if part.is_symlink() and not part.exists():
                return OSError(*_broken(part))
            if part.exists() and not part.is_dir():
                return NotADirectoryError(errno.ENOTDIR, "", str(part))
    return OSError(error.errno, error.strerror, str(folder))


def _broken(link: Path) -> tuple[int, str, str]:
    return 0, f"a link to {os.readlink(link)}, which is not there: mount that disk or remove the link, and run again", str(link)


def in_the_way(path: Path) -> str:
    """What stands where a file shall lie, as a sentence, or nothing; a file or a link that leads nowhere is replaced."""
    try:
        mode = os.lstat(path).st_mode   # once: another process may be putting the file there
    except OSError:
        return ""
    if stat.S_ISREG(mode) or stat.S_ISLNK(mode):
        return ""
    return f"{path}: {'a folder' if stat.S_ISDIR(mode) else 'no plain file, and it'} is in the way: move it away and run again"


def proven(source: Path | None, cache: Path, folder: Path) -> str:
    """How a file of the cache comes into `folder`: "symlink", "hard link" or "copy", whichever works first.

    Args:
        source: a file of the cache; None where there is none yet: a tiny one is made for the trial.

    Raises:
        OutputError: not even a file can be made in `folder`, and why.
    """
    if source is None:
        with whole.part(writable(cache, remedies.CACHE)) as (_, made):
            return proven(made, cache, folder)
    fresh = whole.hidden(writable(folder, remedies.MODELS))
    for how in ("symlink", "hard link"):
        try:
            links.link(source.absolute(), fresh, how)
            if os.path.samefile(fresh, source):   # some network disks make links that nobody can follow
                return how
        except OSError:
            continue
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
    return "copy"


def lacking(needs: Iterable[Need]) -> list[str]:
    """One sentence for each disk that has too little room."""
    disks: dict[int, list[Need]] = {}
    for need in needs:
        disks.setdefault(os.stat(standing(need.folder)).st_dev, []).append(need)
    short = []
    for group in disks.values():
        room = free(group[0].folder)
        if sum(need.bytes for need in group) > room:
            ways = " or ".join(need.elsewhere for need in group)
            short.append(f"{' and '.join(map(str, group))}, and only {remedies.size(room)} free: make room, or {ways}")
    return short


def free(folder: Path) -> int:
    """Bytes that may still be written under `folder`."""
    return shutil.disk_usage(standing(folder)).free


def standing(folder: Path) -> Path:
    """The nearest folder on the way to `folder` that exists."""
    return next(part for part in (folder.absolute(), *folder.absolute().parents) if part.is_dir())


def copy(source: Path, place: Path, models_dir: Path, sha256: str | None, count: Callable[[int], None], stop: threading.Event) -> None:
    """Copy a file of the cache to `place`, at once or not at all, and remember its sha256. One at a time on a models folder.

    Args:
        sha256: what it must be, None when that is not known. count: gets bytes as they are copied.

    Raises:
        ModelMissing: the bytes are not what they must be. OSError: among others, a file of the user's has come meanwhile. Stopped.
    """
    with locked(models_dir / ".aio-copy.lock", stop):
        if place.is_file():
            if disk.remembered(models_dir).get(disk.identity(place.stat())) != sha256:
                raise FileExistsError(errno.EEXIST, "", str(place))
            count(place.stat().st_size)   # another process was faster
            return
        digest = hashlib.sha256()
        with source.open("rb") as old, whole.filled(place, synced=True, alone=True) as (new, _):   # alone: a killed one is no litter
            while chunk := old.read(_CHUNK):
                if stop.is_set():
                    raise Stopped
                new.write(chunk)
                digest.update(chunk)
                count(len(chunk))
            if sha256 not in (None, digest.hexdigest()):
                raise ModelMissing(f"{source}: damaged (sha256 {digest.hexdigest()}, expected {sha256}): delete it and run again")
        disk.remember(models_dir, {disk.identity(place.stat()): digest.hexdigest()})
