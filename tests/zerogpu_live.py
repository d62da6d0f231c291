"""GPU calls through the real `spaces` package, forked processes and all, against a stand-in for ZeroGPU's device API.

Its own process, since `spaces` decides at its import where it is: tests/test_zerogpu.py runs it, and so does, by hand,
    python -m pytest tests/zerogpu_live.py
"""

import base64
import dataclasses
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))
from fakezero import Device

DEVICE = Device()
os.environ |= {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": DEVICE.url, "GRADIO_ANALYTICS_ENABLED": "False"}

sys.modules["torch"] = None   # spaces wants a torch for CUDA, or none
import spaces.zero.config  # noqa: E402

del sys.modules["torch"]
spaces.zero.config._read_gpu_information = lambda: "Model: NVIDIA RTX PRO 6000 Blackwell Server Edition"

import pytest  # noqa: E402
from gradio.context import LocalContext  # noqa: E402

from aio import config as configuration  # noqa: E402
from aio import engines, errors  # noqa: E402
from aio.check import plan  # noqa: E402
from aio.job import Job  # noqa: E402
from aio.preview.engine import PreviewEngine  # noqa: E402
from aio.run import run  # noqa: E402
from aio.spaces.call import gpu  # noqa: E402
from aio.spaces.engine import ZeroGPUEngine, choose, create  # noqa: E402
from aio.ui.running import Run  # noqa: E402
from aio.values import Event  # noqa: E402

WORK = Path(tempfile.mkdtemp(prefix="aio-live-"))
"""Of the toy's, everywhere the same: a process that stays warm keeps its engine."""

SMALL = {"width": 256, "height": 256, "seconds": 0.5}


FAILURES = {
    "full": errors.OutOfMemory("Stage 1 ran out of memory", stage="Stage 1", node="24", reason="OutOfMemoryError: 48 GB"),
    "odd": KeyError("a surprise"),
}


class Toy(PreviewEngine):
    """Stands in for ComfyUI on the card. What it does is said by the prompt's text; PreviewEngine draws its films."""

    name, revision, real = "comfyui", "toy", True

    def execute(self, drawn, on_event, stop, *, metadata=None):
        text, trace = drawn.request.values["prompt"], WORK / "trace"
        with trace.open("a") as file:
            file.write(f"{os.getpid()} ")
        if text in FAILURES:
            raise FAILURES[text]
        if text == "dies" or (text == "dies once" and len(trace.read_text().split()) == 1):
            time.sleep(0.2)
            os._exit(9)   # as ZeroGPU ends a process
        if text == "endless":
            for step in range(1000):
                time.sleep(0.05)
                if stop.is_set():
                    (WORK / "stopped").touch()
                stop.check()
                on_event(Event("step", "Stage 1", "Stage 1", step, 1000, step / 1000))
        made = super().execute(drawn, on_event, stop, metadata=metadata)
        if text == "silent":
            os._exit(9)
        if text == "half":
            made.video.write_bytes(made.video.read_bytes()[:2000])
            os._exit(9)
        return dataclasses.replace(made, engine=f"comfyui {os.getpid()}", card="Toy GPU")


@pytest.fixture(autouse=True)
def stage(tmp_path, monkeypatch):
    """A fresh engine, a device that grants, and a place for results."""
    DEVICE.answer, DEVICE.allows, DEVICE.waits = "ok", None, 0.5
    DEVICE.log.clear()
    monkeypatch.setattr(engines, "make", lambda name, config: (PreviewEngine if name == "preview" else Toy)(work_dir=WORK))
    shutil.rmtree(WORK)
    WORK.mkdir()
    return tmp_path


def job(tmp_path, text="x", *overrides, **params):
    common = ["engine=comfyui", f"output.dir={tmp_path / 'outputs'}", f"platform.timings={tmp_path / 'timings.jsonl'}"]
    return Job(configuration.compose([*common, *overrides]), {"prompt": text, **SMALL, **params})


def go(job, on_event=lambda event: None):
    name, _ = choose(job.config)
    return run(job, create(name, job.config), on_event)


def visitor(token):
    claims = base64.urlsafe_b64encode(json.dumps({"user": "anna"}).encode()).decode().rstrip("=")
    headers = type("Headers", (dict,), {})({"x-ip-token": f"{token}.{claims}.x"})
    return SimpleNamespace(headers=headers)


def test_the_platform_is_zerogpu_by_itself_and_an_explicit_one_wins(tmp_path):
    assert job(tmp_path).config.choices["platform"] == "zerogpu"
    local = job(tmp_path, "x", "platform=local")
    assert local.config.choices["platform"] == "local" and not isinstance(create("comfyui", local.config), ZeroGPUEngine)


@pytest.mark.parametrize(("overrides", "size"), [((), "large"), (("preset=quality",), "large"), (("model=bf16",), "xlarge")])
def test_a_gpu_is_asked_for_as_plan_says(stage, overrides, size):
    asked = job(stage, "x", *overrides, width=1280, height=704, seconds=0.4)
    said = plan.plan(asked).drawn.estimate
    go(asked)
    (sent,) = DEVICE.asked()
    assert (float(sent["durationSeconds"]), sent["gpuSize"]) == (pytest.approx(said.request, abs=0.5), size)
    assert said.size == size and said.quota == said.request * (2 if size == "xlarge" else 1)


def test_a_run_happens_in_another_process_which_stays_warm(stage):
    events = []
    first, second = go(job(stage), events.append), go(job(stage))
    pids = {first.engine.split()[1], second.engine.split()[1]}
    assert len(pids) == 1 and pids != {str(os.getpid())}
    assert first.video.parent == stage / "outputs" and first.frames == 9 and first.timings
    stages = [event.stage for event in events if event.kind == "stage"]
    assert stages[0].startswith("Waiting for a GPU") and "Stage 1" in stages and "Writing the video" in stages
    assert any(event.kind == "step" and event.steps == 8 for event in events)
    assert [path for path, _ in DEVICE.log].count("/release") == 2


def test_the_log_of_times_is_written_where_the_page_runs(stage):
    go(job(stage))
    line = json.loads((stage / "timings.jsonl").read_text())
    assert (line["card"], line["size"], line["mode"], line["preset"], line["model"]) == ("Toy GPU", "large", "t2v", "balanced", "fp8")
    assert line["steps"] == 11 and line["frames"] == 9 and line["pixels"] == 9 * 256 * 256 and "Stage 1" in line["stages"]


@pytest.mark.parametrize(("answer", "kind"), [
    ("quota", errors.QuotaExceeded),
    ("runs", errors.QuotaExceeded),
    ("quota of a stranger", errors.SignInNeeded),
    ("illegal", errors.IllegalDuration),
    ("expired", errors.TokenExpired),
    ("none", errors.NoGpu),
    ("queue failed", errors.QueueTimeout),
    ("broken", errors.GpuError),
])
def test_each_refusal_has_an_error_and_words_of_its_own(stage, answer, kind):
    DEVICE.answer = answer
    token = LocalContext.request.set(visitor("t"))
    try:
        with pytest.raises(errors.GpuError) as caught:
            go(job(stage))
    finally:
        LocalContext.request.reset(token)
    assert type(caught.value) is kind and "http" not in str(caught.value) and "<" not in str(caught.value)
    assert len(DEVICE.asked()) == 1   # a refusal is no reason to ask again


def test_a_page_that_the_hub_does_not_know_is_told_to_be_opened_there(stage):
    DEVICE.answer = "quota"   # no token at all
    with pytest.raises(errors.SignInNeeded, match=r"huggingface\.co"):
        go(job(stage))


def test_an_aborted_run_is_tried_once_more_for_twice_the_time_and_the_visitor_is_told(stage):
    events = []
    made = go(job(stage, "dies once"), events.append)
    first, second = (int(sent["durationSeconds"]) for sent in DEVICE.asked())
    assert second == 2 * first and made.frames == 9
    (warning,) = [event.message for event in events if event.kind == "warning"]
    assert f"up to {second} s" in warning and f"{first} s" in warning


def test_there_is_no_third_attempt(stage):
    with pytest.raises(errors.GpuAborted):
        go(job(stage, "dies"))
    assert len(DEVICE.asked()) == 2 and not list((WORK / "output").rglob("*.mp4"))


def test_there_is_no_second_attempt_that_would_not_be_longer(stage):
    with pytest.raises(errors.GpuAborted):
        go(job(stage, "dies", "platform.duration.min=900"))
    assert len(DEVICE.asked()) == 1


def test_the_second_attempt_is_as_long_as_the_account_allows(stage):
    DEVICE.allows = 300   # of a free account
    go(job(stage, "dies once", "platform.duration.min=200"))
    assert [int(sent["durationSeconds"]) for sent in DEVICE.asked()] == [pytest.approx(200, abs=1.5), pytest.approx(400, abs=2.5), 300]


def test_a_finished_film_is_not_made_again_where_only_the_answer_was_lost(stage):
    events = []
    made = go(job(stage, "silent"), events.append)
    assert made.frames == 9 and len(DEVICE.asked()) == 1
    assert any("has this job's prefix" in event.message for event in events if event.kind == "warning")


def test_half_a_film_is_none(stage):
    with pytest.raises(errors.GpuAborted):
        go(job(stage, "half", "platform.duration.min=900"))
    assert not list((WORK / "output").rglob("*.mp4"))


def wait_for(condition, seconds=5.0):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


def test_stop_reaches_the_other_process_within_a_second(stage):
    task = Run(job(stage, "endless")).start()
    wait_for(lambda: task.event.step > 1)
    began = time.monotonic()
    task.stop()
    assert task.done.wait(2) and isinstance(task.error, errors.Cancelled)
    wait_for((WORK / "stopped").exists, 1)
    assert time.monotonic() - began < 1
    pid = (WORK / "trace").read_text().split()[-1]
    wait_for(lambda: not DEVICE.busy)   # given back
    assert go(job(stage)).engine.split()[1] == pid   # and the process is warm still, and not stopped itself


def test_stop_in_the_queue_for_a_gpu_ends_the_run_at_once(stage):
    DEVICE.answer, DEVICE.waits = "queue", 1.8
    task = Run(job(stage, "endless")).start()
    wait_for(lambda: DEVICE.asked())
    began = time.monotonic()
    task.stop()
    assert task.done.wait(2) and time.monotonic() - began < 1 and isinstance(task.error, errors.Cancelled)
    wait_for(lambda: DEVICE.granted and not DEVICE.busy and DEVICE.log[-1][0] == "/release")
    assert not (WORK / "trace").exists()   # the card came, and nothing was run on it


def test_the_visitors_identity_reaches_the_request_for_a_gpu(stage):
    token = LocalContext.request.set(visitor("annas"))
    try:
        task = Run(job(stage)).start()
    finally:
        LocalContext.request.reset(token)
    assert task.done.wait(20) and task.error is None
    assert DEVICE.asked()[0]["token"].startswith("annas.")


def test_an_error_crosses_with_its_kind_its_text_and_its_facts(stage):
    with pytest.raises(errors.OutOfMemory, match="Stage 1 ran out of memory") as caught:
        go(job(stage, "full"))
    assert (caught.value.stage, caught.value.node) == ("Stage 1", "24")
    with pytest.raises(errors.InternalError, match="this is a fault of aio: KeyError: 'a surprise'; the details are in the log of the Space"):
        go(job(stage, "odd"))


def test_a_coroutine_never_crosses():
    async def function(call):
        return call

    async def generator(call):
        yield call

    for wrong in (function, generator):
        with pytest.raises(TypeError, match="coroutine"):
            gpu("large")(wrong)


def test_the_preview_engine_asks_for_no_gpu(stage):
    made = run(asked := job(stage, "x", "engine=preview"), create("preview", asked.config))
    assert made.video.name.endswith(".preview.mp4") and DEVICE.log == []


def test_engine_auto_is_comfyui_here_or_says_what_is_missing(stage, monkeypatch):
    monkeypatch.setattr("aio.comfyui.location.find", lambda data: None)
    with pytest.raises(errors.EngineError, match="ZeroGPU device is here, but ComfyUI is not set up"):
        choose(job(stage, "x", "engine=auto").config)
    monkeypatch.setattr("aio.comfyui.location.find", lambda data: SimpleNamespace(path=stage))
    assert choose(job(stage, "x", "engine=auto").config)[0] == "comfyui"


def test_two_visitors_have_a_card_each(stage):
    tasks = [Run(job(stage, "endless")).start() for _ in range(2)]
    wait_for(lambda: all(task.event.step > 1 for task in tasks))
    tasks[0].stop()
    assert tasks[0].done.wait(2) and not tasks[1].done.wait(0.3)
    tasks[1].stop()
    assert tasks[1].done.wait(2)
    wait_for(lambda: not DEVICE.busy)
    assert len({parameters["allowToken"][0] for path, parameters in DEVICE.log if path == "/release"}) == 2


def test_the_page_runs_on_a_gpu_for_its_visitor_and_words_a_refusal(stage):
    from gradio_client import Client

    from aio.ui import catalogue
    from aio.ui.serving import launch

    overrides = ["engine=comfyui", f"output.dir={stage / 'outputs'}", f"platform.timings={stage / 'timings.jsonl'}"]
    app, url, _ = launch(catalogue.read(overrides)[0], prevent_thread_lock=True, quiet=True)
    try:
        assert ("/startup-report", {}) in DEVICE.log
        client = Client(url, verbose=False, headers={"x-ip-token": visitor("pages").headers["x-ip-token"]})
        updates = client.submit(prompt="dies once", **SMALL, api_name="/t2v")
        cards = [update[3] for update in updates]
        assert "Waiting for a GPU" in " ".join(cards) and "runs once more" in cards[-1] and "Done" in cards[-1]
        assert {sent["token"].split(".")[0] for sent in DEVICE.asked()} == {"pages"} and len(DEVICE.asked()) == 2
        DEVICE.answer = "quota"
        with pytest.raises(Exception, match=r"Your GPU time of today is used up.*3s left.*1:02:03"):
            client.predict(prompt="x", **SMALL, api_name="/t2v")
    finally:
        app.get_blocks().close(verbose=False)
    assert threading.active_count() < 60
