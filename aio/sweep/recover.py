"""What a killed sweep had finished and not yet put in its place: nothing that was rendered is rendered again."""

from __future__ import annotations

import contextlib
import filecmp
from collections.abc import Iterable, Sequence
from pathlib import Path

from aio import config as configuration
from aio import engines
from aio.config import Config
from aio.errors import AioError
from aio.machine import whole
from aio.recipe import leftovers, outputs, sidecar
from aio.sweep import folder as store
from aio.sweep.plan import Planned


def clips(folder: Path, jobs: Sequence[Planned], config: Config) -> None:
    """Give the finished clips of jobs that are not done their names in the sweep's folder, which must be locked.

    Such a clip lies whole under a hidden name in the job's own folder, or in the working folder of an engine, and holds the recipe
    that is planned. Copies that a killed run left of what is in its place are removed.
    """
    working = _by_recipe(path for work in engines.working_dirs() for path in leftovers.clips(work / "output"))
    done = {cell.number: cell.video for cell in store.cells(folder, live=False) if cell.state == "done"}
    for job in jobs:
        place, waiting = folder / str(job.spec.number), working.get(job.recipe or "", [])
        if job.recipe and job.spec.number not in done:
            own = _by_recipe(path for path in leftovers.parts(place) if not whole.held(path))
            for path in (*own.get(job.recipe, ()), *waiting):
                with contextlib.suppress(AioError, OSError):   # else it stays where it is, and the job runs again
                    place.mkdir(exist_ok=True)
                    done[job.spec.number] = _published(path, place, config).name
                    break
        if job.spec.number in done:
            for path in [path for path in waiting if _same(path, place / done[job.spec.number])]:
                path.unlink(missing_ok=True)
            working[job.recipe or ""] = [path for path in waiting if path.exists()]


def restore(folder: Path, cells: Iterable[store.Cell]) -> None:
    """Write again what is missing beside the clips of these jobs: the recipe, and the note that the job is done.

    Raises:
        OutputError: the note cannot be written.
    """
    for cell in cells:
        sidecar.restore(folder / str(cell.number) / cell.video)
        if not store.noted(folder, cell):
            store.write_state(folder, cell)


def composed(jobs: Sequence[Planned], config_dirs: Sequence[Path]) -> Config:
    """The configuration of the first job that can run, which says how old leftovers may become."""
    return configuration.compose(next(job for job in jobs if not job.error).spec.overrides, config_dirs)


def tidy(folder: Path, config: Config) -> None:
    """Remove what is old in a sweep's folder, where its jobs work, and in the folder of results."""
    for work in engines.working_dirs():
        leftovers.tidy(work / "output", config.output_dir, config.output, sweep=folder)


def _by_recipe(paths: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        if whole.mp4(path) and (made := sidecar.hash_of(path)):
            found.setdefault(made, []).append(path)
    return found


def _published(path: Path, place: Path, config: Config) -> Path:
    """Publish a clip by its own recipe: its mode names it."""
    made = sidecar.read(path)
    ending = outputs.ending(made.engine not in config.engines or engines.kind(made.engine, config).real)
    return outputs.publish(path, place, Path(made.mode).name or "clip", ending, numbered=True)


def _same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
