"""Files on disk: where the Hugging Face cache holds a file, and which files were hashed before. No network."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aio.machine import paths, whole
from aio.machine.outside import json_of, text_of

if TYPE_CHECKING:
    from aio.config.registry import RegistryEntry

COMMIT, _SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")
_MEMORY, _MEMORY_ENTRIES, _MEMORY_MAX = ".aio-verified.json", 400, 1_000_000
"""Files kept in the memory of hashes, and the bytes that so many cannot exceed."""


def repo_folder(entry: RegistryEntry, cache: Path) -> Path:
    """The folder of an entry's repository in the cache."""
    return cache / f"models--{entry.repo.replace('/', '--')}"


def blob_behind(path: Path) -> Path | None:
    """The cache's blobs/<etag> that `path` leads to by links. Not further: huggingface_hub may share blobs by yet another link."""
    for _ in range(8):
        if path.parent.name == "blobs":
            return path
        if not path.is_symlink():
            break
        path = Path(os.path.normpath(path.parent / os.readlink(path)))
    return None


def expected(entry: RegistryEntry | None, path: Path) -> str | None:
    """The sha256 that a file must have: the registry's, else the name of the cache blob behind it, else None."""
    if entry is None:
        return None
    if entry.sha256:
        return entry.sha256
    blob = blob_behind(path)
    return blob.name if blob and _SHA256.fullmatch(blob.name) else None


def hub_cache() -> Path:
    """The Hugging Face cache, read from the environment now: on a Space it moves after start-up."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or paths.cache().parent, "huggingface")
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    return paths.expanded(os.path.expandvars(named), "the Hugging Face cache")


def cached(entry: RegistryEntry, cache: Path) -> Path | None:
    """The entry's file in the Hub's cache layout, by its sha256 or by its revision; None when it is not there."""
    folder = repo_folder(entry, cache)
    blob = folder / "blobs" / (entry.sha256 or "-")
    if blob.is_file():
        return blob
    commit = entry.revision
    if not COMMIT.fullmatch(commit):
        try:
            commit = text_of(folder / "refs" / commit, 1000).strip()
        except (OSError, ValueError):
            return None
        if not COMMIT.fullmatch(commit):
            return None
    pointer = folder / "snapshots" / commit / entry.path
    behind = blob_behind(pointer)
    moved_on = entry.sha256 and behind and _SHA256.fullmatch(behind.name)   # else it were found above: main is another file by now
    return pointer if pointer.is_file() and not moved_on else None


def identity(stat: os.stat_result) -> str:
    """What changes when a file's bytes may have changed: inode, size and time of change."""
    return f"{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}"


def remembered(models_dir: Path) -> dict[str, str]:
    """identity -> sha256 of files hashed before. A damaged memory is an empty one: files are then hashed again."""
    try:
        data = json_of(text_of(models_dir / _MEMORY, _MEMORY_MAX), _MEMORY_MAX)
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}


def remember(models_dir: Path, hashes: Mapping[str, str]) -> None:
    """Add to `remembered`, safely with several processes."""
    if not hashes:
        return
    from filelock import FileLock

    models_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(models_dir / f"{_MEMORY}.lock"):
        kept = list({**remembered(models_dir), **hashes}.items())[-_MEMORY_ENTRIES:]
        whole.write(models_dir / _MEMORY, json.dumps(dict(kept), indent=0))
