"""Make the models of a prompt present: check what is there, fetch what is missing, put it into ComfyUI's models folder.

Whatever can be known beforehand is: what the Hub holds, how the models folder takes files of the cache, room on both disks.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aio.config.download import Download
from aio.config.registry import RegistryEntry
from aio.errors import AioError, ModelMissing, OutputError, nearest
from aio.machine import links
from aio.values import Event, OnEvent
from aio.weights.download import hub, place, remedies
from aio.weights.download.damage import check, drop, ours
from aio.weights.download.lookup import look_up, usable
from aio.weights.download.transfer import Transfer, part_of
from aio.weights.download.work import named, progress, together
from aio.weights.registry import SAFE_ENDINGS, ModelStatus
from aio.weights.registry import cache as disk

_QUIET_SECONDS = 1.0
"""A question that is answered sooner is not worth a line."""


@dataclass(slots=True)
class _Task:
    """A file that must come to `target`: from `source` in the cache, or from `transfer`. how: see aio.weights.download.place."""

    state: ModelStatus
    target: Path
    source: Path | None
    transfer: Transfer | None = None
    how: str = ""


def complete(
    states: Sequence[ModelStatus],
    registry: Mapping[str, RegistryEntry],
    models_dir: Path,
    cache: Path,
    on_event: OnEvent,
    verify: bool,
    rules: Download,
) -> None:
    """Do what `aio.weights.ensure.ensure` promises, for the models that it found. `rules`: the config's `download`."""
    problems = [problem for state in states if (problem := _problem(state, registry))]
    missing = [state for state in states if state.state == "missing" and not _problem(state, registry)]
    targets = [models_dir / state.folder / state.name for state in states if state.state in ("missing", "cached")]
    problems += [in_the_way for target in targets if (in_the_way := place.in_the_way(target))]
    if missing:
        usable()
        place.writable(cache, remedies.CACHE)   # huggingface_hub looks for its token there
    found = _ask(missing, cache, problems, rules, on_event)
    _raise(problems)   # before minutes of hashing
    try:
        broken = check(states, models_dir, on_event, verify, rules)
        damaged = [state for state in broken if ours(state, cache, problems)]
        found |= _ask(damaged, cache, problems, rules, on_event)
        _raise(problems)
        for state in damaged:
            drop(state, problems)
        _raise(problems)
    except OSError as error:
        raise remedies.disk(error, remedies.MODELS, models_dir) from None
    for note in (transfer.note for transfer in found.values() if transfer.note):
        on_event(Event("warning", note))
    tasks = list(_tasks(states, broken, found, models_dir, cache))
    for transfer in found.values():
        place.writable(transfer.blob.parent, remedies.CACHE)
        problems += [in_the_way for path in (transfer.blob, transfer.part) if (in_the_way := place.in_the_way(path))]
    _raise(problems)
    for task in tasks:
        task.how = place.proven(task.source, task.transfer.folder / "blobs" if task.transfer else cache, task.target.parent)
    fetched = sum(transfer.size - transfer.done for transfer in found.values())
    copied = sum(task.transfer.size if task.transfer else task.state.bytes or 0 for task in tasks if task.how == "copy")
    if short := place.lacking(place.needs(fetched, copied, cache, models_dir)):
        raise OutputError("\n".join(short))
    try:
        blobs = _fetch(list(found.values()), on_event, rules)
        disk.remember(models_dir, {disk.identity(os.stat(blob)): found[name].sha256 for name, blob in blobs.items()})
        _put(tasks, blobs, models_dir, on_event)
    except OSError as error:
        raise remedies.disk(error, remedies.MODELS, models_dir) from None


def disks(states: Sequence[ModelStatus], models_dir: Path | None, cache: Path) -> list[str]:
    """What fetching would need of each disk, in sentences, the last ones about what it lacks. Quick: no network, no hashing."""
    missing = {state.entry.name: state for state in states if state.state == "missing" and state.entry}
    fetched, copied, problems = sum((state.bytes or 0) - _part(state.entry, cache) for state in missing.values() if state.entry), 0, []
    for state in states:
        if models_dir and state.entry and state.state in ("missing", "cached"):
            folder = (models_dir / state.folder / state.name).parent
            try:
                how = place.proven(
                    disk.cached(state.entry, cache), place.standing(cache), folder if os.path.lexists(folder) else place.standing(folder)
                )
                copied += (state.bytes or 0) if how == "copy" else 0
            except OutputError as error:
                problems.append(str(error))
    needs = place.needs(fetched, copied, cache, models_dir or cache)
    many = [f"{need}, where {remedies.size(place.free(need.folder))} are free" for need in needs]
    return [*many, *(f"too little room: {short}" for short in place.lacking(needs)), *dict.fromkeys(problems)]


def _part(entry: RegistryEntry, cache: Path) -> int:
    """Bytes of an entry that came before."""
    part = part_of(disk.repo_folder(entry, cache), entry.sha256 or "-")
    return part.stat().st_size if part.is_file() else 0


def _raise(problems: Sequence[str]) -> None:
    if problems:
        raise ModelMissing("\n".join(problems))


def _problem(state: ModelStatus, registry: Mapping[str, RegistryEntry]) -> str:
    """Why a model can never be fetched, or nothing."""
    where = f"{state.name} (node {state.node})" if state.node else state.name
    if state.state == "unknown" and state.note:
        return f"{where}: {state.note}"
    if state.state == "unknown":
        hint = nearest(state.name, registry)
        folder = f"models/{state.folder or '<folder>'}"
        return f"{where}: not in the registry and not in {folder}.{hint} Put the file there, or add it to conf/registry"
    entry = state.entry
    if state.state == "missing" and entry and not entry.sha256 and not state.name.lower().endswith(SAFE_ENDINGS):
        return f"{where}: only safetensors are fetched without a sha256; write one into its registry entry, or {remedies.by_hand(entry)}"
    return ""


def _ask(
    states: Sequence[ModelStatus], cache: Path, problems: list[str], rules: Download, on_event: OnEvent
) -> dict[str, Transfer]:
    """Ask the Hub about all files at once: entry name -> transfer; a file that two folders need is one."""
    entries = list({state.entry.name: state.entry for state in states if state.entry}.values())
    if not entries:
        return {}
    stop, started = threading.Event(), time.monotonic()

    def asked(entry: RegistryEntry) -> Transfer | AioError:
        try:
            return look_up(entry, cache, rules, stop)
        except AioError as error:
            return error

    def tick() -> None:
        if time.monotonic() - started > _QUIET_SECONDS:
            on_event(Event("download", f"Asking the Hub about {named([entry.name for entry in entries])}"))

    answers = together([functools.partial(asked, one) for one in entries], stop, tick, 8)
    problems += [str(answer) for answer in answers if isinstance(answer, AioError)]
    return {entry.name: answer for entry, answer in zip(entries, answers, strict=True) if isinstance(answer, Transfer)}


def _tasks(
    states: Sequence[ModelStatus], broken: Sequence[ModelStatus], found: Mapping[str, Transfer], models_dir: Path, cache: Path
) -> Iterator[_Task]:
    for state in states:
        if state.entry and (state.state != "present" or state in broken):
            transfer = found.get(state.entry.name)
            yield _Task(state, models_dir / state.folder / state.name, None if transfer else disk.cached(state.entry, cache), transfer)


def _fetch(transfers: Sequence[Transfer], on_event: OnEvent, rules: Download) -> dict[str, Path]:
    """Fetch all; entry name -> blob."""
    if not transfers:
        return {}
    stop = threading.Event()
    total = sum(transfer.size for transfer in transfers)
    label = f"Downloading {named([transfer.entry.name for transfer in transfers])}"
    tick = progress(label, lambda: sum(transfer.done for transfer in transfers), total, on_event)
    blobs = together([functools.partial(hub.fetch, one, stop, rules) for one in transfers], stop, tick, rules.parallel)
    return {one.entry.name: blob for blob, one in zip(blobs, transfers, strict=True)}


def _put(tasks: Sequence[_Task], blobs: Mapping[str, Path], models_dir: Path, on_event: OnEvent) -> None:
    """Give each file its place in the models folder."""
    copies: list[tuple[Path, _Task]] = []
    for task in tasks:
        source = blobs.get(task.transfer.entry.name) if task.transfer else task.source
        if source is None:
            continue
        if task.how == "copy":
            copies.append((source, task))
        else:
            links.link(source.absolute(), task.target, task.how)
    if copies:
        _copy(copies, models_dir, on_event)


def _copy(copies: Sequence[tuple[Path, _Task]], models_dir: Path, on_event: OnEvent) -> None:
    on_event(Event("warning", (
        f"{models_dir} takes no links to the Hugging Face cache, so that {named([task.state.name for _, task in copies])} must be copied and "
        "take their room twice. To save it: Windows' developer mode, or HF_HOME and AIO_MODELS_DIR on one disk that has links"
    )))
    stop, done = threading.Event(), [0]

    def count(size: int) -> None:
        done[0] += size

    label = f"Copying {named([task.state.name for _, task in copies])} into the models folder"
    tick = progress(label, lambda: done[0], sum(source.stat().st_size for source, _ in copies), on_event)

    def one(source: Path, task: _Task) -> None:
        want = task.transfer.sha256 if task.transfer else disk.expected(task.state.entry, source)
        place.copy(source, task.target, models_dir, want, count, stop)

    together([functools.partial(one, *pair) for pair in copies], stop, tick, 1)
