"""Hostile media files: damaged ones of every kind, and files that are something else than their name says."""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from . import ROOT, entrances, noise
from .hostile import Try, Wrong, given, inputs
from .tally import Area, Work

SMALL = {"width": 256, "height": 256, "seconds": 0.4, "prompt": "x"}
FIELDS = {"image": ("i2v", "image"), "audio": ("a2v", "audio"), "video": ("style", "video")}
"""Kind of an input -> a mode with one, and its field."""


def media(work: Work) -> None:
    """Files given for a picture, a sound, a video: staged, or words. No other program starts, no other file is opened."""

    def prepare(folder: Path) -> Try:
        configs = {kind: (entrances.compose(f"mode={mode}"), field) for kind, (mode, field) in FIELDS.items()}
        seeds = dict(sound_seeds(folder / "seeds")) | dict(picture_seeds(folder / "seeds"))
        pretenders = dict(impostors(folder))

        def attempt(random: Random, folder: Path) -> None:
            kind = random.choice(tuple(FIELDS))
            config, field = configs[kind]
            if fake := random.random() < 0.15:
                name, content = random.choice(list(pretenders.items()))
            else:
                name = random.choice(list(seeds))
                content = noise.damaged(random, seeds[name], list(seeds.values())) if random.random() < 0.95 else seeds[name]
            given(f"{kind} {name}: {len(content)} bytes")
            target = folder / f"{random.choice(('x', 'a:b', 'concat', ' é '))}{os.path.splitext(name)[1]}"
            target.write_bytes(content)
            staged = folder / "staged"
            try:
                if name == "latin.wav" and content == seeds[name] and kind == "audio":
                    _plays(config, field, target, staged)
                entrances.staged(config, {**SMALL, field: str(target), **({"control": "none"} if kind == "video" else {})}, staged)
                if fake:
                    raise Wrong(f"{name} was accepted for {field}")
            finally:
                target.unlink(missing_ok=True)
                shutil.rmtree(staged, ignore_errors=True)

        return attempt

    inputs(work, prepare)


def _plays(config: Any, field: str, target: Path, staged: Path) -> None:
    """A sound is no worse for a tag in an old encoding."""
    try:
        entrances.staged(config, {**SMALL, field: str(target)}, staged)
    except entrances.Refused as error:
        raise Wrong(f"a sound with a Latin-1 title is refused: {error}") from None


def picture_seeds(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Small pictures in every format that Pillow writes, allowed or not."""
    from PIL import Image

    folder.mkdir(exist_ok=True)
    with Image.open(ROOT / "samples" / "astronaut.png") as image:
        small = image.convert("RGB").resize((96, 64))
        for ending in ("png", "jpg", "webp", "gif", "tif", "bmp", "ico", "tga", "ppm", "pcx", "dds", "jp2", "eps", "pdf", "avif", "icns"):
            path = folder / f"s.{ending}"
            try:
                small.save(path)
            except (OSError, KeyError, ValueError):
                continue   # this Pillow does not write it
            yield path.name, path.read_bytes()
        turned = Image.Exif()
        turned[0x0112] = 6
        small.save(folder / "turned.jpg", exif=turned)
        yield "turned.jpg", (folder / "turned.jpg").read_bytes()
        small.convert("P").save(folder / "moving.gif", save_all=True, append_images=[small.convert("P").rotate(90)])
        yield "moving.gif", (folder / "moving.gif").read_bytes()


def sound_seeds(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Short sounds and videos in the usual containers, with tags."""
    import av
    import numpy as np

    folder.mkdir(exist_ok=True)
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, 48:] = 200
    tone = (np.sin(np.arange(12_000) / 20) * 8000).astype(np.int16).reshape(1, -1)
    title = b"LIST" + struct.pack("<I", 18) + b"INFOINAM" + struct.pack("<I", 6) + "Gr\u00fc\u00dfe\0".encode("latin-1")
    sound = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 24_000, 48_000, 2, 16) + b"data" + struct.pack("<I", tone.nbytes) + tone.tobytes()
    yield "latin.wav", b"RIFF" + struct.pack("<I", 4 + len(title) + len(sound)) + b"WAVE" + title + sound
    for name, sound, video in (
        ("a.wav", "pcm_s16le", None), ("a.flac", "flac", None), ("a.mp3", "libmp3lame", None), ("a.ogg", "libvorbis", None), ("a.m4a", "aac", None),
        ("v.mp4", "aac", "libx264"), ("v.mkv", "aac", "libx264"), ("v.webm", "libopus", "libvpx"), ("v.mov", "pcm_s16le", "mpeg4"),
        ("v.avi", None, "mpeg4"),
        ("v.ts", "aac", "mpeg2video"),
    ):
        path = folder / name
        try:
            with av.open(str(path), "w") as made:
                made.metadata["title"] = "Gr\u00fc\u00dfe"
                wanted = ((sound, 48_000 if sound == "libopus" else 24_000), (video, 24))
                streams = [made.add_stream(codec, rate=rate) for codec, rate in wanted if codec]
                for stream in streams:   # all of them before the first packet opens the file
                    if stream.type == "video":
                        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
                    else:
                        stream.layout = "mono"
                for stream in streams:
                    pictures = [av.VideoFrame.from_ndarray(picture, format="rgb24") for _ in range(12)]
                    for frame in [*(pictures if stream.type == "video" else _blocks(tone, stream)), None]:
                        made.mux(stream.encode(frame))
        except (av.error.FFmpegError, ValueError):
            continue   # this FFmpeg has no such encoder
        yield name, path.read_bytes()


def _blocks(tone: Any, stream: Any) -> Iterator[Any]:
    """A mono sound of 24 kHz in the blocks, format and rate that an encoder takes."""
    import av

    whole = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
    whole.sample_rate, whole.pts = 24_000, 0
    fifo = av.AudioFifo()
    stream.codec_context.open(strict=False)
    for part in av.AudioResampler(stream.format.name, "mono", stream.rate).resample(whole):
        part.pts = None
        fifo.write(part)
    yield from fifo.read_many(stream.frame_size or 1024, partial=True)


def impostors(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Files that are no picture, sound or video whatever their name says, and that lead some readers elsewhere."""
    pipe, secret = folder / "pipe.mp4", folder / "secret.mp4"
    os.mkfifo(pipe)   # who opens it waits for ever
    shutil.copy(ROOT / "samples" / "bigbuckbunny.mp4", secret)
    for target in (pipe, secret):
        yield f"concat-{target.stem}.mp4", f"ffconcat version 1.0\nfile {target.name}\n".encode()
        yield f"list-{target.stem}.mp4", f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n".encode()
        dash = f'<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>'
        head = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        yield f"dash-{target.stem}.mp4", (head + dash).encode()
        yield f"image-{target.stem}.svg", f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{target}"/></svg>'.encode()
        session = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        yield f"sdp-{target.stem}.wav", session + b"m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    for ending in ("png", "jpg", "mp4", "wav"):
        yield f"loop.{ending}", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n{} loop\n"
        yield f"damaged.{ending}", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n(x) (y) nonsense\nshowpage\n"
        yield f"page.{ending}", b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n"
        yield f"text.{ending}", b"hello\n" * 100
    yield "bomb.png", png(60_000, 60_000)
    yield "wide.png", png(2**31 - 1, 1)


def png(width: int, height: int) -> bytes:
    """The head of a PNG of any size, with little behind it."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100_000)) + chunk(b"IEND", b"")


AREAS = (Area("media", "pictures, sounds and videos", media, 8_000, 100),)
