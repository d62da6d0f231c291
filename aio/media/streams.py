"""Open, decode and write audio and video with PyAV."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aio.errors import OutputError

if TYPE_CHECKING:
    import av
    import numpy as np

FORMATS = ("aac,ac3,aiff,amr,ape,asf,au,avi,caf,dv,eac3,flac,flv,gif,h264,hevc,matroska,mov,mp3,mpeg,mpegts,mxf,nut,ogg,rm,tta,"
           "w64,wav,wv")
"""FFmpeg demuxers that may read a user's file: no playlists, which open other files and addresses, and no still images."""

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""Hz that FFmpeg's AAC encoder takes (ff_aac_profiles, libavcodec/mpeg4audio_sample_rates.h)."""

_LAYOUTS = {1: "mono", 2: "stereo"}


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a media file by its content: its name plays no part.

    Raises:
        OSError, ValueError: it cannot be opened. av.error.FFmpegError: it is none of FORMATS, or damaged.
    """
    import av

    with path.open("rb") as file, av.open(file, options={"format_whitelist": FORMATS}) as container:
        yield container


def picture_stream(container: av.container.InputContainer) -> Any:
    """The first video stream that is not a cover picture, or None."""
    import av

    cover = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if stream.codec_context and not stream.disposition & cover), None)


def sound_stream(container: av.container.InputContainer) -> Any:
    """The first audio stream that FFmpeg can decode, or None."""
    return next((stream for stream in container.streams.audio if stream.codec_context), None)


def read_sound(path: Path, sample_rate: int, channels: int, *, start: int = 0, samples: int | None = None) -> np.ndarray:
    """Decode a file's sound.

    Args:
        sample_rate: Hz of the result. channels: 1 or 2.
        start: first sample of the result, samples: most of them.

    Returns:
        float32 of shape (channels, n), from -1 to 1.
    """
    import av
    import numpy as np

    resampler = av.AudioResampler(format="fltp", layout=_LAYOUTS[channels], rate=sample_rate)
    blocks, length, end = [np.zeros((channels, 0), np.float32)], 0, None if samples is None else start + samples
    with opened(path) as container:
        frames = container.decode(sound_stream(container))
        for frame in (piece for source in (*_each(frames), None) for piece in resampler.resample(source)):
            blocks.append(frame.to_ndarray())
            length += frame.samples
            if end is not None and length >= end:
                break
    return np.concatenate(blocks, axis=1)[:, start:end]


def _each(frames: Iterable[Any]) -> Iterator[Any]:
    for frame in frames:
        frame.pts = None  # gaps in a stream's clock are not sound; ComfyUI's LoadAudio ignores the clock too
        yield frame


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
    """Write H.264 in yuv420p and AAC, ready to be streamed, one frame in memory at a time.

    Args:
        frames: av.VideoFrame, or uint8 arrays of shape (height, width, 3).
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
        audio, written = None, 0
        if sound is not None:
            audio = container.add_stream("aac", rate=sample_rate, layout=_LAYOUTS[len(sound)])
        for index, frame in enumerate(frames):
            frame = frame if isinstance(frame, av.VideoFrame) else av.VideoFrame.from_ndarray(frame, format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base, frame.pict_type = index, 1 / rate, 0
            container.mux(video.encode(frame))
            if audio is not None:  # side by side, so that the muxer need not hold either back
                end = int(sample_rate / rate * (index + 1))
                _encode(container, audio, sound[:, written:end], written, sample_rate)
                written = max(written, end)
        container.mux(video.encode(None))
        if audio is not None:
            _encode(container, audio, sound[:, written:], written, sample_rate)
            container.mux(audio.encode(None))


def write_wav(path: Path, sound: np.ndarray, sample_rate: int) -> None:
    """Write 16-bit PCM. Raises OSError."""
    import av

    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=sample_rate, layout=_LAYOUTS[len(sound)])
        for start in range(0, sound.shape[1], sample_rate):
            _encode(container, stream, sound[:, start : start + sample_rate], start, sample_rate)
        container.mux(stream.encode(None))


def _encode(container: Any, stream: Any, block: np.ndarray, start: int, sample_rate: int) -> None:
    import av
    import numpy as np

    if block.shape[1]:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=_LAYOUTS[len(block)])
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
        container.mux(stream.encode(frame))


def write_failure(error: OSError, path: Path) -> OutputError:
    """The OutputError of an operating-system error while a working file was written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"the disk is full at {path.parent}; free some space and run again")
    return OutputError(f"cannot write {path} ({error.strerror or error}); make the folder {path.parent} writable")
