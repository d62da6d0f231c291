"""Make the models of a prompt present: check what is there, fetch what is missing, link it into ComfyUI's models folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from aio.download import hub
from aio.download.remedies import by_hand
from aio.errors import AioError, ModelMissing, OutputError, nearest
from aio.registry import SAFE_ENDINGS, ModelStatus, RegistryEntry
from aio.registry import cache as disk
from aio.values import Event, OnEvent

PARALLEL = 3
"""Files at once: one stream seldom fills a line, and more only fight for the disk."""
TICK_SECONDS = 0.2
_RATE_SECONDS = 10.0


def complete(
    states: Sequence[ModelStatus],
    registry: Mapping[str, RegistryEntry],
    models_dir: Path,
    cache: Path,
    on_event: OnEvent,
    verify: bool,
) -> None:
    """Do what `aio.registry.ensure` promises, for the models that it found."""
    problems = [problem for state in states if (problem := _problem(state, registry))]
    fetchable = [state for state in states if state.state == "missing" and not _problem(state, registry)]
    transfers = _look_up(fetchable, cache, problems)
    if problems:   # before minutes of hashing
        raise ModelMissing("\n".join(problems))
    try:
        broken = _check(states, models_dir, on_event, verify)
        transfers |= _look_up([state for state in broken if _drop(state, cache, problems)], cache, problems)
        if problems:
            raise ModelMissing("\n".join(problems))
        _room(transfers.values(), cache)
        disk.remember(models_dir, _fetch(list(transfers.values()), on_event))
        for state in states:
            stays = state.state == "present" and state.path and state.path.is_file()   # a damaged one is gone by now
            if not stays and state.entry and (path := disk.cached(state.entry, cache)):
                place = models_dir / state.folder / state.name
                place.parent.mkdir(parents=True, exist_ok=True)
                disk.link(path.absolute(), place)
    except OSError as error:
        place, reason = error.filename or models_dir, error.strerror or error
        raise OutputError(f"{place}: {reason}; {models_dir} must be a folder that you may write") from None


def _problem(state: ModelStatus, registry: Mapping[str, RegistryEntry]) -> str:
    """Why a model can never be fetched, or nothing."""
    where = f"{state.name} (node {state.node})" if state.node else state.name
    if state.state == "unknown" and state.note:
        return f"{where}: {state.note}; give its plain file name"
    if state.state == "unknown":
        hint = nearest(state.name, registry)
        place = f"models/{state.folder or '<folder>'}"
        return f"{where}: not in the registry and not in {place}.{hint} Put the file there, or add it to conf/registry"
    entry = state.entry
    if state.state == "missing" and entry and not entry.sha256 and not state.name.lower().endswith(SAFE_ENDINGS):
        return f"{where}: only safetensors are fetched without a sha256; write one into its registry entry, or {by_hand(entry)}"
    return ""


def _look_up(missing: Sequence[ModelStatus], cache: Path, problems: list[str]) -> dict[Path, hub.Transfer]:
    """Ask the Hub about all files at once; a file that two folders need is one transfer."""
    entries = list({state.entry.name: state.entry for state in missing if state.entry}.values())
    found: dict[Path, hub.Transfer] = {}
    if entries:
        with ThreadPoolExecutor(min(8, len(entries))) as pool:
            for future in [pool.submit(hub.look_up, entry, cache) for entry in entries]:
                try:
                    found[future.result().blob] = future.result()
                except AioError as error:
                    problems.append(str(error))
    return found


def _check(states: Sequence[ModelStatus], models_dir: Path, on_event: OnEvent, verify: bool) -> list[ModelStatus]:
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
                    raise hub.Stopped
                found.update(chunk)
                done[0] += len(chunk)
        return before, found.hexdigest()

    if todo:
        label = f"Checking {_names([state.name for state in todo.values()])}"
        found = _together([lambda path=path: digest(path) for path in todo], stop, _progress(label, lambda: done[0], total, on_event))
        for (path, state), (identity, sha256) in zip(todo.items(), found, strict=True):
            hashes[identity] = sha256
            if sha256 != disk.expected(state.entry, path):
                broken.append(state)
        disk.remember(models_dir, hashes)
    return broken


def _drop(state: ModelStatus, cache: Path, problems: list[str]) -> bool:
    """Remove a damaged file where it is the cache's, to be fetched anew; the user's own file is theirs to move."""
    assert state.path is not None and state.entry is not None
    damaged = disk.blob_behind(state.path) or state.path
    try:
        if not damaged.resolve().is_relative_to(cache.resolve()):
            want = f"sha256 {state.entry.sha256}" if state.entry.sha256 else f"{state.entry.size} bytes"
            problems.append(f"{state.path}: not the file that the registry records ({want}): move it away, or correct the registry")
            return False
        damaged.unlink()
        if state.path.is_symlink():
            state.path.unlink()
    except OSError as error:
        problems.append(f"{damaged}: damaged, and it cannot be removed ({error.strerror}): delete it and run again")
        return False
    return True


def _room(transfers: Iterable[hub.Transfer], cache: Path) -> None:
    need = sum(transfer.size - transfer.done for transfer in transfers)
    place = next(folder for folder in (cache, *cache.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if need > free:
        raise OutputError(f"{cache}: {_size(need)} to fetch and only {_size(free)} free; make room, or set HF_HOME to a larger disk")


def _fetch(transfers: Sequence[hub.Transfer], on_event: OnEvent) -> dict[str, str]:
    """Fetch all; return identity -> sha256 of the new blobs."""
    if not transfers:
        return {}
    stop = threading.Event()
    total = sum(transfer.size for transfer in transfers)
    label = f"Downloading {_names([transfer.entry.name for transfer in transfers])}"
    tick = _progress(label, lambda: sum(transfer.done for transfer in transfers), total, on_event)
    blobs = _together([lambda one=one: hub.fetch(one, stop) for one in transfers], stop, tick)
    return {disk.identity(os.stat(blob)): one.sha256 for blob, one in zip(blobs, transfers, strict=True)}


def _together(jobs: Sequence[Callable[[], object]], stop: threading.Event, tick: Callable[[], None]) -> list:
    """Run jobs in PARALLEL threads and return their results in order; the first failure stops the rest."""
    pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="aio-models")
    futures: list[Future] = [pool.submit(job) for job in jobs]
    pending = set(futures)
    try:
        while pending:
            done, pending = wait(pending, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
            tick()
            for future in done:
                future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
    return [future.result() for future in futures]


def _progress(label: str, done: Callable[[], int], total: int, on_event: OnEvent) -> Callable[[], None]:
    """A function that reports share and time left, the rate being that of the last ten seconds.

    The message stays the same all the way: a log shows it once, a bar moves by the fraction.
    """
    marks: deque[tuple[float, int]] = deque([(time.monotonic(), done())])

    def tick() -> None:
        now, bytes_now = time.monotonic(), done()
        marks.append((now, bytes_now))
        while len(marks) > 2 and now - marks[0][0] > _RATE_SECONDS:
            marks.popleft()
        rate = (bytes_now - marks[0][1]) / max(now - marks[0][0], 1e-6)
        left = (total - bytes_now) / rate if rate > 0 else None
        on_event(Event("download", f"{label}, {_size(total)}", fraction=bytes_now / total if total else 1.0, seconds_left=left))

    return tick


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} files"


def _size(count: int) -> str:
    """Bytes for people, decimal as the Hub shows them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
