"""Which engine runs a job: `engine=auto`, or a name of the configuration's `engines`."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, get_args

from aio.config import Config, choices, facts
from aio.config.platform import Device
from aio.engine import Engine
from aio.errors import ConfigError, EngineError
from aio.machine import paths
from aio.machine.device import device

METHODS = ("execute", "lacking")
"""What a class must have to be an engine's."""
_engines: dict[tuple[int, str, str], Engine] = {}


def choose(config: Config, known: str | None = None) -> tuple[str, str]:
    """Return (engine name, reason).

    Args:
        known: a device that is known to be within reach, although it may not be seen here.

    Raises:
        ConfigError: no engine that can do without a device, or a model that this device cannot compute.
        EngineError: auto's engine is not set up.
    """
    found = known or device()
    if fault := unfit(config, found):
        raise ConfigError(fault)
    name = _pick(config, found)
    if config.engine != "auto":
        return name, "chosen by engine="
    if not name:
        raise ConfigError(f"engine: {', '.join(config.engines)} need a CUDA or MPS device, and none is here; give another under `engines`")
    entry = config.engines[name]
    if lacking := kind(name, config).lacking(config):
        raise EngineError(f"engine: a {found} device is here, but {lacking}" if entry.device else f"engine: {lacking}")
    reason = f"{found} device is here" if entry.device else "the first of `engines`" if found else "no CUDA or MPS device here"
    return name, f"{reason}; {entry.note}" if entry.note else reason


def _pick(config: Config, found: str | None) -> str:
    """The engine that the configuration asks for; of `auto` the first that a device is enough for, empty where there is none."""
    if config.engine != "auto":
        return config.engine
    return next((name for name, entry in config.engines.items() if found or not entry.device), "")


def unfit(config: Config, found: str | None) -> str:
    """Why the engine cannot compute the chosen model on a device, and what to choose there; empty where it can, or nothing is declared."""
    devices, name = config.model.devices, _pick(config, found)
    if not name or not config.engines[name].device:
        return ""
    if not found or not devices or found not in get_args(Device) or found in devices:
        return ""
    others = [name for name in choices("model") if found in ((facts("model", name).get("model") or {}).get("devices") or ())]
    advice = f"choose {' or '.join(f'model={name}' for name in others)}" if others else "choose another model"
    return f"model: {config.choices.get('model')} cannot run on this machine's {found} device; {advice}"


def create(name: str, config: Config) -> Engine:
    """The engine called `name`; one per process, so that models stay warm across jobs. A process that was forked makes its own."""
    key = (os.getpid(), name, config.engines[name].class_path)
    if key not in _engines:
        _engines[key] = make(name, config)
    return _engines[key]


def make(name: str, config: Config) -> Engine:
    """A new engine called `name`.

    Raises:
        ConfigError: its class cannot be imported, or calls itself otherwise. EngineError: it is not set up.
    """
    engine: Engine = kind(name, config)(config)
    if engine.name != name:   # recipes would name an engine that is not there
        raise ConfigError(f"engines.{name}: the class {config.engines[name].class_path} calls itself {engine.name!r}; give both one name")
    return engine


def kind(name: str, config: Config) -> Any:
    """The class of an engine.

    Raises:
        ConfigError: it cannot be imported, or is no class of an engine.
    """
    path = config.engines[name].class_path
    module, _, attribute = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:   # whatever a module meets while it is imported
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"engines.{name}.class_path: {path!r} cannot be imported ({why}); name module.Class as Python finds it") from None
    if not isinstance(found, type) or not all(callable(getattr(found, method, None)) for method in METHODS):   # it would be called
        raise ConfigError(f"engines.{name}.class_path: {path!r} is no engine; name a class with {' and '.join(METHODS)}, see aio.engine.Engine")
    return found


def working_dirs() -> tuple[Path, ...]:
    """Where the engines keep what goes in and what comes out: each in a folder with `input` and `output`."""
    from aio.machine.folders import work

    return work(), paths.temporary()
