"""One job of a sweep that a launcher or sweeper of Hydra's hands over, in whatever process this is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio.config import LITERAL
from aio.config.grammar import unquoted
from aio.errors import AioError, Cancelled
from aio.sweep.axes import Spec
from aio.sweep.folder import Cell
from aio.sweep.plan import portable
from aio.sweep.runner import Guard, Runner


def work(
    cfg: Any, config_dirs: Sequence[Path], texts: Sequence[str],
    guard: Guard, report: Callable[[AioError], int],
) -> int:
    """Run one job that a launcher or sweeper hands over, in whatever process this is.

    Args:
        texts: overrides of the configuration that a sweeper never saw, because they are data.

    Returns:
        0, or 1 where it failed.

    Raises:
        KeyboardInterrupt: it was stopped, and so is the rest.
    """
    from hydra.core.hydra_config import HydraConfig

    facts = HydraConfig.get()
    folder = Path(facts.sweep.dir)
    runner = Runner(folder, config_dirs, report)
    if "job" in cfg:
        job = json.loads(str(cfg.job).removeprefix(LITERAL))
        spec = Spec(**{**job["spec"], "overrides": tuple(job["spec"]["overrides"])})
        cell = Cell(**job["cell"])
    else:
        chosen = [*(unquoted(word) for word in facts.overrides.task if not word.lstrip("+").startswith("params.")), *texts]
        params = configuration.params_of(cfg)
        settings = {key.lstrip("+~"): portable(value) for key, _, value in (word.partition("=") for word in chosen) if key != "output.dir"}
        number = int(facts.job.num)
        spec = Spec(number, tuple(chosen), params)
        cell = Cell(number, settings | {name: portable(str(value)) for name, value in params.items()})
    try:
        done = guard(lambda stop: runner.run(spec, cell, stop))
    except Cancelled:
        raise KeyboardInterrupt from None   # Hydra reports every other exception as a failure of the program
    return int(done.state != "done")
