"""The real ComfyUI for tests: one engine on the CPU with tiny random weights, shared by all of them."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphs import given

from aio import config as configuration
from aio.check import doctor
from aio.comfyui import location, tinyweights
from aio.errors import AioError
from aio.job import Request
from aio.stop import Stop
from aio.values import Artifacts, Event, Prompt

NEEDED = ("torch", "torchvision", "torchaudio", "aiohttp", "torchsde", "transformers", "sentencepiece")


@cache
def why_not() -> str:
    """Why the real ComfyUI cannot run here and what to do about it, empty where it can."""
    try:
        found = location.find(configuration.compose().comfyui)
    except AioError as error:
        return str(error)
    if found is None:
        return "ComfyUI is not set up: run `python -m aio setup`, or set AIO_COMFYUI_DIR"
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    return f"ComfyUI at {found.path} lacks {', '.join(missing)}: run `python -m aio setup` and pip install {' '.join(missing)}" if missing else ""


@cache
def engine(folder: Path) -> Any:
    """The started engine; `folder` holds its work and its tiny models. No tiny stand-in exists for `engine.missing`."""
    from aio.comfyui.engine import ComfyUIEngine

    config = configuration.compose()
    made = ComfyUIEngine(config, work_dir=folder / "work", models_dir=folder / "models", cpu=True)
    made.start()
    entries = config.registry
    made.missing = tinyweights.write(made.models_dir, {name: entry.folder for name, entry in entries.items()})
    return made


class Comfy:
    """Runs cases of aio.check.doctor: small jobs on sample media."""

    def __init__(self, folder: Path):
        self.engine, self.events = engine(folder), list[Event]()

    def case(self, *overrides: str, params: Mapping[str, Any] = {}) -> tuple[Request, Prompt]:
        """The staged request and the prompt of a small job."""
        drawn = doctor.prepared(doctor.Case(configuration.compose(overrides), params=params), self.engine.input_dir)
        return drawn.request, drawn.prompt

    def execute(self, request: Request, prompt: Prompt, on_event: Any = None, stop: Stop | None = None, **options: Any) -> Artifacts:
        """Execute a prompt; `events` holds what it told, unless `on_event` is given."""
        self.events.clear()
        with tinyweights.narrow():
            return self.engine.execute(given(request, prompt), on_event or self.events.append, stop or Stop(), **options)

    def run(self, *overrides: str, params: Mapping[str, Any] = {}) -> Artifacts:
        """Run a small job."""
        return self.execute(*self.case(*overrides, params=params))

    def again(self, request: Request, prompt: Prompt, prefix: str) -> tuple[Request, Prompt]:
        """The same job under another prefix."""
        output = request.config.node(request.config.output.node).id
        prompt = {**prompt, output: {**prompt[output], "inputs": {**prompt[output]["inputs"], "filename_prefix": prefix}}}
        return dataclasses.replace(request, prefix=prefix), prompt


@pytest.fixture(scope="session")
def comfy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the engine that all tests share."""
    return tmp_path_factory.getbasetemp() / "comfyui"


@pytest.fixture
def comfy(comfy_folder: Path, caplog: pytest.LogCaptureFixture) -> Comfy:
    """The real ComfyUI, started once."""
    caplog.set_level(logging.CRITICAL)   # it logs hundreds of lines a run
    return Comfy(comfy_folder)
