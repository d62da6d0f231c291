"""What lies on disk and is not what it should be: hashed once, told from the user's own, removed to be fetched anew."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from aio.config.download import Download
from aio.values import Event, OnEvent
from aio.weights.download import remedies
from aio.weights.download.watch import Stopped
from aio.weights.download.work import named, progress, together
from aio.weights.registry import ModelStatus
from aio.weights.registry import cache as disk


def check(states: Sequence[ModelStatus], models_dir: Path, on_event: OnEvent, verify: bool, rules: Download) -> list[ModelStatus]:
    """Hash what was never hashed, and return all that is not what it should be."""
    broken = [state for state in states if state.state == "corrupt"]
    todo = {state.path: state for state in states if state.path and state.state != "corrupt" and not state.verified} if verify else {}
    hashes: dict[str, str] = {}
    done = [0]
    total = sum(state.bytes or 0 for state in todo.values())
    stop = threading.Event()

    def digest(path: Path) -> tuple[str, str]:
        found = hashlib.sha256()
        with path.open("rb") as file:
            before = disk.identity(os.fstat(file.fileno()))
            while chunk := file.read(1 << 20):
                if stop.is_set():
                    raise Stopped
                found.update(chunk)
                done[0] += len(chunk)
        return before, found.hexdigest()

    if todo:
        label = f"Checking {named([state.name for state in todo.values()])}"
        tick = progress(label, lambda: done[0], total, on_event)
        found = together([functools.partial(digest, path) for path in todo], stop, tick, rules.parallel)
        for (path, state), (identity, sha256) in zip(todo.items(), found, strict=True):
            hashes[identity] = sha256
            if sha256 != disk.expected(state.entry, path):
                broken.append(state)
        try:
            disk.remember(models_dir, hashes)
        except OSError as error:   # a shared folder that is only read: it works, and takes its time
            on_event(Event("warning", f"{remedies.disk(error, remedies.MODELS, models_dir)}. Until then every run checks these files anew"))
    return broken


def ours(state: ModelStatus, cache: Path, problems: list[str]) -> bool:
    """Whether a damaged file is the cache's, to be fetched anew; the user's own file is theirs to move."""
    assert state.path is not None and state.entry is not None
    damaged = disk.blob_behind(state.path) or state.path
    if damaged.resolve().is_relative_to(cache.resolve()):
        return True
    want = f"sha256 {state.entry.sha256}" if state.entry.sha256 else f"{state.entry.size} bytes"
    problems.append(f"{state.path}: not the file that the registry records ({want}): move it away, or correct the registry")
    return False


def drop(state: ModelStatus, problems: list[str]) -> None:
    """Remove a damaged file of the cache, and the link to it."""
    assert state.path is not None
    damaged = disk.blob_behind(state.path) or state.path
    try:
        damaged.unlink()
        if state.path.is_symlink():
            state.path.unlink()
    except OSError as error:
        problems.append(f"{damaged}: damaged, and it cannot be removed ({error.strerror}): delete it and run again")
