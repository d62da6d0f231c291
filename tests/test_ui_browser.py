"""The page in a real browser, on the preview engine. Skipped where gradio, Playwright or Chromium is missing."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from aio import workflow
from aio.config import WORKFLOWS

pytest.importorskip("gradio")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
MODES = ["t2v", "i2v", "a2v", "lipsync", "keyframe", "style"]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
QUICK = {("t2v", "desktop"), ("keyframe", "phone")}
# All twelve take minutes on two cores: `make test` runs two, `make test-all` the rest, and what depends on the machine's speed.
RUNS = [pytest.param(mode, size, marks=() if (mode, size) in QUICK else pytest.mark.slow) for mode in MODES for size in SIZES]
SLOW = {"width": 1280, "height": 704, "seconds": 20}   # seconds of drawing: time enough to stop it


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`python app.py` in its own process and folder."""

    def __init__(self, folder, *words):
        self.port, self.folder = free_port(), folder
        folder.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, "GRADIO_SERVER_PORT": str(self.port), "TMPDIR": str(folder)}
        env.pop("GRADIO_SERVER_NAME", None)
        self.log = (folder / "log").open("w")
        command = [sys.executable, str(ROOT / "app.py"), "engine=preview", *words]
        self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=self.log, stderr=self.log)
        self.url = f"http://127.0.0.1:{self.port}"
        until(lambda: self._answers(), 90, "the server does not start")

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return urllib.request.urlopen(self.url, timeout=2).status == 200
        except OSError:
            return False

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def until(condition, seconds, message):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(message)


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with a seventh mode."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mode").mkdir()
    graph = workflow.load(WORKFLOWS / "t2v.json")
    (folder / "loop.json").write_text(json.dumps(graph))
    (folder / "mode" / "loop.yaml").write_text(
        "# @package _global_\n# My mode.\ndefaults: [base/ltx23, base/two_stage, base/made_sound, _self_]\n"
        f"mode: {{name: loop, title: My loop, summary: My own text to video, workflow: {folder / 'loop.json'}}}\n"
        "fields:\n  crf: {type: FLOAT, default: 23, min: 0, max: 51, step: 1, display_name: CRF}\n"
        "patches:\n  crf:\n    - {op: add, path: \"${pointer:save,codec.encoding}\", value: re-encode}\n"
        "    - {op: add, path: \"${pointer:save,codec.encoding.crf}\", value: \"${value:crf}\"}\n")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, mine):
    running = Server(tmp_path_factory.mktemp("page"), "--config-dir", str(mine))
    yield running
    running.close()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


class Visitor:
    """One tab."""

    def __init__(self, browser, server, size="desktop"):
        self.context = browser.new_context(viewport=dict(zip(("width", "height"), SIZES[size], strict=True)))
        self.page, self.server, self.outside = self.context.new_page(), server, []
        self.page.on("request", lambda request: self._seen(request.url))
        self.open()

    def _seen(self, url):
        if not url.startswith((self.server.url, "data:", "blob:")):
            self.outside.append(url)

    def open(self):
        self.page.goto(self.server.url)
        self.page.locator("#t2v-run").wait_for(timeout=30000)
        self.page.locator("#t2v-outlook .aio-plan").wait_for(timeout=30000)

    def choose(self, mode):
        self.page.locator(f"#modes input[value={mode}]").check(force=True)
        self.page.locator(f"#{mode}-run").wait_for()

    def small(self, mode, **numbers):
        for name, value in {"width": 256, "height": 256, **numbers}.items():
            box = self.page.locator(f"#{mode}-{name} input[type=number], #{mode}-{name} textarea, #{mode}-{name} input[type=text]").first
            box.fill(str(value))
            box.press("Tab")

    def run(self, mode):
        self.page.locator(f"#{mode}-run").click()

    def wait(self, state, seconds=60):
        self.page.locator(f"#status [data-state={state}]").wait_for(timeout=seconds * 1000)

    @property
    def status(self):
        return self.page.locator("#status").inner_text()

    def close(self):
        self.context.close()


@pytest.fixture
def visit(browser, server):
    opened = []

    def one(size="desktop"):
        opened.append(Visitor(browser, server, size))
        return opened[-1]

    yield one
    for visitor in opened:
        visitor.close()


@pytest.mark.parametrize(("mode", "size"), RUNS)
def test_a_mode_runs_from_its_sample_to_a_playing_video(visit, mode, size):
    visitor = visit(size)
    page = visitor.page
    for name in MODES:
        box = page.locator(f"#modes label:has(input[value={name}])").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= SIZES[size][0]
    visitor.choose(mode)
    page.locator(f"#{mode}-sample-1").click()
    until(lambda: page.locator(f"#{mode}-prompt textarea").input_value(), 10, "the sample does not fill the form")
    visitor.small(mode, seconds=0.5)
    visitor.run(mode)
    visitor.wait("done")
    assert "256 × 256" in visitor.status and "9 frames" in visitor.status
    page.wait_for_function("document.querySelector('#video video')?.readyState >= 2", timeout=20000)
    page.get_by_role("button", name="Recipe").click()
    assert f"mode={mode}" in page.locator("#command textarea").input_value()
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    assert visitor.outside == []


def test_the_form_says_what_a_run_will_give(visit):
    visitor = visit()
    visitor.small("t2v", width=512, height=320, seconds=2)
    until(lambda: "512 × 320" in (said := visitor.page.locator("#t2v-outlook").inner_text()) and "49 frames" in said, 15, "no new consequences")
    said = visitor.page.locator("#t2v-outlook").inner_text()
    assert re.search(r"\d+ s on one", said) and ("GB of weights missing" in said or "all weights are here" in said)


@pytest.mark.slow
def test_stop_stops_within_a_second(visit):
    visitor = visit()
    visitor.page.locator("#t2v-prompt textarea").fill("x")
    visitor.small("t2v", **SLOW)
    visitor.run("t2v")
    visitor.wait("running")
    visitor.page.wait_for_function("document.querySelector('#status').innerText.includes('elapsed')")
    began = time.monotonic()
    visitor.page.locator("#stop").click()
    visitor.wait("stopped", 5)
    assert time.monotonic() - began < 1.5   # a second, and what Playwright itself takes
    assert not visitor.page.locator("#stop").is_visible()
    visitor.small("t2v", width=256, height=256, seconds=0.5)
    visitor.run("t2v")
    visitor.wait("done", 20)


@pytest.mark.slow
def test_a_second_visitor_waits_and_a_closed_tab_frees_the_engine(visit):
    first, second = visit(), visit()
    for visitor in (first, second):
        visitor.page.locator("#t2v-prompt textarea").fill("x")
    first.small("t2v", **SLOW)
    second.choose("keyframe")
    second.page.locator("#keyframe-sample-1").click()
    second.small("keyframe", seconds=0.5)
    first.run("t2v")
    first.wait("running")
    second.run("keyframe")
    second.wait("waiting", 20)
    assert "place 1" in second.status
    first.close()
    began = time.monotonic()
    second.wait("done", 30)
    assert time.monotonic() - began < 15


@pytest.mark.slow
def test_a_visitor_in_line_can_leave_it(visit):
    first, second = visit(), visit()
    for visitor in (first, second):
        visitor.page.locator("#t2v-prompt textarea").fill("x")
        visitor.small("t2v", **SLOW)
    first.run("t2v")
    first.wait("running")
    second.run("t2v")
    second.wait("waiting", 20)
    second.page.locator("#stop").click()
    second.wait("stopped", 5)
    first.page.locator("#stop").click()
    first.wait("stopped", 5)


@pytest.mark.slow
def test_a_reload_mid_run_frees_the_engine_and_the_gallery_stays(visit):
    visitor = visit()
    visitor.page.locator("#t2v-prompt textarea").fill("x")
    visitor.small("t2v", **SLOW)
    visitor.run("t2v")
    visitor.wait("running")
    visitor.open()
    visitor.page.locator("#t2v-prompt textarea").fill("x")
    visitor.small("t2v", seconds=0.5)
    visitor.run("t2v")
    visitor.wait("done", 30)
    until(lambda: visitor.page.locator("#results img").count() >= 1, 10, "no gallery")
    visitor.open()
    until(lambda: visitor.page.locator("#results img").count() >= 1, 10, "no gallery after a reload")
    visitor.page.locator("#results .thumbnail-item").first.click()
    visitor.wait("done")
    assert "t2v-" in visitor.status


def test_bad_inputs_are_named_beside_their_fields(visit, tmp_path):
    visitor = visit()
    page = visitor.page
    visitor.choose("i2v")
    wrong = tmp_path / "picture.png"
    wrong.write_bytes(b"not a picture at all")
    page.locator("#i2v-image input[type=file]").set_input_files(str(wrong))
    page.wait_for_timeout(1500)
    visitor.small("i2v", seconds=0.5)
    visitor.run("i2v")
    page.locator("#i2v-image").get_by_text("picture.png is not a picture").wait_for(timeout=15000)
    page.locator("#i2v-prompt").get_by_text("Write a few words").wait_for()
    assert "/" not in page.locator("#i2v-image").inner_text() and "Traceback" not in page.content()
    assert page.locator("#status [data-state=idle]").count() == 1


@pytest.mark.slow
def test_an_mp4_made_by_aio_fills_the_form_again(visit, server):
    visitor = visit()
    page = visitor.page
    page.locator("#t2v-prompt textarea").fill("a very particular prompt")
    visitor.small("t2v", width=320, seconds=0.5)
    visitor.run("t2v")
    visitor.wait("done")
    made = max((server.folder / "outputs").glob("t2v-*.mp4"), key=lambda path: path.stat().st_mtime)
    visitor.open()
    visitor.choose("style")
    page.locator("#drop input[type=file]").set_input_files(str(made))
    page.locator("#t2v-prompt textarea").wait_for(timeout=15000)
    until(lambda: page.locator("#t2v-prompt textarea").input_value() == "a very particular prompt", 15, "not filled")
    assert page.locator("#t2v-width input[type=number]").input_value() == "320"
    page.locator("#drop button[aria-label], #drop .remove, #drop [title=Clear]").first.click()
    page.locator("#drop input[type=file]").set_input_files(str(ROOT / "samples" / "bigbuckbunny.mp4"))
    page.locator("#dropped").get_by_text("holds no recipe").wait_for(timeout=15000)


@pytest.mark.slow
def test_a_seventh_mode_has_its_form(visit):
    visitor = visit()
    visitor.choose("loop")
    assert visitor.page.locator("#loop-crf input[type=number]").input_value() == "23"
    visitor.page.locator("#loop-prompt textarea").fill("x")
    visitor.small("loop", seconds=0.5)
    visitor.run("loop")
    visitor.wait("done")


@pytest.mark.slow
def test_fields_without_effect_are_hidden_and_a_preset_shows_its_values(visit):
    visitor = visit()
    page = visitor.page
    page.get_by_role("button", name="Advanced").click()
    page.locator("#t2v-sigmas").wait_for()
    assert page.locator("#t2v-steps").count() == 0
    page.locator("#t2v-preset input[value=quality]").check(force=True)
    page.locator("#t2v-steps").wait_for(timeout=15000)
    page.locator("#t2v-negative_prompt").wait_for()
    assert page.locator("#t2v-cfg input, #t2v-cfg textarea").first.get_attribute("placeholder") == "Preset: 3.0"
    assert page.locator("#t2v-sigmas").count() == 0


@pytest.mark.slow
def test_the_keyboard_reaches_mode_prompt_and_run(visit):
    visitor = visit()
    page = visitor.page
    page.locator("#modes input[value=t2v]").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#i2v-run").wait_for()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('[id^=i2v-]')?.id"))
    assert {"i2v-image", "i2v-prompt", "i2v-preset", "i2v-width", "i2v-seed", "i2v-run"} <= reached


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_serious_fault(visit, size):
    axe = pytest.importorskip("axe_core_python.sync_playwright")
    visitor = visit(size)
    visitor.page.get_by_role("button", name="Advanced").click()
    visitor.page.wait_for_timeout(500)
    found = axe.Axe().run(visitor.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})["violations"]
    lines = [f"{fault['id']} ({fault['impact']}): {node['target']} {node['html'][:150]}" for fault in found for node in fault["nodes"]]
    assert not lines, "\n".join(lines)


def test_nothing_is_fixed_over_the_page(visit):
    visitor = visit()
    script = """[...document.querySelectorAll('body *')].filter(e => ['fixed', 'sticky'].includes(getComputedStyle(e).position)
                && e.getBoundingClientRect().width * e.getBoundingClientRect().height > 0).map(e => e.outerHTML.slice(0, 120))"""
    assert visitor.page.evaluate(script) == []


@pytest.mark.slow
def test_two_api_callers_are_served_in_turn(server):
    from gradio_client import Client

    made, faults = [], []

    def call():
        try:
            client = Client(server.url, verbose=False)
            made.append(client.predict(prompt="x", width=256, height=256, seconds=0.5, api_name="/t2v"))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults and len(made) == 2
