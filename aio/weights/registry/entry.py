"""The registry's entries: which weight files aio can fetch, read from the config and checked, since anybody may write one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from aio.errors import ConfigError, nearest

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPO = re.compile(r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?/[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
"""As huggingface_hub's validate_repo_id: at most 96 characters, neither end a dot or dash, and no `--` or `..` in between."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
_TEXTS, _PLACES = ("repo", "path", "revision", "folder", "base", "note"), ("name", "path", "folder", "revision")


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
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"registry: {mapping!r} is not a mapping of file names; see conf/registry/ltx23.yaml")
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
    size, sha256, approx = values.get("size"), values.get("sha256"), values.get("size_approx")
    texts = {key: value for key, value in values.items() if key in _TEXTS and value is not None}
    odd = {key for key, value in texts.items() if not isinstance(value, str)}
    yield from (f"{key} {texts[key]!r} is not text; quote it" for key in sorted(odd))
    if "repo" not in odd and not (_REPO.fullmatch(values["repo"]) and not re.search(r"\.\.|--", values["repo"])):
        yield f"repo {values['repo']!r} is not OWNER/NAME"
    for key, value in {"name": name, "path": "", "folder": "checkpoints", "revision": "main", **texts}.items():
        if key in _PLACES and key not in odd and not contained(value):
            yield f"{key} {value!r} leaves its folder"
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        yield f"size {size!r} is not a number of bytes"
    if approx is not None and not isinstance(approx, bool):
        yield f"size_approx {approx!r} is neither true nor false"
    if sha256 is not None and not _SHA256.fullmatch(str(sha256)):
        yield f"sha256 {sha256!r} is not 64 lower-case hex digits"


def contained(name: str) -> bool:
    """Whether `name` is a relative path that stays inside the folder it is put in, on every platform.

    Windows drops dots and spaces at a name's end, and opens a device for names such as `nul.pt`.
    """
    parts = name.split("/")
    odd = any(not part or part[-1] in ". " or _DEVICE.fullmatch(part) for part in parts)   # "." and ".." end with a dot
    return not odd and not re.search(r'[\x00-\x1f\x7f\ud800-\udfff\\:*?"<>|]', name)
