"""kill -9 in the midst of a single run, before and after every disk call and at random moments."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import ROOT
from .tally import Area, Work
from .world import SMALL, World, broken, clips, digest, judged

AGE = 400 * 86400
"""Seconds by which leftovers are made older: beyond every age that the configuration names."""

COMMANDS = {
    "t2v": (*SMALL, "mode=t2v", "prompt=A lighthouse"),
    "lipsync": (*SMALL, "mode=lipsync", "prompt=He talks", f"image={ROOT / 'samples' / 'astronaut.png'}", f"audio={ROOT / 'samples' / 'speech.wav'}"),
}
"""One without inputs and one whose inputs are staged."""


def points(world: World, words: Sequence[str], name: str, **options: Any) -> tuple[list[str], float]:
    """Labels of every moment of a command, before and after each of its disk calls, and the seconds that it takes."""
    ended = world.aio(*words, usual=60, hook={}, **options)
    assert ended.code == 0, f"{words}: {ended.err}"
    return [f"{name}-{when}-{number}" for number, _, _ in world.calls() for when in ("before", "after")], ended.seconds


def hook(label: str) -> dict[str, Any]:
    """The hook that kills at a label's moment."""
    _, when, number = label.split("-")
    return {"do": "kill", "when": when, "at": int(number)}


def run(work: Work) -> None:
    """A run is killed; no half file stands under a final name, what was finished stays, and the next run works."""
    world, usual, moments = World(work.folder / "world"), dict[str, float](), list[str]()
    for name, words in COMMANDS.items():
        found, usual[name] = points(world, [*words, f"output.dir={world.out}"], name)
        moments += found
    known = {path: digest(path) for path in clips(world.out)}
    for label in work.chosen(moments, 0.7):
        name = label.split("-")[0]
        one(work, world, label, name, known, usual[name], hook=hook(label))
    for label in work.chosen([f"{name}-time-{number}" for number in range(work.cases) for name in COMMANDS], 0.3):
        name = label.split("-")[0]
        one(work, world, label, name, known, usual[name], after=work.random(label).uniform(0.05, 1.1) * usual[name])
    replays(work, world, known)
    leftovers(work, world, [*COMMANDS["t2v"], f"output.dir={world.out}"])


def one(work: Work, world: World, label: str, name: str, known: dict[Path, str], usual: float, **kill: Any) -> None:
    """Kill a run, look at what is there, run it again."""
    words = [*COMMANDS[name], f"output.dir={world.out}"]
    world.aio(*words, **kill)
    kept(work, world, known, label)
    ended = world.aio(*words, usual=usual)
    if judged(work, ended, label) and (wrong := broken(ended.last)):
        work.failed("losses", f"the run after the kill printed {ended.last}: {wrong}", label)
    kept(work, world, known, label)


def kept(work: Work, world: World, known: dict[Path, str], label: str) -> None:
    """Whether all that stands under a final name is whole, and what stood there before is unchanged."""
    for path, content in list(known.items()):
        if not path.is_file() or digest(path) != content:
            work.failed("losses", f"the finished clip {path.name} is {'changed' if path.is_file() else 'gone'}", label)
            del known[path]
    for path in sorted(world.out.iterdir()) if world.out.is_dir() else ():
        if path.name.startswith(".") or path in known:
            continue
        if path.suffix == ".mp4":
            if wrong := broken(path):
                work.failed("losses", f"{path.name} stands under its final name and is not whole: {wrong}", label)
                path.unlink()
            else:
                known[path] = digest(path)
        elif path.suffix == ".json" and '"aio"' not in path.read_text(encoding="utf-8", errors="replace"):
            work.failed("losses", f"{path.name} stands under its final name and is not whole", label)


def replays(work: Work, world: World, known: Iterable[Path]) -> None:
    """A clip that a kill left without the JSON beside it is still known by the recipe inside."""
    for path in [path for path in known if not path.with_suffix(".json").exists()][:3]:
        judged(work, world.aio("replay", str(path), "--command"), "")


def leftovers(work: Work, world: World, words: Sequence[str], **options: Any) -> None:
    """What the kills left goes once it is old enough: hidden files beside the results, half files among the engine's."""
    old = time.time() - AGE
    for path in world.folder.rglob("*"):
        if path.is_file():
            os.utime(path, (old, old), follow_symlinks=False)
    judged(work, world.aio(*words, usual=60, **options), "")
    for path in left(world, old + 60):
        work.failed("growth", f"a leftover of a killed run stays for ever: {path.relative_to(world.folder)}",
            alike=f"leftover {path.suffix} in {path.parent.name}")


def left(world: World, before: float) -> list[Path]:
    """Old files that are nobody's: hidden ones in the output folder, any but locks in aio's temporary one."""
    found = [path for path in world.out.rglob(".*") if path.is_file() and not path.name.endswith(".lock")]
    found += [path for path in world.tmp.glob("*/**/*") if path.is_file() and path.suffix not in (".lock", ".log")]
    return [path for path in found if path.stat().st_mtime < before]


AREAS = (Area("kills-run", "kill -9 in a run, then the same run", run, 90, 170),)
