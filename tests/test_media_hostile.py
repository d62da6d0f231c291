"""Files that mean harm or are merely broken: every one is refused in words, soon, in little memory, and starts or opens nothing else."""

from __future__ import annotations

import ast
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from graphs import KINDS
from PIL import Image
from sections import section

from aio.comfyui.output import artifacts
from aio.config import compose
from aio.config.page import Upload
from aio.errors import AioError, ConfigError, EngineError, InvalidParams, MediaError, WorkflowError
from aio.graph import shapes
from aio.job import Job
from aio.media import Clip, Limits, pictures, probe, stage_media
from aio.media.bounds import USUAL, regular
from aio.media.streams import opened, read_sound, write_mp4, write_wav
from aio.request import validate
from aio.sweep.contact import thumbnail
from aio.ui import gallery, uploads

ROOT = Path(__file__).resolve().parent.parent
FAST = {"crf": "30", "preset": "ultrafast"}
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\n{} loop\n%%EOF\n"


def refused(path: Path, kind: str, *words: str, limits: Limits = USUAL) -> None:
    with pytest.raises(MediaError) as caught:
        probe(path, "myfield", kind, limits)
    assert str(caught.value).startswith("myfield: ")
    for word in words:
        assert word in str(caught.value)


def movie(path: Path, frames: int = 6, size: tuple[int, int] = (64, 64), sound: float = 0.25) -> Path:
    tone = np.zeros((2, round(sound * 48000)), np.float32) if sound else None
    write_mp4(path, [np.full((size[1], size[0], 3), 90, np.uint8)] * frames, size, 24.0, tone, 48000, options=FAST)
    return path


def surround(path: Path, seconds: int, channels: str = "5.1", rate: int = 48000) -> Path:
    """Silence in FLAC; an hour of it has 1 MB."""
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout=channels)
        block = np.zeros((1, stream.layout.nb_channels * rate), np.int16)
        for _ in range(seconds):
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=channels)
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


# What is opened, and where

@pytest.mark.parametrize("kind", ["image", "audio", "video"])
@pytest.mark.parametrize("head", [b"", b"\xc5\xd0\xd3\xc6" + struct.pack("<6IH", 32, len(POSTSCRIPT), 0, 0, 0, 0, 0xFFFF) + b"\0\0"])
def test_postscript_is_refused_and_starts_no_other_program(tmp_path, monkeypatch, kind, head):
    monkeypatch.setattr(subprocess, "Popen", None)
    (tmp_path / "x.png").write_bytes(head + POSTSCRIPT)
    refused(tmp_path / "x.png", kind, "x.png is a PostScript file")


HEADS = {
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64,
    "HEIC ": b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafheic" + b"\0" * 64,
    "Photoshop": b"8BPS\0\1" + b"\0" * 40,
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "SVG": b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "SVG ": b"\xef\xbb\xbf<svg width='4'/>",
    "JPEG XL": b"\xff\x0a\xfa\x1f\x01" + b"\0" * 30,
    "JPEG XL ": b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 30,
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 30,
    "ICO": b"\0\0\1\0\1\0\x10\x10" + b"\0" * 40,
    "RAW": b"II\x2a\0\x10\0\0\0CR\2\0" + b"\0" * 40,
    "RAW ": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + b"\0" * 40,
    "OpenEXR": b"\x76\x2f\x31\x01\2\0\0\0" + b"\0" * 40,
}


@pytest.mark.parametrize("name", HEADS)
def test_a_format_that_aio_does_not_read_is_named_with_a_remedy(tmp_path, name):
    (tmp_path / "x.jpg").write_bytes(HEADS[name])
    refused(tmp_path / "x.jpg", "image", name.strip(), "which aio does not read; save it as JPEG or PNG")
    refused(tmp_path / "x.jpg", "video", name.strip(), "this input needs a video")
    with pytest.raises(MediaError, match="which aio does not read"):
        uploads.screen(tmp_path / "x.jpg", "image", "image", Upload(mb=1, seconds=1, megapixels=1))


def test_a_raw_file_is_not_taken_for_its_thumbnail(tmp_path):
    Image.new("RGB", (16, 12)).save(tmp_path / "x.tif", tiffinfo={254: 1, 50706: b"\1\4\0\0"})
    refused(tmp_path / "x.tif", "image", "RAW")


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_a_format_that_aio_reads_is_read_whatever_its_name(tmp_path, format):
    Image.new("RGB", (32, 24), "red").save(tmp_path / "x.heic", format)
    found = probe(tmp_path / "x.heic", "image", "image")
    assert (found.width, found.height) == (32, 24)
    assert stage_media(found, "image", tmp_path / "in")[1].width == 32


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"])
def test_a_list_that_names_other_files_is_opened_by_nobody(tmp_path, text):
    listed = tmp_path / "list.mp4"
    listed.write_text(text.format(movie(tmp_path / "other.mp4")))
    for kind in ("image", "audio", "video"):
        refused(listed, kind, "not a media file")
    assert not thumbnail(listed, tmp_path / "thumb.jpg")
    assert gallery.still(listed, tmp_path / "stills") is None
    with pytest.raises(EngineError, match=r"list\.mp4"):
        artifacts(listed, "x", {})


@pytest.mark.parametrize("name", ["a:1.mp4", "concat:b.mp4", "http:c.mp4", "-i.mp4", "%03d.mp4"])
def test_a_name_is_never_read_as_an_address_or_a_pattern(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    movie(tmp_path / name) if ":" not in name else os.replace(movie(tmp_path / "plain.mp4"), name)
    assert probe(Path(name), "video", "video").frames == 6
    assert artifacts(Path(name), "x", {}).frames == 6
    assert thumbnail(Path(name), tmp_path / "thumb.jpg")


def test_a_pipe_is_nowhere_waited_for(tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe.mp4")
    for ask in (regular, pictures.header, lambda path: opened(path).__enter__(), lambda path: read_sound(path, 48000, 1)):
        with pytest.raises(MediaError, match="not a regular file"):
            ask(pipe)
    assert not thumbnail(pipe, tmp_path / "thumb.jpg")


READERS = {"media/streams.py": "av.open", "media/pictures.py": "Image.open"}
OWN_FILES = {"check/doctor.py", "recipe/sidecar.py", "sweep/sheet.py"}
"""They look at what aio itself has written."""


def test_nothing_else_in_aio_opens_a_media_file_for_reading():
    found = set()
    for path in (ROOT / "aio").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("av.open", "Image.open", "images.open", "PIL.Image.open"):
                mode = node.args[1] if len(node.args) > 1 else next((key.value for key in node.keywords if key.arg == "mode"), None)
                if ast.unparse(mode) != "'w'" if mode else True:
                    found.add((path.relative_to(ROOT / "aio").as_posix(), ast.unparse(node.func)))
    assert {pair for pair in found if pair[0] not in OWN_FILES} == set(READERS.items())


# Tags

def test_a_tag_that_is_not_utf8_does_not_keep_a_sound_from_playing(tmp_path):
    write_wav(tmp_path / "a.wav", np.zeros((1, 8000), np.float32), 8000)
    data = (tmp_path / "a.wav").read_bytes()
    tag = b"LIST" + struct.pack("<I", 4 + 8 + 6) + b"INFOINAM" + struct.pack("<I", 6) + b"Gr\xfc\xdfe\0"
    (tmp_path / "a.wav").write_bytes(data[:4] + struct.pack("<I", len(data) - 8 + len(tag)) + data[8:] + tag)
    assert probe(tmp_path / "a.wav", "audio", "audio").seconds == 1.0


def test_an_old_tag_of_an_mp3_may_hold_latin_1(tmp_path):
    with av.open(str(tmp_path / "a.mp3"), "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=22050, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 22050), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 22050
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with (tmp_path / "a.mp3").open("ab") as file:
        file.write(b"TAG" + b"Sch\xf6n".ljust(30, b"\0") + b"\0" * 94 + b"\x0c")
    assert probe(tmp_path / "a.mp3", "audio", "audio").seconds == pytest.approx(1.0, abs=0.1)


# Limits: each refusal names the limit and its key

def test_the_limits_of_the_config_are_the_usual_ones():
    assert compose(["mode=t2v"]).input.limits == USUAL


@pytest.mark.parametrize("value", ["x", 0, -1, True, float("nan"), [1]])
def test_a_limit_that_is_none_is_refused_by_its_key(value):
    with pytest.raises(ConfigError, match=r"input\.limits\.frames: "):
        section("input", {"limits": {"frames": value}})


@pytest.mark.parametrize(("limit", "kind"), [("megapixels", "image"), ("frame_megapixels", "video"), ("frames", "video"), ("streams", "video"),
                                             ("channels", "audio"), ("sample_rate", "audio")])
def test_what_is_above_a_limit_is_refused_by_its_key(tmp_path, limit, kind):
    path = movie(tmp_path / "a.mp4")
    if kind == "image":
        path = tmp_path / "a.png"
        Image.new("RGB", (64, 64)).save(path)
    refused(path, kind, f"input.limits.{limit}", limits=Limits(**{limit: 0.001}))
    probe(path, "myfield", kind, Limits(**{limit: None}))


def test_a_job_is_held_to_the_limits_of_its_config(tmp_path):
    path = movie(tmp_path / "a.mp4")
    job = Job(compose(["mode=style", "input.limits.gigapixels=0.00001"]), {"video": str(path), "prompt": "x"})
    with pytest.raises(InvalidParams, match=r"video: a\.mp4 takes .* gigapixels .*input\.limits\.gigapixels.*scale it down"):
        validate(job)


def test_no_more_of_a_video_is_decoded_than_its_limit(tmp_path):
    media = probe(movie(tmp_path / "a.mp4"), "video", "video")
    with pytest.raises(MediaError, match=r"video: .*input\.limits\.gigapixels"):
        stage_media(media, "video", tmp_path / "in", clip=Clip(64, 64, 9, 24.0), limits=Limits(gigapixels=1e-5))
    assert not list((tmp_path / "in" / "aio").iterdir())


LIMITED = """
import re, resource, sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from aio.errors import AioError
from aio.media import Clip, probe, stage_media
import av, numpy, PIL.Image
began = time.monotonic()
path, kind = Path(sys.argv[1]), sys.argv[2]
try:
    print(stage_media(probe(path, "x", kind), "x", Path(sys.argv[3]), clip=Clip(64, 64, 9, 24.0))[1].seconds)
except AioError as error:
    print(error)
assert time.monotonic() - began < 10, time.monotonic() - began
try:   # ru_maxrss of a child counts its parent's memory at the fork
    kilobytes = int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
except OSError:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert kilobytes < 1e6, kilobytes
"""


def in_small(path: Path, kind: str, into: Path) -> str:
    """Take a file in a process of its own, which fails above 1 GB or 10 s."""
    script = LIMITED.format(root=str(ROOT))
    done = subprocess.run([sys.executable, "-c", script, path, kind, into], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("told", [True, False])
def test_of_an_hour_of_sound_only_what_the_clip_uses_is_decoded(tmp_path, told):
    data = bytearray(surround(tmp_path / "hour.flac", 3600).read_bytes())
    if not told:   # STREAMINFO: total samples in 36 bits
        data[21] &= 0xF0
        data[22:26] = b"\0\0\0\0"
        (tmp_path / "hour.flac").write_bytes(data)
    assert in_small(tmp_path / "hour.flac", "audio", tmp_path / "in") == "0.375\n"


def test_a_long_stereo_sound_is_cut_to_the_clip_and_a_little_longer_one_is_not(tmp_path):
    for seconds, kept in ((60, False), (5, True)):
        path = surround(tmp_path / f"{seconds}.flac", seconds, "stereo")
        _name, media = stage_media(probe(path, "audio", "audio"), "audio", tmp_path / "in", clip=Clip(64, 64, 9, 24.0))
        assert (media.seconds == 5.0) == kept and (media.path.read_bytes() == path.read_bytes()) == kept


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compressobj(1)
    data = b"".join([rows.compress(bytes(1 + width * 3)) for _ in range(height)] + [rows.flush()])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_video_of_huge_pictures_is_refused_before_one_is_decoded(tmp_path):
    picture = png(16384, 12288)
    with av.open(str(tmp_path / "a.mov"), "w", format="mov") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16384, 12288, "rgb24"
        packet = av.Packet(picture)
        packet.stream, packet.pts, packet.dts, packet.duration, packet.is_keyframe = stream, 0, 0, 1, True
        container.mux(packet)
    assert "megapixels a frame" in in_small(tmp_path / "a.mov", "video", tmp_path / "in")


def test_the_largest_picture_takes_less_than_a_gigabyte(tmp_path):
    (tmp_path / "a.png").write_bytes(png(10000, 9990))
    assert "damaged" not in in_small(tmp_path / "a.png", "image", tmp_path / "in")


# Numbers of a workflow that no clip has

@pytest.mark.parametrize(("kind", "inputs", "words"), [
    ("CreateVideo", {"fps": float("inf")}, "input fps is inf; give a finite number"),
    ("CreateVideo", {"fps": float("nan")}, "input fps is nan"),
    ("CreateVideo", {"fps": 0}, "rate is 0 frames a second; give at least 0.001"),
    ("CreateVideo", {"fps": -5}, "rate is -5 frames a second"),
    ("EmptyImage", {"width": float("inf"), "height": 64}, "input width is inf"),
])
def test_a_number_that_no_clip_can_have_is_refused_by_its_node(kind, inputs, words):
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 9}},
              "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 24.0}},
              "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], "filename_prefix": "x"}}}
    next(node for node in prompt.values() if node["class_type"] == kind)["inputs"].update(inputs)
    with pytest.raises(WorkflowError, match=words):
        shapes.interpret(prompt, lambda name: None, KINDS)


# Broken bytes

MUTANTS = """
import random, resource, sys, time, tempfile
sys.path.insert(0, {root!r})
from pathlib import Path
from aio.errors import AioError
from aio.media import Clip, probe, stage_media
import av, numpy, PIL.Image
PIL.Image.init()
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
folder, random = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
samples, bad = sorted(path for path in folder.iterdir() if path.is_file()), 0
for number in range(int(sys.argv[3])):
    sample = random.choice(samples)
    data = bytearray(sample.read_bytes())
    for _ in range(random.choice((1, 3, 10, 100))):
        at = min(int(random.expovariate(1 / 200)), len(data) - 1) if random.random() < 0.6 else random.randrange(len(data))
        what = random.randrange(4)
        if what == 0: data[at] ^= 1 << random.randrange(8)
        elif what == 1: data[at:at + 4] = random.choice((b"\\0" * 4, b"\\xff" * 4, b"\\x7f\\xff\\xff\\xff", b"\\x80\\0\\0\\0", random.randbytes(4)))
        elif what == 2: del data[at:at + random.randrange(1, 64)]
        else: data[at:at] = data[:random.randrange(1, 64)]
        data = data or bytearray(b"x")
    if random.random() < 0.2: del data[random.randrange(1, len(data) + 1):]
    path = folder / "in" / f"{{number}}{{sample.suffix}}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    for kind in ("image", "audio", "video"):
        began, what = time.monotonic(), ""
        try:
            stage_media(probe(path, "x", kind), "x", folder / "staged", clip=Clip(64, 64, 9, 24.0))
        except AioError as error:
            what = "" if str(error).startswith("x: ") else f"without its field: {{error}}"
        except BaseException as error:
            what = repr(error)
        if time.monotonic() - began > 10: what += " too long"
        if what: bad += 1; print(number, sample.name, kind, what, flush=True)
    path.unlink()
sys.exit(bool(bad))
"""


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    noise = Image.effect_noise((48, 40), 90).convert("RGB")
    for format in pictures.FORMATS:
        noise.save(folder / f"a.{format.lower()}", format)
    noise.save(folder / "b.tiff", compression="tiff_lzw")
    noise.convert("P").save(folder / "b.gif", save_all=True, append_images=[noise.rotate(90)], duration=40)
    movie(folder / "a.mp4")
    write_wav(folder / "a.wav", np.zeros((1, 4000), np.float32), 8000)
    surround(folder / "a.flac", 1, "stereo", 8000)
    films = (("a.mkv", "matroska", "libx264", "aac"), ("a.avi", "avi", "mpeg4", "mp3"), ("a.mov", "mov", "png", "pcm_s16le"))
    for name, format, video, sound in films:
        with av.open(str(folder / name), "w", format=format) as container:
            stream, tone = container.add_stream(video, rate=24), container.add_stream(sound, rate=48000, layout="mono")
            stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24" if video == "png" else "yuv420p"
            for index in range(4):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 40 * index, np.uint8), format="rgb24")))
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 9216), np.int16), format="s16", layout="mono")
            frame.sample_rate = 48000
            container.mux(tone.encode(frame))
            container.mux([*stream.encode(None), *tone.encode(None)])
    return folder


@pytest.mark.parametrize("seed", [11, 12])
def test_a_damaged_file_is_taken_or_refused_in_words_and_soon(samples, tmp_path, seed):
    script = MUTANTS.format(root=str(ROOT))
    folder = tmp_path / "copies"
    folder.mkdir()
    for sample in samples.iterdir():
        (folder / sample.name).write_bytes(sample.read_bytes())
    done = subprocess.run([sys.executable, "-c", script, folder, str(seed), "200"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("error", [NotImplementedError(), ZeroDivisionError(), struct.error("x"), RecursionError(), OverflowError(), SyntaxError(),
                                   EOFError(), MemoryError(), OSError("x"), AssertionError(), KeyError("x")])
def test_whatever_a_decoder_raises_is_one_error_in_words(tmp_path, monkeypatch, error):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def fails(*args, **keys):
        raise error

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fails)
    refused(tmp_path / "a.png", "image", "a.png is damaged or incomplete", "copy or export it again")


@pytest.mark.parametrize("error", [ValueError("x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
                                   ZeroDivisionError(), OverflowError(), MemoryError()])
def test_whatever_ffmpegs_binding_raises_is_one_error_in_words(tmp_path, monkeypatch, error):
    path = movie(tmp_path / "a.mp4")

    def fails(*args, **keys):
        raise error

    monkeypatch.setattr("av.open", fails)
    refused(path, "video", "a.mp4 is damaged or incomplete", "copy or export it again")
    with pytest.raises(AioError):
        read_sound(path, 48000, 2)
