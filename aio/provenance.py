"""The recipe that travels in every mp4: what was asked, what was applied, with which versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from aio import __version__
from aio.fields import MEDIA_TYPES
from aio.values import Operation, Prompt, Request

RECIPE_VERSION = 1


def recipe(request: Request, patch: tuple[Operation, ...], engine: str) -> dict[str, Any]:
    """The `aio` part of a result's metadata, as plain JSON values.

    No absolute path, no environment: an input is known by its file name and sha256.
    """
    config = request.config
    inputs = {
        name: {"name": PurePath(str(request.values[name])).name, "sha256": request.hashes.get(name, "")}
        for name, field in config.fields.items()
        if field.type in MEDIA_TYPES and request.values.get(name)
    }
    return {
        "recipe": RECIPE_VERSION,
        "aio": __version__,
        "engine": engine,
        "mode": config.mode,
        "choices": {group: config.choices.get(group) for group in ("preset", "model", "lora") if group in config.choices},
        "params": {name: request.values[name] for name in sorted(request.given) if name in request.values and name not in inputs},
        "inputs": inputs,
        "values": {name: value for name, value in request.values.items() if name not in inputs},
        "operations": [operation.as_dict() for operation in patch],
        "pins": config.data.get("comfyui") or {},
    }


def metadata(request: Request, patch: tuple[Operation, ...], prompt: Prompt, engine: str) -> Mapping[str, str]:
    """Metadata keys of the mp4: `prompt`, which ComfyUI opens by drag and drop, and `aio`."""
    return {"prompt": json.dumps(prompt), "aio": json.dumps(recipe(request, patch, engine))}
