"""kill -9 in the midst of a sweep, and of its resumption."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from .kills import hook, points
from .tally import Area, Work
from .world import SMALL, World, broken, clips, digest, judged

JOBS = 2


def run(work: Work) -> None:
    """A sweep is killed and resumed: each job has exactly one whole clip with its sidecar, what was finished stays, the sheet is true."""
    world = World(work.folder / "world")
    moments, usual = points(world, words(world, "first"), "sweep")
    faults = sound(folder_of(world, "first"))
    assert not faults, faults
    for label in work.chosen(moments, 0.6):
        one(work, world, label, usual, hook=hook(label))
    for label in work.chosen([f"sweep-time-{number}" for number in range(work.cases)], 0.15):
        one(work, world, label, usual, after=work.random(label).uniform(0.05, 1.1) * usual)
    for label in work.chosen([f"again-time-{number}" for number in range(work.cases)], 0.25):
        random = work.random(label)
        first = {"do": "kill", "when": random.choice(("before", "after")), "at": random.randint(len(moments) // 6, len(moments) // 2)}
        one(work, world, label, usual, second=random.randint(1, len(moments) // 3), hook=first)


def words(world: World, name: str, *more: str) -> list[str]:
    """The sweep's command line."""
    return ["-m", *SMALL, "mode=t2v", "prompt=A lighthouse", f"seed={','.join(map(str, range(JOBS)))}", f"output.dir={world.out / name}", *more]


def folder_of(world: World, name: str) -> Path | None:
    """The sweep's folder, None where there is none yet."""
    return next(iter(sorted((world.out / name).glob("sweeps/*/"))), None)


def one(work: Work, world: World, label: str, usual: float, second: int = 0, **kill: Any) -> None:
    """Kill a sweep, resume it (second: kill that too, before this disk call, and resume again), look at what is there."""
    world.aio(*words(world, "now"), **kill)
    made = {digest(clip) for clip in clips(world.out / "now") if not clip.name.startswith(".")}
    if second:
        world.aio(*again(world), hook={"do": "kill", "when": "before", "at": second})
        made |= {digest(clip) for clip in clips(world.out / "now") if not clip.name.startswith(".")}
    ended = world.aio(*again(world), usual=usual)
    folder = folder_of(world, "now")
    if judged(work, ended, label) and folder is not None:
        for fault in sound(ended.last.parent):
            work.failed("losses", fault, label)
        gone = made - {digest(clip) for clip in clips(world.out / "now")}
        if gone:
            work.failed("losses", f"{len(gone)} clips that were finished when the sweep was killed are gone or were made again", label)
    shutil.rmtree(world.out / "now", ignore_errors=True)


def again(world: World) -> list[str]:
    """The command that goes on: resumed where there is a sweep, begun anew where it was killed before its first line."""
    folder = folder_of(world, "now")
    return words(world, "now", *([f"resume={folder}"] if folder is not None and (folder / "manifest.json").exists() else []))


def sound(folder: Path | None) -> list[str]:
    """What is wrong with a finished sweep's folder."""
    if folder is None:
        return ["there is no sweep's folder"]
    found, page = [], (folder / "index.html").read_text(encoding="utf-8") if (folder / "index.html").exists() else ""
    for number in range(JOBS):
        place = folder / str(number)
        made = sorted(place.glob("*.mp4"))
        if len(made) != 1:
            found.append(f"job {number} has {len(made)} clips: {[path.name for path in made]}")
            continue
        if wrong := broken(made[0]):
            found.append(f"job {number}: its clip is not whole: {wrong}")
        if not made[0].with_suffix(".json").is_file():
            found.append(f"job {number}: no recipe lies beside its clip")
        state = json.loads((place / "job.json").read_text(encoding="utf-8"))
        if (state["state"], state["video"]) != ("done", made[0].name):
            found.append(f"job {number}: job.json says {state['state']} {state['video']!r}")
        if not re.search(rf"{number}/{re.escape(made[0].name)}", page):
            found.append(f"job {number}: index.html does not lead to its clip")
    if more := [path.name for path in folder.iterdir() if path.is_dir() and path.name.isdecimal() and int(path.name) >= JOBS]:
        found.append(f"folders of jobs that nobody asked for: {more}")
    return found


AREAS = (Area("kills-sweep", "kill -9 in a sweep and its resumption", run, 70, 240),)
