"""A still of a clip: the picture in its middle, small, as a JPEG."""

from __future__ import annotations

import io
from pathlib import Path

from aio.errors import MediaError
from aio.media.bounds import USUAL
from aio.media.streams import decoding, opened, prepare


def middle(video: Path, side: int) -> bytes | None:
    """The clip's middle picture, at most `side` pixels wide and high; None where the file is no video that can be read."""
    import av

    try:
        with opened(video) as container:
            stream, last = container.streams.video[0], None
            prepare(stream, USUAL)
            half = (container.duration or 0) // 2
            with decoding(video):
                container.seek(half)   # to the keyframe before it
                for last in container.decode(stream):
                    if (last.time or 0.0) * av.time_base >= half:
                        break
        if last is None:
            return None
        scale = min(1.0, side / max(last.width, last.height))
        small = last.reformat(max(1, round(last.width * scale)), max(1, round(last.height * scale)), "rgb24", threads=1).to_image()
    except (av.error.FFmpegError, MediaError, OSError, IndexError):
        return None
    content = io.BytesIO()
    small.save(content, "JPEG", quality=82)
    return content.getvalue()
