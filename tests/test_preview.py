"""The preview engine: a real mp4 with the true facts, made without a GPU, that leaves nothing behind when it fails."""

from __future__ import annotations

import errno
import itertools
import json
import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from graphs import KINDS, given
from likeness import similarity
from PIL import Image

from aio.errors import Cancelled, EngineError, OutputError
from aio.graph import shapes
from aio.job import Request
from aio.media import Clip, probe, stage_media
from aio.media.streams import opened, read_sound, write_mp4, write_wav
from aio.preview import engine as preview
from aio.preview import storyboard, tones
from aio.preview.engine import PreviewEngine
from aio.stop import Stop
from aio.values import Event, ignore

WORKFLOWS = Path(__file__).resolve().parent.parent / "workflows"
MODES = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
STAGES = {"1": "Load", "24": "Sample", "40": "Decode", "43": "Save", "99": "Absent", "37": "Refine"}
"""As configs merge: what a later file adds stands at the end, though it runs earlier."""

WIDTH, HEIGHT, FRAMES, FPS = 256, 192, 9, 24.0
INPUTS = {"LoadImage": ("image", "image"), "LoadAudio": ("audio", "audio"), "LoadVideo": ("file", "video")}


@pytest.fixture
def engine(tmp_path) -> PreviewEngine:
    return PreviewEngine(work_dir=tmp_path / "work")


@pytest.fixture
def sources(tmp_path) -> dict[str, Path]:
    """A picture (left half red), a mono sound and a video with sound."""
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, :64, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "p.png")
    sound = (0.3 * np.sin(np.arange(22050) / 20)).astype(np.float32)
    write_wav(tmp_path / "s.wav", sound[None], 22050)
    frames = (np.roll(pixels, 8 * index, axis=1) for index in range(12))
    write_mp4(tmp_path / "v.mp4", frames, (128, 64), 24.0, np.zeros((2, 24000), np.float32), 48000, options={"preset": "ultrafast"})
    return {"image": tmp_path / "p.png", "audio": tmp_path / "s.wav", "video": tmp_path / "v.mp4"}


def prepared(mode: str, engine: PreviewEngine, sources: dict[str, Path], seed: int = 42, **facts) -> tuple[dict, Request]:
    """A workflow at tiny size with its inputs staged, and the request it belongs to."""
    prompt = json.loads((WORKFLOWS / f"{mode}.json").read_text(encoding="utf-8"))
    scale = 2 if "31" in prompt else 1
    values, media, clip = {}, {}, Clip(WIDTH, HEIGHT, FRAMES, FPS)
    prompt["4"]["inputs"]["text"] = "A fox jumps over a brook"
    for node_id, node in prompt.items():
        inputs, class_type = node["inputs"], node["class_type"]
        if class_type == "EmptyLTXVLatentVideo":
            inputs |= {"width": WIDTH // scale, "height": HEIGHT // scale, "length": FRAMES}
        elif class_type == "LTXVEmptyLatentAudio":
            inputs |= {"frames_number": FRAMES, "frame_rate": FPS}
        elif class_type == "ImageScale":
            inputs |= {"width": WIDTH, "height": HEIGHT}
        elif class_type == "TrimAudioDuration":
            inputs["duration"] = clip.seconds
        elif class_type == "RandomNoise":
            inputs["noise_seed"] = seed
        elif class_type in INPUTS:
            key, kind = INPUTS[class_type]
            inputs[key], media[node_id] = stage_media(probe(sources[kind], kind, kind), kind, engine.input_dir, clip=clip)
            values[node_id] = inputs[key]
    config = SimpleNamespace(stages=STAGES, title="A mode", kinds=KINDS)
    return prompt, Request(config, values, media=media, **{"prefix": "aio/job", **facts})


def pictures(path: Path) -> list[np.ndarray]:
    with opened(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def leftovers(engine: PreviewEngine) -> list[Path]:
    return [path for path in engine.output_dir.rglob("*") if path.is_file()]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_makes_an_mp4_with_the_facts_that_comfyui_would_give(mode, engine, sources):
    prompt, request = prepared(mode, engine, sources)
    made = engine.execute(given(request, prompt), ignore, Stop())
    assert made.video == (engine.output_dir / "aio/job_preview.mp4").resolve()
    assert re.fullmatch(r"preview \d+\.\d+\.\d+", made.engine)
    found = probe(made.video, "video", "video")
    assert (found.width, found.height, found.frames, found.fps) == (WIDTH, HEIGHT, FRAMES, FPS)
    assert (made.width, made.height, made.frames, made.fps) == (WIDTH, HEIGHT, FRAMES, FPS)
    assert found.sample_rate == made.sample_rate == (22050 if mode in ("a2v", "lipsync") else 48000)
    assert found.seconds == pytest.approx(made.seconds) == FRAMES / FPS
    assert leftovers(engine) == [made.video]


@pytest.mark.parametrize("mode", MODES)
def test_frames_differ_from_one_to_the_next(mode, engine, sources):
    prompt, request = prepared(mode, engine, sources)
    frames = pictures(engine.execute(given(request, prompt), ignore, Stop()).video)
    assert frames[0].std() > 10
    assert all(np.abs(one.astype(int) - two).max() > 8 for one, two in itertools.pairwise(frames))


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(engine, sources):
    made = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        prompt, request = prepared("t2v", engine, sources, seed=seed, prefix=name)
        made[name] = engine.execute(given(request, prompt), ignore, Stop()).video.read_bytes()
    assert made["a"] == made["b"] != made["c"]


def test_the_given_picture_is_seen_and_what_is_not_linked_is_not(engine, sources):
    prompt, request = prepared("i2v", engine, sources)
    reddest = lambda: pictures(engine.execute(given(request, prompt), ignore, Stop()).video)[0][40:70, :80].mean(axis=(0, 1))  # noqa: E731
    red, green, blue = reddest()
    assert red > 100 > green + blue
    prompt["12"]["inputs"]["video_latent"], prompt["32"]["inputs"]["video_latent"] = ["10", 0], ["31", 0]
    red, green, blue = reddest()
    assert red < 100 + green + blue


def test_keyframes_fade_from_the_first_to_the_last(engine, sources, tmp_path):
    prompt, request = prepared("keyframe", engine, sources)
    Image.new("RGB", (128, 64), (0, 0, 255)).save(tmp_path / "blue.png")
    prompt["55"]["inputs"]["image"], request.media["55"] = stage_media(
        probe(tmp_path / "blue.png", "last", "image"), "last", engine.input_dir)
    request.values["55"] = prompt["55"]["inputs"]["image"]
    left = [frame[40:70, 8:80].mean(axis=(0, 1)) for frame in pictures(engine.execute(given(request, prompt), ignore, Stop()).video)]
    assert left[0][0] > 180 > 60 > left[0][2]
    assert left[-1][2] > 180 > 60 > left[-1][0]
    assert 40 < left[4][0] < 220


def test_the_first_and_last_frame_of_keyframes_are_the_given_pictures(engine, sources, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "WIDTH", 512)
    monkeypatch.setitem(globals(), "HEIGHT", 512)
    samples = WORKFLOWS.parent / "samples"
    whole = Image.open(samples / "astronaut.png").convert("RGB").resize((512, 512))
    whole.save(tmp_path / "whole.png")
    prompt, request = prepared("keyframe", engine, {**sources, "image": tmp_path / "whole.png"})
    made = pictures(engine.execute(given(request, prompt), ignore, Stop()).video)
    free = slice(56, int(512 * (1 - storyboard.PANEL_MAX)))   # between the badge and the caption
    for frame in (made[0], made[-1]):
        assert similarity(frame[free], np.asarray(whole)[free]) >= 0.95


def test_the_given_sound_is_in_the_file(engine, sources):
    prompt, request = prepared("lipsync", engine, sources)
    heard = read_sound(engine.execute(given(request, prompt), ignore, Stop()).video, 22050, 1)[0]
    sound = read_sound(sources["audio"], 22050, 1)[0][: len(heard)]
    assert np.corrcoef(heard[: len(sound)], sound)[0, 1] > 0.9


def test_generated_sound_is_a_quiet_seeded_bed_that_fades():
    bed = tones.bed(1, 48000, 48000, 2)
    assert bed.shape == (2, 48000) and bed.dtype == np.float32
    assert 0.01 < abs(bed).max() < 0.2
    assert abs(bed[:, :100]).max() < 0.001 and abs(bed[:, -100:]).max() < 0.001
    assert (bed == tones.bed(1, 48000, 48000, 2)).all()
    assert (bed != tones.bed(2, 48000, 48000, 2)).any()


def test_the_metadata_is_in_the_file(engine, sources):
    prompt, request = prepared("t2v", engine, sources)
    recipe = json.dumps({"prompt": "naïve ☕", "long": "x" * 100_000})
    made = engine.execute(given(request, prompt), ignore, Stop(), metadata={"aio": recipe})
    with av.open(str(made.video)) as container:
        assert container.metadata["aio"] == recipe


def test_the_index_stands_before_the_pictures_so_that_browsers_start_at_once(engine, sources):
    prompt, request = prepared("t2v", engine, sources)
    data = engine.execute(given(request, prompt), ignore, Stop()).video.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


TEXTS = ["", "日本語のプロンプト", "a 🎬 film\n\n\tin two\0 lines", "\ud800 lone", "x" * 5000, "word " * 5000, "façade — “quoted”"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [(64, 64), (256, 128), (64, 256)])
def test_any_text_and_size_can_be_drawn(text, size):
    clip = shapes.Result(*size, frames=2, fps=24.0, seconds=1 / 12, text=text)
    board = storyboard.Storyboard(clip, Path, heading=text, details=["64x64", "2 frames"] * 4, seed=1)
    assert [frame.shape for frame in board.frames()] == [(size[1], size[0], 3)] * 2


def test_every_frame_says_preview_in_amber(engine, sources):
    prompt, request = prepared("i2v", engine, sources)
    for frame in pictures(engine.execute(given(request, prompt), ignore, Stop()).video):
        assert (np.abs(frame[:24, :48].astype(int) - (245, 158, 11)).sum(axis=2) < 90).sum() > 100


# Progress

def told(mode: str, engine: PreviewEngine, sources: dict[str, Path]) -> tuple[list[Event], dict]:
    prompt, request = prepared(mode, engine, sources)
    events: list[Event] = []
    made = engine.execute(given(request, prompt), events.append, Stop())
    return events, dict(made.timings)


def test_stages_open_in_the_order_of_the_links_and_one_without_a_node_is_not_told(engine, sources):
    events, timings = told("t2v", engine, sources)
    assert [event.stage for event in events if event.kind == "stage"] == ["Load", "Sample", "Refine", "Decode", "Save"]
    assert list(timings) == ["Load", "Sample", "Refine", "Decode", "Save"]
    assert all(seconds >= 0 for seconds in timings.values())


def test_every_step_is_told(engine, sources):
    events, _ = told("t2v", engine, sources)
    assert [(e.stage, e.step, e.steps) for e in events if e.kind == "step"] == [
        *(("Sample", step, 8) for step in range(1, 9)), *(("Refine", step, 3) for step in range(1, 4))]


def test_fractions_rise_and_the_time_left_is_estimated(engine, sources):
    events, _ = told("t2v", engine, sources)
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] <= 1
    assert events[0].seconds_left is None and events[-1].seconds_left >= 0


# Stops and failures

def test_a_stop_ends_a_run_at_once_and_leaves_no_file(engine, sources):
    prompt, request = prepared("t2v", engine, sources)
    for node in ("10", "11"):
        prompt[node]["inputs"].update({"length": 481} if node == "10" else {"frames_number": 481})
    stop, stopped = Stop(), 0.0

    def enough() -> None:
        nonlocal stopped
        stopped = time.monotonic()
        stop.set()

    timer = threading.Timer(0.3, enough)
    timer.start()
    with pytest.raises(Cancelled):
        engine.execute(given(request, prompt), ignore, stop)
    assert time.monotonic() - stopped < 0.5    # 0.2 s, and some for a busy machine
    assert not leftovers(engine)


def test_a_stop_before_a_run_is_not_lost_and_stops_only_that_one(engine, sources):
    prompt, request = prepared("t2v", engine, sources)
    stop = Stop()
    stop.set()
    with pytest.raises(Cancelled):
        engine.execute(given(request, prompt), ignore, stop)
    assert engine.execute(given(request, prompt), ignore, Stop()).frames == FRAMES


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_what_the_listener_raises_ends_the_run_without_a_file(failure, engine, sources):
    prompt, request = prepared("t2v", engine, sources)

    def listen(event: Event) -> None:
        if event.fraction > 0.5:
            raise failure

    with pytest.raises(failure):
        engine.execute(given(request, prompt), listen, Stop())
    assert not leftovers(engine)


def test_a_full_disk_is_an_output_error_with_a_remedy(engine, sources, monkeypatch):
    def full(path, *args, **keys):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(preview, "write_mp4", full)
    prompt, request = prepared("t2v", engine, sources)
    with pytest.raises(OutputError, match=r"disk is full at .* free some space"):
        engine.execute(given(request, prompt), ignore, Stop())
    assert not leftovers(engine)


def test_a_folder_that_cannot_be_made_is_an_output_error(engine, sources):
    prompt, request = prepared("t2v", engine, sources)
    engine.output_dir.parent.mkdir(parents=True, exist_ok=True)
    engine.output_dir.write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        engine.execute(given(request, prompt), ignore, Stop())


def test_a_prefix_that_leads_out_of_the_folder_is_refused(engine, sources):
    prompt, request = prepared("t2v", engine, sources, prefix="../../escaped")
    with pytest.raises(OutputError, match="leads out of"):
        engine.execute(given(request, prompt), ignore, Stop())


def test_a_size_that_h264_refuses_is_an_engine_error(engine, sources):
    prompt, request = prepared("t2v", engine, sources)
    prompt["odd"] = {"class_type": "ImageScale", "inputs": {"image": ["40", 0], "width": 65, "height": 33}}
    prompt["42"]["inputs"]["images"] = ["odd", 0]
    with pytest.raises(EngineError, match="65x33"):
        engine.execute(given(request, prompt), ignore, Stop())
    assert not leftovers(engine)


def test_a_file_that_the_workflow_itself_names_is_found(engine, sources):
    prompt, request = prepared("i2v", engine, sources)
    anonymous = Request(request.config, {}, prefix=request.prefix)
    assert engine.execute(given(anonymous, prompt), ignore, Stop()).frames == FRAMES
