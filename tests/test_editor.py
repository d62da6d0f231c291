"""The real ComfyUI editor opens what aio ships and makes: each workflow file, and an mp4 dropped onto the page."""

import base64
import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from chromium import CHROMIUM, MISSING
from realcomfyui import why_not

from aio import config as configuration
from aio.check import doctor
from aio.comfyui import location
from aio.graph import schema, workflow
from aio.preview.engine import PreviewEngine
from aio.recipe import provenance
from aio.stop import Stop
from aio.values import ignore


def missing():
    """Why there is no editor here, empty where there is one. Its page is the package that ComfyUI's requirements.txt pins."""
    lacking = [name for name in ("comfyui_frontend_package", "playwright") if importlib.util.find_spec(name) is None]
    if lacking:
        return f"no editor: pip install --no-deps {' '.join(name.replace('_', '-') for name in lacking)} (versions: ComfyUI's requirements.txt)"
    return why_not() or ("" if CHROMIUM else MISSING)


pytestmark = [pytest.mark.slow, pytest.mark.comfyui, pytest.mark.skipif(bool(missing()), reason=missing())]

SERVER = """if True:   # ComfyUI's own main.py, as its users start it. aio never does.
    import runpy, sys
    from aio.engines import torch_compat
    torch_compat.ensure_torchvision()
    sys.path.insert(0, sys.argv[1])
    sys.argv = [sys.argv[1] + "/main.py", *sys.argv[2:]]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""

DROP = """async ([data, name, type]) => {
    const bytes = Uint8Array.from(atob(data), char => char.charCodeAt(0)), dropped = new DataTransfer();
    dropped.items.add(new File([bytes], name, {type}));
    const at = {bubbles: true, cancelable: true, dataTransfer: dropped, clientX: 800, clientY: 450};
    for (const kind of ["dragover", "drop"]) document.querySelector("#graph-canvas").dispatchEvent(new DragEvent(kind, at));
}"""

SEEN = """() => ({
    nodes: app.graph.nodes.map(node => [node.type, node.title]).sort(),
    links: app.graph.links.size,
    red: app.graph.nodes.filter(node => node.has_errors).map(node => node.title),
    messages: [...document.querySelectorAll("[role=dialog], [role=alertdialog], .p-dialog, .p-toast-message")].map(one => one.innerText),
})"""


def media_and_models(prompts, base):
    """Empty files under the names that the prompts' loaders hold: without them the editor marks every loader red."""
    known = schema.load()
    for prompt in prompts:
        for node in prompt.values():
            for key, wanted in known[node["class_type"]].inputs.items():
                if wanted.files and isinstance(node["inputs"].get(key), str):
                    folder = base / "input" if wanted.files == "input" else base / "models" / wanted.files
                    (folder / node["inputs"][key]).parent.mkdir(parents=True, exist_ok=True)
                    (folder / node["inputs"][key]).touch()


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    """An mp4 made by aio, and the prompt that it was made by."""
    engine = PreviewEngine(work_dir=tmp_path_factory.mktemp("preview"))
    drawn = doctor.prepared(doctor.Case(configuration.compose(["mode=i2v", "preset=quality"])), engine.input_dir)
    made = engine.execute(drawn, ignore, Stop(), metadata=provenance.metadata(drawn, "preview"))
    return made.video, drawn.prompt


WORKFLOWS = sorted(configuration.WORKFLOWS.glob("*.json"))


@pytest.fixture(scope="module")
def page(tmp_path_factory, mp4):
    """The editor in a browser."""
    from comfyui_frontend_package import __file__ as package
    from playwright.sync_api import sync_playwright

    base = tmp_path_factory.mktemp("editor")
    media_and_models([mp4[1], *(workflow.load(path) for path in WORKFLOWS)], base)
    comfyui = location.find(configuration.compose().comfyui).path
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = f"http://127.0.0.1:{port}"
    options = ["--cpu", "--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base), "--disable-all-custom-nodes",
               "--disable-api-nodes", "--disable-auto-launch", "--database-url", "sqlite:///:memory:",
               "--front-end-root", str(Path(package).parent / "static")]
    with (base / "log").open("w") as log:
        server = subprocess.Popen([sys.executable, "-c", SERVER, str(comfyui), *options], stdout=log, stderr=log)
    try:
        answers(f"{site}/system_stats", server, base / "log")
        # A first visit would open the list of templates over the canvas.
        settings = urllib.request.Request(f"{site}/settings", json.dumps({"Comfy.TutorialCompleted": True}).encode(), method="POST")
        urllib.request.urlopen(settings, timeout=10).close()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.goto(site)
            page.wait_for_function("window.app?.graph && app.canvas && Object.keys(LiteGraph.registered_node_types).length > 500", timeout=60_000)
            yield page
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


def answers(url, server, log, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            return urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"ComfyUI's server does not answer:\n{log.read_text()[-2000:]}")


def drop(page, name, data, count):
    """Drop a file on the canvas, and say what is there once `count` nodes are."""
    page.evaluate("app.graph.clear()")
    page.evaluate(DROP, [base64.b64encode(data).decode(), name, "video/mp4" if name.endswith(".mp4") else "application/json"])
    page.wait_for_function("count => app.graph.nodes.length === count", arg=count, timeout=20_000)
    page.wait_for_timeout(700)   # what the editor has to complain about comes after the nodes
    return page.evaluate(SEEN)


def nodes_and_links(prompt):
    nodes = sorted([node["class_type"], node["_meta"]["title"]] for node in prompt.values())
    return nodes, sum(len(list(workflow.links(node))) for node in prompt.values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_file_opens_whole_and_without_a_complaint(page, path):
    prompt = workflow.load(path)
    seen = drop(page, path.name, path.read_bytes(), len(prompt))
    assert (seen["nodes"], seen["links"]) == nodes_and_links(prompt)
    assert (seen["red"], seen["messages"]) == ([], [])


def test_an_mp4_made_by_aio_opens_the_graph_that_made_it(page, mp4):
    video, prompt = mp4
    seen = drop(page, video.name, video.read_bytes(), len(prompt))
    assert (seen["nodes"], seen["links"]) == nodes_and_links(prompt)
    # The editor lists input files of the top folder only: the picture is there, but has to be chosen again.
    assert (seen["red"], seen["messages"]) == (["Image"], [])
    assert page.evaluate("app.graph.nodes.find(node => node.title === 'Prompt').widgets[0].value") == "A cat walks"


def test_a_class_that_comfyui_lacks_would_be_missed_above(page):
    prompt = workflow.load(WORKFLOWS[0])
    prompt["40"]["class_type"] = "VAEDecodeOfTomorrow"
    seen = drop(page, "tomorrow.json", json.dumps(prompt).encode(), len(prompt) - 1)   # the editor leaves it out without a word
    assert "VAEDecodeOfTomorrow" not in [kind for kind, _ in seen["nodes"]]
