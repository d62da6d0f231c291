"""Folders of this user: his home, aio's cache and its temporary folder, and `~` in a path. A container may run aio as a user without any."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from aio.errors import InputError, OutputError


def home() -> Path | None:
    """The user's home folder; None without HOME and without an entry of the user database."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def current() -> Path | None:
    """The current folder; None where it was removed, or may not be entered."""
    try:
        return Path.cwd()
    except OSError:
        return None


def expanded(path: str | Path, field: str = "") -> Path:
    """`path` with a leading `~` or `~user` replaced; everything else is taken as typed.

    Args:
        field: what the path was given for, for the message.

    Raises:
        InputError: there is no such home folder.
    """
    try:
        # Path("./~x") is Path("~x"): asked for as typed, it is no home
        return Path(path).expanduser() if str(path).startswith("~") else Path(path)
    except (RuntimeError, ValueError):   # ValueError: a NUL in a user's name
        where = f"{field}: " if field else ""
        raise InputError(f"{where}{str(path)!r} begins with a home folder that is not known here; write the whole path") from None


def beside(given: str, file: Path) -> str:
    """A file that is named in `file`: it lies in the current folder, or beside that."""
    try:
        near = file.parent / given
        return str(near) if not expanded(given).exists() and near.exists() else given
    except (OSError, ValueError, InputError):
        return given   # probing it says why


def cache() -> Path:
    """Folder for what aio keeps: ~/.cache/aio, without a home a folder in the temporary one.

    Raises:
        OutputError: see `temporary`.
    """
    known = home()
    return known / ".cache" / "aio" if known else temporary() / "cache"


def temporary() -> Path:
    """This user's own folder in the system's temporary one, made if it is not there: TMPDIR/aio-UID, which nobody else may enter.

    Raises:
        OutputError: something else, or another user's folder, stands there, or it cannot be made.
    """
    user = os.getuid() if hasattr(os, "getuid") else "user"
    remedy = "set TMPDIR to a folder of your own"
    try:
        folder = Path(tempfile.gettempdir()) / f"aio-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or (user != "user" and facts.st_uid != user):   # the name is easy to guess, and anyone may take it
            raise OutputError(f"{folder} belongs to somebody else; {remedy}")
        if facts.st_mode & 0o077 and user != "user":
            folder.chmod(0o700)
    except FileExistsError:
        raise OutputError(f"{folder} is no folder, and aio keeps its working files there; remove it, or {remedy}") from None
    except OSError as error:
        raise OutputError(f"no folder for temporary files ({error.strerror or error}); {remedy}") from None
    return folder
