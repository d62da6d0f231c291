"""Start the page: another process composes the modes while this one imports gradio, which takes seconds each."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from aio import signals, terminal
from aio.spaces.here import on_zerogpu
from aio.ui import catalogue


def serve(overrides: Sequence[str] = (), config_dirs: Sequence[Path] = (), **options: Any) -> Any:
    """Serve the page.

    Args:
        overrides: for Hydra, part of every run, e.g. `engine=preview`. config_dirs: folders with modes of one's own.
        options: for aio.ui.app.launch.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    if on_zerogpu():
        import aio.spaces.call  # noqa: F401   spaces must come before gradio, and looks for decorated functions when the page is launched
    gc.disable()   # what is imported stays: looking through it again and again for garbage takes a tenth of the start
    with signals.blocked():   # Ctrl-C is for this process
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        composed = pool.submit(catalogue.read, tuple(overrides), tuple(config_dirs))
    with pool:
        from aio.ui.app import launch

        try:
            offered, faults = composed.result()
        except BrokenProcessPool:   # no second process here
            offered, faults = catalogue.read(overrides, config_dirs)
    for fault in faults:
        terminal.say(f"aio: {fault}")
    gc.freeze()
    gc.enable()
    return launch(offered, **options)
