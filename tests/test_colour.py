"""Colours stay what they are: through staging as ComfyUI reads it, in both engines' results, and on a browser's screen."""

from __future__ import annotations

import base64
import dataclasses
import errno
import hashlib
import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from chromium import CHROMIUM, MISSING
from graphs import given
from realcomfyui import comfy, comfy_folder  # noqa: F401

from aio import config
from aio.comfyui.output import tagged
from aio.config import Node
from aio.errors import MediaError
from aio.graph.draw import Drawn
from aio.job import Job, Request
from aio.machine import whole
from aio.media import Clip, colour, probe, stage_media, tags
from aio.media.streams import opened, write_mp4
from aio.preview.engine import PreviewEngine
from aio.run import run

RED, GREEN = (224, 32, 32), (32, 192, 64)
SIZES = ((768, 512), (1280, 704), (704, 1280), (1920, 1088))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


def halves(width: int, height: int) -> np.ndarray:
    """A picture whose left half is red and whose right one is green."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, GREEN
    return pixels


def in_the_halves(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle, width = pixels.shape[0] // 2, pixels.shape[1]
    return pixels[middle, width // 4].astype(float), pixels[middle, 3 * width // 4].astype(float)


def near(pixels: np.ndarray, most: float) -> bool:
    """Whether both halves have their colours."""
    return all(abs(found - wanted).max() <= most for found, wanted in zip(in_the_halves(pixels), (RED, GREEN)))


def tags_of(path: Path) -> tuple[int, int, int, int]:
    """Matrix, range, primaries and transfer, numbered as in H.273."""
    with opened(path) as container:
        context = container.streams.video[0].codec_context
        return context.colorspace, context.color_range, context.color_primaries, context.color_trc


def as_comfyui_reads(path: Path) -> np.ndarray:
    """The first frame as ComfyUI's LoadVideo takes it (video_types.py, get_components_internal)."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        pixels = frame.to_ndarray(format="gbrpf32le") * 255
        return np.rot90(pixels, round(frame.rotation // 90))


def video(path: Path, size=(640, 360), *, matrix=2, full=False, primaries=2, transfer=2, told=None, pixels="yuv420p", codec="libx264",
          picture: np.ndarray | None = None) -> Path:
    """Four frames of the two colours in `matrix`; `told` is what the tags say instead."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options={"crf": "8"} if codec in ("libx264", "libx264rgb") else {})
        (stream.width, stream.height), stream.pix_fmt = size, pixels
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = matrix if told is None else told, primaries, transfer
        context.color_range = 0 if told == 2 else 2 if full else 1
        for _ in range(4):
            frame = av.VideoFrame.from_ndarray(halves(*size) if picture is None else picture, format="rgb24" if picture is None else "rgb48le")
            if matrix:
                frame = frame.reformat(format=pixels, dst_colorspace=5 if matrix == 6 else matrix, dst_color_range=2 if full else 1)
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    return path


def staged(path: Path, folder: Path) -> Path:
    found = probe(path, "video", "video")
    name, _ = stage_media(found, "video", folder, clip=Clip(found.width // 2 * 2, found.height // 2 * 2, 3, 24.0))
    return folder / name


def looking_like_comfyuis(path: Path, size=(320, 256)) -> Path:
    """What SaveVideo writes (video_types.py, VideoFromComponents.save_to): swscale's own matrix, no tags, a sound and a recipe."""
    noise = np.random.default_rng(1)
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags+faststart"}) as container:
        container.metadata.update(prompt=json.dumps({"43": {"text": "été ☀" * 999}}), aio=json.dumps({"seed": 2**63}))
        stream, sound = container.add_stream("h264", rate=24), container.add_stream("aac", rate=48000, layout="stereo")
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for _ in range(25):
            grain = noise.integers(-3, 4, (size[1], size[0], 1))
            frame = av.VideoFrame.from_ndarray((halves(*size) + grain).clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
        frame = av.AudioFrame.from_ndarray(noise.normal(0, 0.1, (2, 50000)).astype(np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


# What we encode is BT.709 and says so

@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_bt709_in_pixels_and_tags(tmp_path, size):
    write_mp4(tmp_path / "a.mp4", [halves(*size)] * 3, size, 24, options={"preset": "ultrafast"})
    assert tags_of(tmp_path / "a.mp4") == (1, 1, 1, 1)
    assert near(as_comfyui_reads(tmp_path / "a.mp4"), 3)


SOURCES = {
    "full range": dict(size=(1280, 720), matrix=1, full=True, pixels="yuvj420p"),
    "full range by its tag alone": dict(size=(1280, 720), matrix=1, full=True),
    "full range in 10 bit": dict(size=(1280, 720), matrix=1, full=True, pixels="yuv420p10le"),
    "full range BT.601": dict(matrix=6, full=True, pixels="yuvj422p"),
    "BT.709 at 1080 lines": dict(size=(1920, 1080), matrix=1, primaries=1, transfer=1),
    "BT.709 at 360 lines": dict(matrix=1, primaries=1, transfer=1),
    "BT.601 at 480 lines": dict(size=(720, 480), matrix=6, primaries=6, transfer=6),
    "BT.601 at 720 lines": dict(size=(1280, 720), matrix=6, primaries=6, transfer=6),
    "no tags at 360 lines": dict(matrix=6, told=2),
    "no tags at 720 lines": dict(size=(1280, 720), matrix=1, told=2),
    "the matrix of BT.2020 alone": dict(size=(1280, 720), matrix=9),
    "SMPTE 240M": dict(size=(1280, 720), matrix=7),
    "4:4:4": dict(matrix=1, pixels="yuv444p"),
    "10 bit": dict(size=(1280, 720), matrix=1, pixels="yuv420p10le"),
    "RGB in H.264": dict(matrix=0, pixels="rgb24", codec="libx264rgb"),
    "PNG in MOV": dict(matrix=0, pixels="rgb24", codec="png"),
    "16-bit PNG in MOV": dict(matrix=0, pixels="rgb48be", codec="png"),
    "ProRes": dict(size=(1280, 720), matrix=1, pixels="yuv422p10le", codec="prores_ks"),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_video_keeps_its_colours_through_staging(tmp_path, source):
    ending = ".mov" if source.get("codec") in ("png", "prores_ks") else ".mkv"
    copy = staged(video(tmp_path / f"a{ending}", **source), tmp_path / "input")
    assert tags_of(copy) == (1, 1, 1, 1)
    assert near(as_comfyui_reads(copy), 4)


@pytest.mark.parametrize("source", ["full range", "BT.601 at 720 lines"])
def test_the_previews_result_has_the_colours_of_its_source(tmp_path, source):
    film = video(tmp_path / "a.mkv", **SOURCES[source])
    asked = config.compose(["mode=style", "engine=preview", "fields.seconds.min=0.1", f"output.dir={tmp_path}"])
    params = {"prompt": "x", "video": str(film), "control": "none", "width": 512, "height": 320, "seconds": 0.125}
    made = run(Job(asked, params), PreviewEngine(work_dir=tmp_path / "work"))
    assert near(as_comfyui_reads(made.video), 4)


def test_a_turned_video_keeps_its_colours_and_stands_upright(tmp_path, samples):
    copy = staged(samples.parent / "tests/cases/topred90.mp4", tmp_path)
    pixels = as_comfyui_reads(copy)
    assert abs(pixels[5, 5] - (254, 0, 0)).max() <= 4 and abs(pixels[-5, -5] - (0, 0, 254)).max() <= 4


# HDR and wide gamuts: known light in, known colours out

TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])   # BT.2087


def pq(nits: np.ndarray) -> np.ndarray:
    """BT.2100."""
    power = (nits / 10000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg(nits: np.ndarray) -> np.ndarray:
    """BT.2100, on a display of 1000 nits."""
    shown = nits / 1000
    scene = shown * np.maximum(shown @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None] ** (-0.2 / 1.2)
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073)


CURVES = {16: ("PQ", pq), 18: ("HLG", hlg)}


def light(path: Path, nits: np.ndarray, transfer: int) -> Path:
    """A BT.2020 video of light in nits, of shape (height, width, 3) in BT.709's primaries; transfer 14 is SDR, with white at 203 nits."""
    wide = nits @ TO_2020.T
    signal = CURVES[transfer][1](wide) if transfer in CURVES else (wide / 203) ** (1 / 2.4)
    return video(path, (nits.shape[1], nits.shape[0]), matrix=9, primaries=9, transfer=transfer, pixels="yuv420p10le",
                 picture=(signal.clip(0, 1) * 65535).round().astype(np.uint16))


@pytest.mark.parametrize(("transfer", "most"), [(14, 6), (16, 10), (18, 12)])
def test_wide_colours_and_hdr_come_out_as_the_colours_that_they_show(tmp_path, transfer, most):
    nits = 203 * (halves(256, 128) / 255.0) ** 2.4   # 203 nits: HDR's white, BT.2408
    assert near(as_comfyui_reads(staged(light(tmp_path / "a.mkv", nits, transfer), tmp_path)), most)


@pytest.mark.parametrize("transfer", CURVES)
def test_hdr_keeps_the_greys_and_presses_highlights_together_instead_of_cutting_them_off(tmp_path, transfer):
    steps = np.array([10, 50, 100, 203, 300, 500, 800])
    nits = np.repeat(np.repeat(steps, 64)[None, :, None], 128, 0).repeat(3, 2).astype(float)
    found = as_comfyui_reads(staged(light(tmp_path / "a.mkv", nits, transfer), tmp_path))[64, 32::64].mean(axis=1)
    assert abs(found[:3] - 255 * (steps[:3] / 203) ** (1 / 2.4)).max() <= 3
    assert 220 <= found[3] <= 240 and (np.diff(found) > 1).all() and found[-1] <= 255


@pytest.mark.parametrize("transfer", CURVES)
def test_hdr_is_said(tmp_path, transfer):
    found = probe(light(tmp_path / "a.mkv", np.full((64, 64, 3), 50.0), transfer), "video", "video")
    assert found.notes == (f"a.mkv is HDR ({CURVES[transfer][0]}); its brightness and colours are brought down to ordinary video (SDR, BT.709)",)


@pytest.mark.parametrize("matrix", [8, 14])
def test_colours_that_cannot_be_converted_are_refused_in_words(tmp_path, matrix):
    with pytest.raises(MediaError, match=r"video: a\.mkv keeps its colours in a form that aio cannot convert .* export it as ordinary video"):
        probe(video(tmp_path / "a.mkv", matrix=1, told=matrix), "video", "video")


def test_the_frames_are_asked_and_not_the_container(tmp_path):
    with av.open(str(video(tmp_path / "a.mp4", matrix=1))) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream, opaque=True)   # with the container's word: BT.709
        told = BitStreamFilterContext("h264_metadata=matrix_coefficients=14", stream, copy)
        for packet in source.demux(stream):
            for changed in told.filter(packet) if packet.dts is not None else []:
                changed.stream = copy
                target.mux(changed)
    with pytest.raises(MediaError, match=r"matrix 14 of H\.273"):
        probe(tmp_path / "b.mkv", "video", "video")


# What ComfyUI has written gets its tags, and nothing else changes

def packets(path: Path) -> dict[str, list]:
    found = dict[str, list]()
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.dts is not None:
                found.setdefault(packet.stream.type, []).append((packet.pts, packet.dts, packet.duration, packet.is_keyframe, bytes(packet)))
    return found


def pixels_of(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(video=0)]


def facts_of(path: Path) -> tuple:
    with av.open(str(path)) as container:
        return dict(container.metadata), container.duration, [(one.duration, one.frames, one.time_base) for one in container.streams]


def test_tagging_changes_the_tags_and_no_pixel_sound_time_or_recipe(tmp_path):
    path = looking_like_comfyuis(tmp_path / "a.mp4")
    before = packets(path), pixels_of(path), facts_of(path)
    assert tags_of(path) == (2, 0, 2, 2)
    assert tags.tag(path, colour.BT601)
    assert tags_of(path) == (6, 1, 1, 1)
    after = packets(path), pixels_of(path), facts_of(path)
    assert after[0]["audio"] == before[0]["audio"] and after[1:] == before[1:]
    assert [packet[:4] for packet in after[0]["video"]] == [packet[:4] for packet in before[0]["video"]]
    assert near(as_comfyui_reads(path), 6)
    assert whole.mp4(path) and path.read_bytes().find(b"moov") < path.read_bytes().find(b"mdat")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_a_clip_that_says_what_it_is_stays_as_it_is(tmp_path):
    write_mp4(tmp_path / "a.mp4", [halves(64, 64)], (64, 64), 24, options={})
    before = (tmp_path / "a.mp4").read_bytes()
    assert not tags.tag(tmp_path / "a.mp4", colour.BT601)
    assert (tmp_path / "a.mp4").read_bytes() == before


PROMPT = {
    "1": {"class_type": "LoadVideo", "inputs": {"file": "aio/0123456789abcdef-64x64-9f-24fps.mp4"}},
    "2": {"class_type": "CreateVideo", "inputs": {"images": ["9", 0], "fps": 24}},
    "3": {"class_type": "Video Slice", "inputs": {"video": ["1", 0], "start_time": 0}},
    "made": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0]}},
    "passed": {"class_type": "SaveVideo", "inputs": {"video": ["3", 0]}},
    "own": {"class_type": "SaveVideo", "inputs": {"video": ["5", 0]}},
    "5": {"class_type": "LoadVideo", "inputs": {"file": "mine.mp4"}},
}


def saved(output: str) -> Drawn:
    """The graph with one of its nodes as the output."""
    composed = config.compose()
    own = dataclasses.replace(composed, nodes={"save": Node(output, "SaveVideo")}, output=dataclasses.replace(composed.output, node="save"))
    return given(Request(own, {}), PROMPT)


@pytest.mark.parametrize(("output", "matrix"), [("made", 6), ("passed", 1), ("own", 2)])
def test_the_graph_tells_which_matrix_the_pixels_have(tmp_path, output, matrix):
    path = looking_like_comfyuis(tmp_path / "a.mp4")
    tagged(path, saved(output), lambda event: pytest.fail(event.message))
    assert tags_of(path)[0] == matrix


def test_a_clip_that_cannot_be_tagged_stays_whole_and_the_user_is_told(tmp_path, monkeypatch):
    path, told = looking_like_comfyuis(tmp_path / "a.mp4"), []
    before = path.read_bytes()

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(whole, "sync", full)
    tagged(path, saved("made"), told.append)
    assert path.read_bytes() == before and [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]
    assert [(event.kind, event.message) for event in told] == [("warning", (
        "the clip is whole, but could not be marked with its colours (No space left on device): players may show them a little off"))]


# On the screen

@pytest.fixture(scope="module")
def screen():
    """Draws an mp4's first frame on a canvas in Chromium and reads it back."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip(MISSING)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()

        def shown(path: Path) -> np.ndarray:
            data = base64.b64encode(path.read_bytes()).decode()
            width, pixels = page.evaluate("""async data => {
                const video = document.createElement('video'), canvas = document.createElement('canvas');
                video.muted = true;
                video.src = 'data:video/mp4;base64,' + data;
                document.body.replaceChildren(video);
                await new Promise((done, failed) => {
                    video.requestVideoFrameCallback(done);
                    video.onerror = () => failed(video.error.message);
                    video.play();
                });
                [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
                const context = canvas.getContext('2d');
                context.drawImage(video, 0, 0);
                const row = context.getImageData(0, canvas.height / 2, canvas.width, 1).data;
                return [canvas.width, Array.from(row)];
            }""", data)
            return np.array(pixels, np.uint8).reshape(1, width, 4)[..., :3]

        yield shown
        browser.close()


@pytest.mark.parametrize("size", SIZES)
def test_a_browser_shows_the_colours_of_what_we_encode(screen, tmp_path, size):
    write_mp4(tmp_path / "a.mp4", [halves(*size)] * 2, size, 24, options={"preset": "ultrafast"})
    assert near(screen(tmp_path / "a.mp4"), 6)


@pytest.mark.parametrize("size", SIZES)
def test_a_browser_shows_the_colours_of_what_comfyui_encodes_once_it_is_tagged(screen, tmp_path, size):
    path = looking_like_comfyuis(tmp_path / "a.mp4", size)
    tagged(path, saved("made"), lambda event: pytest.fail(event.message))
    assert near(screen(path), 6)


def real(comfy, size: tuple[int, int], frames: int = 3):  # noqa: F811
    """The mp4 that SaveVideo of the real ComfyUI makes of the two colours, and the request."""
    request, prompt = comfy.case("mode=t2v")
    flat = {"width": size[0] // 2, "height": size[1], "batch_size": frames}
    graph = {
        "red": {"class_type": "EmptyImage", "inputs": {**flat, "color": 224 << 16 | 32 << 8 | 32}},
        "green": {"class_type": "EmptyImage", "inputs": {**flat, "color": 32 << 16 | 192 << 8 | 64}},
        "both": {"class_type": "ImageStitch", "inputs": {"image1": ["red", 0], "image2": ["green", 0], "direction": "right",
                                                         "match_image_size": False, "spacing_width": 0, "spacing_color": "white"}},
        "42": {"class_type": "CreateVideo", "inputs": {"images": ["both", 0], "fps": 24.0}},
        "43": prompt["43"],
    }
    request, graph = comfy.again(request, graph, f"aio/{hashlib.sha256(repr(size).encode()).hexdigest()[:12]}")
    return comfy.execute(request, graph, metadata={"aio": json.dumps({"seed": 7})}).video


@pytest.mark.comfyui
@pytest.mark.parametrize("size", SIZES)
def test_a_browser_shows_the_colours_of_the_real_comfyuis_results(screen, comfy, size):  # noqa: F811
    path = real(comfy, size)
    assert tags_of(path) == (6, 1, 1, 1)
    assert near(screen(path), 6)
    with av.open(str(path)) as container:
        assert json.loads(container.metadata["aio"]) == {"seed": 7} and "43" in json.loads(container.metadata["prompt"])
    assert not [event for event in comfy.events if event.kind == "warning"]


@pytest.mark.comfyui
def test_comfyuis_own_loader_reads_the_colours_of_a_staged_video(comfy, tmp_path):  # noqa: F811
    from comfy_api.latest import InputImpl

    for number, source in enumerate((SOURCES["full range"], SOURCES["BT.601 at 720 lines"], SOURCES["BT.709 at 360 lines"])):
        copy = staged(video(tmp_path / f"{number}.mkv", **source), tmp_path / "input")
        assert near(InputImpl.VideoFromFile(str(copy)).get_components().images[0].numpy() * 255, 4)


# The quality that a field asks for reaches both encoders

def quality_of(path: Path) -> str:
    """The crf that x264 notes in its stream."""
    return re.search(rb" crf=([\d.]+) ", path.read_bytes())[1].decode()


@pytest.mark.parametrize(("given", "crf"), [({}, "19.0"), ({"crf": 8}, "8.0"), ({"crf": 45}, "45.0")])
def test_crf_reaches_the_previews_encoder(tmp_path, given, crf):
    asked = config.compose(["mode=t2v", "engine=preview", f"output.dir={tmp_path}"])
    made = run(Job(asked, {"prompt": "x", "width": 256, "height": 256, "seconds": 0.4, **given}), PreviewEngine(work_dir=tmp_path / "work"))
    assert quality_of(made.video) == crf


def test_a_lower_crf_is_larger_and_nearer_to_the_picture(tmp_path):
    grain = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    found = []
    for crf in ("5", "19", "40"):
        write_mp4(tmp_path / f"{crf}.mp4", [grain] * 3, (128, 96), 24, options={"crf": crf})
        found.append(((tmp_path / f"{crf}.mp4").stat().st_size, float(abs(as_comfyui_reads(tmp_path / f"{crf}.mp4") - grain).mean())))
    assert [size for size, _ in found] == sorted((size for size, _ in found), reverse=True)
    assert [off for _, off in found] == sorted(off for _, off in found)


@pytest.mark.comfyui
def test_crf_reaches_comfyuis_encoder_and_changes_the_file(comfy):  # noqa: F811
    made = {crf: comfy.run("mode=t2v", params={"crf": crf}).video for crf in (5, 19, 45)}
    assert [quality_of(path) for path in made.values()] == ["5.0", "19.0", "45.0"]
    sizes = [path.stat().st_size for path in made.values()]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3
