"""A list field on the page and in its API: rows that a visitor fills, a list of mappings for programs."""

import json
import re
import shlex
from pathlib import Path

import pytest
import uisite
from chromium import CHROMIUM, MISSING
from PIL import Image
from story import STORY

pytest.importorskip("gradio")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists")
    with uisite.site(folder, "fields.width.default=512", "fields.height.default=320", "fields.seconds.default=5", modes={"story": STORY}) as served:
        yield served


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour in (("a", "red"), ("b", "lime"), ("c", "blue")):
        Image.new("RGB", (640, 352), colour).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def client(site):
    from gradio_client import Client

    return Client(site.url, verbose=False)


def test_the_api_takes_a_list_of_mappings_and_says_so(client, pictures):
    from gradio_client import handle_file

    told = client.view_api(return_format="dict")["named_endpoints"]["/story"]["parameters"]
    keyframes = next(one for one in told if one["parameter_name"] == "keyframes")
    assert keyframes["type"]["type"] == "array"
    assert keyframes["type"]["items"]["properties"]["at"] == {"type": "number", "minimum": 0, "default": 0, "description": "Seconds"}
    assert keyframes["type"]["items"]["required"] == ["image"]
    given = [{"image": handle_file(str(pictures / "a.png"))}, {"image": handle_file(str(pictures / "b.png")), "at": 2, "strength": 1}]
    video, command, _, _ = client.predict(api_name="/story", keyframes=given, prompt="hi", preset="fast")
    assert Path(video).stat().st_size > 0
    words = dict(word.partition("=")[::2] for word in shlex.split(command))
    assert [(item["at"], item["strength"]) for item in json.loads(words["keyframes"])] == [(0.0, 0.7), (2.0, 1.0)]


@pytest.mark.parametrize(("given", "said"), [
    ([{"image": "/etc/passwd"}], "Keyframes: Number 1, image: This is no file that was added to this page"),
    ([{"at": -1}], "Keyframes: Number 1, image: is needed. Number 1, at: -1 is below 0"),
    ([{"image": {"path": "/etc/passwd"}, "at": [1]}], "each key of an item has one value"),
    ("[{imag: x}]", "Number 1, imag: No key of an item. Did you mean 'image'?"),
    ([7], "give a list of at most"),
    (7, "7 is not a list of items"),
    ([{"image": None}] * 9, "has 9 items; give at most 8"),
])
def test_what_no_list_can_be_is_answered_in_a_sentence(client, given, said):
    with pytest.raises(Exception) as caught:
        client.predict(api_name="/story", keyframes=given, prompt="hi", preset="fast")
    assert said.lower() in str(caught.value).lower()


def test_mcp_takes_items_but_nothing_that_looks_like_a_file():
    from aio.ui import calls

    def call(value):
        calls._plain({"method": "tools/call", "params": {"arguments": {"keyframes": value}}})

    call([{"image": "http://x/a.png", "at": 1}])
    for bad in ({"path": "/etc/passwd"}, [{"path": "/etc/passwd"}], [{"image": {"path": "/etc/passwd"}}], [{"image": ["x"]}], [[1]]):
        with pytest.raises(calls.Refused, match="a list of values or of items"):
            call(bad)


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_a_visitor_adds_three_pictures_with_their_times_and_runs_them(site, pictures, size, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
        page.set_default_timeout(60_000)
        page.goto(site.url)
        page.locator("#modes input[value=story]").check(force=True)
        page.locator("#story-run").wait_for()
        rows = page.locator("#story-keyframes .aio-item")
        assert rows.count() == 1
        for index, name in enumerate("abc"):
            if index:
                page.locator("#story-keyframes .aio-add").click()
            page.locator(f"#story-keyframes-{index}-image").set_input_files(str(pictures / f"{name}.png"))
            rows.nth(index).locator("img").wait_for()
            page.locator(f"#story-keyframes-{index}-at").fill(str(2 * index))
            page.locator(f"#story-keyframes-{index}-at").blur()
        page.locator("#story-prompt textarea").fill("Three rooms")
        page.locator("#story-preset input[value=fast]").check(force=True)
        page.screenshot(path=str(tmp_path / f"filled-{size[0]}.png"), full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.locator("#story-run").click()
        page.locator("#status .aio-done, #status [data-state=done], #video video").first.wait_for()
        page.locator("#recipe button").first.click()
        sync_api.expect(page.locator("#command textarea")).to_have_value(re.compile('"at": 4.0'))
        page.locator("#story-keyframes-1-at").fill("-1")
        page.locator("#story-keyframes-1-at").blur()
        sync_api.expect(page.locator("#story-outlook")).to_contain_text("Number 2, at: -1 is below 0")
        page.locator("#story-run").click()
        page.wait_for_timeout(1500)
        page.screenshot(path=str(tmp_path / f"faulty-{size[0]}.png"), full_page=True)
        page.locator("#again").click()
        sync_api.expect(page.locator("#dropped")).to_contain_text("The form of Story is filled")
        assert rows.count() == 3   # times and strengths; the pictures are added again
        page.screenshot(path=str(tmp_path / f"again-{size[0]}.png"), full_page=True)
        browser.close()
