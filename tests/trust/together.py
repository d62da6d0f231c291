"""Eight processes at once: in one output folder, at one sweep, one setup, one download."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import props
from .kills_sweep import folder_of, sound
from .kills_sweep import words as sweep_words
from .tally import Area, Work
from .world import SMALL, Ended, World, broken, clips, judged

PROCESSES = 8
USUAL = 20.0
"""Seconds that one of eight commands may usually take on two cores."""


def crowd(world: World, words: Sequence[str], **options: Any) -> list[Ended]:
    """The same command, eight times at once."""
    with ThreadPoolExecutor(PROCESSES) as pool:
        return list(pool.map(lambda _: world.aio(*words, usual=USUAL, **options), range(PROCESSES)))


def folder(work: Work, label: str) -> None:
    """Eight runs into one folder: eight clips, each whole, each printed by one of them."""
    world = World(work.folder / label)
    ended = crowd(world, [*SMALL, "mode=t2v", "prompt=A lighthouse", f"output.dir={world.out}"])
    printed = [one.last for one in ended if judged(work, one, label)]
    if len(set(printed)) != len(printed) or {path.name for path in printed} != {path.name for path in clips(world.out)}:
        work.failed("losses", f"printed {sorted(path.name for path in printed)}, there are {sorted(path.name for path in clips(world.out))}", label)
    for path in printed:
        if wrong := broken(path):
            work.failed("losses", f"{path.name}: {wrong}", label)


def sweep(work: Work, label: str) -> None:
    """One stopped sweep, resumed by eight: one does it, or several in turn, the others say that it is taken; each clip is there once."""
    world = World(work.folder / label)
    world.aio(*sweep_words(world, "now"), after=1.2)
    place = folder_of(world, "now")
    resume = [f"resume={place}"] if place is not None and (place / "manifest.json").exists() else []
    ended = crowd(world, sweep_words(world, "now", *resume))
    for one in ended:
        judged(work, one, label, fails=True)
    if not any(one.code == 0 for one in ended):
        work.failed("losses", f"none of eight resumptions did it: {ended[0].err[-200:]}", label)
    for done in (world.out / "now").glob("sweeps/*/"):
        if not resume and done == place:
            continue   # the one that was killed before its manifest
        for fault in sound(done):
            work.failed("losses", f"after eight at once: {fault}", label)


def setup(work: Work, label: str) -> None:
    """One ComfyUI, set up by eight."""
    world = World(work.folder / label)
    job = props.setup(world, props.git_mirror(work.folder / f"{label}-mirror", 100))
    for one in crowd(world, job.words, **job.env):
        judged(work, one, label)
    for fault in job.faults():
        work.failed("losses", f"after eight setups at once: {fault}", label)


def download(work: Work, label: str) -> None:
    """One download, begun by eight: each byte is fetched once."""
    world = World(work.folder / label)
    with props.download(world) as job:
        for one in crowd(world, job.words, **job.env):
            judged(work, one, label)
        for fault in job.faults():
            work.failed("losses", f"after eight downloads at once: {fault}", label)
        if len(job.hub.gets()) > len(job.wanted):
            work.failed("losses", f"{len(job.hub.gets())} transfers for {len(job.wanted)} files", label)


WHAT: dict[str, Callable[[Work, str], None]] = {"folder": folder, "sweep": sweep, "setup": setup, "download": download}


def run(work: Work) -> None:
    """Each of them in turn."""
    names = list(WHAT)
    for label in work.chosen([f"{names[number % len(names)]}-{number}" for number in range(work.cases)]):
        WHAT[label.split("-")[0]](work, label)
        work.tally.row.cases += PROCESSES - 1
        for place in work.folder.iterdir():
            shutil.rmtree(place) if place.is_dir() else place.unlink()


AREAS = (Area("together", "8 processes at once: folder, sweep, setup, download", run, 12, 60, whole=True),)
