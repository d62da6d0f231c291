"""Files on disk: where the Hugging Face cache holds a file, and which files were hashed before. No network."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aio.machine import paths
from aio.machine.outside import json_of, text_of

if TYPE_CHECKING:
    from aio.config.registry import RegistryEntry

COMMIT, _SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")
_MEMORY, _MEMORY_ENTRIES, _MEMORY_MAX = ".aio-verified.json", 400, 1_000_000
"""Files kept in the memory of hashes, and the bytes that so many cannot exceed."""
_numbers = itertools.count()


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
        write(models_dir / _MEMORY, json.dumps(dict(kept), indent=0))


def write(path: Path, text: str) -> None:
    """Write a small file at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = beside(path)
    try:
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def beside(path: Path) -> Path:
    """A name in the same folder that no other process or thread takes."""
    return path.with_name(f".aio-{os.getpid()}-{next(_numbers)}")


def link(target: str | Path, place: Path, how: str = "") -> None:
    """Put a link at `place`, atomically, over another link but over nothing else.

    Args:
        target: absolute, or relative to `place`'s folder. how: "symlink", "hard link" (which needs the same disk), or either:
            Windows without its developer mode has only the latter.

    Raises:
        OSError: a file is in the way, or such links are not allowed there.
    """
    if place.exists() and not place.is_symlink():
        raise FileExistsError(errno.EEXIST, "a file of yours is in the way", str(place))
    fresh, tries = beside(place), [how] if how else ["symlink", "hard link"]
    for kind in tries:
        try:
            if kind == "symlink":
                os.symlink(target, fresh)
            else:
                os.link(os.path.realpath(place.parent / target), fresh)
            os.replace(fresh, place)
            return
        except OSError:
            fresh.unlink(missing_ok=True)
            if kind == tries[-1]:
                raise
