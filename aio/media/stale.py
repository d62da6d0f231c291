"""Remove staged copies that nobody has used for long: inputs are copied for every other size and length, and would pile up."""

from __future__ import annotations

import math
import os
import re
import stat
import time
from pathlib import Path

from aio.media.stage import FOLDER

STAGED = re.compile(r"([0-9a-f]{16}(-[^/]*)?\.\w+|\.aio-.*\.part)(\.\d+)?", re.DOTALL)
"""Names of aio.media.stage: a digest, what the file was fitted to, an ending; or a copy whose writing or removal was broken off."""

HOUR, DAY = 3600.0, 86_400.0
"""Seconds. Nothing younger than an hour is ever removed."""

_looked: dict[Path, float] = {}


def seconds(number: float | None, unit: float) -> float | None:
    """An age that the configuration gives in days or hours; None where it keeps everything."""
    return None if number is None else number * unit


def remove_stale(input_dir: Path, age: float | None, half_age: float | None = None, *, every: float = HOUR) -> list[Path]:
    """Remove the copies that were last used more than `age` seconds ago, and return them.

    Only plain files of the folder of staged files that bear its names. Runs of other processes lose nothing: a copy is marked
    as used before a run relies on it, and one that is marked while it is being removed is put back.

    Args:
        input_dir: the engine's input folder. age: None keeps everything.
        half_age: the same for hidden copies, whose writing was broken off, if that is sooner.
        every: seconds; a process that looked there less than that ago does not look again.
    """
    now, folder = time.time(), input_dir / FOLDER
    if age is half_age is None or now - _looked.get(folder, 0.0) < every:
        return []
    _looked[folder] = now
    gone = []
    for path in folder.iterdir() if folder.is_dir() else ():
        ages = [one for one in ((age, half_age) if path.name.startswith(".") else (age,)) if one is not None]
        before = now - max(min(ages, default=math.inf), HOUR)
        if STAGED.fullmatch(path.name) and _older(path, before):
            aside = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                path.rename(aside)
                if not _older(aside, before):   # used just now
                    aside.rename(path)
                    continue
                aside.unlink()
            except OSError:
                continue   # another process was faster, or it is not ours to remove
            gone.append(path)
    return gone


def _older(path: Path, before: float) -> bool:
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_mtime < before
