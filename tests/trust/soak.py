"""Many runs in one process: memory, descriptors, threads and files stay as they are."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import ROOT
from .tally import Area, Work
from .world import HANG, World

SETTLED = 0.1
"""Share of the runs after which everything that is loaded once is loaded."""

LAST = 30
"""Runs before the end at which the last measure is taken, so that the process lives through it."""

MEMORY = 24.0
"""MB that a process may have more at the end than when it had settled. A leak of one small frame a run would be 200."""


LOOKS, PAUSE = 60, 0.02
"""How often a process is looked at for one measure, and seconds between."""


@dataclass(frozen=True, slots=True)
class State:
    """What a process holds. memory: MB. files: open descriptors. threads: count. kept: files in its temporary folder and its home."""

    memory: float
    files: int
    threads: int
    kept: int

    def more_than(self, before: State) -> str:
        """What has become more, in words; empty when nothing has."""
        found = []
        if self.memory > before.memory + MEMORY:
            found.append(f"memory {before.memory:.0f} -> {self.memory:.0f} MB")
        for name, allowance in (("files", 3), ("threads", 2), ("kept", 4)):
            if getattr(self, name) > getattr(before, name) + allowance:
                found.append(f"{name} {getattr(before, name)} -> {getattr(self, name)}")
        return ", ".join(found)


def state(pid: int, *folders: Path) -> State:
    """What a process holds now."""
    place = Path(f"/proc/{pid}")
    pages = int((place / "statm").read_text().split()[1])
    kept = sum(len(names) for folder in folders for _, _, names in os.walk(folder))
    return State(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir(place / "fd")), len(os.listdir(place / "task")), kept)


def calm(pid: int, *folders: Path) -> State:
    """The least that a process holds within a while: a run that is under way has threads and frames of its own."""
    seen = []
    for _ in range(LOOKS):
        try:
            seen.append(state(pid, *folders))
        except (FileNotFoundError, ProcessLookupError):
            break   # it ended meanwhile
        time.sleep(PAUSE)
    return State(*(min(getattr(one, name) for one in seen) for name in ("memory", "files", "threads", "kept")))


def run(work: Work) -> None:
    """Runs of all modes, one after the other, in one process; each must succeed within the time of a hang."""
    world, begun, settled = World(work.folder / "world"), 0, None
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.trust.entrances", "thousand", str(work.cases), str(world.out)], cwd=ROOT, env=world.environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    assert process.stdout is not None
    try:
        began = time.monotonic()
        while begun < work.cases:
            if not select.select([process.stdout], [], [], HANG)[0]:
                work.failed("hangs", f"run {begun} is still running after {time.monotonic() - began:.0f} s")
                break
            line, began = process.stdout.readline().decode(errors="replace"), time.monotonic()
            if not line:
                work.failed("tracebacks", f"the process ended after {begun} runs with {process.wait()}")
                break
            begun += 1
            if not line.startswith("0 "):
                work.failed("losses", f"run {begun}: {line.strip()}")
            if begun == max(int(work.cases * SETTLED), 12):
                settled = calm(process.pid, world.tmp, world.home)
            if begun == work.cases - LAST and settled is not None:
                ended = calm(process.pid, world.tmp, world.home)
                work.tally.row.grew = f"{ended.memory - settled.memory:+.1f} MB"
                if more := ended.more_than(settled):
                    work.failed("growth", f"between run {int(work.cases * SETTLED)} and {begun}: {more}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    work.tally.row.cases = begun


AREAS = (Area("soak", "runs of every mode in one process", run, 1_000, 110),)
