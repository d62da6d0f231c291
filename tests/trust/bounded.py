"""Inputs of at most 10 MB that stand for very much more: refused or accepted within ten seconds and a gigabyte."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from .files import first_clip, mode, tagged
from .media import png
from .tally import Area, Work
from .world import SMALL, START, World, judged

LARGEST = 10_000_000
"""Bytes of an input that is promised to be bounded."""

MEMORY = 1_000_000_000
"""Bytes that a command may take for it, at its peak."""

PROGRAM = (
    "-c", "import atexit, runpy, sys\n"
    "atexit.register(lambda: sys.stderr.write('peak ' + open('/proc/self/status').read().split('VmHWM:')[1].split()[0] + '\\n'))\n"
    "sys.argv[0] = 'aio'\nrunpy.run_module('aio', run_name='__main__', alter_sys=True)")
"""`python -m aio` that says at its end how much memory it took, in kB."""

Words = Sequence[str]


def _i2v(file: Path) -> Words:
    return (*SMALL, "mode=i2v", "prompt=x", f"image={file}")


def _a2v(file: Path) -> Words:
    return (*SMALL, "mode=a2v", "prompt=x", f"audio={file}")


def _style(file: Path) -> Words:
    return (*SMALL, "mode=style", "control=none", "prompt=x", f"video={file}")


def sounds(folder: Path) -> Iterator[tuple[str, Words]]:
    """An hour of sound of which 0.4 s are used; lies about lengths; very many channels."""
    import av
    import numpy as np

    hour = folder / "hour.flac"
    with av.open(str(hour), "w") as made:
        stream = made.add_stream("flac", rate=48_000, layout="5.1")
        silence = np.zeros((1, 6 * 48_000), np.int16)
        for second in range(3600):
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="5.1")
            frame.sample_rate, frame.pts = 48_000, 48_000 * second
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    yield "an hour of 5.1", _a2v(hour)
    unknown = folder / "unknown.flac"
    data = bytearray(hour.read_bytes())
    at = data.index(b"fLaC") + 8 + 13   # the last four bits before it, and these four bytes, are the number of samples
    data[at:at + 5] = bytes([data[at] & 0xF0, 0, 0, 0, 0])
    unknown.write_bytes(data)
    yield "an hour that does not say so", _a2v(unknown)
    for name, channels, size in (("4 GB of a small wav", 2, 2**32 - 1), ("64 channels", 64, 6_000_000), ("65535 channels", 65_535, 6_000_000)):
        file = folder / f"{channels}-{size}.wav"
        head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", size, b"WAVE", b"fmt ", 16, 1, channels, 48_000, 0, min(channels * 2, 65_535), 16,
            b"data", size)
        file.write_bytes(head + b"\0" * min(size, 6_000_000))
        yield name, _a2v(file)


def pictures(folder: Path) -> Iterator[tuple[str, Words]]:
    """Pictures and frames of very many pixels; very many frames."""
    import av
    from PIL import Image

    for width, height in ((60_000, 60_000), (2**31 - 1, 1), (12_000, 12_000)):
        file = folder / f"{width}.png"
        file.write_bytes(png(width, height))
        yield f"a png of {width}x{height}", _i2v(file)
    large = folder / "large.tif"
    Image.new("1", (20_000, 20_000)).save(large, compression="group4")
    yield "a tiff of 400 megapixels", _i2v(large)
    frame = io.BytesIO()
    Image.new("RGB", (16_384, 12_288)).save(frame, "PNG")
    for name, size, count, codec in (("frames of 200 megapixels", (16_384, 12_288), 2, "png"), ("40,000 frames", (16, 16), 40_000, "mpeg4")):
        file = folder / f"{count}.mov"
        with av.open(str(file), "w") as made:
            stream = made.add_stream(codec, rate=24)
            stream.width, stream.height, stream.pix_fmt = *size, "rgb24" if codec == "png" else "yuv420p"
            if codec == "png":   # one frame compressed once
                for number in range(count):
                    packet = av.Packet(frame.getvalue())
                    packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base = stream, number, number, 1, Fraction(1, 24)
                    made.mux(packet)
            else:
                picture = av.VideoFrame(*size, "yuv420p")
                for number in range(count):
                    picture.pts = number
                    made.mux(stream.encode(picture))
                made.mux(stream.encode(None))
        yield name, _style(file)


def texts(folder: Path) -> Iterator[tuple[str, Words]]:
    """Text that is nested, repeated or endless."""
    deep = folder / "deep.json"
    deep.write_text("[" * 5_000_000)
    for name, words in (("replay", ("replay", str(deep))), ("a prompt", (*SMALL, "mode=t2v", f"prompt=@{deep}"))):
        yield f"deep JSON as {name}", words
    for ending in ("jsonl", "csv"):
        rows = folder / f"rows.{ending}"
        rows.write_text(("" if ending == "jsonl" else "prompt\n") + ('{"prompt": "x"}\n' if ending == "jsonl" else "x\n") * (300_000
            if ending == "jsonl" else 2_000_000))
        yield f"a table of {ending} without end", ("-m", *SMALL, "mode=t2v", f"jobs=@{rows}", f"output.dir={folder}/o", "nosuchfield=1")
    for number, text in enumerate((
        "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghi", "bcdefghij")),
        "values: {x: " + "[" * 100_000 + "]" * 100_000 + "}", "values: {x: " + "'" + "x" * 9_000_000 + "'}",
        "".join(f"k{n}: 1\n" for n in range(300_000)),
    )):
        mine = folder / f"mine{number}"
        (mine / "mode").mkdir(parents=True)
        (mine / "mode" / "odd.yaml").write_text(mode("odd", rest=text))
        yield f"yaml {text[:14]!r}…", ("plan", "--config-dir", str(mine), "mode=odd", "prompt=x")
    clip = first_clip(folder)
    tagged(clip, folder / "tag.mp4", "[" * 8_000_000)
    yield "a recipe of 8 MB", ("replay", str(folder / "tag.mp4"))
    os.mkfifo(folder / "pipe.json")
    for path in (folder / "pipe.json", Path("/dev/zero")):
        yield f"{path.name} as a prompt", (*SMALL, "mode=t2v", f"prompt=@{path}")
        yield f"{path.name} as a recipe", ("replay", str(path))
        yield f"{path.name} as a picture", _i2v(path)
    table = folder / "pipe.csv"
    os.mkfifo(table)
    yield "a pipe as a table", ("-m", *SMALL, "mode=t2v", f"jobs=@{table}")
    sweep = folder / "sweep"
    sweep.mkdir()
    jobs = [{"number": number, "settings": {}, "recipe": None} for number in range(100_000)]
    (sweep / "manifest.json").write_text(json.dumps({"manifest": 1, "jobs": jobs}))
    yield "a sweep of 100,000 jobs", ("sheet", str(sweep))


def run(work: Work) -> None:
    """Each of them through the command line."""
    world, number = World(work.folder / "world"), 0
    makers: tuple[Callable[[Path], Iterator[tuple[str, Words]]], ...] = (sounds, pictures, texts)
    known: dict[str, tuple[str, Words]] = {}
    for maker in makers:
        place = work.folder / maker.__name__
        place.mkdir()
        for name, words in maker(place):
            known[f"input-{number}"] = (name, words)
            number += 1
    for file in work.folder.rglob("*"):
        assert not file.is_file() or file.stat().st_size <= LARGEST, f"{file}: {file.stat().st_size} bytes"
    for label in work.chosen(list(known)):
        name, words = known[label]
        own = () if words[0] in ("plan", "replay", "sheet") or any(word.startswith("output.dir=") for word in words) else (f"output.dir={world.out}",)
        ended = world.aio(*words, *own, usual=START, program=PROGRAM)
        found = re.search(r"^peak (\d+)$", ended.err, re.MULTILINE)
        ended = dataclasses.replace(ended, err=re.sub(r"^peak \d+\n", "", ended.err, flags=re.MULTILINE))
        if judged(work, ended, label, fails=True) and found and int(found[1]) * 1024 > MEMORY:
            work.failed("growth", f"{name} takes {int(found[1]) / 1024:.0f} MB", label)


AREAS = (Area("bounded", "small files that stand for very much", run, 28, 100),)
