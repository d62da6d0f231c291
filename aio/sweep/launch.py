"""Sweeps that Hydra runs: through a launcher (`hydra/launcher=ray`) or with a sweeper of its own (`hydra/sweeper=optuna`).

A launcher only spreads the jobs: they are planned, ordered and numbered here, and each travels as one value, `job`. The
sheet is made from the files that the jobs leave in the sweep's folder, which all machines must see.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio.command import Command
from aio.config.grammar import literal, quoted
from aio.errors import AioError, ConfigError
from aio.machine import paths, terminal
from aio.sweep import folder as store
from aio.sweep import sheet
from aio.sweep.axes import of_hydra
from aio.sweep.plan import Planned

EVERY = 2.0
"""Seconds between two looks at the files of jobs that run elsewhere."""

NO_LOG = "hydra/job_logging=disabled"
"""Else an empty log file would lie in the folder, at a path that Hydra puts through its interpolation."""

Hydra = Callable[[Command, Sequence[str]], int]


def wanted(command: Command, kind: str) -> bool:
    """Whether the command line names a Hydra launcher or sweeper."""
    return any(word.lstrip("+").startswith(f"hydra/{kind}=") for word in command.overrides)


def folder_of(command: Command, jobs: Sequence[Planned] = ()) -> Path:
    """hydra.sweep.dir as the configuration and the command line set it.

    Raises:
        ConfigError: Hydra cannot compose it.
    """
    own = [word for word in command.overrides if of_hydra(word)]
    first = next((job.spec.overrides for job in jobs if not job.error), command.texts)
    given = configuration.sort([*first, *own], command.config_dirs)
    cfg = configuration.composed(given.hydra, command.config_dirs)   # a launcher or sweeper that is not here is told now
    typed = next((word.partition("=")[2] for word in reversed(own) if word.startswith("hydra.sweep.dir=")), None)
    if typed:
        return paths.expanded(typed, "hydra.sweep.dir")
    try:
        results = paths.expanded(given.texts.get("output.dir") or str(cfg.output.dir), "output.dir").absolute()
        cfg.output.dir = configuration.escaped(str(results))   # absolute, so that nothing of it is `~`, `???` or null once more
        return Path(str(cfg.hydra.sweep.dir))
    except AioError:
        raise
    except Exception as error:   # whatever an interpolation of hydra.* meets
        raise ConfigError(f"hydra.sweep.dir: {str(error).splitlines()[0]}") from None


def launcher(command: Command, sweep: Any, hydra: Hydra) -> None:
    """Spread the jobs of a sweep (aio.sweep.runner.Sweep) through Hydra's launcher, and keep its sheet true meanwhile."""
    if not sweep.todo:
        return
    jobs = [json.dumps({"spec": dataclasses.asdict(job.spec), "cell": dataclasses.asdict(job.cell())}) for job in sweep.todo]
    words = [
        NO_LOG,
        *configuration.sort([word for word in command.overrides if of_hydra(word) and not word.startswith("hydra.sweep.")]).hydra,
        f"hydra.sweep.dir={quoted(str(sweep.folder))}", "hydra.sweep.subdir=.", "+job=" + ",".join(literal(job) for job in jobs),
    ]
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(sweep, over), daemon=True)
    watcher.start()
    try:
        hydra(command, words)
    finally:
        over.set()
        watcher.join()
        _look(sweep, live=False)
        (sweep.folder / "multirun.yaml").unlink(missing_ok=True)   # the jobs again, with this machine's paths


def _watch(sweep: Any, over: threading.Event) -> None:
    cost = 0.0
    while not over.wait(max(EVERY, sheet.SHARE * cost)):
        began = time.monotonic()
        _look(sweep, live=True)
        cost = time.monotonic() - began


def _look(sweep: Any, *, live: bool) -> None:
    for cell in store.cells(sweep.folder, live=live):
        if cell != sweep.sheet.cells.get(cell.number):
            sweep.sheet.update(cell)


def sweeper(command: Command, hydra: Hydra) -> int:
    """Let a sweeper of Hydra choose the jobs, which nobody knows before; make the sheet of what it leaves."""
    if command.jobs or command.resume:
        raise ConfigError("jobs=… and resume=… do not go with hydra/sweeper=…: a sweeper chooses its own jobs")
    folder = store.claim(folder_of(command))
    words = [NO_LOG, *(word for word in command.swept() if not word.startswith("hydra.sweep."))]
    try:
        with store.locked(folder):
            code = hydra(command, [*words, f"hydra.sweep.dir={quoted(str(folder))}"])
    finally:
        cells = store.cells(folder, live=False) if any(folder.glob("*/" + store.STATE)) else []
        if cells:
            terminal.made(sheet.build(folder))
    return code or int(any(cell.state == "failed" for cell in cells))
