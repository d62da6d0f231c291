"""Disk faults at every call of a command, and real full, small, read-only and limited disks."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import props
from .kills import COMMANDS, kept, points
from .kills_sweep import JOBS, folder_of, sound
from .kills_sweep import words as sweep_words
from .tally import Area, NotRun, Work
from .world import Ended, World, broken, clips, digest, judged

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "full": {"do": "fail", "errno": errno.ENOSPC, "lasting": True, "calls": ["open", "file", "write", "fsync", "mkdir", "link", "symlink"]},
    "once": {"do": "fail", "errno": errno.EIO},
    "quota": {"do": "fail", "errno": errno.EDQUOT, "lasting": True, "calls": ["open", "file", "write", "fsync", "mkdir", "link"]},
    "readonly": {"do": "fail", "errno": errno.EROFS, "lasting": True},
    "nolinks": {"do": "fail", "errno": errno.EPERM, "lasting": True, "calls": ["link", "symlink"]},
    "nochmod": {"do": "fail", "errno": errno.EPERM, "lasting": True, "calls": ["chmod", "utime"]},
    "stranger": {"do": "fail", "errno": errno.EACCES, "lasting": True, "calls": ["unlink", "remove", "rename", "replace"]},
    "gone": {"do": "remove"},
}
"""What happens from one call on: a full disk, one read error, a quota, a disk that turns read-only, none that knows hard links or modes,
a folder in which one may create but not rename, and an output folder that somebody removes."""


def run(work: Work) -> None:
    """A run meets a fault at one of its disk calls: words, nothing finished is lost, and where it lies is said."""
    _injected(work, lambda world: [*COMMANDS["lipsync"], f"output.dir={world.out}"], lambda world, label: kept(work, world, {}, label))


def sweep(work: Work) -> None:
    """A sweep meets a fault; afterwards it is resumed, and has each clip once."""

    def check(world: World, label: str) -> None:
        folder = folder_of(world, "now")
        resumable = folder is not None and (folder / "manifest.json").exists()
        ended = world.aio(*sweep_words(world, "now", *([f"resume={folder}"] if resumable else [])), usual=4)
        if judged(work, ended, label):
            for fault in sound(ended.last.parent):
                work.failed("losses", f"after the fault and a resumption: {fault}", label)

    _injected(work, lambda world: sweep_words(world, "now"), check)


def _injected(work: Work, words: Any, check: Any) -> None:
    world = World(work.folder / "world")
    ended = world.aio(*words(world), usual=60, hook={})
    assert ended.code == 0, ended.err
    total = len(world.calls())
    labels = [f"{name}-{number}" for number in range(1, total + 1) for name in FAULTS]
    random = work.random("order")
    random.shuffle(labels)   # so that few cases are spread over faults and moments alike
    for label in work.chosen(labels):
        name, number = label.split("-")
        _emptied(world)
        hook = {**FAULTS[name], "at": int(number), "when": "before", "folder": str(world.out)}
        if "calls" in FAULTS[name]:
            hook["at"] = 1 + int(number) * 30 // total   # these count less than all calls
        ended = world.aio(*words(world), usual=4, hook=hook)
        if judged(work, ended, label, fails=True):
            survived(work, world, ended, label)
        check(world, label)


def _emptied(world: World) -> None:
    for place in (world.out, world.tmp):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()


def survived(work: Work, world: World, ended: Ended, label: str) -> None:
    """No clip that was finished when the fault came is gone; where it is not in its place, the message names it."""
    found = sorted(clips(world.folder), key=lambda path: path.is_relative_to(world.out) and not path.name.startswith("."))
    there = {digest(path): path for path in found}   # of two names of one clip the one in its place counts
    for content in world.clips_then():
        if content not in there:
            if not label.startswith("gone-"):   # somebody removed it, folder and all
                work.failed("losses", "a clip that was finished before the fault is gone", label)
        else:
            named(work, world, ended, there[content], label)
    if ended.code == 0 and not ended.last.exists():
        work.failed("losses", f"it ends with 0, and what it names is not there: {ended.out[-200:]!r}", label)


def named(work: Work, world: World, ended: Ended, clip: Path, label: str) -> None:
    """A finished clip that is not in its place is named by the message of the command that failed."""
    placed = clip.is_relative_to(world.out) and not clip.name.startswith(".")
    if ended.code and not placed and clip.name not in ended.err:
        why = f"the finished clip lies at {clip.relative_to(world.folder)}, and nobody says so: {ended.err[-250:]}"
        work.failed("losses", why, label, "finished clip unnamed")


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of its own for one folder of a world. options: for mount's tmpfs. limit: words of a shell before the command."""

    options: str = ""
    place: str = "out"
    limit: str = ""

    @property
    def prints(self) -> bool:
        """Whether what the command names can be seen from here."""
        return not self.limit.startswith("exec") and not (self.options and self.place == "out")


DISKS = {
    **{f"out-{size}k": Disk(f"size={size}k") for size in (4, 8, 16, 28, 36, 44, 64, 100)},
    **{f"tmp-{size}k": Disk(f"size={size}k", "tmp") for size in (4, 32, 100, 260, 520)},
    **{f"out-{count}-inodes": Disk(f"nr_inodes={count}") for count in (1, 2, 3, 4)},
    **{f"tmp-{count}-inodes": Disk(f"nr_inodes={count}", "tmp") for count in (1, 4, 7, 9)},
    "out-readonly": Disk("ro"), "tmp-readonly": Disk("ro", "tmp"), "home-readonly": Disk("ro", "home"), "home-full": Disk("size=4k", "home"),
    **{f"files-of-{blocks}-blocks": Disk(limit=f"ulimit -f {blocks};") for blocks in (0, 4, 20, 40, 60)},
    "few-files": Disk(limit="ulimit -n 14;"), "stdout-full": Disk(limit="exec >/dev/full;"), "stderr-full": Disk(limit="exec 2>/dev/full;"),
    "stdout-closed": Disk(limit="exec >&-;"), "stderr-closed": Disk(limit="exec 2>&-;"), "both-closed": Disk(limit="exec >&- 2>&-;"),
}


def disks(work: Work) -> None:
    """Commands on real small disks and under real limits: words or success, and a run on a healthy disk afterwards."""
    if subprocess.run([*_apart(), "true"], capture_output=True).returncode:
        raise NotRun("this user may not mount (unshare --map-root-user --mount is refused)")
    world = World(work.folder / "world")
    verbs = {"run": [*COMMANDS["lipsync"], f"output.dir={world.out}"], "sweep": sweep_words(world, "now")}
    for label in work.chosen([f"{verb}-{name}" for name in DISKS for verb in verbs]):
        verb, name = label.split("-", 1)
        disk, place = DISKS[name], world.folder / DISKS[name].place
        _emptied(world)
        shell = f"{disk.limit} exec \"$@\""
        if disk.options:   # what lies there at the end is copied out, to be looked at
            after = f"code=$?; cp -a {place}/. {work.folder}/kept/; exit $code"
            shell = f"mount -t tmpfs -o {disk.options} none {place} || exit 77; \"$@\"; {after}"
        (work.folder / "kept").mkdir()
        ended = world.aio(*verbs[verb], usual=5, wrap=[*_apart(), "sh", "-c", shell, "sh"])
        quiet = "stderr" in name or "both" in name
        if ended.code == 77 or (quiet and not ended.hung and ended.code in (0, 1)):
            pass   # nobody can hear its words
        elif judged(work, ended, label, fails=True) and ended.code == 0 and disk.prints and not ended.last.exists():
            work.failed("losses", f"it ends with 0, and {ended.last} is not there", label)
        made = [*clips(world.out), *clips(work.folder / "kept")]
        if quiet or "stdout" in name:
            whole = [path for path in made if not broken(path)]
            if len(whole) < (JOBS if verb == "sweep" else 1):
                work.failed("losses", f"with a closed or full stream {len(whole)} clips were made, code {ended.code}: {ended.err[-200:]}", label)
        else:
            for path in clips(world.tmp):
                named(work, world, ended, path, label)
        for path in made:
            if not path.name.startswith(".") and (wrong := broken(path)):
                work.failed("losses", f"{path.name} stands under its final name and is not whole: {wrong}", label)
        shutil.rmtree(work.folder / "kept")


def _apart() -> list[str]:
    """Words that give a command mounts of its own."""
    return ["unshare", "--user", "--map-root-user", "--mount"] if os.getuid() else ["unshare", "--mount"]


def services(work: Work) -> None:
    """Downloads and setups meet a fault at one of their disk calls: words, and the same command works afterwards."""
    source = props.git_mirror(work.folder / "mirror", 40)
    worlds = {"download": World(work.folder / "a"), "setup": World(work.folder / "b")}
    with props.download(worlds["download"], delay=0) as download:
        jobs: dict[str, Any] = {"download": download, "setup": props.setup(worlds["setup"], source)}
        for verb, job in jobs.items():
            world = worlds[verb]
            moments, usual = points(world, job.words, verb, **job.env)
            numbers = [label.split("-")[2] for label in moments if "-before-" in label]
            for label in work.chosen([f"{verb}-{name}-{number}" for name in ("full", "once", "readonly", "nolinks") for number in numbers], 0.5):
                _, name, number = label.split("-")
                _fresh(world, verb)
                ended = world.aio(*job.words, usual=usual, hook={**FAULTS[name], "at": int(number), "when": "before"}, **job.env)
                judged(work, ended, label, fails=True)
                if judged(work, world.aio(*job.words, usual=usual, **job.env), label):
                    for fault in job.faults():
                        work.failed("losses", f"after the fault and another {verb}, {fault}", label)


def _fresh(world: World, verb: str) -> None:
    for name in ("hf", "models") if verb == "download" else ("comfyui",):
        shutil.rmtree(world.folder / name, ignore_errors=True)
        if verb == "download":
            (world.folder / name).mkdir()


AREAS = (
    Area("faults-run", "a disk fault in a run", run, 120, 250),
    Area("faults-sweep", "a disk fault in a sweep, then its resumption", sweep, 40, 160),
    Area("faults-services", "a disk fault in downloads and setups", services, 30, 100),
    Area("disks", "full, read-only and limited disks, closed streams", disks, 66, 110),
)
