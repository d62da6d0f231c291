"""The recipe in an mp4: read it, show it as a command line, fill a form from it."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aio import fields
from aio.config import ROOT
from aio.errors import MediaError
from aio.fields import MEDIA_TYPES
from aio.media.streams import opened
from aio.ui.forms import Form

TEXT_MAX = 4_000_000
"""Longest recipe that is read, in characters: a graph has about 20,000."""


def read(path: Path) -> dict[str, Any]:
    """The recipe of an mp4 that aio made.

    Raises:
        MediaError: the file holds none.
    """
    import av

    try:
        with opened(path) as container:
            text = container.metadata.get("aio", "")
        found = json.loads(text) if 0 < len(text) <= TEXT_MAX else None
    except (av.error.FFmpegError, OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("mode"), str):
        raise MediaError(f"{path.name} holds no recipe: it was not made by aio, or another program has rewritten it")
    return found


def _part(recipe: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = recipe.get(key)
    return part if isinstance(part, Mapping) else {}


def command(recipe: Mapping[str, Any]) -> str:
    """The command line that makes the same clip again; input files by their names."""
    choices = _part(recipe, "choices")
    words = [f"mode={recipe['mode']}", *(f"{group}={choices[group]}" for group in ("preset", "model") if choices.get(group))]
    if choices.get("lora"):
        words.append(f"lora=[{','.join(map(str, choices['lora']))}]")
    words += [f"{name}={_part(_part(recipe, 'inputs'), name).get('name', '')}" for name in _part(recipe, "inputs")]
    for name, value in _part(recipe, "params").items():
        words.append(f"{name}={'@' if isinstance(value, str) and value.startswith('@') else ''}{value}")
    if not {"seed"} & set(_part(recipe, "params")) and "seed" in _part(recipe, "values"):
        words.append(f"seed={_part(recipe, 'values')['seed']}")
    return "python -m aio " + " ".join(shlex.quote(word) for word in words)


def save(recipe: Mapping[str, Any], stem: str, folder: Path) -> Path:
    """Write the recipe as JSON for download."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{stem}.json"
    target.write_text(json.dumps(recipe, indent=2, ensure_ascii=False), encoding="utf-8")
    return target


def saved(file: Path) -> dict[str, Any]:
    """A recipe that `save` wrote.

    Raises:
        MediaError: there is none.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.suffix == ".json" else None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("mode"), str):
        raise MediaError("There is no result yet whose recipe could fill the form")
    return found


def refill(form: Form, recipe: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Values for every part of a form, and the names of the files that must be added by hand.

    Only declared fields with legal values are taken: the recipe may come from anyone.
    """
    choices, params, inputs = (_part(recipe, key) for key in ("choices", "params", "inputs"))
    known = {"preset": form.catalogue.presets, "model": form.catalogue.models}
    values: dict[str, Any] = {}
    for group, offered in known.items():
        names = [choice.name for choice in offered]
        values[group] = choices.get(group) if choices.get(group) in names else form.config.choices[group]
    loras = choices.get("lora")
    values["lora"] = [lora.name for lora in form.catalogue.loras if isinstance(loras, list) and lora.name in loras]
    absent = []
    for name, field in form.fields.items():
        if field.type in MEDIA_TYPES:
            wanted = _part(inputs, name)
            values[name] = _sample(str(wanted.get("sha256", "")), folder) if wanted else None
            if wanted and values[name] is None:
                absent.append(str(wanted.get("name", name)))
            continue
        values[name] = form.default(name)
        given = params.get(name, _part(recipe, "values").get(name) if name not in form.following else None)
        if isinstance(given, (str, int, float, bool)):
            try:
                values[name] = fields.coerce(field, given)
            except ValueError:
                pass
    return values, absent


def example(form: Form, index: int, folder: Path) -> dict[str, Any]:
    """Values of a sample job for every part of a form."""
    values: dict[str, Any] = {name: form.default(name) for name in form.fields}
    for name, value in form.config.examples[index].items():
        if name in form.fields:
            values[name] = _lend(ROOT / str(value), folder) if form.fields[name].type in MEDIA_TYPES else value
    return values


def _lend(file: Path, folder: Path) -> str | None:
    """A copy where the page may serve it: the samples' own folder is not served."""
    if not file.is_file():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    if not target.exists() or target.stat().st_size != file.stat().st_size:
        shutil.copyfile(file, target)
    return str(target)


def _sample(digest: str, folder: Path) -> str | None:
    """The sample with this content, if it is one."""
    for file in sorted((ROOT / "samples").glob("*.*")):
        if hashlib.sha256(file.read_bytes()).hexdigest() == digest:
            return _lend(file, folder)
    return None
