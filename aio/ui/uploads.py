"""A first look at a visitor's file: its size and what its header says, before anything decodes it whole."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aio.config.page import Upload
from aio.errors import MediaError

_WANTED = {"image": "a PNG, JPEG or WebP picture", "audio": "a sound, such as WAV, MP3 or FLAC", "video": "a video, such as MP4"}
_PATH = re.compile(r"(?<![\w./:])(?:/[^\s/'\":;,()]+){2,}|\b[A-Za-z]:\\[^\s'\":;,()]+")


def screen(path: Path, field: str, kind: str, limits: Upload) -> None:
    """Refuse a file that is too large, too long, has too many pixels, or is of another kind.

    Args:
        kind: `image`, `audio` or `video`. limits: `mb`, `seconds` and `megapixels`.

    Raises:
        MediaError: names the file, its excess and the limit.
    """
    try:
        megabytes = path.stat().st_size / 1e6
    except (OSError, ValueError):   # ValueError: a NUL in its name
        raise MediaError(f"{path.name} is not here any more; add it again", field) from None
    if megabytes > limits.mb:
        raise MediaError(f"{path.name} has {megabytes:.0f} MB; the limit is {limits.mb:g} MB", field)
    if not megabytes:
        raise MediaError(f"{path.name} is empty; add another file", field)
    pixels, seconds = _picture(path, field) if kind == "image" else _stream(path, field, kind)
    if pixels > limits.megapixels * 1e6:
        raise MediaError(f"{path.name} has {pixels / 1e6:.0f} megapixels; the limit is {limits.megapixels:g}, scale it down", field)
    if seconds > limits.seconds:
        raise MediaError(f"{path.name} lasts {seconds:.0f} s; the limit is {limits.seconds:g} s, cut it", field)


def _picture(path: Path, field: str) -> tuple[int, float]:
    from aio.media import pictures

    try:
        found = pictures.header(path)   # no pixel is decoded
        return found.width * found.height, 0.0
    except pictures.NotAPicture:
        raise MediaError(f"{path.name} is not a picture; add {_WANTED['image']}", field) from None
    except MediaError as error:
        raise MediaError(str(error), field) from None
    except OSError:
        raise MediaError(f"{path.name} cannot be read; add {_WANTED['image']}", field) from None


def _stream(path: Path, field: str, kind: str) -> tuple[int, float]:
    import av

    from aio.media.streams import opened

    try:
        with opened(path) as container:
            seconds = (container.duration or 0) / av.time_base
            videos = [stream for stream in container.streams.video if stream.width]
            if not (videos if kind == "video" else container.streams.audio):
                raise MediaError(f"{path.name} holds no {'picture' if kind == 'video' else 'sound'}; add {_WANTED[kind]}", field)
            return max((stream.width * stream.height for stream in videos), default=0), seconds
    except MediaError as error:
        raise error if error.field else MediaError(str(error), field) from None
    except (av.error.FFmpegError, OSError):
        raise MediaError(f"{path.name} cannot be read; add {_WANTED[kind]}", field) from None


def without_folders(text: str, files: Iterable[Any] = ()) -> str:
    """`text` with every absolute path cut down to its last part: a visitor is not told where the server keeps things."""
    for file in files:
        if (isinstance(file, str) and file.startswith(("/", "\\"))) or isinstance(file, Path):
            text = text.replace(str(file), Path(str(file)).name)
    return _PATH.sub(lambda match: re.split(r"[/\\]", match[0])[-1], text)
