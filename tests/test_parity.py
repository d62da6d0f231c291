"""The preview engine and the real ComfyUI agree on everything that can be known before a run. Where they do not, the preview is wrong."""

import pytest
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import config as configuration
from aio.check import doctor
from aio.preview.engine import PreviewEngine
from aio.stop import Stop
from aio.values import ignore

pytestmark = pytest.mark.comfyui

FEW_STEPS = {"steps": 2, "sigmas": "1.0, 0.725, 0.0"}
"""The number of steps changes no size."""

PAIRS = [(mode, preset) for mode in configuration.choices("mode") for preset in configuration.choices("preset")]

LENGTHS = [   # frames that the rate does not divide, sound longer than the clip, a rate of three digits
    ("t2v", {"fps": 25.0, "seconds": 1.1}),
    ("t2v", {"fps": 23.976, "seconds": 1.4}),
    ("a2v", {"fps": 30.0, "seconds": 0.7}),
    ("keyframe", {"fps": 12.0, "seconds": 1.4}),
    ("style", {"fps": 10.0, "seconds": 1.7}),
]


def both(comfy, tmp_path, mode, preset, params):  # noqa: F811
    """What each engine says of its mp4, and what is in it."""
    case = doctor.Case(configuration.compose([f"mode={mode}", f"preset={preset}"]), params=params)
    found = []
    for engine, execute in ((comfy.engine, comfy.execute), (preview := PreviewEngine(work_dir=tmp_path), None)):
        drawn = doctor.prepared(case, engine.input_dir)
        made = execute(drawn.request, drawn.prompt) if execute else preview.execute(drawn, ignore, Stop())
        found.append((made, doctor.look(made.video)))
    return found


def agree(found):
    (said, seen), (previewed, drawn) = found
    for name in ("width", "height", "frames", "fps", "sample_rate"):
        assert getattr(said, name) == getattr(seen, name) == getattr(previewed, name) == getattr(drawn, name), name
    assert said.seconds == pytest.approx(previewed.seconds, abs=1e-9)
    assert seen.sound_seconds == pytest.approx(drawn.sound_seconds, abs=0.0011)   # a header rounds to milliseconds
    assert seen.sample_rate > 0 and seen.spread > doctor.FLAT and seen.mean > doctor.DARK


@pytest.mark.parametrize("mode, preset", PAIRS)
def test_preview_and_comfyui_make_the_same_size_length_rate_and_sound(comfy, tmp_path, mode, preset):  # noqa: F811
    agree(both(comfy, tmp_path, mode, preset, {name: value for name, value in FEW_STEPS.items() if preset == "quality" or name == "sigmas"}))


@pytest.mark.parametrize("mode, params", LENGTHS)
def test_they_agree_on_other_lengths_and_rates(comfy, tmp_path, mode, params):  # noqa: F811
    agree(both(comfy, tmp_path, mode, "fast", {**params, "sigmas": FEW_STEPS["sigmas"]}))
