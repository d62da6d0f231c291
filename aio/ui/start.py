"""Start the page: another process composes the modes while this one imports gradio, which takes seconds each."""

from __future__ import annotations

import gc
import multiprocessing
import os
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from aio.errors import ConfigError
from aio.machine import signals, terminal
from aio.machine.here import on_zerogpu
from aio.ui import catalogue, reach


def serve(overrides: Sequence[str] = (), config_dirs: Sequence[Path] = (), **options: Any) -> Any:
    """Serve the page.

    Args:
        overrides: for Hydra, part of every run, e.g. `engine=preview`. config_dirs: folders with modes of one's own.
        options: for aio.ui.serving.launch.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    if on_zerogpu():
        import aio.spaces.call  # noqa: F401   spaces must come before gradio, and looks for decorated functions when the page is launched
    port, name = os.environ.get("GRADIO_SERVER_PORT", "7860"), reach.listening()
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise ConfigError(f"GRADIO_SERVER_PORT: {port!r} is no port; give a number from 1 to 65535")
    if ":" in name:   # gradio looks for a free port on an IPv4 address, which it reads there
        os.environ["GRADIO_SERVER_NAME"] = "127.0.0.1"
    gc.disable()   # what is imported stays: looking through it again and again for garbage takes a tenth of the start
    with signals.blocked():   # Ctrl-C is for this process
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        composed = pool.submit(catalogue.read, tuple(overrides), tuple(config_dirs))
    with pool:
        from aio.ui.serving import launch

        try:
            offered, faults = composed.result()
        except BrokenProcessPool:   # no second process here
            offered, faults = catalogue.read(overrides, config_dirs)
    for fault in faults:
        terminal.say(f"aio: {fault}")
    gc.freeze()
    gc.enable()
    return launch(offered, name=name, **options)
