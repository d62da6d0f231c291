"""Recipes on disk: beside an mp4, and read back from either."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio import __version__, outputs
from aio.errors import MediaError
from aio.provenance import RECIPE_VERSION, fingerprint

REQUIRED = ("recipe", "aio", "engine", "mode", "choices", "params", "inputs", "values", "operations", "hash")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that was read. data: its JSON. path: the file. notes: what a user should know about it."""

    data: Mapping[str, Any]
    path: Path
    notes: tuple[str, ...] = ()


def write_beside(video: Path, tags: Mapping[str, str]) -> Path:
    """Write the metadata as NAME.json beside NAME.mp4, whole or not at all. A file there that is no recipe is left alone.

    Raises:
        OutputError: it cannot be written.
    """
    target = video.with_suffix(".json")
    try:
        if target.exists() and '"aio"' not in target.read_text(encoding="utf-8", errors="replace"):
            return target
        text = "{\n" + ",\n".join(f"{json.dumps(key)}: {value}" for key, value in tags.items()) + "\n}\n"   # the very same JSON
        write_whole(target, text.encode())
    except OSError as error:
        raise outputs.failure(error, target) from None
    return target


def write_whole(target: Path, content: bytes) -> None:
    """Replace a file in one step: a reader sees the old content or the new.

    Raises:
        OSError: it cannot be written; the old content stays.
    """
    handle, name = tempfile.mkstemp(prefix=".aio-", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)   # mkstemp makes private files
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: Path) -> Recipe:
    """The recipe in an mp4, or in the JSON beside it.

    Raises:
        MediaError: there is no file, no recipe, a damaged one, or one of a newer aio.
    """
    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    text, notes = (path.read_text(encoding="utf-8", errors="replace"), ()) if path.suffix == ".json" else _tag(path)
    try:
        data = json.loads(text)
        data = json.loads(data) if isinstance(data, str) else data   # a writer that encodes every tag as JSON
        data = data["aio"] if isinstance(data, dict) and isinstance(data.get("aio"), dict) else data
    except ValueError as error:
        raise MediaError(f"{path}: its recipe is damaged, it is not JSON ({error})") from None
    if not isinstance(data, dict) or not isinstance(data.get("recipe"), int):
        raise MediaError(f"{path}: holds no recipe of aio")
    if data["recipe"] > RECIPE_VERSION:
        made_by = f"aio {data.get('aio', '?')}"
        raise MediaError(f"{path}: its recipe is newer (version {data['recipe']}, by {made_by}) than aio {__version__} reads; update aio")
    missing = [key for key in REQUIRED if key not in data]
    if missing or not all(isinstance(data[key], dict) for key in ("choices", "params", "inputs", "values")):
        raise MediaError(f"{path}: its recipe is damaged: {', '.join(missing) or 'a part of it'} is missing or of the wrong kind")
    changed = [name for name, value in data["params"].items() if data["values"].get(name) != value]
    if changed or fingerprint(data) != data["hash"]:
        which = f" ({', '.join(changed)}: the one in `values` counts)" if changed else ""
        notes += (f"the recipe was edited after the clip was made{which}; what it says now is used, so the clip may differ",)
    return Recipe(data, path, notes)


def _tag(path: Path) -> tuple[str, tuple[str, ...]]:
    import av

    try:
        with av.open(str(path)) as container:
            text = container.metadata.get("aio")
        reason = "holds no recipe: it was not made by aio, or what re-encoded it dropped the metadata"
    except (av.error.FFmpegError, OSError, UnicodeDecodeError) as error:
        text, reason = None, f"cannot be read as a video ({getattr(error, 'strerror', None) or error})"
    if text is not None:
        return text, ()
    beside = path.with_suffix(".json")
    if beside.is_file():
        return beside.read_text(encoding="utf-8", errors="replace"), (f"{path.name} {reason}; {beside.name} beside it is used",)
    raise MediaError(f"{path}: {reason}; nor is {beside.name} beside it")
