"""kill -9 in downloads, in the cache's mirror, in setup, and in a run of the real ComfyUI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import props
from .kills import hook, leftovers, points
from .tally import Area, NotRun, Work
from .world import World, broken, clips, digest, judged

PROBE = 100
"""Bytes of a file that is no weight, but a proof that the disk can be written."""


def downloads(work: Work) -> None:
    """A download is killed; what has arrived is kept, the next one goes on, and what it links is what the Hub has."""
    world = World(work.folder / "world")
    with props.download(world) as job:
        moments, usual = points(world, job.words, "download", **job.env)
        for label in [*work.chosen(moments, 0.6), *work.chosen([f"download-time-{number}" for number in range(work.cases)], 0.4)]:
            for name in ("hf", "models"):
                shutil.rmtree(world.folder / name)
                (world.folder / name).mkdir()
            kill = {"after": work.random(label).uniform(0.3, 1.1) * usual} if "time" in label else {"hook": hook(label)}
            world.aio(*job.words, **kill, **job.env)
            there = [path.stat().st_size for path in (world.folder / "hf").rglob("blobs/*") if not path.is_symlink()]
            arrived = sum(size for size in there if size > PROBE)
            asked, all_bytes = len(job.hub.log), len(job.wanted) * (props.SIZE // 32 * 32)
            if judged(work, world.aio(*job.words, usual=usual, **job.env), label):
                for fault in job.faults():
                    work.failed("losses", f"after the kill and another run, {fault}", label)
                again = sum(props.SIZE - int((one.range or "bytes=0-")[6:].split("-")[0]) for one in job.hub.log[asked:]
                            if one.method == "GET" and one.path.startswith("storage/"))
                if again > all_bytes - arrived:
                    work.failed("losses", f"{arrived} bytes had arrived and {again} of {all_bytes} were asked for again", label)


def mirrors(work: Work) -> None:
    """The mirror of a cache is killed; the source is unchanged, and the next mirror completes it."""
    world, program = World(work.folder / "world"), ("-m", "tests.trust.entrances")
    source = props.cache(world.folder / "source")
    before = tree(source)
    moments, usual = points(world, ["mirror", str(source), str(world.out / "first")], "mirror", program=program)
    whole = tree(world.out / "first")
    for label in work.chosen(moments):
        target = world.out / label
        world.aio("mirror", str(source), str(target), program=program, hook=hook(label))
        half = {name: content for name, content in tree(target).items() if whole.get(name) != content}
        # A part of a copy may lie there under a name of its own, never under the final one.
        for name in half:
            if name in whole:
                work.failed("losses", f"{name} is half after the kill", label)
        if judged(work, world.aio("mirror", str(source), str(target), program=program, usual=usual), label):
            if missing := {name for name, content in whole.items() if tree(target).get(name) != content}:
                work.failed("losses", f"the mirror lacks {sorted(missing)[:3]} after the second run", label)
        if shared := [path.name for path in target.rglob("*.part") if path.is_file() and path.stat().st_nlink > 1]:
            work.failed("losses", f"an unfinished blob is one file in source and mirror, and a download would go on in both: {shared[0]}", label)
        if tree(source) != before:
            work.failed("losses", "the mirror changed its source", label)


def tree(folder: Path) -> dict[str, str]:
    """Relative path -> content or target of every file and link."""
    return {str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else digest(path)
            for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


def setups(work: Work) -> None:
    """Setup is killed, alone or with the git it had started; the next one completes it."""
    world = World(work.folder / "world")
    job = props.setup(world, props.git_mirror(work.folder / "mirror"))
    moments, usual = points(world, job.words, "setup", **job.env)
    for label in [*work.chosen(moments, 0.3), *work.chosen([f"setup-time-{number}" for number in range(work.cases)], 0.7)]:
        shutil.rmtree(job.path)
        random = work.random(label)
        kill = {"after": random.uniform(0.2, 1.05) * usual, "group": random.random() < 0.5} if "time" in label else {"hook": hook(label)}
        world.aio(*job.words, **kill, **job.env)
        if judged(work, world.aio(*job.words, usual=usual, **job.env), label):
            for fault in job.faults():
                work.failed("losses", f"after the kill and another setup, {fault}", label)


def real(work: Work) -> None:
    """A run of the real ComfyUI with tiny weights is killed; no half file under a final name, and the next run works."""
    from realcomfyui import why_not

    if reason := why_not():
        raise NotRun(reason)
    world, program = World(work.folder / "world"), ("-m", "tests.trust.entrances")
    env = {"AIO_COMFYUI_DIR": str(_comfyui())}
    words = ("real", str(world.tmp / "real"), str(world.out))
    world.aio(*words, program=program, usual=60, **env)   # makes the weights
    moments, usual = points(world, words, "real", program=program, **env)
    known = {path: digest(path) for path in clips(world.out)}
    late = moments[len(moments) // 2:]   # the first half only starts ComfyUI
    for label in [*work.chosen(late, 0.5), *work.chosen([f"real-time-{number}" for number in range(work.cases)], 0.5)]:
        kill = {"after": work.random(label).uniform(0.5, 1.0) * usual} if "time" in label else {"hook": hook(label)}
        world.aio(*words, program=program, **kill, **env)
        ended = world.aio(*words, program=program, usual=usual, **env)
        if judged(work, ended, label) and (wrong := broken(ended.last)):
            work.failed("losses", f"the run after the kill printed {ended.last}: {wrong}", label)
        for path in clips(world.out):
            if not path.name.startswith(".") and (wrong := broken(path)):
                work.failed("losses", f"{path.name} stands under its final name and is not whole: {wrong}", label)
        if gone := [path.name for path, content in known.items() if not path.is_file() or digest(path) != content]:
            work.failed("losses", f"finished clips are gone or changed: {gone}", label)
    shutil.rmtree(world.tmp / "real" / "models")
    leftovers(work, world, words, program=program, **env)


def _comfyui() -> Path:
    from aio.comfyui import location

    from .entrances import compose

    found = location.find(compose().comfyui)
    assert found is not None
    return found.path


AREAS = (
    Area("kills-download", "kill -9 in a download, then the same download", downloads, 24, 70),
    Area("kills-mirror", "kill -9 in the mirror of a cache", mirrors, 40, 20),
    Area("kills-setup", "kill -9 in setup and its git", setups, 24, 50),
    Area("kills-comfyui", "kill -9 in the real ComfyUI, tiny weights", real, 6, 180),
)
