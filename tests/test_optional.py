"""Sections that a mode or the configuration may leave out: a run is no worse for it, least of all after the rendering."""

from __future__ import annotations

from pathlib import Path

import pytest
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import config, run
from aio.cli import main
from aio.comfyui import tinyweights
from aio.job import Job

MODE = "# @package _global_\ndefaults: [base/ltx23, base/two_stage, base/made_sound, _self_]\nmode: {name: own, workflow: t2v.json}\n"
SMALL = {"prompt": "x", "width": 256, "height": 256, "seconds": 0.4, "fps": 8}
SECTIONS = ("stages", "examples", "memory", "input", "official", "notes", "values", "output.keep_days")
NEEDED = ("duration", "registry", "ui", "comfyui", "platform")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder for --config-dir with a mode of one's own: own(more text)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own" / "mode").mkdir(parents=True)

    def write(text=""):
        (tmp_path / "own" / "mode" / "own.yaml").write_text(MODE + text)
        return tmp_path / "own"

    return write


@pytest.mark.parametrize("left_out", ["null", "absent"])
@pytest.mark.parametrize("section", SECTIONS)
def test_the_preview_engine_makes_a_clip_without(section, left_out, own, capsys):
    key, _, last = section.partition(".")
    folder = own("" if left_out == "absent" else f"{key}: {{{last}: null}}\n" if last else f"{key}: null\n")
    words = [f"--config-dir={folder}", "mode=own", "engine=preview", *(f"{name}={value}" for name, value in SMALL.items())]
    if left_out == "absent" and section not in ("examples", "notes"):   # a mode of one's own has none to begin with
        words.append(f"~{section}")
    assert main(words) == 0, capsys.readouterr().err
    assert Path(capsys.readouterr().out.splitlines()[-1]).is_file()


@pytest.mark.parametrize(("section", "left_out"), [*((name, "absent") for name in NEEDED), ("duration", "null"), ("registry", "null")])
def test_a_section_that_every_run_needs_is_asked_for_before_anything_runs(section, left_out, own, capsys):
    folder = own("" if left_out == "absent" else f"{section}: null\n")
    words = [f"--config-dir={folder}", "mode=own", "engine=preview", *(f"{name}={value}" for name, value in SMALL.items())]
    assert main([*words, f"~{section}"] if left_out == "absent" else words) == 2
    said = capsys.readouterr()
    assert not said.out and section in said.err and "no run does without" in said.err


def test_a_stage_of_a_sampler_without_steps_is_no_failure():
    from aio.graph.shapes import SamplerFacts
    from aio.preview.engine import _Progress

    progress = _Progress({"1": "Sampling"}, [SamplerFacts("1", "", 0, 1, 100, 0)], lambda event: None)
    progress.reach(1.0)
    assert list(progress.timer.timings()) == ["Sampling"]


@pytest.mark.comfyui
@pytest.mark.parametrize("section", ["stages", "memory"])
def test_the_real_engine_makes_a_clip_each_time_without(section, own, comfy, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(run, "ensure", lambda *args, **rest: [])   # tiny weights are no weights of the registry
    folder = own(f"{section}: null\n")
    composed = config.compose(["mode=own", "preset=fast", f"output.dir={tmp_path / 'out'}"], [folder])
    work = comfy.engine.output_dir / "aio"
    before = set(work.glob("*"))   # of tests that publish nothing
    with tinyweights.narrow():
        names = [run.run(Job(composed, {**SMALL, "seed": seed}), comfy.engine).video.name for seed in (1, 2)]   # the second with all models warm
    assert names == ["own-0001.mp4", "own-0002.mp4"] and set(work.glob("*")) <= before


@pytest.mark.comfyui
def test_a_finished_clip_of_the_real_engine_outlives_whatever_comes_after_it(own, comfy, tmp_path, monkeypatch):  # noqa: F811
    """Its facts cannot be read, the disk is full: the clip stays, and the message says where."""
    from aio.comfyui import engine as module
    from aio.errors import AioError
    from aio.recipe import outputs

    monkeypatch.setattr(run, "ensure", lambda *args, **rest: [])
    composed = config.compose(["mode=own", "preset=fast", f"output.dir={tmp_path / 'out'}"], [own()])
    work = comfy.engine.output_dir / "aio"
    before = set(work.glob("*"))

    def full(*args):
        raise OSError(28, "No space left on device")

    for target, name in ((module, "artifacts"), (outputs.whole, "move")):
        with monkeypatch.context() as patched, tinyweights.narrow(), pytest.raises((AioError, OSError)) as error:
            patched.setattr(target, name, full)
            run.run(Job(composed, {**SMALL, "seed": 5}), comfy.engine)
        clip, = {*work.glob("*.mp4")} - before
        assert outputs.whole.mp4(clip) and (target is module or f"the finished clip is kept: {clip}" in str(error.value))
        clip.unlink()
