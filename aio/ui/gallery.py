"""The last results, read from the output folder, with a still of each."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from aio.errors import MediaError
from aio.media.bounds import USUAL
from aio.media.streams import decoding, opened, prepare

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
    """A JPEG of the clip's middle keyframe, made once; None where the file is no video."""
    import av

    try:
        facts = video.stat()
        target = folder / f"{hashlib.sha256(f'{video}{facts.st_mtime_ns}{facts.st_size}'.encode()).hexdigest()[:24]}.jpg"
        if target.exists():
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with opened(video) as container:
            stream = container.streams.video[0]
            prepare(stream, USUAL)
            with decoding(video):
                container.seek((container.duration or 0) // 2)   # to the keyframe before the middle
                frame = next(container.decode(stream), None)
                picture: Any = frame and frame.to_image()
        if picture is None:
            return None
        picture.thumbnail((WIDTH, WIDTH))
        picture.save(target, quality=82)
        return target
    except (av.error.FFmpegError, MediaError, OSError, IndexError):
        return None


def caption(video: Path) -> str:
    """What stands below a still."""
    return video.name.removesuffix(".mp4").replace(".preview", " (preview)")
