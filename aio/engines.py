"""Which engine runs a job: `engine=auto | comfyui | preview`."""

from __future__ import annotations

import os
from pathlib import Path

from aio.config import Config, choices, facts
from aio.engine import Engine
from aio.errors import ConfigError, EngineError
from aio.machine import paths
from aio.machine.device import device

ENGINES = ("auto", "comfyui", "preview")
DEVICES = ("cuda", "mps", "cpu")
_engines: dict[tuple[int, str], Engine] = {}


def choose(config: Config, known: str | None = None) -> tuple[str, str]:
    """Return (engine name, reason).

    Args:
        known: a device that is known to be within reach, although it may not be seen here.

    Raises:
        ConfigError: an unknown name, or a model that this device cannot compute. EngineError: there is a GPU, but ComfyUI is not set up.
    """
    wanted = config.engine
    if wanted not in ENGINES:
        raise ConfigError(f"engine: {wanted!r} is unknown. Known: {', '.join(ENGINES)}")
    found = known or device()
    if wanted != "preview" and (fault := unfit(config, found)):
        raise ConfigError(fault)
    if wanted != "auto":
        return wanted, "chosen by engine="
    if found is None:
        return "preview", "no CUDA or MPS device here; the result is a marked storyboard, not a diffusion result"
    from aio.comfyui.location import find

    if find(config.data.get("comfyui")) is None:
        raise EngineError(f"engine: a {found} device is here, but ComfyUI is not set up: run `python -m aio setup`, or give engine=preview")
    return "comfyui", f"{found} device and ComfyUI are here"


def unfit(config: Config, found: str | None) -> str:
    """Why the chosen model cannot be computed on a device, and what to choose there; empty where it can, or nothing is declared."""
    model = config.data.get("model") or {}
    if not found or not model.get("devices") or found not in {*DEVICES} or found in model["devices"]:
        return ""
    others = [name for name in choices("model") if found in ((facts("model", name).get("model") or {}).get("devices") or ())]
    advice = f"choose {' or '.join(f'model={name}' for name in others)}" if others else "choose another model"
    return f"model: {config.choices.get('model')} cannot run on this machine's {found} device; {advice}"


def create(name: str, config: Config) -> Engine:
    """The engine called `name`; one per process, so that models stay warm across jobs. A process that was forked makes its own."""
    key = (os.getpid(), name)
    if key not in _engines:
        _engines[key] = make(name, config)
    return _engines[key]


def working_dirs() -> tuple[Path, ...]:
    """Where the engines keep what goes in and what comes out: each in a folder with `input` and `output`."""
    from aio.machine.folders import work

    return work(), paths.temporary()


def make(name: str, config: Config) -> Engine:
    """A new engine called `name`."""
    if name == "preview":
        from aio.preview.engine import PreviewEngine

        return PreviewEngine(paths.temporary())
    from aio.comfyui.engine import ComfyUIEngine

    return ComfyUIEngine(config)
