"""The input files of a recipe, found again by their content: a recipe holds no path."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from aio import media
from aio.errors import AioError, Problem
from aio.fields import lists
from aio.machine import folders, paths
from aio.media import originals
from aio.replay.asked import Input, brief


def staging() -> list[Path]:
    """The input folders of the engines, where copies of the inputs of earlier runs lie."""
    found = []
    for folder in (folders.work, paths.temporary):
        try:
            found.append(folder() / "input")
        except AioError:
            continue   # no such folder here
    return found


def find(wanted: Mapping[str, Input], near: Sequence[Path], clip: str, notes: list[str], problems: list[Problem]) -> dict[str, Path]:
    """The file of each input that is found, by field.

    Args:
        near: folders to look into. clip: name of the file that holds the recipe, for messages.
        notes: gets a sentence for each file that lies in an engine's folder only. problems: gets one for each that is nowhere.
    """
    found = dict[str, Path]()
    kept = staging()
    for name, facts in wanted.items():
        place = _near(facts, near)
        if place is None:
            place = next((copy for folder in kept if (copy := originals.find(facts.sha256, folder))), None)
            if place is not None:
                notes.append(f"{name}: {brief(facts.name)[1:-1]} is neither beside {clip} nor here; "
                             "the very same file is taken from aio's own copies of inputs")
        if place is not None:
            found[name] = place
        else:
            problems.append(Problem(name, "required_input_missing", (
                f"{brief(facts.name)[1:-1]} (sha256 {facts.sha256[:12]}…) is neither beside {clip} nor in the current folder, "
                f"nor among the inputs that aio has kept; put it there, or give {lists.base(name)}=…")))
    return found


def _near(facts: Input, folders: Sequence[Path]) -> Path | None:
    """The file with the recorded sha256: of the recorded name first, else any of the same size."""
    for folder in dict.fromkeys(folders):
        try:
            sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()}
        except OSError:
            continue
        alike = [name for name, size in sorted(sizes.items()) if size == facts.bytes and name != facts.name]
        for name in (facts.name, *alike):
            if name in sizes and facts.bytes in (None, sizes[name]) and _is(folder / name, facts.sha256):
                return folder / name
    return None


def _is(file: Path, digest: str) -> bool:
    try:
        return media.sha256(file) == digest
    except OSError:
        return False


def typed(path: Path) -> str:
    """A path as one would type it after `field=`: from the current folder if it lies in it."""
    try:
        text = str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
    return str(path) if text.startswith("~") else text
