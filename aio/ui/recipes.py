"""The recipe in an mp4: read it, show it as a command line, fill a form from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aio import replay
from aio.errors import AioError, MediaError
from aio.fields import LIST, MEDIA_TYPES, Field, lists
from aio.machine import folders, whole
from aio.machine.here import on_space
from aio.recipe import sidecar
from aio.replay import asked
from aio.ui import catalogue, uploads
from aio.ui.catalogue import Catalogue
from aio.ui.forms import Form


def read(path: Path) -> Mapping[str, Any]:
    """The recipe of an mp4 that aio made, or of a JSON file.

    Raises:
        MediaError: the file holds none.
    """
    found = sidecar.read(path)
    return {**found.data, "mode": found.mode}


def command(recipe: Mapping[str, Any], offered: Catalogue, near: Path) -> str:
    """The command line that makes the same clip again; a comment where there is none.

    Its inputs are files of this machine. Where strangers reach the page, they and folders of configuration are names alone.

    Args:
        near: folder of the clip.
    """
    strangers = offered.page.gallery.show == "session" or on_space()
    try:
        with catalogue._composing:
            return replay.line(recipe, offered.config_dirs, (near, Path.cwd()), bare=strangers, base=offered.overrides)
    except (AioError, OSError) as error:
        return f"# No command makes this clip here: {uploads.without_folders(' '.join(str(error).split()))}"


def told(video: Path, offered: Catalogue, folder: Path) -> tuple[Mapping[str, Any], str, Path]:
    """A clip's recipe, its command line, and its recipe as a file in `folder`, to be downloaded.

    Raises:
        MediaError: it holds none.
    """
    recipe = read(video)
    return recipe, command(recipe, offered, video.parent), save(recipe, video.stem, folder)


def save(recipe: Mapping[str, Any], stem: str, folder: Path) -> Path:
    """Write the recipe as JSON for download."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{stem}.json"
    whole.write(target, json.dumps(recipe, indent=2, ensure_ascii=False))
    return target


def saved(file: Path) -> Mapping[str, Any]:
    """A recipe that `save` wrote.

    Raises:
        MediaError: there is none.
    """
    try:
        return read(file)
    except MediaError:
        raise MediaError("There is no result yet whose recipe could fill the form") from None


def refill(form: Form, recipe: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Values for every part of a form, and the names of the files that must be added by hand.

    Only declared fields with legal values are taken: the recipe may come from anyone.
    """
    params, inputs = (_part(recipe, key) for key in ("params", "inputs"))
    choices, values = _chosen(recipe), dict[str, Any]()
    for group, declared in form.catalogue.groups.items():
        names, given = [choice.name for choice in form.catalogue.choices[group]], choices.get(group)
        if declared.many:
            values[group] = [name for name in names if isinstance(given, list) and name in given]
        else:
            values[group] = given if given in names else form.catalogue.usual(form.mode, group)
    absent = []
    for name, field in form.fields.items():
        if field.type in MEDIA_TYPES:
            wanted = _part(inputs, name)
            values[name] = _sample(str(wanted.get("sha256", "")), folder) if wanted else None
            if wanted and values[name] is None:
                absent.append(asked.named([wanted.get("name", name)]))
            continue
        values[name] = form.default(name)
        if field.type == LIST:
            values[name] = _items(field, _part(recipe, "values").get(name), inputs, folder, absent)
            continue
        given = params.get(name, _part(recipe, "values").get(name) if name not in form.following else None)
        if isinstance(given, (str, int, float, bool)) and asked.plain(given):
            try:
                values[name] = asked.coerced(field, given)
            except ValueError:
                pass
    return values, absent


def _items(field: Field, given: Any, inputs: Mapping[str, Any], folder: Path, absent: list[str]) -> list[Any]:
    """The items of a recipe, with the files that are samples; `absent` gets the names of the others."""
    try:
        found = {field.name: asked.coerced(lists.plain(field), given)} if asked.plain(given) and given else {field.name: []}
    except ValueError:
        return []
    new = {}
    for index in range(len(found[field.name])):
        for key in field.items.keys() - lists.plain(field).items.keys():
            wanted = _part(inputs, f"{field.name}[{index}].{key}")
            new[f"{field.name}[{index}].{key}"] = file = _sample(str(wanted.get("sha256", "")), folder) if wanted else None
            absent += [asked.named([wanted.get("name", key)])] if wanted and file is None else []
    return list(lists.put(found, {key: file for key, file in new.items() if file})[field.name])


def beyond(form: Form, recipe: Mapping[str, Any]) -> list[str]:
    """What of a recipe this form cannot hold: choices that are not offered, and fields that it does not have."""
    choices, found = _chosen(recipe), []
    for group, known in form.catalogue.choices.items():
        given = choices.get(group)
        for one in given if isinstance(given, list) else [given] if given is not None else []:
            found += [] if one in [choice.name for choice in known] else [f"{group} {one}"]
    return found + [name for name in _part(recipe, "values") if name not in form.fields]


def _chosen(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a recipe chooses of every group; what suits a job to a machine stands apart in it."""
    return {**_part(recipe, "machine"), **_part(recipe, "choices")}


def _part(recipe: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = recipe.get(key)
    return part if isinstance(part, Mapping) else {}


def example(form: Form, index: int, folder: Path) -> dict[str, Any]:
    """Values of a sample job for every part of a form."""
    values: dict[str, Any] = {name: form.default(name) for name in form.fields}
    values |= {name: value for name, value in form.config.examples[index].items() if name in form.fields}
    lent = {key: _lend(folders.ROOT / str(file), folder) for key, _, file in lists.files(form.fields, values)}
    return lists.put(values, lent)


def _lend(file: Path, folder: Path) -> str | None:
    """A copy where the page may serve it: the samples' own folder is not served."""
    if not file.is_file():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    if not target.exists() or target.stat().st_size != file.stat().st_size:
        whole.copy(file, target)
    return str(target)


def _sample(digest: str, folder: Path) -> str | None:
    """The sample with this content, if it is one."""
    for file in sorted((folders.ROOT / "samples").glob("*.*")):
        if hashlib.sha256(file.read_bytes()).hexdigest() == digest:
            return _lend(file, folder)
    return None
