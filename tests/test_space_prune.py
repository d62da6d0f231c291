"""Old results go where the configuration says so, and only what aio made."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from aio import config, request
from aio.job import Job
from aio.preview.engine import PreviewEngine
from aio.run import run
from aio.spaces import prune as module
from aio.spaces.prune import keep_pruning, prune, rules

HOUR = 3600.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A result with its recipe beside it, made by a run."""
    folder = tmp_path_factory.mktemp("made")
    composed = config.compose(["mode=t2v", "engine=preview", f"output.dir={folder}"])
    job = Job(composed, {"prompt": "x", "width": "256", "height": "256", "seconds": "0.4"})
    return run(job, PreviewEngine(work_dir=folder / "work")).video


def aged(path: Path, hours: float) -> Path:
    past = time.time() - hours * HOUR
    os.utime(path, (past, past), follow_symlinks=False)
    return path


def result(clip: Path, folder: Path, name: str, hours: float, recipe: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    video = Path(shutil.copyfile(clip, folder / f"{name}.mp4"))
    if recipe:
        aged(Path(shutil.copyfile(clip.with_suffix(".json"), folder / f"{name}.json")), hours)
    return aged(video, hours)


def left(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_an_old_result_goes_with_its_recipe_and_a_young_one_stays(clip, tmp_path):
    result(clip, tmp_path / "out", "old", 5)
    result(clip, tmp_path / "out", "young", 3)
    gone = prune(tmp_path / "out", [], tmp_path / "scratch", 4 * HOUR)
    assert [path.name for path in gone] == ["old.json", "old.mp4"] and left(tmp_path / "out") == {"young.mp4", "young.json"}


def test_what_aio_did_not_make_stays_however_old(clip, tmp_path):
    out = tmp_path / "out"
    result(clip, out, "mine", 9, recipe=False)
    (out / "mine.json").write_text('{"notes": 1}')
    (out / "holiday.mp4").write_bytes(b"\0\0\0\x18ftypmp42 not made by aio")
    (out / "thesis.json").write_text("{}")
    (out / "readme.txt").write_text("mine")
    (out / "sweeps" / "1").mkdir(parents=True)
    result(clip, out / "sweeps" / "1", "t2v", 9)
    (out / "link.mp4").symlink_to(clip)
    for path in out.rglob("*"):
        aged(path, 9)
    assert [path.name for path in prune(out, [], tmp_path, 4 * HOUR)] == ["mine.mp4"]   # known by the recipe in it; the JSON beside it is another's
    assert left(out) == {"mine.json", "holiday.mp4", "thesis.json", "readme.txt", "sweeps/1/t2v.mp4", "sweeps/1/t2v.json", "link.mp4"}
    assert clip.is_file()


def test_the_rest_of_a_killed_run_and_the_pages_own_files_go_too(tmp_path):
    scratch = tmp_path / "scratch"
    for name in (".aio-x1.part", "other.part", "scratch/recipes/t2v-0001.json", "scratch/stills/a.jpg", "scratch/samples/s.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
        aged(tmp_path / name, 5)
    prune(tmp_path, [], scratch, 4 * HOUR)
    assert left(tmp_path) == {"other.part", "scratch/samples/s.png"}


def test_a_staged_input_goes_unless_it_was_used_again(samples, tmp_path):
    composed = config.compose(["mode=i2v"])
    job = Job(composed, {"prompt": "x", "image": str(samples / "astronaut.png")})
    staged = tmp_path / "input" / str(request.stage(request.validate(job), tmp_path / "input").values["image"])
    (staged.parent / "mine.png").write_bytes(b"x")
    aged(staged, 5), aged(staged.parent / "mine.png", 5)
    request.stage(request.validate(job), tmp_path / "input")
    assert prune(tmp_path / "out", [tmp_path], tmp_path / "scratch", 4 * HOUR) == []   # the second run has just used it
    aged(staged, 5)
    assert prune(tmp_path / "out", [tmp_path], tmp_path / "scratch", 4 * HOUR) == [staged] and (staged.parent / "mine.png").exists()


def test_a_file_that_another_process_removes_first_is_no_error(clip, tmp_path, monkeypatch):
    video = result(clip, tmp_path / "out", "old", 5)
    real = module._ours

    def slow(path: Path) -> bool:
        found = real(path)
        path.unlink()
        return found

    monkeypatch.setattr(module, "_ours", slow)
    assert prune(tmp_path / "out", [], tmp_path, 4 * HOUR) == [] and not video.exists()


def test_on_ones_own_machine_nothing_is_pruned_unless_configured_and_on_a_space_after_four_hours():
    assert rules(config.compose(["mode=t2v"])) is None
    assert rules(config.compose(["mode=t2v", "platform.prune.hours=24"])).hours == 24
    assert rules(config.compose(["mode=t2v", "platform=zerogpu"])).hours == 4


def test_the_page_prunes_while_it_runs(clip, tmp_path, capsys):
    out = tmp_path / "out"
    result(clip, out, "old", 5)
    composed = config.compose(["mode=t2v", "platform.prune.hours=4", "platform.prune.every_minutes=0.002", f"output.dir={out}"])
    stop = keep_pruning(rules(composed), tmp_path / "scratch")
    try:
        _until(lambda: not left(out))
        result(clip, out, "later", 5)
        _until(lambda: not left(out))
    finally:
        stop.set()
    assert "2 files older than 4 h removed" in capsys.readouterr().err


def _until(reached) -> None:
    end = time.monotonic() + 10
    while not reached() and time.monotonic() < end:
        time.sleep(0.02)
    assert reached()
