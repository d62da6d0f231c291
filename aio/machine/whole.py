"""Files that nobody ever sees half of: written under a hidden name, then named; never over a file that must stay.

A hidden file is `.aio-*.part` beside its final place. Its writer holds a lock on it, so that what a killed process left can be
told from what a living one writes: no process id is trusted, for ids are used again and containers share folders.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

PART = re.compile(r"\.aio-.*\.part", re.DOTALL)
"""Hidden names: of a file being written, and of a name being taken."""

BOXES = 10_000
"""Top-level boxes that an mp4 may have; libavformat writes four."""


@contextmanager
def part(folder: Path, *, name: str = "", keep: Callable[[Path], bool] = lambda path: False) -> Iterator[tuple[IO[bytes], Path]]:
    """A new hidden file in `folder`, held while it is open. At the end it is closed, and gone unless it got another name.

    Args:
        name: makes it the same file each time, over what a killed writer left; for those who hold a lock on the folder.
        keep: whether it stays all the same where an OSError ends the block.

    Raises:
        OSError: it cannot be made or closed.
    """
    path, kept = hidden(folder, name), False
    with open(path, "wb" if name else "xb") as file:   # with the modes of any new file: widening those of mkstemp is refused by some disks
        try:
            hold(file)
            yield file, path
            file.close()
        except OSError:
            kept = keep(path)
            raise
        finally:
            with suppress(OSError):
                file.close()
            with suppress(OSError):
                if not kept:
                    path.unlink()


def hidden(folder: Path, name: str = "") -> Path:
    """A hidden name in `folder`: one that nobody has, or that of `name`."""
    return folder / f".aio-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16] if name else secrets.token_hex(8)}.part"


@contextmanager
def filled(
    target: Path, *, over: bool = True, synced: bool = False, alone: bool = False, keep: Callable[[Path], bool] = lambda path: False
) -> Iterator[tuple[IO[bytes], Path]]:
    """A hidden file beside `target`, open and by its path, which takes that name at the end of the block; after an error nothing has changed.

    Args:
        over: whether a file that is there is replaced. synced: whether the content is on the disk before it has the name.
        alone: whether the caller's lock makes it the only writer, so that what a killed one left is written over. keep: as in `part`.

    Raises:
        OSError: it cannot be made, closed or named; FileExistsError where a file is there that must stay.
    """
    with part(target.parent, name=target.name if alone else "", keep=keep) as (file, path):
        yield file, path
        if synced:
            sync(file)
        file.close()   # Windows moves no open file
        if over:
            os.replace(path, target)
        else:
            name(path, target)


def write(target: Path, content: bytes | str) -> None:
    """Replace a file in one step: a reader sees the old content or the new. A text is written as UTF-8, what is none escaped.

    Raises:
        OSError: it cannot be written; the old content stays.
    """
    with filled(target) as (file, _):
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


def copy(source: Path, target: Path, *, over: bool = True) -> None:
    """Copy a file's content, in one step.

    Raises:
        OSError: it cannot be done; FileExistsError where a file is there and not to be replaced.
    """
    with filled(target, over=over) as (file, _), source.open("rb") as given:
        shutil.copyfileobj(given, file, 1 << 20)


def move(source: Path, targets: Callable[[], Iterable[Path]]) -> Path:
    """Give `source` the first of `targets` (of one folder) that is free, on any disk; on a failure `source` stays, whole.

    Raises:
        FileExistsError: none is free. OSError: it cannot be done.
    """
    try:
        return _first(source, targets())
    except FileExistsError:
        raise
    except OSError:
        pass   # another disk, or a folder that gives nothing away
    with part(next(iter(targets())).parent) as (file, path), source.open("rb") as given:
        shutil.copyfileobj(given, file, 1 << 20)
        sync(file)   # before the only other copy goes
        file.close()
        target = _first(path, targets())
    with suppress(OSError):
        source.unlink()
    return target


def _first(source: Path, targets: Iterable[Path]) -> Path:
    for target in targets:
        with suppress(FileExistsError):
            name(source, target)
            return target
    raise FileExistsError(errno.EEXIST, "every name is taken", str(target))


def name(source: Path, target: Path) -> None:
    """Give a complete file another name on the same disk, never over a file: the first way that this disk knows.

    Raises:
        FileExistsError: the name is taken. OSError: no way works; errno.EXDEV between two disks.
    """
    for way in (_linked, _renamed):
        try:
            return way(source, target)
        except FileExistsError:
            raise
        except OSError:
            continue   # FAT, exFAT and many network disks have no hard links; network disks seldom have the other
    _reserved(source, target)


def _linked(source: Path, target: Path) -> None:
    os.link(source, target)   # atomic, and fails where the name is taken
    with suppress(OSError):
        source.unlink()


def _renamed(source: Path, target: Path) -> None:
    """renameat2(2) with RENAME_NOREPLACE, atomic too. On Windows no rename replaces a file."""
    if sys.platform == "win32":
        os.rename(source, target)
        return
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)   # glibc 2.28
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    here, no_replace = -100, 1   # AT_FDCWD, RENAME_NOREPLACE: linux/fcntl.h, linux/fs.h
    if call(here, os.fsencode(source), here, os.fsencode(target), no_replace):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))


def _reserved(source: Path, target: Path) -> None:
    """By a plain rename, which would replace a file: of all that ask for one name, only who made its reservation looks and renames.

    What a killed process reserved counts as taken until it is removed as a leftover. A program that knows nothing of
    reservations could make the file between the look and the rename.
    """
    reservation = hidden(target.parent, target.name)
    open(reservation, "xb").close()
    try:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        os.rename(source, target)
    finally:
        with suppress(OSError):
            reservation.unlink()


def hold(file: IO[Any]) -> None:
    """Mark an open file as in use until it is closed or its process ends. Some disks know no locks; age alone tells there."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def held(path: Path) -> bool:
    """Whether a living process holds a file. On Windows False: an open file cannot be removed there."""
    with suppress(ImportError, OSError), open(path, "rb") as file:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def mp4(path: Path) -> bool:
    """Whether a file is a complete mp4: its boxes fill it to the byte, the index and the pictures among them."""
    kinds, at = set[bytes](), 0
    with suppress(OSError), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        for _ in range(BOXES):
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[8:16] if head[:4] == b"\0\0\0\1" else head[:4], "big")
            kinds.add(head[4:8])
            at += length
            if length < 8 or at >= size:   # 0 while it is being written
                break
        return at == size and {b"moov", b"mdat"} <= kinds
    return False


def sync(file: IO[bytes]) -> None:
    """Bring a file's content to the disk; some disks say only here that they are full."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):   # this disk has no such call
            raise
