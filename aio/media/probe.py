"""What a file is: its kind, size, rate and length, read from its content."""

from __future__ import annotations

import functools
import hashlib
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aio.errors import MediaError
from aio.media.streams import opened, picture_stream, sound_stream
from aio.values import Media

PIXELS_MAX = 100_000_000
"""Largest image, in pixels: decoded it takes 400 MB, and no frame is larger than 2 megapixels."""

DECODE_SECONDS = 120
"""How far audio and video are decoded; beyond it packets are only counted. The longest clip lasts 20 s."""

_FORMATS = {"image": "a PNG, JPEG or WebP image", "audio": "a sound, such as WAV, MP3 or FLAC", "video": "a video, such as MP4"}


class _Damaged(Exception):
    """The file ends too early or cannot be decoded."""


def _once(look: Callable[..., Any]) -> Callable[..., Any]:
    """Let `look(path, …)` open a file again only when it was replaced or changed: a sweep asks a thousand times."""

    @functools.lru_cache(maxsize=4096)
    def known(path: Path, _stamp: tuple[int, ...], *rest: Any) -> Any:
        return look(path, *rest)

    @functools.wraps(look)
    def ask(path: Path, *rest: Any) -> Any:
        try:
            at = path.stat()
        except (OSError, ValueError):
            return look(path, *rest)   # raises in its own words
        return known(path, (at.st_dev, at.st_ino, at.st_mtime_ns, at.st_size), *rest)

    return ask


@_once
def probe(path: Path, field: str, kind: str) -> Media:
    """Return the facts of a file, decoded to be sure of them.

    Args:
        field: name of the input that it was given for.
        kind: what that input needs: `image`, `audio` or `video`. A video with sound is good for `audio`.

    Raises:
        MediaError: missing, not a file, unreadable, empty, damaged, of another kind, without a frame, or too large.
    """
    _check_readable(path, field)
    try:
        return _image(path, field) if kind == "image" else _streams(path, field, kind)
    except _Damaged as error:
        raise MediaError(f"{path.name} is damaged or incomplete ({error}); copy or export it again", field) from None


@_once
def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_readable(path: Path, field: str) -> None:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise MediaError(f"{path} is a folder; give a file", field)
        if not stat.S_ISREG(mode):  # a pipe would block, a device never ends
            raise MediaError(f"{path} is not a regular file; save it to one and give that", field)
        with path.open("rb") as file:
            if not file.read(1):
                raise MediaError(f"{path} is empty; give another file", field)
    except FileNotFoundError:
        raise MediaError(f"{path} does not exist; check the path", field) from None
    except PermissionError:
        raise MediaError(f"{path} may not be read; give its user read permission", field) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{str(path)[:200]!r} cannot be opened ({reason}); check the path", field) from None


def _image(path: Path, field: str) -> Media:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours
            with Image.open(path) as image:
                if image.width * image.height > PIXELS_MAX:
                    raise Image.DecompressionBombError
                image.verify()  # finds a bad checksum, load() a missing end; both need a fresh file
            with Image.open(path) as image:
                image.load()
                width, height = ImageOps.exif_transpose(image).size
    except Image.DecompressionBombError:
        raise MediaError(f"{path.name} has more than {PIXELS_MAX // 10**6} megapixels; scale it down", field) from None
    except UnidentifiedImageError:
        raise _wrong_kind(path, field, "image") from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:  # what Pillow's decoders raise on bad data
        raise _Damaged(error) from None
    return Media(path, "image", width, height)


def _wrong_kind(path: Path, field: str, kind: str) -> MediaError:
    return MediaError(f"{path.name} is {_guess(path)}; this input needs {_FORMATS[kind]}", field)


def _guess(path: Path) -> str:
    import av
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path):
                return "an image"
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        pass
    try:
        with opened(path) as container:
            picture, sound = picture_stream(container), sound_stream(container)
            return "a video without sound" if picture and not sound else "a video" if picture else "a sound without picture"
    except av.error.FFmpegError:
        return "not a media file that can be read, or an incomplete one"


def _streams(path: Path, field: str, kind: str) -> Media:
    import av

    try:
        with opened(path) as container:  # a stream must not be touched once it is closed
            picture, sound = picture_stream(container), sound_stream(container)
            main = picture if kind == "video" else sound
            if main is None:
                raise _wrong_kind(path, field, kind)
            other = sound if kind == "video" else picture
            tracks = [_Track(main)] + ([_Track(other, decoding=other is sound)] if other is not None else [])
            _scan(container, tracks)
            found = tracks[0]
            if not found.count:
                raise MediaError(f"{path.name} holds no {'frames' if kind == 'video' else 'sound'}; give another file", field)
            rate, channels = (sound.sample_rate, sound.channels) if sound else (0, 0)
            if kind == "audio":
                return Media(path, kind, seconds=found.seconds, sample_rate=rate, channels=channels)
            fps = float(picture.average_rate or picture.guessed_rate or found.count / found.seconds)
            return Media(path, kind, found.width, found.height, found.count, fps, found.seconds, rate, channels)
    except av.error.FFmpegError:
        raise _wrong_kind(path, field, kind) from None


class _Track:
    """What was found of one stream: `count` frames, upright size in pixels, `seconds`."""

    def __init__(self, stream: Any, decoding: bool = True):
        self.stream, self.decoding = stream, decoding
        self.count = self.packets = self.samples = self.width = self.height = 0
        self.first: float | None = None
        self.end = 0.0

    @property
    def seconds(self) -> float:
        """Length: of decoded sound by its samples, else from the first frame's start to the last one's end."""
        exact = self.stream.type == "audio" and self.decoding
        return self.samples / self.stream.sample_rate if exact else max(self.end - (self.first or 0.0), 0.0)

    def packet(self, packet: Any) -> None:
        """Count a packet, and decode it while that is still wanted."""
        if packet.is_corrupt:
            raise _Damaged(f"it breaks off after {self.seconds:.2f} s")
        self.packets += bool(packet.size) and not packet.is_discard
        if self.decoding and self.seconds > DECODE_SECONDS:
            self.decoding = False
        if self.decoding:
            for frame in packet.decode():
                self._frame(frame)
        elif packet.pts is not None:
            self.end = max(self.end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            self.count = self.packets

    def _frame(self, frame: Any) -> None:
        self.count += 1
        start = float(frame.time or 0.0) if frame.pts is not None else self.end
        if self.stream.type == "audio":
            self.samples += frame.samples
            length = frame.samples / frame.sample_rate
        else:
            turned = round(frame.rotation / 90) % 2
            self.width, self.height = (frame.height, frame.width) if turned else (frame.width, frame.height)
            length = float(frame.duration * frame.time_base) if frame.duration else 1 / float(self.stream.guessed_rate or 25)
        self.first = start if self.first is None else self.first
        self.end = max(self.end, start + length)


def _scan(container: Any, tracks: list[_Track]) -> None:
    """Go through all packets, to the end: only so a truncated file is found out."""
    import av

    by_index = {track.stream.index: track for track in tracks}
    for track in tracks:
        track.stream.thread_type = "AUTO"
    try:
        for packet in container.demux([track.stream for track in tracks]):
            by_index[packet.stream.index].packet(packet)
    except av.error.FFmpegError as error:
        raise _Damaged(f"after {tracks[0].seconds:.2f} s: {error.strerror}") from None
    # These containers state their length; others, such as MP3, only let FFmpeg guess it.
    if container.format.name.split(",")[0] in ("mov", "matroska", "flac", "wav"):
        stated = float(tracks[0].stream.duration * tracks[0].stream.time_base) if tracks[0].stream.duration else 0.0
        if not stated and len(tracks) == len(container.streams):
            stated = (container.duration or 0) / av.time_base
        found = max(track.end for track in tracks)
        if found + max(0.5, 0.02 * stated) < stated:
            raise _Damaged(f"{found:.2f} of {stated:.2f} s are there")
