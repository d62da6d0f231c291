"""The page without a browser: its endpoints, what it refuses, how it words a failure."""

import contextvars
import json
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("gradio")

from aio.config import choices, compose
from aio.errors import Cancelled, EngineError, InvalidParams, MediaError, ModelMissing, OutOfMemory, OutputError
from aio.run import run
from aio.ui import catalogue, forms, recipes, uploads, words
from aio.ui.running import Line, Run
from aio.values import Event, Job

SMALL = {"prompt": "x", "width": 256, "height": 256, "seconds": 0.5}


class Switch:
    """The runner of the page under test: it can be told to fail."""

    def __init__(self):
        self.failure = None

    def __call__(self, job, engine, on_event):
        if self.failure is not None:
            raise self.failure
        return run(job, engine, on_event)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    from aio.ui.app import launch

    folder = tmp_path_factory.mktemp("page")
    runner = Switch()
    offered, _ = catalogue.read(["engine=preview", f"output.dir={folder / 'outputs'}"])
    app, url, _ = launch(offered, runner=runner, prevent_thread_lock=True, quiet=True)
    blocks = app.get_blocks()
    yield SimpleNamespace(url=url.rstrip("/"), blocks=blocks, runner=runner, outputs=folder / "outputs")
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def client(page):
    from gradio_client import Client

    return Client(page.url, verbose=False)


@pytest.fixture(scope="module")
def offered():
    return catalogue.read(["engine=preview"])[0]


@pytest.mark.parametrize("mode", choices("mode"))
def test_an_endpoint_has_the_modes_names_types_and_defaults(page, mode):
    info = page.blocks.get_api_info()["named_endpoints"][f"/{mode}"]
    found = {one["parameter_name"]: one for one in info["parameters"]}
    config = compose([f"mode={mode}"])
    assert set(config.fields) <= set(found) and {"preset", "model", "lora"} <= set(found)
    for name, field in config.fields.items():
        assert found[name]["parameter_has_default"] is not field.required
    assert found["width"]["parameter_default"] == 1280 and found["width"]["type"]["type"] == "number"
    assert found["preset"]["type"]["enum"] == ["fast", "balanced", "quality"]
    assert [one for one in page.blocks.get_api_info()["named_endpoints"] if one[1:] not in choices("mode")] == []


@pytest.mark.parametrize("mode", choices("mode"))
def test_gradio_client_runs_a_mode(client, inputs, mode):
    from gradio_client import handle_file

    config = compose([f"mode={mode}"])
    files = {name: handle_file(inputs[name]) for name, field in config.fields.items() if name in inputs and field.required}
    video, command, file, status = client.predict(**SMALL, **files, api_name=f"/{mode}")
    path = video["video"] if isinstance(video, dict) else video
    assert recipes.read(Path(path))["mode"] == mode
    assert f"mode={mode}" in command and "width=256" in command
    assert json.loads(Path(file).read_text())["mode"] == mode and "Done" in status


def test_mcp_offers_a_tool_a_mode_with_texts_and_bounds(page):
    tools = {tool["name"].split("_")[-1]: tool for tool in json.load(urllib.request.urlopen(f"{page.url}/gradio_api/mcp/schema"))}
    assert set(choices("mode")) <= set(tools)
    properties = tools["style"]["inputSchema"]["properties"]
    assert "256 to 1920" in properties["width"]["description"] and "canny" in json.dumps(properties["control"])
    assert "Restyle" in tools["style"]["description"]


@pytest.mark.parametrize(("given", "said"), [
    ({"width": 300}, "multiple of 64"),
    ({"width": 99999}, "above 1920"),
    ({"seconds": -1}, "below 0.4"),
    ({"prompt": None}, "this mode needs it"),
    ({"cfg": "many"}, "not a number"),
])
def test_a_bad_value_is_refused_before_the_line_by_name(client, given, said):
    from gradio_client.exceptions import ValidationError

    with pytest.raises(ValidationError, match=said) as caught:
        client.predict(**{**SMALL, **given}, api_name="/t2v")
    assert next(iter(given)) in str(caught.value)


def test_names_that_no_field_has_are_refused(client):
    for name in ("patches", "workflow", "output", "engine", "hydra"):
        with pytest.raises(Exception, match=name):
            client.predict(**SMALL, **{name: "x"}, api_name="/t2v")


def test_a_choice_is_a_name_and_never_a_word_for_hydra(offered):
    form = forms.form(offered, "t2v")
    for group, value in (("preset", "fast,quality"), ("preset", "../x"), ("lora", ["detailer", "x] output.dir=/tmp"]), ("model", "${oc.env:HOME}")):
        with pytest.raises(InvalidParams, match=group):
            form.compose({group: value})


def test_no_file_of_the_server_can_be_read(page):
    for path in ("/etc/passwd", str(page.outputs.parent / "secret.txt"), f"{page.outputs}/../secret.txt"):
        (page.outputs.parent / "secret.txt").write_text("secret")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{page.url}/gradio_api/file={path}")
        assert caught.value.code in (403, 404)


def test_a_path_of_the_server_is_no_input(client):
    with pytest.raises(Exception) as caught:
        client.predict(**SMALL, image={"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}, api_name="/i2v")
    assert "Traceback" not in str(caught.value)


def test_the_page_is_served_to_this_machine_alone_and_keeps_no_history(page):
    assert page.blocks.server_name == "127.0.0.1" and page.url.startswith("http://127.0.0.1")
    assert page.blocks.allowed_paths == [str(page.outputs)]
    config = json.load(urllib.request.urlopen(f"{page.url}/config"))
    assert not config.get("analytics_enabled") and "fonts.googleapis" not in urllib.request.urlopen(page.url).read().decode()


@pytest.mark.parametrize(("failure", "title"), [
    (OutOfMemory("Stage 1 ran out of memory", stage="Stage 1", node="24", reason="x"), "Not enough memory"),
    (SimpleNamespace, "Something went wrong"),
    (ModelMissing("x.safetensors: cannot reach the Hub (refused)"), "A download failed"),
    (ModelMissing("x (repo): gated. Accept the licence, then `hf auth login`"), "Please sign in"),
    (OutputError("output.dir: the disk is full at /srv/secret/outputs; free space"), "The disk is full"),
    (EngineError("Stage 1: Sample failed: ValueError: /srv/secret/x is odd"), "The engine failed"),
    (Cancelled("stopped"), "Stopped"),
])
def test_a_failure_is_told_in_plain_words(page, client, failure, title):
    page.runner.failure = RuntimeError("/srv/secret/x") if failure is SimpleNamespace else failure
    try:
        with pytest.raises(Exception) as caught:
            client.predict(**SMALL, api_name="/t2v")
    finally:
        page.runner.failure = None
    assert title in str(caught.value) and "/srv/secret" not in str(caught.value) and "Traceback" not in str(caught.value)


@pytest.mark.parametrize(("title", "message", "expected"), [
    ("ZeroGPU worker error", "GPU task aborted", "The time limit was reached"),
    ("ZeroGPU illegal duration", "The requested GPU duration (900s) is larger than the maximum allowed", "The time limit was reached"),
    ("ZeroGPU quota exceeded", "You have exceeded your free GPU quota (90s requested vs. 60s left)", "The GPU quota is used up"),
    ("ZeroGPU client error", "Expired ZeroGPU proxy token", "Please sign in"),
    ("ZeroGPU queue timeout", "No GPU was available after 60s", "No GPU is free"),
])
def test_what_zerogpu_says_has_words_of_its_own(offered, title, message, expected):
    import gradio as gr

    assert words.explain(gr.Error(message, title=title), offered.page["messages"])[0] == expected


def test_the_page_works_on_after_failures(client):
    assert "Done" in client.predict(**SMALL, api_name="/t2v")[3]


def test_an_upload_is_screened_by_size_length_and_pixels(samples, tmp_path):
    limits = {"mb": 1000, "seconds": 600, "megapixels": 40}
    for name, kind in (("astronaut.png", "image"), ("speech.wav", "audio"), ("bigbuckbunny.mp4", "video"), ("bigbuckbunny.mp4", "audio")):
        uploads.screen(samples / name, "x", kind, limits)
    excess = [("astronaut.png", "image", {"megapixels": 0.1}), ("speech.wav", "audio", {"seconds": 1}), ("bigbuckbunny.mp4", "video", {"mb": 0.1})]
    for name, kind, less in [*excess, ("speech.wav", "image", {}), ("astronaut.png", "audio", {}), ("speech.wav", "video", {})]:
        with pytest.raises(MediaError, match=name):
            uploads.screen(samples / name, "x", kind, limits | less)
    playlist = tmp_path / "x.mp4"
    playlist.write_text("#EXTM3U\n/etc/passwd\n")
    with pytest.raises(MediaError):
        uploads.screen(playlist, "x", "video", limits)


@pytest.mark.parametrize(("text", "expected"), [
    ("cannot write /srv/data/outputs/x.mp4 (full)", "cannot write x.mp4 (full)"),
    ("see https://huggingface.co/Lightricks/LTX-2.3", "see https://huggingface.co/Lightricks/LTX-2.3"),
    (r"C:\Users\me\x.png is odd", "x.png is odd"),
    ("1/2 of either/or", "1/2 of either/or"),
])
def test_a_message_loses_its_folders(text, expected):
    assert uploads.without_folders(text) == expected


def test_a_strangers_recipe_fills_only_declared_fields_with_legal_values(offered, tmp_path):
    form = forms.form(offered, "t2v")
    recipe = {"mode": "t2v", "choices": {"preset": "../../x", "model": ["fp8"], "lora": ["detailer", "evil"]},
              "params": {"width": 99999, "height": 320, "patches": {"a": 1}, "prompt": "hello", "cfg": {"x": 1}}, "inputs": "no"}
    values, absent = recipes.refill(form, recipe, tmp_path)
    assert set(values) == {*form.fields, "preset", "model", "lora"} and absent == []
    assert (values["width"], values["height"], values["prompt"], values["cfg"]) == (1280, 320, "hello", None)
    assert (values["preset"], values["lora"]) == ("balanced", ["detailer"])


def test_a_line_serves_in_order():
    line = Line()
    first, second, third = line.join(), line.join(), line.join()
    assert [line.ahead(ticket) for ticket in (first, second, third)] == [0, 1, 2]
    line.leave(second)
    line.leave(first)
    assert line.ahead(third) == 0
    line.leave(third)
    line.leave(third)
    assert len(line) == 0


def job(**params):
    return Job(compose(["engine=preview"]), {**SMALL, **params})


def test_a_run_keeps_the_visitors_context(tmp_path):
    visitor = contextvars.ContextVar("visitor")
    visitor.set("anna")
    seen = []
    run = Run(job(), lambda job, engine, on_event: seen.append(visitor.get())).start()
    assert run.done.wait(5) and seen == ["anna"]


def test_a_stop_hits_this_run_and_not_the_next(tmp_path):
    def endless(job, engine, on_event):
        while True:
            on_event(Event("stage", "Sampling", "Sampling"))
            time.sleep(0.01)

    first = Run(job(), endless).start()
    time.sleep(0.05)
    first.stop()
    assert first.done.wait(2) and isinstance(first.error, Cancelled)
    first.stop()   # late: nothing runs any more
    attempts = []

    def once(job, engine, on_event):
        attempts.append(1)
        if len(attempts) == 1:
            raise Cancelled("left over from the run before")
        return "made"

    second = Run(job(), once).start()
    assert second.done.wait(2) and second.artifacts == "made"
    assert threading.active_count() < 50


def test_a_mode_that_does_not_compose_is_left_out_and_named(tmp_path):
    (tmp_path / "mode").mkdir()
    (tmp_path / "mode" / "broken.yaml").write_text("# @package _global_\ndefaults: [base/nowhere]\nmode: {name: broken}\n")
    found, faults = catalogue.read(["engine=preview"], [tmp_path.resolve()])
    assert "broken" not in found.modes and len(found.modes) == 6
    assert len(faults) == 1 and "broken" in faults[0]


def test_on_a_shared_page_a_visitor_sees_only_his_own(samples, tmp_path):
    from aio.ui.gallery import results

    for name in ("mine-0001.mp4", "theirs-0001.mp4"):
        (tmp_path / name).write_bytes((samples / "bigbuckbunny.mp4").read_bytes())
    shared = catalogue.read(["engine=preview", "+ui=shared"])[0]
    assert shared.page["gallery"]["show"] == "session"
    assert [path.name for path in results(tmp_path, 12, ["mine-0001.mp4"])] == ["mine-0001.mp4"]
    assert len(results(tmp_path, 12)) == 2
