"""The user's own bytes of an input that an engine gets converted, kept beside the copy, so that a recipe finds them again by their hash.

A copy that was taken over byte for byte is its own original. A large file is not kept twice: it is found where it lies, or not at all.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from aio.machine import whole
from aio.media.probe import sha256
from aio.media.stage import FOLDER

DIGITS = 16
"""Digits of the sha256 that a staged file's name begins with (aio.media.stage)."""

ROOM = 20
"""A file is kept only where this many of its size are free: a run must not fail for want of what is only kept."""


def keep(path: Path, digest: str, staged: Path, most: float | None) -> None:
    """Keep the bytes of `path` in the folder of `staged`, its converted copy. Where that cannot be done nothing happens.

    Args:
        digest: sha256 of the file, hex. most: MB of a file that is kept; none without.
    """
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        if most is None or size > most * 1e6 or path.parent == staged.parent:
            return
        if staged.stat().st_size == size and sha256(staged) == digest:
            return
        suffix = path.suffix if re.fullmatch(r"\.\w{1,8}", path.suffix, re.ASCII) else ".bin"
        target = staged.parent / f"{digest[:DIGITS]}-original{suffix}"
        if target.exists():
            os.utime(target)   # in use: what removes old files looks at this time
        elif shutil.disk_usage(staged.parent).free > ROOM * size:
            whole.copy(path, target)


def find(digest: str, input_dir: Path) -> Path | None:
    """The staged file of this content, whatever it is called; None where there is none.

    Args:
        digest: sha256, hex. input_dir: an engine's input folder.
    """
    folder = input_dir / FOLDER
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.startswith(digest[:DIGITS]) and entry.is_file(follow_symlinks=False))
        return next((folder / name for name in names if sha256(folder / name) == digest), None)
    except (OSError, ValueError):
        return None
