"""Models: what the registry knows, which files a prompt names, what of them is on disk, and `ensure`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Any

from aio.errors import ConfigError, nearest
from aio.registry import cache as disk
from aio.values import OnEvent, Prompt, ignore

MODEL_ENDINGS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".pkl")
"""What ComfyUI lists as a model (folder_paths.supported_pt_extensions at v0.33.0), and GGUF."""
GUESS_ENDINGS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth")
SAFE_ENDINGS = (".safetensors", ".sft")
"""Formats that hold tensors and nothing that could run."""
NOT_MODELS = frozenset({"input", "output", "temp"})
ALIASES = {"unet": "diffusion_models", "clip": "text_encoders", "unet_gguf": "diffusion_models", "clip_gguf": "text_encoders"}
"""Old folder names (folder_paths.map_legacy) and those of ComfyUI-GGUF (its nodes.py) -> the folder they list."""

ALSO = {"diffusion_models": "unet", "text_encoders": "clip"}
"""Second places that ComfyUI looks in (folder_paths.py:30-31 at v0.33.0)."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One weight file that aio can fetch. See conf/registry/ltx23.yaml.

    Attributes:
        name: file name as workflows use it. folder: ComfyUI models/<folder>.
        repo, path, revision: where it lies on the Hub. size: bytes, None when unknown; rounded if `size_approx`.
        sha256: of the file, hex; None: the Hub's own is checked.
        base: the model that a LoRA was made for. note: for people.
    """

    name: str
    repo: str
    path: str
    revision: str = "main"
    size: int | None = None
    size_approx: bool = False
    sha256: str | None = None
    folder: str = "checkpoints"
    base: str = ""
    note: str = ""


def parse(mapping: Mapping[str, Any]) -> Mapping[str, RegistryEntry]:
    """Read the config's `registry`; an entry of null is left out, one read before stays.

    Raises:
        ConfigError: every unknown key (with the nearest known one) and every illegal value.
    """
    keys = [f.name for f in fields(RegistryEntry) if f.name != "name"]
    entries: dict[str, RegistryEntry] = {}
    faults: list[str] = []
    for name, raw in mapping.items():
        if isinstance(raw, RegistryEntry):
            entries[name] = raw
            continue
        if raw is None:
            continue
        if not isinstance(raw, Mapping):
            faults.append(f"registry: {name}: expected a mapping with repo and path")
            continue
        values = {str(key): value for key, value in raw.items()}
        found = [f"unknown key {key!r}.{nearest(key, keys)}" for key in values if key not in keys]
        found += [f"key {key!r} is missing" for key in ("repo", "path") if not values.get(key)]
        found = found or list(_illegal(str(name), values))
        faults += [f"registry: {name}: {fault}" for fault in found]
        if not found:
            kept = {key: value for key, value in values.items() if value is not None}
            entries[str(name)] = RegistryEntry(name=str(name), **kept)
    if faults:
        raise ConfigError("\n".join(faults))
    return entries


def _illegal(name: str, values: Mapping[str, Any]) -> Iterable[str]:
    size, sha256 = values.get("size"), values.get("sha256")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(values["repo"])):
        yield f"repo {values['repo']!r} is not OWNER/NAME"
    for key, value in (("name", name), ("path", values["path"]), ("folder", values.get("folder", "checkpoints"))):
        if not contained(str(value)):
            yield f"{key} {value!r} leaves its folder"
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        yield f"size {size!r} is not a number of bytes"
    if sha256 is not None and not _SHA256.fullmatch(str(sha256)):
        yield f"sha256 {sha256!r} is not 64 lower-case hex digits"


def contained(name: str) -> bool:
    """Whether `name` is a relative path that stays inside the folder it is put in, on every platform."""
    parts = name.split("/")
    return bool(name) and not any(part in ("", ".", "..") for part in parts) and not re.search(r'[\x00-\x1f\\:*?"<>|]', name)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A weight file that a prompt names.

    Attributes:
        folder: ComfyUI models/<folder>; empty when guessed.
        name: as the node gives it. node: id. input: name.
        guessed: the node's class is not in the schema, the file's ending alone speaks for it.
    """

    folder: str
    name: str
    node: str
    input: str
    guessed: bool = False


def models_of(prompt: Prompt, schema: Mapping[str, Any] | None = None) -> tuple[ModelRef, ...]:
    """The weight files that a patched prompt names, each once, in the prompt's order.

    Args:
        schema: class name -> NodeClass, by default aio.schema.load(); an input's `files` names the ComfyUI folder it lists.
    """
    if schema is None:
        from aio.schema import load

        schema = load()
    found: dict[tuple[str, str], ModelRef] = {}
    for node_id, node in prompt.items():
        known = schema.get(node["class_type"])
        for name, value in node["inputs"].items():
            if not isinstance(value, str) or "\n" in value:
                continue
            if known is None:
                folder, endings = "", GUESS_ENDINGS
            else:
                files = getattr(known.inputs.get(name), "files", None)
                if not files or files in NOT_MODELS:
                    continue
                folder, endings = ALIASES.get(files, files), MODEL_ENDINGS
            if value.lower().endswith(endings):   # a list may also offer words, e.g. VAELoader's pixel_space
                found.setdefault((folder, value), ModelRef(folder, value, node_id, name, guessed=known is None))
    return tuple(found.values())


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
    refs: Iterable[ModelRef], registry: Mapping[str, Any], models_dir: Path | None, cache: Path | None = None
) -> tuple[ModelStatus, ...]:
    """What is on disk of `refs`, each file once. Cheap: stat calls and one small JSON file, no hashing, no network.

    Args:
        models_dir: ComfyUI's models folder, None where there is none yet. cache: Hugging Face cache, else the environment's.
    """
    registry, cache = parse(registry), cache or disk.hub_cache()
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
        return ModelStatus(ref.name, ref.folder, None, "unknown", note="the name leaves the models folder", node=ref.node)
    folder = ref.folder or (entry.folder if entry else "")
    if not folder and models_dir:   # a pack's node and a file of the user's: wherever it lies
        folder = next((path.relative_to(models_dir).parts[0] for path in models_dir.glob(f"*/{escape(ref.name)}")), "")
    places = [models_dir / name / ref.name for name in (folder, ALSO.get(folder)) if name is not None] if models_dir else []
    linked = next((place for place in places if place.is_file()), None)
    path, state = (linked, "present") if linked else (entry and disk.cached(entry, cache), "cached")
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


def ensure(
    refs: Iterable[ModelRef],
    registry: Mapping[str, Any],
    models_dir: Path,
    on_event: OnEvent = ignore,
    *,
    cache: Path | None = None,
    verify: bool = True,
) -> tuple[ModelStatus, ...]:
    """Return once every model stands, verified, at models/<folder>/<name>. About a millisecond where all is in place.

    Every problem is known before the first byte is fetched.

    Args:
        on_event: gets `download` events in the calling thread; what it raises (Cancelled) stops the transfers, which resume later.
        cache: Hugging Face cache, else the environment's. verify: False trusts files of the right size that were never hashed.

    Raises:
        ModelMissing: one line a file: not known, gated, offline, damaged, ... and what to do. OutputError: no room, no permission.
    """
    refs, registry, cache = tuple(refs), parse(registry), cache or disk.hub_cache()
    states = status(refs, registry, models_dir, cache)
    if any(state.state != "present" or (verify and not state.verified) for state in states):
        from aio import download  # only here: most runs need nothing

        download.complete(states, registry, models_dir, cache, on_event, verify)
        states = status(refs, registry, models_dir, cache)
    return states
