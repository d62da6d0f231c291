"""Models: what the registry knows, and what of a prompt's files is on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath

from aio.config.registry import RegistryEntry, contained
from aio.graph.models import ModelRef
from aio.weights.registry import cache as disk

SAFE_ENDINGS = (".safetensors", ".sft")
"""Formats that hold tensors and nothing that could run."""
ALSO = {"diffusion_models": "unet", "text_encoders": "clip"}
"""Second places that ComfyUI looks in (folder_paths.py:30-31 at v0.33.0)."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """Where a model stands: models/<folder>/<name>.

    Attributes:
        bytes: size on disk, else the registry's, None when unknown.
        state: present (in models/), cached (in the Hugging Face cache, not linked yet), missing (can be fetched),
            unknown (nowhere, and not in the registry), corrupt (there, but not what the registry records).
        path: the file, None when it is nowhere. entry: its registry entry, None when it has none.
        verified: its sha256 was compared, or there is none to compare with. note: why it is corrupt or unknown.
        node: id of the first node that names it.
    """

    name: str
    folder: str
    bytes: int | None
    state: str
    path: Path | None = None
    entry: RegistryEntry | None = None
    verified: bool = False
    note: str = ""
    node: str = ""


def status(
    refs: Iterable[ModelRef], registry: Mapping[str, RegistryEntry], models_dir: Path | None, cache: Path | None = None
) -> tuple[ModelStatus, ...]:
    """What is on disk of `refs`, each file once. Cheap: stat calls and one small JSON file, no hashing, no network.

    Args:
        models_dir: ComfyUI's models folder, None where there is none yet. cache: Hugging Face cache, else the environment's.
    """
    cache = cache or disk.hub_cache()
    memory = disk.remembered(models_dir) if models_dir else {}
    found: dict[tuple[str, str], ModelStatus] = {}
    for ref in refs:
        entry = registry.get(ref.name) or registry.get(PurePosixPath(ref.name).name)
        one = _status(ref, entry, models_dir, cache, memory)
        found.setdefault((one.folder, one.name), one)
    return tuple(found.values())


def _status(
    ref: ModelRef, entry: RegistryEntry | None, models_dir: Path | None, cache: Path, memory: Mapping[str, str]
) -> ModelStatus:
    if not contained(ref.name):
        return ModelStatus(ref.name, ref.folder, None, "unknown", note="the name leaves the models folder; give its plain file name", node=ref.node)
    try:
        return _found(ref, entry, models_dir, cache, memory)
    except OSError as error:   # a folder that may not be read, a name longer than the disk takes
        note = f"cannot be looked for: {error.strerror or error} ({error.filename or models_dir}); see to that folder, or give another name"
        return ModelStatus(ref.name, ref.folder, None, "unknown", entry=entry, note=note, node=ref.node)


def _found(
    ref: ModelRef, entry: RegistryEntry | None, models_dir: Path | None, cache: Path, memory: Mapping[str, str]
) -> ModelStatus:
    folder = ref.folder or (entry.folder if entry else "")
    if not folder and models_dir:   # a pack's node and a file of the user's: wherever it lies
        folder = next((path.relative_to(models_dir).parts[0] for path in models_dir.glob(f"*/{escape(ref.name)}")), "")
    places = [models_dir / name / ref.name for name in (folder, ALSO.get(folder)) if name is not None] if models_dir else []
    linked = next((place for place in places if place.is_file()), None)
    path, state = (linked, "present") if linked else (disk.cached(entry, cache) if entry else None, "cached")
    if path is None:
        size, state = (entry.size, "missing") if entry else (None, "unknown")
        return ModelStatus(ref.name, folder, size, state, entry=entry, node=ref.node)
    stat = os.stat(path)
    want, seen, note = disk.expected(entry, path), memory.get(disk.identity(stat)), ""
    if entry and entry.size and not entry.size_approx and stat.st_size != entry.size:
        state, note = "corrupt", f"it has {stat.st_size} bytes, the registry says {entry.size}"
    elif want and seen and seen != want:
        state, note = "corrupt", f"its sha256 is {seen}, not {want}"
    return ModelStatus(ref.name, folder, stat.st_size, state, path, entry, want in (None, seen), note, ref.node)
