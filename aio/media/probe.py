"""What a file is: its kind, size, rate and length, read from its content."""

from __future__ import annotations

import functools
import hashlib
import stat
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from aio.errors import MediaError
from aio.media import colour, pictures, shape
from aio.media.bounds import USUAL, Limits
from aio.media.clock import HOLE, Clock
from aio.media.streams import check_frame, check_sound, decoding, opened, picture_stream, prepare, sound_stream
from aio.values import Media

DECODE_SECONDS = 120
"""How far audio and video are decoded; beyond it packets are only counted. The longest clip lasts 20 s."""

DECODE_SAMPLES, DECODE_PIXELS = 12_000_000, 250_000_000
"""The same, in samples of all channels and in pixels of all frames: what 2 cores decode in some seconds. 120 s of stereo; 5 s of 1080p."""

PACKETS_MAX = 3_000_000
"""Packets that are counted; an hour of AAC has 169,000."""

_FORMATS = {
    "image": "a PNG, JPEG, WebP, AVIF, GIF, TIFF or BMP picture", "audio": "a sound, such as WAV, MP3 or FLAC", "video": "a video, such as MP4"}


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
def probe(path: Path, field: str, kind: str, limits: Limits = USUAL) -> Media:
    """Return the facts of a file, decoded to be sure of them.

    Args:
        field: name of the input that it was given for.
        kind: what that input needs: `image`, `audio` or `video`. A video with sound is good for `audio`.
        limits: checked by what the header states, before anything is decoded, and again while it is.

    Raises:
        MediaError: missing, not a file, unreadable, empty, damaged, of another kind, without a frame, or above a limit.
    """
    _check_readable(path, field)
    try:
        return _image(path, limits) if kind == "image" else _streams(path, kind, limits)
    except _Damaged as error:
        raise MediaError(f"{path.name} is damaged or incomplete ({error}); copy or export it again", field) from None
    except MediaError as error:
        raise MediaError(str(error), field) from None
    except OSError as error:
        raise MediaError(f"{path.name} cannot be read ({error.strerror or error}); check the file", field) from None


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


def _image(path: Path, limits: Limits) -> Media:
    try:
        found = pictures.header(path, limits)
        transparent, notes = pictures.examined(path, limits)
    except pictures.NotAPicture:
        raise _wrong_kind(path, "image") from None
    return Media(path, "image", found.width, found.height, transparent=transparent, notes=notes)


def _wrong_kind(path: Path, kind: str) -> MediaError:
    return MediaError(f"{path.name} is {_guess(path)}; this input needs {_FORMATS[kind]}")


def _guess(path: Path) -> str:
    import av

    if name := pictures.unread(path):
        return name
    try:
        pictures.header(path)
        return "an image"
    except pictures.NotAPicture:
        pass
    except MediaError:
        return "an image"   # damaged or too large, but one
    try:
        with opened(path) as container:
            picture, sound = picture_stream(container), sound_stream(container)
            return "a video without sound" if picture and not sound else "a video" if picture else "a sound without picture"
    except (av.error.FFmpegError, MediaError):
        return "not a media file that can be read, or an incomplete one"


def _streams(path: Path, kind: str, limits: Limits) -> Media:
    import av

    if pictures.unread(path):   # FFmpeg would take a HEIC picture for a video
        raise _wrong_kind(path, kind)
    try:
        with opened(path, limits) as container:  # a stream must not be touched once it is closed
            picture, sound = picture_stream(container), sound_stream(container)
            main = picture if kind == "video" else sound
            if main is None:
                raise _wrong_kind(path, kind)
            with decoding(path):
                return _facts(path, kind, limits, container, picture, sound)
    except av.error.FFmpegError:
        raise _wrong_kind(path, kind) from None


def _facts(path: Path, kind: str, limits: Limits, container: Any, picture: Any, sound: Any) -> Media:
    if kind == "video":
        check_frame(limits, path.name, picture)
        limits.check("frames", picture.frames, path.name, "has {} frames", "cut it")
        prepare(picture, limits)
    if sound is not None:
        check_sound(limits, path.name, sound)
    main, other = (picture, sound) if kind == "video" else (sound, picture)
    tracks = [_Track(main, path.name, limits)]
    tracks += [_Track(other, path.name, limits, decoding=other is sound)] if other is not None else []
    try:
        _scan(container, tracks)
    except _Damaged:
        if kind != "video" or picture.width:
            raise
        # FFmpeg keeps a size that is above its limit to itself.
        raise MediaError(f"{path.name} has more than {limits.frame_megapixels:g} megapixels a frame (input.limits.frame_megapixels), or states "
                         "no size; scale it down") from None
    found = tracks[0]
    if not found.count:
        raise MediaError(f"{path.name} holds no {'frames' if kind == 'video' else 'sound'}; give another file")
    rate, channels = (sound.sample_rate, sound.channels) if sound else (0, 0)
    if kind == "audio":
        return Media(path, kind, seconds=found.seconds, sample_rate=rate, channels=channels)
    fps = picture.average_rate or picture.guessed_rate or (found.seconds and found.count / found.seconds)
    if not fps:
        raise _Damaged("its frames have no time")
    heard = tracks[1].first - (found.first or 0.0) + tracks[1].seconds if sound is not None and tracks[1].first is not None else 0.0
    return Media(path, kind, found.width, found.height, found.count, float(fps), found.seconds, rate, channels, heard,
                 transparent=found.transparent, notes=found.notes)


class _Track:
    """What was found of one stream: `count` frames, upright size in square pixels, `seconds`."""

    def __init__(self, stream: Any, name: str, limits: Limits, decoding: bool = True):
        self.stream, self.name, self.limits, self.decoding, self.whole = stream, name, limits, decoding, decoding
        self.count = self.packets = self.samples = self.pixels = self.width = self.height = 0
        self.channels = stream.channels if stream.type == "audio" else 0
        self.transparent, self.notes = False, tuple[str, ...]()
        self.first: float | None = None
        self.end, self.clock, self.length = 0.0, Clock(), Fraction(0)

    @property
    def seconds(self) -> float:
        """From the first frame's start to the last one's end: by the clock, else, where not all was decoded, by what the packets say."""
        return float(self.length) if self.whole else max(self.end - (self.first or 0.0), 0.0)

    def packet(self, packet: Any) -> None:
        """Count a packet, and decode it while that is still wanted."""
        if packet.is_corrupt:
            raise _Damaged(f"it breaks off after {self.seconds:.2f} s")
        self.packets += bool(packet.size) and not packet.is_discard
        if self.packets > PACKETS_MAX:
            raise MediaError(f"{self.name} has more than {PACKETS_MAX // 10**6} million packets; export it again")
        if self.stream.type == "video":
            self.limits.check("frames", self.packets, self.name, "has {} frames or more", "cut it")
        if self.seconds > DECODE_SECONDS or self.samples * self.channels > DECODE_SAMPLES or self.pixels > DECODE_PIXELS:
            self.decoding = False
        if self.decoding:
            for frame in packet.decode():
                self._frame(frame)
        elif packet.size:
            self.whole, self.count = False, self.packets
            start = self.end if packet.pts is None else float(packet.pts * packet.time_base)
            self.end = max(self.end, start + float((packet.duration or 0) * packet.time_base))

    def _frame(self, frame: Any) -> None:
        self.count += 1
        start = float(frame.time or 0.0) if frame.pts is not None else self.end
        if self.stream.type == "audio":
            self.samples += frame.samples
            lasts = Fraction(frame.samples, frame.sample_rate)
            due = self.clock.due(frame, lasts)
            self.length = (due if abs(due - self.length) > HOLE else self.length) + lasts
        else:
            check_frame(self.limits, self.name, frame)
            self.pixels += frame.width * frame.height
            if self.count == 1:
                self.transparent, self.notes = colour.is_transparent(frame), tuple(filter(None, [colour.note(frame, self.name)]))
            self.width, self.height = shape.seen(frame, self.stream.sample_aspect_ratio)
            lasts = frame.duration * frame.time_base if frame.duration else 1 / Fraction(self.stream.guessed_rate or 25)
            self.length = max(self.length, self.clock.due(frame, lasts) + lasts)
        self.first = start if self.first is None else self.first
        self.end = max(self.end, start + float(lasts))


def _scan(container: Any, tracks: list[_Track]) -> None:
    """Go through all packets, to the end: only so a truncated file is found out."""
    import av

    by_index = {track.stream.index: track for track in tracks}
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
