"""The last results, read from the output folder, with a still of each."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from aio.machine import whole
from aio.media.still import middle

WIDTH = 320
"""Pixels of a still."""


def results(folder: Path, count: int, only: Collection[str] | None = None) -> list[Path]:
    """The newest mp4 files of `folder` that aio made, newest first.

    Args:
        only: file names that may be shown, None for all.
    """
    try:
        found = [(path.stat().st_mtime, path) for path in folder.glob("*.mp4") if not path.name.startswith(".")]
    except OSError:
        return []
    return [path for _, path in sorted(found, reverse=True) if only is None or path.name in only][:count]


def still(video: Path, folder: Path) -> Path | None:
    """A JPEG of the clip's middle picture, made once; None where the file is no video."""
    try:
        facts = video.stat()
        target = folder / f"{hashlib.sha256(f'{video}{facts.st_mtime_ns}{facts.st_size}'.encode()).hexdigest()[:24]}.jpg"
        if not target.exists():
            content = middle(video, WIDTH)
            if content is None:
                return None
            folder.mkdir(parents=True, exist_ok=True)
            whole.write(target, content)
    except OSError:
        return None
    return target


def caption(video: Path) -> str:
    """What stands below a still."""
    return video.name.removesuffix(".mp4").replace(".preview", " (preview)")
