"""Open, decode and write audio and video with PyAV: the one place where a media file is opened for reading."""

from __future__ import annotations

import errno
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aio.errors import MediaError, OutputError
from aio.media import colour
from aio.media.bounds import USUAL, Limits, regular
from aio.media.clock import LAYOUTS, Clock, Resampler

if TYPE_CHECKING:
    import av
    import numpy as np

FORMATS = ("aac,ac3,aiff,amr,ape,asf,au,avi,caf,dv,eac3,flac,flv,gif,h264,hevc,matroska,mov,mp3,mpeg,mpegts,mxf,nut,ogg,rm,tta,"
           "w64,wav,wv")
"""FFmpeg demuxers that may read a user's file: no playlists, which open other files and addresses, and no still images."""

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""Hz that FFmpeg's AAC encoder takes (ff_aac_profiles, libavcodec/mpeg4audio_sample_rates.h)."""

LARGE = 9_000_000
"""Pixels of a frame, a little more than 4K has."""


@contextmanager
def opened(path: Path, limits: Limits = USUAL) -> Iterator[av.container.InputContainer]:
    """Open a media file by its content: its name plays no part, and nothing else is opened, whatever it refers to.

    Raises:
        OSError: it cannot be opened. av.error.FFmpegError: it is none of FORMATS, or damaged.
        MediaError: it is no plain file, has too many streams, or FFmpeg's binding fails on it.
    """
    import av

    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none", **_most(limits)}   # FFmpeg decodes a frame to look at it
    with regular(path) as file:
        try:
            container = av.open(_Nameless(file), "r", options=options, metadata_errors="ignore")
        except (OSError, av.error.FFmpegError):
            raise
        except Exception as error:
            raise _damaged(path, error) from None
        with container:
            limits.check("streams", len(container.streams), path.name, "has {} streams", "export it with one picture and one sound")
            yield container


class _Nameless:
    """An open file without its name, which FFmpeg would take for a hint at the format."""

    def __init__(self, file: Any):
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Make one MediaError of all that FFmpeg and its binding raise on a damaged file."""
    import av

    try:
        yield
    except MediaError:
        raise
    except (av.error.FFmpegError, OSError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError, MemoryError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> MediaError:
    reason = getattr(error, "strerror", None) or str(error)[:120] or type(error).__name__
    return MediaError(f"{path.name} is damaged or incomplete ({reason}); copy or export it again")


def frames_of(path: Path, limits: Limits = USUAL) -> Iterator[Any]:
    """Decode a file's picture, frame by frame; once more within the limits, for no header need be true.

    Raises:
        MediaError: it has no picture, is damaged, or exceeds a limit.
    """
    with opened(path, limits) as container, decoding(path):
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(f"{path.name} holds no picture; give a video")
        prepare(stream, limits)
        pixels = 0
        for count, frame in enumerate(container.decode(stream), 1):
            pixels += frame.width * frame.height
            check_frame(limits, path.name, frame)
            limits.check("frames", count, path.name, "has {} frames", "cut it")
            limits.check("gigapixels", pixels / 1e9, path.name, "takes {} gigapixels to decode as far as it is used", "scale it down")
            yield frame


def prepare(stream: Any, limits: Limits) -> None:
    """Ready a video stream for decoding: by all cores, but large frames one at a time, for each core would hold several."""
    stream.thread_type = "AUTO" if stream.width * stream.height <= LARGE else "SLICE"
    if most := _most(limits):
        stream.codec_context.options = most


def _most(limits: Limits) -> dict[str, str]:
    """FFmpeg's option for the largest frame; beyond 2^31 pixels it refuses by itself."""
    megapixels = limits.frame_megapixels
    return {} if megapixels is None or megapixels >= 2000 else {"max_pixels": str(round(megapixels * 1e6))}


def check_frame(limits: Limits, name: str, frame: Any) -> None:
    """Refuse a frame, or a stream that states such frames, that has too many pixels. Raises MediaError."""
    limits.check("frame_megapixels", frame.width * frame.height / 1e6, name, "has {} megapixels a frame", "scale it down")


def check_sound(limits: Limits, name: str, stream: Any) -> None:
    """Refuse a sound that has too many channels or samples a second. Raises MediaError."""
    limits.check("channels", stream.channels, name, "has {} channels", "mix it down to stereo")
    limits.check("sample_rate", stream.sample_rate, name, "has {} samples a second", "convert it to 48000")


def picture_stream(container: av.container.InputContainer) -> Any:
    """The first video stream that is not a cover picture, or None."""
    import av

    cover = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if stream.codec_context and not stream.disposition & cover), None)


def sound_stream(container: av.container.InputContainer) -> Any:
    """The first audio stream that FFmpeg can decode, or None."""
    return next((stream for stream in container.streams.audio if stream.codec_context), None)


def read_sound(
    path: Path, sample_rate: int, channels: int, *, start: int = 0, samples: int | None = None, limits: Limits = USUAL, clock: Clock | None = None
) -> np.ndarray:
    """Decode a file's sound, no further than it is wanted.

    Args:
        sample_rate: Hz of the result. channels: 1 or 2.
        start: first sample of the result, samples: most of them.
        clock: what the result keeps to: it begins where the clock shows 0, holes are silence, overlaps are cut.
            Without it all samples follow each other, as in ComfyUI's loaders.

    Returns:
        float32 of shape (channels, n), from -1 to 1.

    Raises:
        MediaError: it has no sound, is damaged, or exceeds a limit. OSError, av.error.FFmpegError: it cannot be opened.
    """
    import numpy as np

    blocks, at, end = [np.zeros((channels, 0), np.float32)], 0, math.inf if samples is None else start + samples
    with opened(path, limits) as container, decoding(path):
        stream = sound_stream(container)
        if stream is None:
            raise MediaError(f"{path.name} holds no sound; give another file")
        check_sound(limits, path.name, stream)
        resampler = Resampler(sample_rate, channels, timed=clock is not None)
        for frame in itertools.chain(container.decode(stream), [None]):
            due, lasts = Fraction(0), Fraction(frame.samples, frame.sample_rate) if frame else Fraction(0)
            if clock and frame:
                due = clock.due(frame, lasts)
                if due + lasts <= 0:
                    continue
                frame = frame if due * sample_rate < end else None   # a hole may last for hours
                limits.check("seconds", float(due) - start / sample_rate if frame else 0, path.name, "lasts longer than {} s", "cut it")
            for block in resampler.feed(frame, due):
                if at + block.shape[1] > start:
                    blocks.append(block[:, max(start - at, 0) :])
                at += block.shape[1]
            if at >= end or frame is None:
                break
            limits.check("seconds", (at - start) / sample_rate, path.name, "lasts longer than {} s", "cut it")
        return np.concatenate(blocks, axis=1)[:, :samples]


def write_mp4(
    path: Path,
    frames: Iterable[Any],
    size: tuple[int, int],
    fps: float,
    sound: np.ndarray | None = None,
    sample_rate: int = 0,
    *,
    options: Mapping[str, str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write H.264 in yuv420p, BT.709, and AAC, ready to be streamed, one frame in memory at a time.

    Args:
        frames: uint8 arrays of shape (height, width, 3), or av.VideoFrame as `colour.to_709` makes them.
        size: width and height, even. fps: frames a second; the rate written is ComfyUI's, in thousandths.
        sound: float32 of shape (channels, n). sample_rate: Hz.
        options: of libx264, such as crf and preset. metadata: tags of the container, any key.

    Raises:
        OSError: the file cannot be written; what is there then is not complete.
    """
    import av

    rate = Fraction(round(fps * 1000), 1000)
    movflags = {"movflags": "+faststart+use_metadata_tags"}  # without the second only a few known tags are kept
    with av.open(str(path), "w", format="mp4", options=movflags) as container:
        container.metadata.update(metadata or {})
        video = container.add_stream("libx264", rate=rate, options=dict(options))
        (video.width, video.height), video.pix_fmt = size, "yuv420p"
        colour.tag(video.codec_context)
        audio, written = None, 0
        if sound is not None:
            audio = container.add_stream("aac", rate=sample_rate, layout=LAYOUTS[len(sound)])
        for index, frame in enumerate(frames):
            frame = frame if isinstance(frame, av.VideoFrame) else av.VideoFrame.from_ndarray(frame, format="rgb24")
            frame = colour.of_rgb(frame)
            frame.pts, frame.time_base, frame.pict_type = index, 1 / rate, 0
            container.mux(video.encode(frame))
            if audio is not None and sound is not None:  # side by side, so that the muxer need not hold either back
                end = int(sample_rate / rate * (index + 1))
                _encode(container, audio, sound[:, written:end], written, sample_rate)
                written = max(written, end)
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            _encode(container, audio, sound[:, written:], written, sample_rate)
            container.mux(audio.encode(None))


def write_wav(path: Path, sound: np.ndarray, sample_rate: int) -> None:
    """Write 32-bit float PCM, which keeps every sample as it was decoded. Raises OSError."""
    import av

    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_f32le", rate=sample_rate, layout=LAYOUTS[len(sound)])
        for start in range(0, sound.shape[1], sample_rate):
            _encode(container, stream, sound[:, start : start + sample_rate], start, sample_rate)
        container.mux(stream.encode(None))


def _encode(container: Any, stream: Any, block: np.ndarray, start: int, sample_rate: int) -> None:
    import av
    import numpy as np

    if block.shape[1]:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=LAYOUTS[len(block)])
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
        container.mux(stream.encode(frame))


def write_failure(error: OSError, path: Path) -> OutputError:
    """The OutputError of an operating-system error while a working file was written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"the disk is full at {path.parent}; free some space and run again")
    return OutputError(f"cannot write {path} ({error.strerror or error}); make the folder {path.parent} writable")
