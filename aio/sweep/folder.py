"""A sweep's folder, the only memory it has.

    DIR/manifest.json   the jobs as planned: number, settings, recipe hash
    DIR/7/              job 7: its mp4 and recipe, thumb.jpg
    DIR/7/job.json      its state: running, done, failed or stopped, with seconds and reason
    DIR/index.html, DIR/contact_sheet.png   made from these files by aio.sweep.sheet

Nothing in it names a folder outside of it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from aio import __version__
from aio.errors import ConfigError, InputError
from aio.machine import whole
from aio.machine.outside import json_of, shown, text_of
from aio.recipe import outputs, sidecar

MANIFEST, STATE, LOCK = "manifest.json", "job.json", ".lock"
STATES = ("pending", "running", "done", "failed", "stopped")
MANIFEST_MAX = 200_000_000
"""Bytes: 100,000 jobs with prompts of 2,000 letters."""
JOBS_MAX = 50_000
"""Jobs of a sweep that a sheet shows: it takes 5 s to draw for so many. `sweep.jobs` is less by default."""
NUMBER = re.compile("0|[1-9][0-9]{0,8}")
"""Names of the jobs' folders."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One job as its files tell it.

    Attributes:
        number: the name of its folder. settings: what it was asked for, key -> text.
        state: one of STATES. seconds: how long it ran. reason: why it failed.
        video: file name of its mp4. recipe: recipe hash, None where it was not fit to be planned.
    """

    number: int
    settings: Mapping[str, str] = field(default_factory=dict)
    state: str = "pending"
    seconds: float = 0.0
    reason: str = ""
    video: str = ""
    recipe: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed", "stopped")


def claim(wanted: Path) -> Path:
    """Make the sweep's folder: `wanted`, or `wanted`-2, ... where there is something already.

    Raises:
        OutputError: it cannot be made.
    """
    number = 1
    while True:
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not any(folder.iterdir()):
                (folder / LOCK).touch(exist_ok=False)   # of two sweeps that start at once, one gets it
                return folder.resolve()
        except FileExistsError:
            pass
        except OSError as error:
            raise outputs.failure(error, folder) from None
        number += 1


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder, so that no second process works in it.

    Raises:
        InputError: another one does.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another aio is at work in {folder}; wait for it or stop it first") from None
    except OSError as error:
        raise outputs.failure(error, folder / LOCK) from None
    try:
        yield
    finally:
        lock.release()


def busy(folder: Path) -> bool:
    """Whether a sweep is at work in the folder."""
    if not (folder / LOCK).exists():
        return False
    try:
        with locked(folder):
            return False
    except InputError:
        return True


def write_manifest(folder: Path, cells: Sequence[Cell]) -> None:
    """Write down what the sweep is to make.

    Raises:
        OutputError: it cannot be written.
    """
    jobs = [{"number": cell.number, "settings": dict(cell.settings), "recipe": cell.recipe} for cell in cells]
    created = datetime.now().astimezone().isoformat(timespec="seconds")
    _write(folder / MANIFEST, {"manifest": 1, "aio": __version__, "created": created, "jobs": jobs})


def write_state(folder: Path, cell: Cell) -> None:
    """Write down how a job stands.

    Raises:
        OutputError: it cannot be written.
    """
    target = folder / str(cell.number) / STATE
    try:
        target.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise outputs.failure(error, target) from None
    _write(target, dataclasses.asdict(cell))


def _write(target: Path, data: Mapping[str, Any]) -> None:
    try:
        whole.write(target, json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
    except OSError as error:
        raise outputs.failure(error, target) from None


def planned(folder: Path) -> list[Cell] | None:
    """The jobs of the manifest, None where there is none.

    Raises:
        ConfigError: it is damaged, or of a newer aio.
    """
    try:
        data = json_of(text_of(folder / MANIFEST, MANIFEST_MAX), MANIFEST_MAX)
        if isinstance(data, dict) and isinstance(data.get("manifest"), int) and data["manifest"] > 1:
            raise ConfigError(f"{folder / MANIFEST} was written by a newer aio ({shown(str(data.get('aio'))[:40])}); update aio")
        if len(data["jobs"]) > JOBS_MAX:
            raise ConfigError(f"{folder / MANIFEST} has {len(data['jobs']):,} jobs; a sheet shows at most {JOBS_MAX:,}: run smaller sweeps")
        return [_planned(job, index) for index, job in enumerate(data["jobs"])]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = shown(f"{error} is missing" if isinstance(error, KeyError) else str(error))[:200]
        raise ConfigError(f"{folder / MANIFEST} is damaged ({why}); remove it, and `sheet` shows what the clips say") from None


def _planned(job: Any, index: int) -> Cell:
    number = job["number"]
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"jobs[{index}] has no number")
    return Cell(number, _settings(job["settings"]), recipe=_typed(job["recipe"], str, type(None)))


def _settings(given: Any) -> Mapping[str, str]:
    return {key: _typed(value, str) for key, value in _typed(given, dict).items()}


def _typed(value: Any, *types: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, types):
        raise TypeError(f"{str(value)[:40]!r} is of the wrong kind")
    return value


def cells(folder: Path, *, live: bool) -> list[Cell]:
    """Every job by number, as the files tell it. live: whether a sweep is at work there; else what `runs` was stopped.

    Raises:
        ConfigError: it is not a sweep's folder.
    """
    jobs = {cell.number: cell for cell in planned(folder) or ()}
    try:
        found = [int(path.name) for path in folder.iterdir() if NUMBER.fullmatch(path.name) and path.is_dir()]
    except OSError:
        found = []   # no folder, or one that nobody may read
    for number in found:
        jobs[number] = _seen(folder / str(number), jobs.get(number) or Cell(number), live)
    if not jobs:
        raise ConfigError(f"{folder} is not a sweep's folder: it holds neither {MANIFEST} nor numbered folders")
    return [jobs[number] for number in sorted(jobs)]


def _seen(place: Path, job: Cell, live: bool) -> Cell:
    job = dataclasses.replace(job, **_noted(place / STATE))
    if job.state == "done" and (place / job.video).is_file():
        return job
    # Killed between the clip and the note about it, or the note was lost: the clip's own recipe speaks for it.
    for video in sorted(place.glob("*.mp4")):
        made = sidecar.hash_of(video)
        if made and (made == job.recipe or (job.recipe is None and job.state != "failed")):
            return dataclasses.replace(job, state="done", video=video.name, recipe=made, reason="")
    if job.state == "done":
        return dataclasses.replace(job, state="stopped", video="", reason="its mp4 is gone")
    return dataclasses.replace(job, state="stopped", reason="stopped before its end") if job.state == "running" and not live else job


def noted(folder: Path, cell: Cell) -> bool:
    """Whether the job's own file says what `cell` says of its end."""
    return _noted(folder / str(cell.number) / STATE).get("state") == cell.state


def _noted(note: Path) -> Mapping[str, Any]:
    """What a job's file says of it; nothing where it is damaged."""
    try:
        data = _typed(json_of(text_of(note)), dict)
        known = {
            "state": STATES[STATES.index(data["state"])], "seconds": _typed(data["seconds"], int, float), "reason": _typed(data["reason"], str),
            "video": _typed(data["video"], str), "recipe": _typed(data["recipe"], str, type(None)), "settings": _settings(data["settings"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    plain = 0 <= known["seconds"] < 1e9 and known["video"] == Path(known["video"]).name and "\0" not in known["video"]
    return known if plain else {}
