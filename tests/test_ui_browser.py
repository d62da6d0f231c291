"""The page in a real browser, on the preview engine. Skipped where gradio, Playwright or Chromium is missing.

Everything is waited for, nothing is slept through, and a run that must last is held by the test, not made long: slow machines only
make these tests slower.
"""

import json
import re
import time
from pathlib import Path

import pytest
import uisite
from chromium import CHROMIUM, MISSING

from aio.config import choices, compose
from aio.engines import create
from aio.job import Job
from aio.run import run

pytest.importorskip("gradio")
sync_api = pytest.importorskip("playwright.sync_api")

expect = sync_api.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
MODES = choices("mode")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
PATIENCE = 60_000
"""Milliseconds until a thing that does not happen is a failure."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    before = compose(["engine=preview", f"output.dir={folder / 'outputs'}", "output.name=made-before"])
    run(Job(before, {"prompt": "x", "width": 256, "height": 256, "seconds": 0.4}), create("preview", before))
    # Small by default, so that most tests need to type nothing but a prompt.
    with uisite.site(folder, "fields.width.default=256", "fields.height.default=256") as served:
        yield served


@pytest.fixture(scope="module")
def contexts(site):
    """Size -> a browser's profile with that window."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        made = {}
        for name, (width, height) in SIZES.items():
            made[name] = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        for context in made.values():
            context.set_default_timeout(PATIENCE)
        yield made
        browser.close()


class Visitor:
    """One tab."""

    def __init__(self, context, site):
        self.page, self.site, self.outside = context.new_page(), site, []
        self.page.on("request", lambda request: self._seen(request.url))
        self.open()

    def _seen(self, url):
        if not url.startswith((self.site.url, "data:", "blob:")):
            self.outside.append(url)

    def open(self):
        self.page.goto(self.site.url)
        self.page.locator("#t2v-run").wait_for()
        self.page.locator("#t2v-outlook .aio-plan").wait_for()

    def choose(self, mode):
        self.page.locator(f"#modes input[value={mode}]").check(force=True)
        self.page.locator(f"#{mode}-run").wait_for()
        self.page.locator(f"#{mode}-outlook .aio-plan").wait_for()

    def box(self, mode, name):
        return self.page.locator(f"#{mode}-{name}").locator("input[type=number], textarea, input[type=text]").first

    def fill(self, mode, **values):
        for name, value in values.items():
            self.box(mode, name).fill(str(value))
            self.box(mode, name).press("Tab")

    def unfold(self, part, inner):
        if not self.page.locator(inner).is_visible():
            self.page.locator(f"{part} button").first.click()
            self.page.locator(inner).wait_for()

    def sample(self, mode):
        self.choose(mode)
        self.page.locator(f"#{mode}-sample-1").click()
        expect(self.box(mode, "prompt")).not_to_have_value("", timeout=PATIENCE)
        self.fill(mode, seconds=0.4)

    def run(self, mode):
        self.page.locator(f"#{mode}-run").click()

    def make(self, mode, **values):
        """Fill in a form, run it, and wait for the result: another one than that which is shown."""
        self.choose(mode)
        self.fill(mode, **{"seconds": 0.4, **values})
        before = self.page.evaluate("document.querySelector('#video video')?.src ?? ''")
        self.run(mode)
        self.page.wait_for_function("before => (document.querySelector('#video video')?.src ?? before) !== before", arg=before)
        self.wait("done", "9 frames")

    def hold(self, mode="t2v"):
        """Start a run that lasts until it is stopped or released."""
        self.site.floor.hold()
        self.choose(mode)
        self.fill(mode, seconds=0.4, prompt=uisite.HELD)
        self.run(mode)
        self.wait("running", "step")

    def wait(self, state, text=""):
        self.page.locator(f"#status [data-state={state}]").filter(has_text=text).wait_for()


@pytest.fixture(scope="module")
def tabs(contexts, site):
    """Open tabs: by size one that all tests share, or with `new` one for the caller, who may close it. None asks another host for anything."""
    shared, opened = {}, []

    def tab(size="desktop", new=False):
        if new or size not in shared:
            opened.append(Visitor(contexts[size], site))
            if new:
                return opened[-1]
            shared[size] = opened[-1]
        return shared[size]

    yield tab
    assert [visitor.outside for visitor in opened if visitor.outside] == []


@pytest.fixture
def visit(tabs, site):
    """Tabs, and no run left behind."""
    yield tabs
    site.floor.release()


def test_the_gallery_shows_results_from_before_the_page_was_started(visit):
    visitor = visit()
    visitor.page.locator("#results .thumbnail-item").filter(has_text="made-before").click()
    visitor.wait("done", "made-before")
    visitor.page.wait_for_function("document.querySelector('#video video')?.src.includes('made-before')")


@pytest.mark.parametrize(("size", "mode"), [*(("desktop", mode) for mode in (*MODES, "loop")), ("phone", "i2v"), ("phone", "loop")])
def test_a_mode_runs_to_a_playing_video(visit, size, mode):
    visitor = visit(size)
    page, width = visitor.page, SIZES[size][0]
    box = page.locator(f"#modes label:has(input[value={mode}])").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    if mode == "loop":   # a mode of one's own has no sample, but its own fields
        visitor.choose(mode)
        expect(visitor.box("loop", "bit_depth")).to_have_value("8", timeout=PATIENCE)
        visitor.fill(mode, seconds=0.4, prompt="x")
    else:
        visitor.sample(mode)
    outlook = page.locator(f"#{mode}-outlook").filter(has_text="9 frames")
    outlook.wait_for()
    visitor.run(mode)
    page.wait_for_function("mode => { const v = document.querySelector('#video video'); return v?.readyState >= 2 && v.src.includes(`/${mode}-`); }",
                           arg=mode)
    visitor.wait("done", "9 frames")
    assert re.search(r"\d+ × \d+", outlook.inner_text())[0] in page.locator("#status").inner_text()   # what was announced is what was made
    visitor.unfold("#recipe", "#command")
    assert f"mode={mode} " in page.locator("#command textarea").input_value()
    page.evaluate("document.querySelector('#video video').pause()")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_fault_and_nothing_is_fixed_over_the_page(visit, size):
    axe = pytest.importorskip("axe_core_python.sync_playwright")
    page = visit(size).page
    visit(size).choose("t2v")
    visit(size).unfold("#t2v-advanced", "#t2v-sampler")
    page.wait_for_function("document.getAnimations().filter(a => a.effect.getComputedTiming().iterations === 1).length === 0")
    found = axe.Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})["violations"]
    lines = [f"{fault['id']} ({fault['impact']}): {node['target']} {node['html'][:150]}" for fault in found for node in fault["nodes"]]
    assert not lines, "\n".join(lines)
    script = """[...document.querySelectorAll('body *')].filter(e => ['fixed', 'sticky'].includes(getComputedStyle(e).position)
                && e.getBoundingClientRect().width * e.getBoundingClientRect().height > 0).map(e => e.outerHTML.slice(0, 120))"""
    assert page.evaluate(script) == []


def test_fields_without_effect_are_hidden_and_a_preset_shows_its_values(visit):
    visitor = visit()
    page = visitor.page
    visitor.choose("t2v")
    visitor.unfold("#t2v-advanced", "#t2v-sigmas")
    assert page.locator("#t2v-steps").count() == 0
    page.locator("#t2v-preset input[value=quality]").check(force=True)
    page.locator("#t2v-steps").wait_for()
    page.locator("#t2v-negative_prompt").wait_for()
    expect(visitor.box("t2v", "cfg")).to_have_attribute("placeholder", "Preset: 3.0", timeout=PATIENCE)
    page.locator("#t2v-sigmas").wait_for(state="hidden")
    visitor.unfold("#t2v-loras", "#t2v-lora")
    page.locator("#t2v-lora label").filter(has_text="Finer detail").click()
    page.locator("#t2v-detailer").wait_for()


def test_the_form_says_what_a_run_will_give_and_why_it_cannot(visit):
    visitor = visit()
    visitor.choose("keyframe")
    outlook = visitor.page.locator("#keyframe-outlook")
    visitor.fill("keyframe", width=512, height=320, seconds=2)
    outlook.filter(has_text="512 × 320").filter(has_text="49 frames").wait_for()
    said = outlook.inner_text()
    assert re.search(r"\d+ s on one", said) and ("GB of weights missing" in said or "all weights are here" in said)
    visitor.fill("keyframe", width=500)
    outlook.filter(has_text="not a multiple of 64").wait_for()
    visitor.fill("keyframe", width=256)
    visitor.unfold("#keyframe-advanced", "#keyframe-model")
    visitor.page.locator("#keyframe-model input[value=gguf]").check(force=True)
    outlook.filter(has_text="preset=fast").wait_for()
    visitor.page.locator("#keyframe-model input[value=fp8]").check(force=True)
    outlook.filter(has_text="256 × 320").wait_for()


def test_stop_stops_within_a_second_and_the_page_runs_on(visit, site):
    visitor = visit()
    visitor.hold("loop")
    began = time.monotonic()
    visitor.page.evaluate("document.querySelector('#stop').click()")
    assert site.floor.over.wait(PATIENCE / 1000) and site.floor.ended - began < 1
    visitor.wait("stopped")
    visitor.page.locator("#stop").wait_for(state="hidden")
    visitor.make("loop", prompt="x")


def test_a_visitor_in_line_can_leave_it(visit, site):
    first, second = visit(), visit("phone")
    first.hold("loop")
    second.choose("t2v")
    second.fill("t2v", seconds=0.4, prompt="next")
    second.run("t2v")
    second.wait("waiting", "place 1")
    second.page.locator("#stop").click()
    second.wait("stopped")
    site.floor.release()
    first.wait("done")


def test_a_second_visitor_waits_in_line_and_a_closed_tab_frees_the_engine(visit):
    first, second = visit(new=True), visit("phone")
    first.hold()
    second.choose("t2v")
    second.fill("t2v", seconds=0.4, prompt="next")
    second.run("t2v")
    second.wait("waiting", "place 1")
    first.page.close()   # nobody releases its run
    second.wait("done")


def test_a_reload_mid_run_frees_the_engine_and_the_page_runs_again(visit):
    visitor = visit()
    visitor.hold("loop")
    visitor.open()
    visitor.make("loop", prompt="first words")


def test_a_seed_keeps_every_digit_on_the_page(visit, site):
    visitor = visit(new=True)
    visitor.choose("loop")
    visitor.page.locator("#loop-fresh input").uncheck()
    for typed in (str(2**64 - 1), str(2**53 + 1)):
        visitor.fill("loop", seed=typed)
        visitor.make("loop", prompt="digits")
        made = max(site.outputs.glob("loop-*.mp4"), key=lambda path: path.stat().st_mtime_ns)
        assert json.loads(made.with_suffix(".json").read_text())["aio"]["seed"] == typed
        expect(visitor.box("loop", "seed")).to_have_value(typed)
        visitor.fill("loop", seed=1)
        visitor.page.locator("#loop-last").click()
        expect(visitor.box("loop", "seed")).to_have_value(typed, timeout=PATIENCE)
    visitor.fill("loop", seed=-1)
    visitor.page.locator("#loop-run").click()
    visitor.page.get_by_text("write seed=random").first.wait_for()
    visitor.page.close()


def test_the_last_seed_and_the_last_recipe_can_be_used_again(visit):
    visitor = visit()
    visitor.make("loop", prompt="first words")
    used = visitor.box("loop", "seed").input_value()
    visitor.fill("loop", prompt="", seed=7)
    visitor.page.locator("#loop-run").click()   # refused, though a new seed was drawn for it
    expect(visitor.box("loop", "seed")).not_to_have_value("7", timeout=PATIENCE)
    visitor.page.locator("#loop-last").click()
    expect(visitor.box("loop", "seed")).to_have_value(used, timeout=PATIENCE)
    expect(visitor.page.locator("#loop-fresh input")).not_to_be_checked(timeout=PATIENCE)
    visitor.unfold("#recipe", "#again")
    visitor.page.locator("#again").click()
    expect(visitor.box("loop", "prompt")).to_have_value("first words", timeout=PATIENCE)


def test_an_mp4_made_by_aio_fills_the_form_again(visit, site):
    visitor = visit()
    page = visitor.page
    visitor.make("loop", prompt="a very particular prompt", width=320)
    made = max(site.outputs.glob("loop-*.mp4"), key=lambda path: path.stat().st_mtime_ns)
    visitor.fill("loop", prompt="other", width=256)
    visitor.choose("t2v")
    page.locator("#drop input[type=file]").set_input_files(str(made))
    page.locator("#dropped").get_by_text("is filled").wait_for()
    page.locator("#loop-run").wait_for()
    expect(visitor.box("loop", "prompt")).to_have_value("a very particular prompt", timeout=PATIENCE)
    expect(visitor.box("loop", "width")).to_have_value("320", timeout=PATIENCE)
    recipe = json.loads(made.with_suffix(".json").read_text())["aio"]
    expect(visitor.box("loop", "seed")).to_have_value(str(recipe["seed"]), timeout=PATIENCE)
    expect(page.locator("#loop-fresh input")).not_to_be_checked(timeout=PATIENCE)   # else the next run would have another seed
    page.locator("#drop button[aria-label], #drop .remove, #drop [title=Clear]").first.click()
    page.locator("#drop input[type=file]").set_input_files(str(ROOT / "samples" / "bigbuckbunny.mp4"))
    page.locator("#dropped").get_by_text("holds no recipe").wait_for()


def test_bad_inputs_are_named_beside_their_fields(visit, tmp_path):
    visitor = visit("phone")
    page = visitor.page
    visitor.open()
    visitor.choose("i2v")
    wrong = tmp_path / "picture.png"
    wrong.write_bytes(b"not a picture at all")
    page.locator("#i2v-image input[type=file]").set_input_files(str(wrong))
    page.locator("#i2v-outlook").get_by_text("picture.png is not a").wait_for()
    visitor.run("i2v")
    page.locator("#i2v-image").get_by_text("picture.png is not a picture").wait_for()
    page.locator("#i2v-prompt").get_by_text("Write a few words").wait_for()
    assert "/" not in page.locator("#i2v-image").inner_text() and "Traceback" not in page.content()
    assert page.locator("#status [data-state=idle]").count() == 1


def test_the_keyboard_reaches_mode_prompt_and_run(visit):
    page = visit("phone").page
    visit("phone").choose("t2v")
    page.locator("#modes input[value=t2v]").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#i2v-run").wait_for()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('[id^=i2v-]')?.id"))
        if "i2v-run" in reached:
            break
    assert {"i2v-image", "i2v-prompt", "i2v-preset", "i2v-width", "i2v-seed", "i2v-run"} <= reached
