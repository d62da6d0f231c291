"""The page without a browser: its endpoints, what it refuses, how it words a failure."""

import asyncio
import contextvars
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
import uisite

pytest.importorskip("gradio")

from aio.config import choices, compose
from aio.config.page import Upload
from aio.errors import Cancelled, EngineError, InvalidParams, MediaError, ModelMissing, OutOfMemory, OutputError
from aio.job import Job
from aio.spaces import refusals
from aio.ui import catalogue, forms, recipes, uploads, words
from aio.ui.running import Run
from aio.ui.visitors import Line

SMALL = {"prompt": "x", "width": 256, "height": 256, "seconds": 0.5}


ROOT = Path(__file__).resolve().parent.parent
MODES = [*choices("mode"), "loop"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with uisite.site(tmp_path_factory.mktemp("page")) as served:
        yield served


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
    assert found["width"]["parameter_default"] == (None if config.fields["width"].size_of else 1280)   # left out, it follows the picture
    assert found["width"]["type"]["type"] == "integer"
    assert found["preset"]["type"]["enum"] == ["fast", "balanced", "quality"]
    assert {one[1:] for one in page.blocks.get_api_info()["named_endpoints"]} == set(MODES)


@pytest.mark.parametrize("mode", MODES)
def test_gradio_client_runs_a_mode(page, client, inputs, mode):
    from gradio_client import handle_file

    config = compose([f"mode={mode}"], [page.mine])
    files = {name: handle_file(inputs[name]) for name, field in config.fields.items() if name in inputs and field.required}
    video, command, file, status = client.predict(**SMALL, **files, api_name=f"/{mode}")
    path = video["video"] if isinstance(video, dict) else video
    assert recipes.read(Path(path))["mode"] == mode
    assert f"mode={mode}" in command and "width=256" in command
    assert json.loads(Path(file).read_text())["mode"] == mode and "Done" in status


@pytest.mark.parametrize("seed", [2**64 - 1, str(2**64 - 1), str(2**53 + 1), 7, "7"])
def test_a_seed_keeps_its_digits_through_the_api(client, seed):
    _, command, file, _ = client.predict(**SMALL, seed=seed, api_name="/t2v")
    recipe = json.loads(Path(file).read_text())
    assert f"seed={seed}" in command and int(recipe["values"]["seed"]) == int(seed)
    assert isinstance(recipe["seed"], str) == (int(seed) > 2**53)   # JavaScript would round it


def test_a_client_may_have_a_seed_drawn_and_gets_its_number(client):
    seeds = [json.loads(Path(client.predict(**SMALL, seed="random", api_name="/t2v")[2]).read_text())["seed"] for _ in range(2)]
    assert all(isinstance(seed, int) for seed in seeds) and seeds[0] != seeds[1]


def test_a_call_that_leaves_the_size_out_gets_the_shape_of_its_picture(client, tmp_path, samples):
    from gradio_client import handle_file
    from PIL import Image

    Image.open(samples / "astronaut.png").resize((96, 160)).save(tmp_path / "tall.png")
    video, *_, status = client.predict(prompt="x", image=handle_file(str(tmp_path / "tall.png")), seconds=0.4, api_name="/i2v")
    values = recipes.read(Path(video["video"] if isinstance(video, dict) else video))["values"]
    assert (values["width"], values["height"]) == (768, 1280) and "Done" in status


def test_an_mcp_client_lists_a_tool_a_mode_and_runs_one(page):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def talk():
        async with streamablehttp_client(f"{page.url}/gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            listed = (await session.list_tools()).tools
            return listed, await session.call_tool("loop", {**SMALL, "bit_depth": 10}), await session.call_tool("t2v", {**SMALL, "width": 300})

    listed, made, refused = asyncio.run(talk())
    tools = {tool.name: tool for tool in listed}
    assert set(tools) == set(MODES) and "Restyle a video" in tools["style"].description
    schema = tools["style"].inputSchema["properties"]
    bounds = {"type": "integer", "minimum": 256, "maximum": 1920, "multipleOf": 64}
    assert bounds.items() <= schema["width"].items() and "shape of video or image" in schema["width"]["description"]
    assert (bounds | {"default": 1280}).items() <= tools["t2v"].inputSchema["properties"]["width"].items()
    assert schema["fps"]["type"] == "number" and schema["control"]["enum"] == ["canny", "depth", "pose", "none"]
    assert "picture file" in schema["image"]["description"] and "256 to 1920" in schema["width"]["description"]
    assert not made.isError and "loop-" in made.content[0].text and "bit_depth=10" in made.content[0].text
    number, text = schema["seed"]["anyOf"]
    assert number == {"type": "integer", "minimum": 0, "maximum": 2**53} and text == {"type": "string", "pattern": "^(-?[0-9]+|random)$"}
    assert refused.isError and "multiple of 64" in refused.content[0].text


@pytest.mark.parametrize(("given", "said"), [
    ({"width": 300}, "multiple of 64"),
    ({"width": 99999}, "above 1920"),
    ({"seconds": -1}, "below 0.4"),
    ({"prompt": None}, "this mode needs it"),
    ({"prompt": " \u200b\n"}, "this mode needs it"),
    ({"seconds": 20, "fps": 50}, "give seconds=19.9 or fps=49"),
    ({"sigmas": "1, 2, 0"}, "'2' is out of range; legal: 0 to 1"),
    ({"stg_blocks": "48"}, "legal: 0 to 47"),
    ({"seed": -1}, "write seed=random"),
    ({"seed": 1.5}, "not a whole number"),
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
    (ModelMissing("x (repo): gated. Accept the licence, then `hf auth login`"), "Access to the model is needed"),
    (OutputError("output.dir: the disk is full at /srv/secret/outputs; free space"), "The disk is full"),
    (EngineError("Stage 1: Sample failed: ValueError: /srv/secret/x is odd"), "The engine failed"),
    (Cancelled("stopped"), "Stopped"),
])
def test_a_failure_is_told_in_plain_words(page, client, failure, title):
    page.floor.failure = RuntimeError("/srv/secret/x") if failure is SimpleNamespace else failure
    try:
        with pytest.raises(Exception) as caught:
            client.predict(**SMALL, api_name="/t2v")
    finally:
        page.floor.failure = None
    assert title in str(caught.value) and "/srv/secret" not in str(caught.value) and "Traceback" not in str(caught.value)


@pytest.mark.parametrize(("title", "message", "expected"), [
    ("ZeroGPU worker error", "GPU task aborted", "The time limit was reached"),
    ("ZeroGPU illegal duration", "The requested GPU duration (900s) is larger than the maximum allowed", "This run is too long for your account"),
    ("ZeroGPU quota exceeded", "You have exceeded your free ZeroGPU quota (90s requested vs. 60s left)", "Your GPU time of today is used up"),
    ("ZeroGPU quota exceeded", "You have exceeded your ZeroGPU quota (90s requested vs. 60s left)", "Please sign in"),
    ("ZeroGPU client error", "Expired ZeroGPU proxy token", "This page is out of date"),
    ("ZeroGPU queue timeout", "No GPU was available after 60s", "No GPU became free in time"),
    ("ZeroGPU client error", "No GPU was available", "There is no GPU now"),
])
def test_what_zerogpu_says_has_words_of_its_own(offered, title, message, expected):
    import gradio as gr

    assert words.explain(refusals.typed(gr.Error(message, title=title)), offered.page.messages)[0] == expected


def test_the_page_works_on_after_failures(client):
    assert "Done" in client.predict(**SMALL, api_name="/t2v")[3]


def test_an_upload_is_screened_by_size_length_and_pixels(samples, tmp_path):
    limits = Upload(mb=1000, seconds=600, megapixels=40)
    for name, kind in (("astronaut.png", "image"), ("speech.wav", "audio"), ("bigbuckbunny.mp4", "video"), ("bigbuckbunny.mp4", "audio")):
        uploads.screen(samples / name, "x", kind, limits)
    excess = [("astronaut.png", "image", {"megapixels": 0.1}), ("speech.wav", "audio", {"seconds": 1}), ("bigbuckbunny.mp4", "video", {"mb": 0.1})]
    for name, kind, less in [*excess, ("speech.wav", "image", {}), ("astronaut.png", "audio", {}), ("speech.wav", "video", {})]:
        with pytest.raises(MediaError, match=name):
            uploads.screen(samples / name, "x", kind, dataclasses.replace(limits, **less))
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
    assert set(values) == {*form.fields, *offered.groups} and absent == []
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
    run = Run(job(), lambda job, engine, on_event, stop: seen.append(visitor.get())).start()
    assert run.done.wait(5) and seen == ["anna"]


def test_a_stop_hits_this_run_and_not_the_next(tmp_path):
    def endless(job, engine, on_event, stop):
        while True:
            stop.check()
            time.sleep(0.01)

    first = Run(job(), endless).start()
    time.sleep(0.05)
    first.stop()
    assert first.done.wait(2) and isinstance(first.error, Cancelled)
    first.stop()   # late: nothing runs any more
    second = Run(job(), lambda job, engine, on_event, stop: stop.check() or "made").start()
    assert second.done.wait(2) and second.artifacts == "made"
    assert threading.active_count() < 50


def test_a_choice_that_cannot_run_is_refused_in_words_at_the_form_and_not_when_the_page_is_built(offered):
    form = forms.form(offered, "t2v")
    for preset in ("fast", "balanced", "quality"):
        given = {"prompt": "x", "preset": preset, "model": "gguf"}
        problems = form.problems(given)
        if preset == "fast":
            assert problems == {} and form.outlook(given)[0].drawn.result.frames == 121
        else:
            assert "preset=fast" in " ".join(problems.values())
            with pytest.raises(InvalidParams, match="preset=fast"):
                form.outlook(given)


def test_an_empty_field_that_follows_the_preset_stays_empty_when_a_form_is_filled(offered, tmp_path):
    form = forms.form(offered, "t2v")
    filled = recipes.example(form, 0, tmp_path)
    assert (filled["variant"], filled["cfg"]) == ("", None)   # a choice shows what it follows by its empty option
    assert "variant" not in form.params(form.config, filled)


def test_a_mode_that_does_not_compose_is_left_out_and_named(tmp_path):
    (tmp_path / "mode").mkdir()
    (tmp_path / "mode" / "broken.yaml").write_text("# @package _global_\ndefaults: [base/nowhere]\nmode: {name: broken}\n")
    found, faults = catalogue.read(["engine=preview"], [tmp_path.resolve()])
    assert "broken" not in found.modes and len(found.modes) == 6
    assert len(faults) == 1 and "broken" in faults[0]


def test_on_a_shared_page_nobody_sees_or_reaches_anothers_result(tmp_path):
    from gradio_client import Client

    with uisite.site(tmp_path, "ui=shared") as shared:
        mine, stranger = (Client(shared.url, verbose=False, download_files=False) for _ in range(2))
        video = mine.predict(**SMALL, api_name="/t2v")[0]
        made = next(shared.outputs.glob("t2v-*.mp4"))
        assert urllib.request.urlopen(video["url"] if isinstance(video, dict) else f"{shared.url}/gradio_api/file={video}").status == 200
        for guess in (made, made.with_suffix(".json"), tmp_path / "cache" / made.name):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{shared.url}/gradio_api/file={guess}")
            assert caught.value.code == 403
        assert _gallery(shared, mine.session_hash) == [made.name] and _gallery(shared, stranger.session_hash) == []


def _gallery(page, session):
    """Names of the results that a visitor's page shows when it is loaded."""
    refresh = next(one for one in page.blocks.fns.values() if getattr(one.fn, "__name__", "") == "refresh")
    return refresh.fn(SimpleNamespace(session_hash=session))[1]


def test_app_py_serves_the_page_until_it_is_stopped(tmp_path):
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "engine=preview", "--config-dir", str(uisite.seventh(tmp_path / "mine"))]
    env = {**os.environ, "GRADIO_SERVER_PORT": str(port), "TMPDIR": str(tmp_path)}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log)
    try:
        for _ in range(900):
            assert server.poll() is None, (tmp_path / "log").read_text()
            try:
                config = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=5))
                break
            except OSError:
                time.sleep(0.1)
        assert {"t2v", "loop"} <= {one["api_name"] for one in config["dependencies"]}
    finally:
        server.terminate()
        server.wait(60)
    assert not list((ROOT / "aio").rglob("*.pyi"))
