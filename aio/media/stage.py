"""Copies of the user's files in an engine's input folder, under names made of their content, in forms that ComfyUI loads."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from aio.errors import MediaError
from aio.machine import whole
from aio.media import pictures
from aio.media.bounds import USUAL, Limits
from aio.media.clock import Clock
from aio.media.probe import probe, sha256
from aio.media.shape import Clip, Fit
from aio.media.streams import AAC_RATES, decoding, frames_of, opened, picture_stream, read_sound, sound_stream, write_failure, write_mp4, write_wav
from aio.values import Media

FOLDER = "aio"
"""Folder of the staged files within the engine's input folder."""

MARK_SECONDS = 600
"""A copy that is used is marked so, but not more often: each new mark lets it be looked into again."""

SILENCE_RATE, SILENCE_CHANNELS = 48_000, 2
"""Hz and channels of the silence given to a video without sound: those of LTX-2.3's own sound."""

LONGER = 10.0
"""Seconds that a sound may go on after the clip; a longer one is cut to it, for ComfyUI's LoadAudio decodes all that is there."""

_SOUND_SUFFIXES = {"wav": ".wav", "flac": ".flac", "mp3": ".mp3"}
"""Sounds without a clock of their own. In others (Ogg, M4A) there may be holes, which ComfyUI's LoadAudio would close."""


def stage_media(
    media: Media, field: str, input_dir: Path, *, clip: Clip | None = None, limits: Limits = USUAL, background: str = pictures.WHITE
) -> tuple[str, Media]:
    """Put a file where an engine loads it, converted where that is needed.

    An image becomes a PNG of what a viewer shows, unless it is such a PNG. A sound keeps its bytes if it is WAV, FLAC or MP3, mono or stereo at
    a rate that AAC knows, and lasts as long as the clip; else it becomes a WAV with silence at the end. One that is much longer is cut to the clip.
    It begins at its own first sample, also in a video given for its sound, and holes in it are silence.
    A video becomes the clip: its frames by time, scaled to cover and cropped to the middle, or with bars (`Clip.pad`), the last one held; its
    sound cut or padded to the clip. Both begin where the picture does, and keep the distance in time that they have in the file.

    Args:
        media: the probed file. field: name of its input.
        input_dir: the engine's input folder.
        clip: what to fit to; a sound keeps its length without it, a video needs it to be refitted.
        limits: watched while the file is decoded.
        background: colour behind transparent pixels, `#rrggbb`.

    Returns:
        The name for ComfyUI's loader nodes, and the facts of the copy. A copy that is already there is used again.

    Raises:
        MediaError: the file has gone or cannot be converted. OutputError: the copy cannot be written.
    """
    import av

    try:
        digest = sha256(media.path)[:16]
        stem, write = {"image": _image, "audio": _sound, "video": _video}[media.kind](media, clip, limits, background)
    except MediaError as error:
        raise MediaError(str(error), field) from None
    except (OSError, av.error.FFmpegError) as error:
        raise MediaError(f"{media.path} cannot be read any more ({error.strerror or error}); give it again", field) from None
    name = f"{FOLDER}/{digest}{stem}"
    target = input_dir / name
    try:
        if time.time() - target.stat().st_mtime > MARK_SECONDS:
            os.utime(target)   # it is used: what removes old files looks at this time
    except PermissionError:
        pass   # another user's copy is as good
    except FileNotFoundError:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole.filled(target) as (_, part):
                write(part)
        except MediaError as error:
            raise MediaError(str(error), field) from None
        except av.error.InvalidDataError as error:
            raise MediaError(f"{media.path.name} cannot be converted ({error.strerror}); export it again", field) from None
        except OSError as error:
            raise write_failure(error, target) from None
    return name, probe(target, field, media.kind)


Plan = tuple[str, Callable[[Path], object]]
"""The end of a staged file's name, and what writes it."""


def _image(media: Media, clip: Clip | None, limits: Limits, background: str) -> Plan:
    if pictures.header(media.path, limits).plain:
        return ".png", lambda part: shutil.copyfile(media.path, part)
    shown = f"-{background.lstrip('#')}" if media.transparent else ""
    return f"-seen{shown}.png", lambda part: pictures.seen(media.path, limits, background).save(part, "PNG", compress_level=1)


def _sound(media: Media, clip: Clip | None, limits: Limits, background: str) -> Plan:
    rate = media.sample_rate if media.sample_rate in AAC_RATES else SILENCE_RATE
    channels, wanted = min(media.channels, 2), clip.samples(rate) if clip else 0
    with opened(media.path, limits) as container:
        suffix = _SOUND_SUFFIXES.get(container.format.name.split(",")[0])
        stream = sound_stream(container)
        # ComfyUI's LoadAudio knows no 8-bit PCM, its LTX-2.3 audio VAE no more than two channels.
        plain = picture_stream(container) is None and stream.format.name not in ("u8", "u8p")
    long = clip is not None and media.seconds > clip.seconds + LONGER
    if suffix and plain and not long and media.seconds * rate >= wanted and (rate, channels) == (media.sample_rate, media.channels):
        return suffix, lambda part: shutil.copyfile(media.path, part)

    def write(part: Path) -> None:
        sound = read_sound(media.path, rate, channels, samples=wanted if long else None, limits=limits, clock=Clock())
        write_wav(part, _at_least(sound, wanted), rate)

    return f"-timed-{clip.seconds:.3f}s.wav" if clip else "-timed.wav", write


def _at_least(sound: Any, samples: int) -> Any:
    import numpy as np

    return np.pad(sound, ((0, 0), (0, max(0, samples - sound.shape[1]))))


def _video(media: Media, clip: Clip | None, limits: Limits, background: str) -> Plan:
    size = "" if clip is None else f"-{clip.width}x{clip.height}-{clip.frames}f-{clip.fps:g}fps"
    clip = clip or Clip(media.width // 2 * 2, media.height // 2 * 2, media.frames, media.fps)
    shown = f"-{background.lstrip('#')}" if media.transparent else ""
    clip = replace(clip, ground=background if media.transparent else clip.ground)
    whole = "-whole" if clip.pad else ""
    return f"{size}{whole}-709{shown}.mp4", lambda part: _write_video(media, clip, part, limits)


def _write_video(media: Media, clip: Clip, part: Path, limits: Limits) -> None:
    import numpy as np

    rate, channels = media.sample_rate if media.sample_rate in AAC_RATES else SILENCE_RATE, min(media.channels, 2) or SILENCE_CHANNELS
    samples, given = clip.samples(rate), np.zeros((channels, 0), np.float32)
    if media.channels:
        picture = Clock()
        with decoding(media.path):
            for frame in frames_of(media.path, limits):
                picture.due(frame, _lasts(frame))
                if picture.zero is not None:
                    break
        given = read_sound(media.path, rate, channels, samples=samples, limits=limits, clock=Clock(picture.zero))
    # crf 12 is visually lossless: the copy is encoded once more after it has driven the new picture.
    write_mp4(part, _fitted(media, clip, limits), (clip.width, clip.height), clip.fps, _at_least(given, samples), rate,
              options={"crf": "12", "preset": "ultrafast"})


def _lasts(frame: Any) -> Fraction:
    """Seconds that a frame of a picture states to last, 0 where it states none."""
    return frame.duration * frame.time_base if frame.duration and frame.time_base else Fraction(0)


def _fitted(media: Media, clip: Clip, limits: Limits) -> Iterator[Any]:
    """Exactly `clip.frames` frames of a video: at each time of the clip the nearest one, in a hole the one before it, at the end the last one."""
    index, held, began, clock, fit = 0, None, Fraction(0), Clock(), Fit(clip, Fraction(media.width, media.height))
    with decoding(media.path):
        for frame in frames_of(media.path, limits):
            start = clock.due(frame, _lasts(frame))
            # Frames that follow each other closely change half-way; where none came for long, the next one must not come early.
            change, fitted = start - min(start - began, Fraction(1 / clip.fps)) / 2, None
            while held is not None and index < clip.frames and index / clip.fps < change:
                fitted = fitted or fit(held)
                yield fitted
                index += 1
            held, began = frame, start
            if index == clip.frames:
                return
        if held is None:
            raise MediaError(f"{media.path.name} holds no frames; give another file")
        last = fit(held)
        for _ in range(index, clip.frames):
            yield last
