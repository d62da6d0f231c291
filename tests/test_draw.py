"""What follows from a checked request: drawn once, and the same before its files are staged as after."""

from __future__ import annotations

import dataclasses

import pytest

from aio import config, request, run
from aio.check import plan
from aio.errors import AioError
from aio.graph import draw, duration, patch
from aio.job import Job, Request
from aio.machine.folders import ROOT
from aio.preview.engine import PreviewEngine

FILES = {"image": "astronaut.png", "audio": "speech.wav", "video": "bigbuckbunny.mp4", "first_frame": "astronaut.png", "last_frame": "astronaut.png"}


def job(mode: str, *overrides: str, **params) -> Job:
    composed = config.compose([f"mode={mode}", "engine=preview", *overrides])
    files = {name: str(ROOT / "samples" / file) for name, file in FILES.items() if name in composed.fields}
    return Job(composed, {"prompt": "x", **files, **params})


@pytest.fixture
def applied(monkeypatch):
    """The patches that were applied."""
    found, real = [], patch.apply

    def apply(operations, prompt):
        found.append(operations)
        return real(operations, prompt)

    monkeypatch.setattr(patch, "apply", apply)
    return found


def test_a_plan_draws_its_graph_once(applied):
    made = plan.plan(job("i2v"))
    made.as_dict(), plan.text(made)
    assert len(applied) == 1


def test_a_run_draws_what_it_checks_and_what_it_stages(applied, tmp_path):
    run.run(job("t2v", f"output.dir={tmp_path / 'out'}", seconds=0.4, width=256, height=256), PreviewEngine(work_dir=tmp_path))
    assert len(applied) == 2


def test_work_and_estimate_are_worked_out_when_asked_for_and_once(monkeypatch):
    calls, real = [], duration.work
    monkeypatch.setattr(duration, "work", lambda *args: calls.append(1) or real(*args))
    drawn = draw.draw(request.validate(job("t2v")))
    assert not calls and drawn.estimate is drawn.estimate and drawn.result is drawn.work.result and calls == [1]


@pytest.mark.parametrize("mode", config.choices("mode"))
def test_what_a_plan_says_of_a_clip_is_what_comes_of_its_staged_files(mode, tmp_path):
    planned = request.checked(job(mode, width=512, height=320, fps=24, seconds=None if mode == "style" else 1.0))
    staged = draw.draw(request.stage(planned.request, tmp_path))
    assert (staged.result.width, staged.result.frames, staged.result.sound_seconds) == (
        planned.result.width, planned.result.frames, pytest.approx(planned.result.sound_seconds, abs=0.001))
    assert staged.asked == planned.asked == (512, 320, staged.result.frames, 24)
    assert staged.estimate.total == planned.estimate.total and staged.models == planned.models


def test_a_patch_that_does_not_apply_shows_where_the_graph_is_drawn(tmp_path):
    composed = config.compose(["mode=t2v"])
    (tmp_path / "w.json").write_text("{}")
    with pytest.raises(AioError, match=r"w\.json"):
        draw.draw(Request(dataclasses.replace(composed, workflow=tmp_path / "w.json"), request.validate(job("t2v")).values))
