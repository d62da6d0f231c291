"""ZeroGPU: where the platform is chosen, what a run asks for and what that costs, what is logged. The calls themselves: zerogpu_live.py."""

import ast
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aio import check, errors, timings
from aio.cli import main
from aio.config import choices, compose
from aio.errors import GpuAborted, IllegalDuration, NodeError
from aio.graph import duration
from aio.graph.draw import draw
from aio.graph.shapes import SamplerFacts
from aio.job import Job
from aio.machine.here import placed
from aio.request import stage, validate
from aio.spaces import plain, refusals
from aio.values import Artifacts, Event

LIVE = Path(__file__).with_name("zerogpu_live.py")
LIVE_TESTS = [node.name for node in ast.parse(LIVE.read_text()).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
ZERO = "platform=zerogpu"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Name of a live test -> what its failures say; in a process of its own, where `spaces` takes this machine for ZeroGPU."""
    pytest.importorskip("gradio")
    pytest.importorskip("spaces")
    report = tmp_path_factory.mktemp("live") / "report.xml"
    command = [sys.executable, "-m", "pytest", str(LIVE), "-q", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | {"SPACE_ID": "me/aio"})
    assert report.is_file(), done.stdout + done.stderr
    found: dict[str, list[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        said = found.setdefault(case.get("name").split("[")[0], [])
        said += [part.text or "" for part in case if part.tag in ("failure", "error", "skipped")]
    return found


@pytest.mark.parametrize("name", LIVE_TESTS)
def test_live(outcomes, name):
    assert outcomes[name] == []


def test_a_space_chooses_its_platform_by_itself(monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert placed(["mode=t2v"]) == ["mode=t2v"] and compose().choices["platform"] == "local"
    for name, value in (("SPACES_ZERO_GPU", "true"), ("SPACE_ID", "me/aio")):
        with monkeypatch.context() as here:
            here.setenv(name, value)
            assert compose().choices["platform"] == "zerogpu"
            assert compose(["platform=local"]).choices["platform"] == "local"
    assert compose().choices["platform"] == "local"   # a cached composition does not remember where it was


def test_off_a_space_the_decorator_is_nothing_and_spaces_is_not_imported():
    script = "import sys; from aio.spaces import call; from aio.cli import main; print(call.large.__module__, 'spaces' in sys.modules)"
    env = {name: value for name, value in os.environ.items() if name != "SPACES_ZERO_GPU"}
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env).stdout
    assert said.split() == ["aio.spaces.call", "False"]


@pytest.mark.parametrize("mode", choices("mode"))
def test_plan_and_decorator_compute_the_same_seconds(mode, inputs, tmp_path):
    """The plan knows the files as given, the decorator as staged."""
    config = compose([f"mode={mode}", ZERO])
    files = {name: inputs[name] for name, field in config.fields.items() if name in inputs and field.required}
    checked = validate(Job(config, {"prompt": "x", "width": 256, "height": 256, "seconds": 0.5, **files}))
    said = draw(checked).estimate
    staged = stage(checked, tmp_path)
    asked = draw(staged).estimate
    assert asked == said and asked.size == "large" and 60 <= asked.request <= 900


def estimate(*overrides, **values):
    config = compose([ZERO, *overrides])
    checked = check.sample(config, values)
    return draw(checked).estimate


def test_seconds_follow_the_prompts_real_numbers_and_stay_within_the_clamp():
    short, long, careful = estimate("preset=fast"), estimate("preset=fast", seconds=12.0), estimate("preset=quality")
    assert 60 < short.request < long.request < 900 and short.request < careful.request
    assert short.request == pytest.approx(short.needed, abs=1.5) and short.needed == pytest.approx((short.total + short.load) * 1.25, abs=0.1)
    huge = estimate("preset=quality", seconds=20.0, width=1920, height=1088)
    assert huge.request == 900 and huge.needed > 900
    assert estimate("preset=fast", "platform.duration.margin=0.1").request == 60


def test_any_file_of_the_configuration_may_add_seconds(tmp_path):
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset" / "slow.yaml").write_text("# @package _global_\ndefaults: [fast, _self_]\nduration: {extra_s: {Polish: 20}}\n")
    config = compose([ZERO, "preset=slow"], [tmp_path])
    checked = check.sample(config)
    slow, fast = draw(checked).estimate, estimate("preset=fast")
    assert slow.parts["Polish"] == pytest.approx(66) and slow.total == pytest.approx(fast.total + 66)


def test_spaces_own_factor_is_taken_into_account_and_xlarge_counts_double():
    large, xlarge = estimate("preset=fast"), estimate("preset=fast", "model=bf16")
    assert large.handed * 1.5 == large.request == large.quota and large.size == "large"
    assert xlarge.handed == xlarge.request == xlarge.quota / 2 and xlarge.size == "xlarge"
    for one in (large, xlarge):
        assert one.runs == {kind: int(minutes * 60 // one.quota) for kind, minutes in
                            {"signed out": 2, "free account": 5, "PRO or Team": 40, "Enterprise": 60}.items()}


def test_plan_says_what_each_accounts_quota_allows(capsys):
    assert main(["plan", "mode=t2v", ZERO, "prompt=x", "preset=quality"]) == 0
    said = capsys.readouterr().out
    assert "signed out does not fit" in said and "free account 1 a day" in said and "asks ZeroGPU for" in said
    assert main(["plan", "mode=t2v", ZERO, "prompt=x", "preset=quality", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gpu"]["runs"]["free account"] == 1
    assert main(["plan", "mode=t2v", "platform=local", "prompt=x"]) == 0
    assert "account" not in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "expected"), [
    (100, [200, 120]),      # twice; else all that a visitor without an account may have
    (200, [400, 300]),
    (500, [900]),
    (900, []),
    (899.5, []),
])
def test_a_second_attempt_is_longer_or_is_none(seconds, expected):
    assert refusals.longer(seconds, 900, (3600, 2400, 300, 120)) == expected


def test_every_refusal_has_its_own_words_on_the_page():
    pytest.importorskip("gradio")
    from aio.ui import words

    rules = compose().ui.messages
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GpuError)]
    said = {kind: words.explain(kind("x"), rules) for kind in kinds}
    assert len(kinds) == 8 and len({title for title, _ in said.values()}) == 8
    assert all(text != "x" and text.endswith(".") for kind, (_, text) in said.items() if kind is not errors.QuotaExceeded)


def test_values_survive_the_crossing():
    event = Event("step", "Stage 1", "Stage 1", 3, 8, 0.4, 2.5)
    made = Artifacts(Path("/x/a.mp4"), 256, 256, 9, 24.0, 0.375, 48000, "comfyui v0", {"Stage 1": 1.5}, "A card")
    lost = NodeError("it failed", stage="Stage 1", node="24", reason="why")
    for item in (plain.event(event), plain.made(made), plain.failed(lost)):
        json.dumps(item)   # nothing but plain values
    assert plain.read_event(plain.event(event)[1]) == event and plain.read_made(plain.made(made)[1]) == made
    again = plain.read_failed(plain.failed(lost)[1])
    assert (type(again), str(again), again.node) == (NodeError, "it failed", "24")
    assert refusals.typed(lost) is lost and isinstance(refusals.typed(RuntimeError("other")), RuntimeError)


def run_of(tmp_path, card="A card", **values):
    config = compose([f"platform.timings={tmp_path / 'log' / 'timings.jsonl'}"])
    checked = check.sample(config, values)
    drawn = draw(checked)
    stages = {config.stages[one.node]: 2 * duration.sampling(one, config.duration) for one in drawn.work.samplers}
    return drawn, Artifacts(Path("x.mp4"), 1280, 704, 121, 24.0, 5.0, 48000, "comfyui v0", stages, card)


def test_a_run_on_a_gpu_is_logged_without_anything_private(tmp_path):
    timings.note(*run_of(tmp_path, prompt="SECRET"))
    timings.note(*run_of(tmp_path, card=""))   # no GPU: nothing to learn
    text = (tmp_path / "log" / "timings.jsonl").read_text()
    (line,) = [json.loads(row) for row in text.splitlines()]
    assert {"card", "mode", "preset", "model", "steps", "tokens", "frames", "pixels", "stages", "samplers"} <= set(line)
    assert (line["card"], line["frames"], line["pixels"]) == ("A card", 121, 121 * 1280 * 704) and "SECRET" not in text


def test_many_runs_may_log_at_the_same_time_and_a_broken_line_spoils_nothing(tmp_path):
    run = run_of(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: timings.note(*run), range(100)))
    log = tmp_path / "log" / "timings.jsonl"
    log.write_text(log.read_text() + '{"card": "cut sho')
    assert len(list(timings.read(log))) == 100


def test_a_log_that_cannot_be_written_fails_no_run(tmp_path, capsys):
    (tmp_path / "log").write_text("a file, no folder")
    timings.note(*run_of(tmp_path))
    assert "not logged" in capsys.readouterr().err


def test_the_constants_are_fitted_to_the_log(tmp_path, capsys):
    for seconds in (5.0, 8.0, 12.0):
        timings.note(*run_of(tmp_path, seconds=seconds))
    log = tmp_path / "log" / "timings.jsonl"
    costs = compose().duration
    (facts,) = timings.fit(timings.read(log), costs).values()
    assert facts["card_factor"] == 2.0 and facts["runs"] == 3
    curve = [1000 * duration.sampling(SamplerFacts("", "", 1, 1, tokens), costs) for tokens in (6000, 14000)]
    linear, square = facts["step_ms"]
    assert [linear * t + square * t**2 for t in (6, 14)] == pytest.approx([2 * one for one in curve], rel=0.05)
    assert timings.main([str(log)]) == 0 and "A card: 3 runs, card_factor: 2.0" in capsys.readouterr().out


def test_a_refusal_keeps_the_platforms_numbers_and_drops_its_links():
    error = Exception()
    error.title, error.message = "ZeroGPU illegal duration", "The requested GPU duration (900s) is larger than the maximum allowed - https://x.y/z"
    said = str(refusals.typed(error))
    assert isinstance(refusals.typed(error), IllegalDuration) and "(900s)" in said and "http" not in said
    error.title, error.message = "ZeroGPU worker error", "GPU task aborted"
    assert isinstance(refusals.typed(error), GpuAborted)
