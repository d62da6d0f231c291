"""The recipe of a result: what was asked, what was applied, with which versions. aio/recipe/sidecar.py keeps it on disk.

A recipe's hash covers what determines the result and nothing else (`determinants`): two jobs of the same hash make the
same clip. A sweep is resumed by it, and an edited recipe is known by it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any

from aio import __version__, media
from aio.config import Config
from aio.config.registry import RegistryEntry
from aio.fields import lists
from aio.fields.numerals import exact
from aio.graph.draw import Drawn
from aio.graph.models import ModelRef
from aio.job import Request
from aio.machine import paths
from aio.values import Operation

RECIPE_VERSION = 1


def of_machine(config: Config) -> frozenset[str]:
    """Config groups that suit a job to a machine, as declared (`recipe: machine`).

    Their choices stand apart in a recipe and its hash knows them by what they do alone: one that patches the graph (memory=tiled)
    shows in the operations, values and pins. A replay finds out which do (aio.replay).
    """
    return frozenset(name for name, group in config.groups.items() if group.recipe == "machine")


def recipe(drawn: Drawn, engine: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The `aio` part of a result's metadata, as plain JSON values; whole numbers that JavaScript would round are text.

    No absolute path, no environment: an input is known by the name of its file, its bytes and its sha256.

    Args:
        drawn: of the staged request. engine: name and revision.
        given: the job's parameters, for the original names of the inputs.
    """
    return _recipe(drawn.request, drawn.operations, drawn.models, engine, given or {})


def _recipe(
    request: Request, operations: Sequence[Operation], models: Sequence[ModelRef], engine: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    config = request.config
    inputs = {
        name: _input(str(value), request.hashes.get(name, ""), lists.at(given, name))
        for name, _, value in lists.files(config.fields, request.values)
    }
    plain = {name: lists.without_files(config.fields.get(name), value) for name, value in request.values.items() if name not in inputs}
    machine = of_machine(config)
    made = exact({
        "recipe": RECIPE_VERSION,
        "aio": __version__,
        "versions": _versions(),
        "engine": engine,
        "mode": config.mode,
        "choices": {group: choice for group, choice in config.choices.items() if group not in machine},
        "machine": {group: choice for group, choice in config.choices.items() if group in machine},
        "params": {name: plain[name] for name in sorted(request.given) if name in plain},
        "seed": request.values.get("seed"),
        "inputs": inputs,
        "values": plain,
        "settings": {name: value for name, value in config.values.items() if name not in config.fields},
        # The last operation names this job's own file; it says nothing about the result.
        "operations": [operation.as_dict() for operation in operations if operation.source != "output"],
        "workflow": {"name": config.workflow.name, "sha256": media.sha256(config.workflow)},
        "models": {ref.name: _weights(config.registry, ref.name) for ref in models},
        "pins": _pins(config),
    })
    return {**made, "hash": fingerprint(made)}


def _input(staged: str, digest: str, given: Any) -> dict[str, Any]:
    """An input by names and content. `staged` is what the operations call it, `name` what the user's file was called."""
    path = paths.expanded(str(given)) if given else Path(staged)
    try:
        size = path.stat().st_size if given else None
    except OSError:
        size = None
    return {"name": path.name, "bytes": size, "sha256": digest, "staged": staged if not PurePath(staged).is_absolute() else path.name}


@functools.cache
def _versions() -> Mapping[str, str]:
    found = {"python": platform.python_version()}
    for package in ("av", "numpy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _pins(config: Config) -> dict[str, str]:
    """ComfyUI's commit and those of the packs in use. Not their URLs: a mirror's may hold a path or a token."""
    known = config.comfyui.packs
    return {"comfyui": config.comfyui.revision, **{name: known[name].revision if name in known else "" for name in config.packs}}


def _weights(registry: Mapping[str, RegistryEntry], name: str) -> str:
    """The sha256 that the registry holds for a weight file, else its repo and revision, else nothing."""
    entry = registry.get(name) or registry.get(PurePath(name).name)
    return (entry.sha256 or f"{entry.repo}@{entry.revision}") if entry else ""


def hashed(request: Request) -> Request:
    """The unstaged `request` with its inputs known by content instead of path: what `determinants` makes of a staged one."""
    hashes = {name: media.sha256(facts.path) for name, facts in request.media.items()}
    return Request(
        request.config, lists.put(request.values, {name: f"sha256:{digest}" for name, digest in hashes.items()}),
        request.given, request.media, hashes, request.prefix, request.warnings,
    )


def foresee(drawn: Drawn, engine: str) -> dict[str, Any]:
    """The recipe that a checked job will have, without staging or running it: same hash, and the same operations but for names.

    Raises:
        PatchError, WorkflowError: the patch does not apply.
    """
    named = Drawn(hashed(drawn.request)) if drawn.request.media else drawn
    return _recipe(named.request, named.operations, drawn.models, engine, {})


def determinants(data: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a recipe that determine the result, free of names that only this run has. Whatever the recipe holds, it has these parts."""
    inputs = {name: item for name, item in _mapping(data.get("inputs")).items() if isinstance(item, Mapping)}
    staged = {item["staged"]: f"sha256:{item.get('sha256')}" for item in inputs.values() if isinstance(item.get("staged"), str)}
    operations = data.get("operations")
    operations = operations if isinstance(operations, (list, tuple)) else []
    return exact({
        "mode": data.get("mode"),
        **{part: _part(data, part) for part in ("choices", "values", "settings")},
        "inputs": {name: item.get("sha256") for name, item in inputs.items()},
        "operations": _renamed(operations, staged) if staged else operations,
        "engine": str(data.get("engine")).split(" ")[0],
        "workflow": _mapping(data.get("workflow")).get("sha256"),
        **{part: _part(data, part) for part in ("models", "pins")},
    })


def _mapping(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, Mapping) else {}


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return None if data.get(name) is None else _mapping(data[name])


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Names of what determines two recipes' results and is not the same, e.g. `inputs.image`, `values.seed`, `models`."""
    found, now = [], determinants(new)
    for part, before in determinants(old).items():
        after = now[part]
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += [f"{part}.{key}" for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
        elif before != after:
            found.append(part)
    return found


def fingerprint(data: Mapping[str, Any]) -> str:
    """sha256 of a recipe's determinants as canonical JSON, hex."""
    text = json.dumps(determinants(data), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def metadata(drawn: Drawn, engine: str, given: Mapping[str, Any] | None = None) -> Mapping[str, str]:
    """Metadata keys of the mp4: `prompt`, which ComfyUI opens by drag and drop, and `aio`."""
    return {"prompt": json.dumps(drawn.prompt), "aio": json.dumps(recipe(drawn, engine, given))}
