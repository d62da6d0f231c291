"""Staged copies that no run used for long are removed; nothing else ever is."""

import os
import time

import pytest

from aio import config, request
from aio.job import Job
from aio.media import probe, stage_media, stale

DAY = 86_400


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """As in a new process: one look an hour."""
    monkeypatch.setattr(stale, "_looked", {})


def aged(path, days):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def test_old_copies_go_and_young_ones_stay(tmp_path):
    old = [aged(tmp_path / "aio" / name, 31) for name in ("0123456789abcdef.png", "0123456789abcdef-256x256-9f-24fps.mp4", ".aio-a1b2c3d4.part")]
    young = aged(tmp_path / "aio" / "fedcba9876543210.png", 29)
    assert sorted(stale.remove_stale(tmp_path, 30 * DAY)) == sorted(old)
    assert young.exists() and not any(path.exists() for path in old)


def test_nothing_but_staged_copies_is_touched(tmp_path):
    for name in ("aio/portrait.png", "aio/0123456789ABCDEF.png", "aio/sub/0123456789abcdef.png", "0123456789abcdef.png", "aio/.keep"):
        aged(tmp_path / name, 99)
    target = aged(tmp_path / "mine.png", 99)
    (tmp_path / "aio" / "00000000000000aa.png").symlink_to(target)
    (tmp_path / "aio" / "00000000000000bb.png").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert stale.remove_stale(tmp_path, 30 * DAY) == []
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_marks_its_copy_as_used_and_clears_up_by_the_configuration(tmp_path, samples):
    picture = samples / "astronaut.png"
    name, _ = stage_media(probe(picture, "image", "image"), "image", tmp_path)
    used, idle = aged(tmp_path / name, 99), aged(tmp_path / "aio" / "0123456789abcdef.png", 99)
    job = Job(config.compose(["mode=i2v"]), {"image": str(picture), "prompt": "x"})
    request.stage(request.validate(job), tmp_path)
    assert used.exists() and not idle.exists()


def test_a_copy_that_is_used_while_it_is_being_removed_is_put_back(tmp_path, monkeypatch):
    copy = aged(tmp_path / "aio" / "0123456789abcdef.png", 99)
    looks = []

    def older(path, before, real=stale._older):
        looks.append(path)
        if len(looks) == 2:
            os.utime(path)   # another process, at the worst moment
        return real(path, before)

    monkeypatch.setattr(stale, "_older", older)
    assert stale.remove_stale(tmp_path, 30 * DAY) == []
    assert copy.exists() and len(list(copy.parent.iterdir())) == 1


@pytest.mark.parametrize(("days", "gone"), [(None, 0), (0, 1)])
def test_null_keeps_everything_and_no_number_reaches_what_was_used_within_the_hour(tmp_path, days, gone):
    aged(tmp_path / "aio" / "0123456789abcdef.png", 99)
    aged(tmp_path / "aio" / "fedcba9876543210.png", 0.02)
    assert len(stale.remove_stale(tmp_path, days)) == gone
