"""What killed runs leave behind, and when it goes: by age, by the configuration, and never while a process that lives still works on it.

Two kinds: half files, which are nothing (`output.part_hours`), and finished clips that never got their place (`output.keep_days`).
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from aio.config.sections import Output
from aio.machine import terminal, whole
from aio.media.stale import DAY, HOUR, seconds

SETTLED = 60.0
"""Seconds after which a finished clip in the working folder is on its way no more."""

WORKING = re.compile(r"\.?([0-9a-f]{12})(_.*|\.lock)", re.DOTALL)
"""Names in an engine's output folder: aio.request's prefix of a job and what the engine or ComfyUI adds."""

_looked: dict[Path, float] = {}


@contextmanager
def owned(output_dir: Path, prefix: str) -> Iterator[None]:
    """Hold the files that a job with this prefix writes into its engine's output folder: nobody takes them for leftovers."""
    lock = (output_dir / prefix).with_name(f".{Path(prefix).name}.lock")
    with ExitStack() as stack:
        with suppress(OSError):   # the engine says what is wrong with its folder
            lock.parent.mkdir(parents=True, exist_ok=True)
            whole.hold(stack.enter_context(open(lock, "wb")))
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()


def clips(output_dir: Path) -> Iterator[Path]:
    """Finished clips in an engine's output folder that no living run works on."""
    for path in of_jobs(output_dir):
        if path.suffix == ".mp4" and _plain(path) and not _busy(path) and whole.mp4(path):
            yield path


def ages(output: Output) -> tuple[float | None, float | None]:
    """Seconds that half files and finished clips stay; None for ever."""
    return seconds(output.part_hours, HOUR), seconds(output.keep_days, DAY)


def tidy(output_dir: Path, results: Path, output: Output, *, sweep: Path | None = None, every: float = HOUR) -> list[str]:
    """Remove what is old in an engine's output folder, in the results' folder and in its sweeps; say on stderr what a user should know.

    Args:
        output: the section of the configuration, for part_hours and keep_days.
        sweep: the folder of a sweep that lies elsewhere.
        every: seconds; a process that looked less than that ago does not look again.

    Returns:
        The sentences that were said.
    """
    half, kept = ages(output)
    if time.time() - _looked.get(output_dir, 0.0) < every:
        return []
    _looked[output_dir] = time.time()
    days = f"{(kept or 0.0) / DAY:g} days (output.keep_days)"
    places = [*parts(results), *parts(results / "sweeps", 2), *(parts(sweep, 1) if sweep else ())]
    gone = remove((*of_jobs(output_dir), *places), half, kept)
    lines = [f"{path} was removed: a finished clip that nobody took in {days}" for path in gone]
    waiting = [path for path in clips(output_dir) if _alone(path) and _age(path) > SETTLED]
    if waiting:
        more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        until = f"; it goes after {days}" if kept is not None else ""
        lines.append(f"{waiting[0]}{more}: a finished clip that an earlier run left there; move it to where you want it, or remove it{until}")
    for line in lines:
        terminal.say(f"aio: {line}")
    return lines


def remove(paths: Iterable[Path], half: float | None, kept: float | None) -> list[Path]:
    """Remove leftovers among `paths`, and return those that were the only copy of a finished clip.

    Args:
        half, kept: seconds since a half file, and such a clip, was last written; an hour at least. None keeps all.
    """
    lost = []
    for path in paths:
        only = _alone(path) and _finished(path)
        age = kept if only else half
        if age is None or _age(path) < max(age, HOUR) or _busy(path):
            continue
        with suppress(OSError):   # another process was faster, or it is not ours to remove
            path.unlink()
            lost += [path] if only else []
    return lost


def parts(folder: Path, depth: int = 0) -> list[Path]:
    """The hidden files that aio writes beside a result, and those of the folders below, `depth` levels down."""
    found, below = list[Path](), list[str]()
    with suppress(OSError), os.scandir(folder) as entries:   # none there, or none of ours
        for entry in entries:
            if whole.PART.fullmatch(entry.name):
                found.append(Path(entry.path))
            elif depth and entry.is_dir():
                below.append(entry.path)
    return found + [path for place in below for path in parts(Path(place), depth - 1)]


def of_jobs(output_dir: Path) -> list[Path]:
    """What jobs have left in an engine's output folder."""
    place = output_dir / "aio"
    with suppress(OSError):
        return [place / name for name in os.listdir(place) if WORKING.fullmatch(name) or whole.PART.fullmatch(name)]
    return []


def _finished(path: Path) -> bool:
    """Whether a file may be a result: a complete mp4; what another node wrote and nobody can judge here counts too."""
    if path.suffix in (".mp4", ".part", ".lock"):
        return whole.mp4(path)
    return True


def _plain(path: Path) -> os.stat_result | None:
    """The facts of a plain file, None for anything else."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    return facts if stat.S_ISREG(facts.st_mode) else None


def _alone(path: Path) -> bool:
    """Whether a plain file has no second name: one that has is published."""
    facts = _plain(path)
    return facts is not None and facts.st_nlink == 1


def _age(path: Path) -> float:
    """Seconds since a plain file was last written; none for anything else."""
    facts = _plain(path)
    return time.time() - facts.st_mtime if facts else 0.0


def _busy(path: Path) -> bool:
    """Whether a living process holds the file, or the job that it belongs to."""
    job = WORKING.fullmatch(path.name)
    return whole.held(path) or bool(job and whole.held(path.with_name(f".{job[1]}.lock")))
