"""Recipes on disk: beside an mp4, and read back from either."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio import __version__
from aio.errors import AioError, MediaError
from aio.machine import whole
from aio.machine.outside import json_of, shown, text_of
from aio.media import streams
from aio.recipe import outputs
from aio.recipe.provenance import RECIPE_VERSION, fingerprint

REQUIRED = ("recipe", "aio", "engine", "mode", "choices", "params", "inputs", "values", "operations", "hash")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that was read. data: its JSON. path: the file. notes: what a user should know about it."""

    data: Mapping[str, Any]
    path: Path
    notes: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Its recipe hash."""
        return str(self.data["hash"])

    @property
    def engine(self) -> str:
        """The name of the engine that made the clip."""
        return str(self.data["engine"]).split(" ")[0]

    @property
    def mode(self) -> str:
        """The name of its mode.

        Raises:
            MediaError: it names none.
        """
        if isinstance(mode := self.data["mode"], str):
            return mode
        raise MediaError(f"{self.path}: its recipe is damaged: it names no mode")


def write_beside(video: Path, tags: Mapping[str, str]) -> Path:
    """Write the metadata as NAME.json beside NAME.mp4, whole or not at all. A file there that is no recipe is left alone.

    Raises:
        OutputError: it cannot be written.
    """
    target = video.with_suffix(".json")
    try:
        if os.path.lexists(target) and not _ours(target):
            return target
        text = "{\n" + ",\n".join(f"{json.dumps(key)}: {value}" for key, value in tags.items()) + "\n}\n"   # the very same JSON
        whole.write(target, text.encode())
    except OSError as error:
        raise outputs.failure(error, target) from None
    return target


def restore(video: Path) -> None:
    """Write the recipe beside a clip that lost it, from the one inside. Where it has none, or it cannot be written, nothing happens."""
    if os.path.lexists(video.with_suffix(".json")):
        return
    with contextlib.suppress(AioError, ValueError):
        tags = _tags(video)
        write_beside(video, {key: json.dumps(_json(tags[key])) for key in ("prompt", "aio") if key in tags})


def hash_of(video: Path) -> str | None:
    """The recipe hash of a clip, from the clip itself or from the JSON beside it; None where neither holds one."""
    try:
        return read(video).hash
    except MediaError:
        return None


def read(path: Path) -> Recipe:
    """The recipe in an mp4, or in the JSON beside it.

    Raises:
        MediaError: there is no file, no recipe, a damaged one, or one of a newer aio.
    """
    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    text, notes = (_text(path), ()) if path.suffix.lower() == ".json" else _tag(path)
    try:
        data = _json(text)
    except ValueError as error:
        raise MediaError(f"{path}: its recipe is damaged, it is not JSON ({shown(str(error))})") from None
    data = data["aio"] if isinstance(data, dict) and isinstance(data.get("aio"), dict) else data
    if not isinstance(data, dict) or not isinstance(data.get("recipe"), int):
        raise MediaError(f"{path}: holds no recipe of aio")
    if data["recipe"] > RECIPE_VERSION:
        made_by = f"aio {shown(str(data.get('aio', '?'))[:40])}"
        raise MediaError(f"{path}: its recipe is newer (version {data['recipe']}, by {made_by}) than aio {__version__} reads; update aio")
    missing = [key for key in REQUIRED if key not in data]
    if missing or not all(isinstance(data[key], dict) for key in ("choices", "params", "inputs", "values")) or not isinstance(data["hash"], str):
        raise MediaError(f"{path}: its recipe is damaged: {', '.join(missing) or 'a part of it'} is missing or of the wrong kind")
    changed = [name for name, value in data["params"].items() if data["values"].get(name) != value]
    try:
        edited = fingerprint(data) != data["hash"]
    except Exception as error:   # anyone may have written it, anything may be in it
        raise MediaError(f"{path}: its recipe is damaged ({shown(f'{type(error).__name__}: {error}')[:200]})") from None
    if changed or edited:
        which = f" ({shown(', '.join(changed)[:200])}: the one in `values` counts)" if changed else ""
        notes += (f"the recipe was edited after the clip was made{which}; what it says now is used, so the clip may differ",)
    return Recipe(data, path, notes)


def _ours(path: Path) -> bool:
    """Whether a JSON file is a recipe, or was one."""
    try:
        return path.is_file() and '"aio"' in text_of(path)
    except (OSError, ValueError):
        return False


def _text(path: Path) -> str:
    try:
        return text_of(path)
    except (OSError, ValueError) as error:
        raise MediaError(f"{path} cannot be read as a recipe: {getattr(error, 'strerror', None) or error}") from None


def _json(text: str) -> Any:
    data = json_of(text)
    return json_of(data) if isinstance(data, str) else data   # a writer that encodes every tag as JSON


def _tags(path: Path) -> Mapping[str, str]:
    """The metadata of a video.

    Raises:
        MediaError: it cannot be read.
    """
    try:
        with streams.opened(path) as container:
            return dict(container.metadata)
    except Exception as error:   # whatever a file that anyone may have made does to FFmpeg
        raise MediaError(f"cannot be read as a video ({shown(str(getattr(error, 'strerror', None) or error))[:200]})") from None


def _tag(path: Path) -> tuple[str, tuple[str, ...]]:
    reason = "holds no recipe: it was not made by aio, or what re-encoded it dropped the metadata"
    try:
        text = _tags(path).get("aio")
    except MediaError as error:
        text, reason = None, str(error)
    if text is not None:
        return text, ()
    beside = path.with_suffix(".json")
    if beside.is_file():
        return _text(beside), (f"{path.name} {reason}; {beside.name} beside it is used",)
    raise MediaError(f"{path}: {reason}; nor is {beside.name} beside it")
