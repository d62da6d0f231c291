"""`make trust` itself: its table, its exit code, its generators, its hook, and that docs/TRUST.md names what there is."""

import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from trust import noise, table
from trust.areas import AREAS
from trust.hostile import Wrong, inputs
from trust.tally import KINDS, Row, Tally, Work
from trust.world import World, unkind

ROOT = Path(__file__).resolve().parent.parent


def work(folder, cases=40, only=""):
    folder.mkdir(exist_ok=True)
    return Work(1, cases, only, folder, Tally(Row("area", "what"), "python -m tests.trust area"))


def run(*words):
    return subprocess.run([sys.executable, "-m", "tests.trust", *words], cwd=ROOT, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("kind", KINDS)
def test_one_loss_hang_traceback_or_growth_makes_the_exit_code_1(tmp_path, kind):
    held, failed = work(tmp_path), work(tmp_path)
    held.tally.row.cases = 40
    failed.failed(kind, "the clip is gone", "before-7")
    assert table.exit_code([held.tally.ended()]) == 0
    assert table.exit_code([held.tally.ended(), failed.tally.ended()]) == 1
    shown = table.text([failed.tally.ended()])
    assert "FAILED" in shown and "the clip is gone" in shown and "python -m tests.trust area --only before-7" in shown


def test_what_could_not_run_is_seen_and_fails_nothing():
    row = Row("kills-comfyui", "kill -9 in the real ComfyUI", not_run="ComfyUI is not set up")
    assert table.exit_code([row]) == 0 and "not run: kills-comfyui: ComfyUI is not set up" in table.text([row])


def test_an_area_that_tried_nothing_has_not_held(tmp_path):
    assert table.exit_code([work(tmp_path).tally.ended()]) == 1


def test_failing_cases_of_one_cause_are_counted_and_shown_once(tmp_path):
    failed = work(tmp_path)
    for number in range(3):
        failed.failed("losses", f"clip {number} is gone", f"at-{number}")
    failed.failed("losses", "the sheet is not true")
    row = failed.tally.ended()
    assert row.count("losses") == 4 and [one.count for one in row.findings] == [3, 1]


def test_the_same_seed_makes_the_same_inputs():
    def made(seed):
        random = Random(seed)
        tree = noise.tree(random, {"a": [1, {"b": "c"}], "d": None}, ["x"])
        return noise.text(random), noise.value(random), tree, noise.damaged(random, bytes(range(200)), [b"other"])

    assert [made(seed) for seed in range(30)] == [made(seed) for seed in range(30)]
    assert len({repr(made(seed)) for seed in range(30)}) == 30


def test_a_case_is_the_same_alone_as_among_others(tmp_path):
    assert work(tmp_path).random(7).random() == work(tmp_path, only="7").random(7).random()
    assert list(work(tmp_path, cases=3).chosen(list("abcdef"))) == ["a", "c", "e"]
    assert list(work(tmp_path, only="d").chosen(list("abcdef"))) == ["d"]


def hostile(folder):
    def attempt(random, folder):
        number = random.random()
        if number < 0.1:
            raise KeyError("what nobody foresaw")
        if number < 0.2:
            raise Wrong("accepted, and means something else")
        if number < 0.3:
            subprocess.Popen(["true"])

    return attempt


def test_an_input_that_raises_misleads_or_starts_a_program_is_found(tmp_path):
    found = work(tmp_path / "a")
    inputs(found, hostile)
    assert found.tally.row.cases == 40
    assert found.tally.row.count("tracebacks") and found.tally.row.count("losses")
    assert any("another program was started" in one.why for one in found.tally.row.findings)


def test_an_input_that_never_ends_or_kills_the_process_is_found_and_the_others_are_tried(tmp_path, monkeypatch):
    import os
    import time

    monkeypatch.setattr("trust.hostile.HANG", 0.3)
    left = iter(range(99))

    def prepare(folder):
        begun = int(folder.name.removeprefix("from-"))
        return lambda random, folder: time.sleep(60) if begun == 0 and next(left) == 1 else os._exit(3) if begun == 2 else None

    found = work(tmp_path / "a", cases=6)
    inputs(found, prepare)
    row = found.tally.row
    assert (row.cases, row.count("hangs"), row.count("tracebacks")) == (6, 1, 1)


def test_a_worker_that_cannot_begin_is_no_pass(tmp_path):
    with pytest.raises(RuntimeError, match="could not begin"):
        inputs(work(tmp_path / "a"), lambda folder: 1 / 0)


@pytest.mark.parametrize("text, wrong", [
    ("", "without a word"), ("Traceback (most recent call last):\n  x\nKeyError: 'a'", "traceback"), ("aio: TypeError: 'a'", "class name"),
    ("aio: \x1b[2J", "control character"), ("prompt: this mode needs it; write prompt=…", ""), ("aio: 'KeyError' is no mode", ""),
])
def test_words_are_told_from_what_is_none(text, wrong):
    assert wrong in unkind(text, "mode=KeyError") if wrong else not unkind(text, "mode=KeyError")


SCRIPT = "import os, sys; open(sys.argv[1] + '/one', 'w').close(); os.rename(sys.argv[1] + '/one', sys.argv[1] + '/two'); print('end')"


def test_the_hook_counts_kills_and_fails_disk_calls(tmp_path):
    world = World(tmp_path / "world")

    def ended(**hook):
        for path in world.out.iterdir():
            path.unlink()
        return world.aio(str(world.out), program=("-c", SCRIPT), hook=hook)

    assert ended().code == 0 and [name for _, name, _ in world.calls()] == ["file", "rename"]
    assert ended(do="kill", when="before", at=2).code == -9 and [path.name for path in world.out.iterdir()] == ["one"]
    assert ended(do="kill", when="after", at=2).code == -9 and [path.name for path in world.out.iterdir()] == ["two"]
    failed = ended(do="fail", errno=28, at=1, calls=["rename"])
    assert failed.code == 1 and "No space left on device" in failed.err
    ended(do="remove", at=2, folder=str(world.out))
    assert not world.out.exists()


def test_a_tenth_of_a_cheap_area_runs_in_seconds():
    done = run("prompts", "--quick")
    assert "prompts" in done.stdout and " 200 " in done.stdout and "AIO_TRUST_SEED=1 make trust" in done.stdout
    assert done.returncode == ("FAILED" in done.stdout), done.stdout


def test_the_whole_fits_into_half_an_hour_and_has_the_promised_numbers():
    kills = [area for area in AREAS if area.name.startswith("kills-")]
    hostile = [area for area in AREAS if area.run.__module__.split(".")[-1] in ("parsers", "words", "files", "media")]
    assert sum(area.cases for area in kills) >= 200 and sum(area.cases for area in hostile) >= 100_000
    assert sum(area.seconds for area in AREAS if not area.whole) / 2 + sum(area.seconds for area in AREAS if area.whole) < 29 * 60
    assert len({area.name for area in AREAS}) == len(AREAS)


def test_the_harness_has_small_modules():
    for path in (ROOT / "tests" / "trust").rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250, path


def test_the_page_on_trust_names_areas_files_and_tests_that_exist():
    text = (ROOT / "docs" / "TRUST.md").read_text(encoding="utf-8")
    for path, test in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text):
        assert (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test
    named = set(re.findall(r"\*\*([a-z-]+)\*\*", text))
    assert named == {area.name for area in AREAS}, named ^ {area.name for area in AREAS}
