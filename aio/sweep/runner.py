"""Runs a sweep's jobs one after the other on a warm engine; goes on with one that was stopped."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio.command import Command
from aio.command.console import Console
from aio.errors import AioError, Cancelled, ConfigError, InputError, MediaError, OutputError
from aio.job import Job
from aio.machine import faults, paths, signals, terminal
from aio.recipe import provenance, sidecar
from aio.run import run as chain
from aio.spaces.engine import choose, create
from aio.stop import Stop
from aio.sweep import folder as store
from aio.sweep import launch, plan, recover
from aio.sweep.axes import Spec
from aio.sweep.folder import Cell
from aio.sweep.plan import Planned
from aio.sweep.sheet import PAGE, Sheet
from aio.values import Artifacts, Event

Guard = Callable[[Callable[[Stop], Any]], Any]
"""Runs work so that Ctrl-C and SIGTERM set the stop that it gets (aio.machine.signals.guarded). A sweep's stop ends all its jobs."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep that is about to run. folder: locked. jobs: all. todo: those to run, in order. sheet: shows them."""

    folder: Path
    jobs: Sequence[Planned]
    todo: Sequence[Planned]
    sheet: Sheet


def run(command: Command, guard: Guard, report: Callable[[AioError], int], hydra: Callable[[Command, Sequence[str]], int]) -> int:
    """Run a multirun; the last line of stdout is its index.html. A failed job does not stop the others.

    Args:
        report: says an error on stderr. hydra: hands a command with these overrides to hydra.main.

    Returns:
        1 where a job failed, else 0.

    Raises:
        InputError: nothing was started. Cancelled: the sheet shows what was done until then.
    """
    if launch.wanted(command, "sweeper"):
        return launch.sweeper(command, hydra)
    with opened(command) as sweep:
        if launch.wanted(command, "launcher"):
            launch.launcher(command, sweep, hydra)
        else:
            runner = Runner(sweep.folder, command.config_dirs, report, sweep.sheet.update)
            guard(lambda stop: _all(sweep, runner, stop))
    return int(any(cell.state != "done" for cell in sweep.sheet.cells.values()))


@contextmanager
def opened(command: Command) -> Iterator[Sweep]:
    """Plan a command's jobs, take their folder, and leave a true sheet behind whatever happens.

    Raises:
        InputError: a fault in what was given; the folder of another sweep; or one in use.
    """
    jobs = plan.plan(command)
    config = recover.composed(jobs, command.config_dirs)
    folder = _existing(command.resume) if command.resume else store.claim(launch.folder_of(command, jobs))
    with store.locked(folder):
        recover.tidy(folder, config)
        if command.resume:
            recover.clips(folder, jobs, config)
        known = resumed(folder, jobs, command.config_dirs) if command.resume else {}
        recover.restore(folder, known.values())
        left = [job for job in jobs if job.spec.number not in known]
        todo = plan.order(left)
        with signals.held():
            store.write_manifest(folder, [job.cell() for job in jobs])
            sheet = Sheet(folder, [known.get(job.spec.number) or job.cell() for job in jobs], command.config_dirs)
        for line in (f"sweep: {len(jobs)} jobs in {folder}" + (f", {len(known)} of them done" if known else ""), plan.saving(left, todo)):
            if line:
                terminal.say(line)
        began = time.monotonic()
        try:
            yield Sweep(folder, jobs, todo, sheet)
        finally:
            with signals.held():
                page = _last_look(sheet)
            failed = sum(cell.state != "done" for cell in sheet.cells.values())
            rest = f"; {failed} not done: the same command with resume={command.resume or folder} runs them" if failed else ""
            terminal.say(f"sweep: {len(jobs) - failed} of {len(jobs)} jobs done, {time.monotonic() - began:.1f} s{rest}")
            terminal.made(page)


def _last_look(sheet: Sheet) -> Path:
    """Write the sheet for good; where that fails the one of before stays, and the sweep's own last lines are said all the same."""
    try:
        return sheet.write(live=False)
    except OutputError as error:
        terminal.say(f"aio: the sheet is not up to date: {error}; `python -m aio sheet {sheet.folder}` makes it anew")
        return sheet.folder / PAGE


def _existing(given: str) -> Path:
    folder = paths.expanded(given, "resume").resolve()
    if not (folder / store.MANIFEST).is_file():
        raise ConfigError(f"resume: {given!r} is not a sweep's folder; give the one that holds its {store.MANIFEST}")
    return folder


def _all(sweep: Sweep, runner: Runner, stop: Stop) -> None:
    for index, job in enumerate(sweep.todo, 1):
        stop.check()
        what = "  ".join(f"{key}={job.settings[key]}" for key in sweep.sheet.varied if key in job.settings)
        terminal.say(f"job {job.spec.number} ({index} of {len(sweep.todo)})  {' '.join(what.split())[:200]}".rstrip())
        runner.run(job.spec, job.cell(), stop)


class Runner:
    """Runs single jobs of a sweep.

    Args:
        folder: the sweep's. config_dirs: as given on the command line.
        report: says an error on stderr. changed: is told how a job stands, after its file was written.
    """

    def __init__(self, folder: Path, config_dirs: Sequence[Path], report: Callable[[AioError], int], changed: Callable[[Cell], None] | None = None):
        self.folder, self.config_dirs, self.report, self.changed = folder, config_dirs, report, changed
        self.said = ""

    def run(self, spec: Spec, cell: Cell, stop: Stop) -> Cell:
        """Run one job; print its mp4's path. Its failure is its state, with the reason.

        Raises:
            Cancelled, KeyboardInterrupt: it was stopped; its state says so. OutputError: the sweep's folder cannot be written.
        """
        began = time.monotonic()
        self._tell(dataclasses.replace(cell, state="running", reason="", video=""))
        try:
            made = self._chain(spec, stop)
            # What lies beside the clip may be another's, or missing; a format that holds no recipe has the planned one.
            cell = dataclasses.replace(cell, state="done", video=made.video.name, recipe=sidecar.hash_of(made.video) or cell.recipe)
            terminal.made(made.video)
        except (Cancelled, KeyboardInterrupt):
            self._tell(dataclasses.replace(cell, state="stopped", seconds=time.monotonic() - began))
            raise
        except BaseException as error:   # whatever one job meets, the others run
            known = faults.known(error, map(str, spec.params.values()))
            self.report(known)
            cell = dataclasses.replace(cell, state="failed", reason=_plain(str(known), self.folder))
        cell = dataclasses.replace(cell, seconds=time.monotonic() - began)
        self._tell(cell)
        return cell

    def _chain(self, spec: Spec, stop: Stop) -> Artifacts:
        config = configuration.compose(spec.overrides, self.config_dirs)
        config = dataclasses.replace(config, output_dir=self.folder / str(spec.number))
        with Console() as console:
            name, reason = choose(config)
            if name != self.said:
                console(Event("engine", f"{name} ({reason})"))
                self.said = name
            return chain(Job(config, spec.params), create(name, config), console, stop)

    def _tell(self, cell: Cell) -> None:
        store.write_state(self.folder, cell)
        if self.changed:
            self.changed(cell)


def _plain(reason: str, folder: Path) -> str:
    """A reason without the folders of this machine."""
    for place in filter(None, (folder, paths.current(), paths.home())):
        reason = reason.replace(f"{place}/", "")
    return reason


def resumed(folder: Path, jobs: Sequence[Planned], config_dirs: Sequence[Path]) -> dict[int, Cell]:
    """The cells of the jobs that are done, after proof that `folder` holds the same sweep.

    Raises:
        InputError: another number of jobs, other settings, or a clip that another recipe made.
    """
    there, seen = store.planned(folder) or [], {cell.number: cell for cell in store.cells(folder, live=False)}
    if len(there) != len(jobs):
        raise InputError(f"resume: {folder.name} has {len(there)} jobs, this command has {len(jobs)}; it is another sweep: run it without resume")
    done = {}
    for job, planned in zip(jobs, there):
        number, old = job.spec.number, seen[job.spec.number]
        made = old.recipe if old.state == "done" else planned.recipe
        if made != job.recipe and (old.state == "done" or planned.settings != job.settings):
            why = _settings(planned.settings, job.settings) or _recipe(folder, old, job, config_dirs)
            raise InputError(f"resume: job {number} of {folder.name} is not the same: {why}; it is another sweep: run it without resume")
        if old.state == "done":
            done[number] = old
    return done


def _settings(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return ", ".join(f"{key} was {old.get(key, 'not given')!r} and is {new.get(key, 'not given')!r}" for key in keys[:3])


def _recipe(folder: Path, old: Cell, job: Planned, config_dirs: Sequence[Path]) -> str:
    if job.error:
        return f"it is done and could not run now ({job.error})"
    try:
        made = sidecar.read(folder / str(old.number) / old.video).data
    except MediaError:
        return "its clip has another recipe"
    return f"its clip was made with other {', '.join(provenance.differences(made, plan.foresee(job.spec, config_dirs)))}"
