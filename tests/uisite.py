"""A page to test: served by this process, with a mode of one's own, and with runs that a test can hold."""

import os
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from aio.config import WORKFLOWS
from aio.run import run

HELD = "hold this run"
"""A prompt: its run stays in its first stage until `Floor.release`, or until it is stopped."""


class Floor:
    """The runner under a page. Give it a `failure` to raise; `over` is set at `ended`, the end of a run."""

    def __init__(self):
        self.failure, self.ended, self.over, self._released = None, 0.0, threading.Event(), threading.Event()

    def release(self):
        self._released.set()

    def hold(self):
        self._released.clear()
        self.over.clear()

    def __call__(self, job, engine, on_event, stop):
        if self.failure is not None:
            raise self.failure

        def told(event):
            on_event(event)
            while job.params.get("prompt") == HELD and event.kind == "step" and not self._released.is_set():
                time.sleep(0.02)
                stop.check()

        try:
            return run(job, engine, told, stop)
        finally:
            self.ended = time.monotonic()
            self.over.set()


def seventh(folder: Path) -> Path:
    """A config folder with one mode, `loop`: a graph exported from ComfyUI and one YAML file, as in the README."""
    (folder / "mode").mkdir(parents=True)
    (folder / "loop.json").write_text((WORKFLOWS / "t2v.json").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "mode" / "loop.yaml").write_text(f"""# @package _global_
defaults: [base/ltx23, base/two_stage, base/made_sound, _self_]
mode: {{name: loop, title: My loop, summary: My own text to video, workflow: {folder / 'loop.json'}}}
fields:
  bit_depth: {{type: INT, default: 8, min: 8, max: 10, step: 2, tooltip: "10 keeps skies free of bands; for editors, as few browsers play it"}}
patches:
  bit_depth:
    - {{op: add, path: "${{pointer:video,bit_depth}}", value: "${{value:bit_depth}}"}}
""", encoding="utf-8")
    return folder


@contextmanager
def site(folder: Path, *overrides: str, modes: Mapping[str, str] = {}, **options):
    """A served page: url, outputs, inbox, floor and blocks. Its files lie in `folder`; `modes` are further ones' files; options are launch's."""
    from aio.ui import catalogue
    from aio.ui.serving import launch

    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "cache")
    floor, outputs = Floor(), folder / "outputs"
    mine = seventh(folder / "mine")
    for name, text in modes.items():
        (mine / "mode" / f"{name}.yaml").write_text(text, encoding="utf-8")
    offered, faults = catalogue.read(["engine=preview", f"output.dir={outputs}", *overrides], [mine])
    assert not faults
    app, url, _ = launch(offered, runner=floor, prevent_thread_lock=True, **{"quiet": True, **options})
    blocks = app.get_blocks()
    try:
        yield SimpleNamespace(url=url.rstrip("/"), blocks=blocks, floor=floor, outputs=outputs, mine=mine, inbox=blocks.inbox.folder)
    finally:
        floor.release()
        app.get_blocks().close(verbose=False)
        os.environ.pop("GRADIO_TEMP_DIR")
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before
