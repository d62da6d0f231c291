"""A page to test: served by this process, with a mode of one's own, and with runs that a test can hold."""

import atexit
import functools
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from aio import config as configuration
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


@functools.cache
def _mine() -> Path:
    folder = tempfile.mkdtemp(prefix="aio-mine-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return seventh(Path(folder))


@functools.cache
def _catalogue(overrides: tuple[str, ...]):
    """What a page offers: composed once in a process, for the pages of all tests differ in `ui` and in where results go."""
    from aio.ui import catalogue

    offered, faults = catalogue.read(["engine=preview", *overrides], [_mine()])
    assert not faults
    return offered


@contextmanager
def site(folder: Path, *overrides: str, modes: Mapping[str, str] = {}, **options):
    """A served page: url, outputs, inbox, floor and blocks. Its files lie in `folder`; `modes` are further ones' files; options are launch's."""
    from aio.ui.serving import launch

    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "cache")
    floor, outputs = Floor(), folder / "outputs"
    mine = _mine()
    words, others = ("engine=preview", f"output.dir={outputs}", *overrides), tuple(word for word in overrides if not word.startswith("ui"))
    if modes:
        from aio.ui import catalogue

        mine = seventh(folder / "mine")
        for name, text in modes.items():
            (mine / "mode" / f"{name}.yaml").write_text(text, encoding="utf-8")
        offered, faults = catalogue.read(["engine=preview", *others], [mine])
        assert not faults
    else:
        offered = _catalogue(others)
    own = configuration.compose([*words, f"mode={next(iter(offered.modes))}"], [mine])
    composed = {name: replace(mode, ui=own.ui, output=own.output, output_dir=own.output_dir, choices={**mode.choices, "ui": own.choices["ui"]})
                for name, mode in offered.modes.items()}
    offered = replace(offered, overrides=words, modes=composed, page=own.ui)
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
