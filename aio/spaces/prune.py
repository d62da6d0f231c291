"""Remove old results, and what was staged for them: on a Space by default, elsewhere only where the configuration says so.

    python -m aio ui platform.prune.hours=24

Only what aio made: an mp4 with a recipe in it (or beside it), that recipe, staged inputs, leftovers, and the page's own stills and recipes.
"""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aio.config import Config
from aio.engines import working_dirs
from aio.errors import MediaError
from aio.machine import terminal
from aio.media import remove_stale
from aio.recipe import leftovers, sidecar


@dataclass(frozen=True, slots=True)
class Rules:
    """What is pruned, from the config's `platform.prune`.

    Attributes:
        hours: age at which a file goes. every_minutes: between two passes.
        outputs: the folder of the results. working: where the engines work.
    """

    hours: float
    every_minutes: float
    outputs: Path
    working: tuple[Path, ...]


def rules(config: Config) -> Rules | None:
    """The rules of a configuration, None where nothing is pruned."""
    found = config.platform.prune
    return Rules(found.hours, found.every_minutes, config.output_dir, working_dirs()) if found.hours else None


def keep_pruning(rule: Rules, scratch: Path) -> threading.Event:
    """Prune now and then every `every_minutes`, in a thread that ends with the process, or when the returned event is set.

    Args:
        scratch: the page's folder of stills and recipes.
    """
    stop = threading.Event()

    def work() -> None:
        while True:
            gone = prune(rule.outputs, rule.working, scratch, rule.hours * 3600)
            if gone:
                terminal.say(f"aio: {len(gone)} files older than {rule.hours:g} h removed")
            if stop.wait(rule.every_minutes * 60):
                return

    threading.Thread(target=work, name="aio-prune", daemon=True).start()
    return stop


def prune(outputs: Path, working: Iterable[Path], scratch: Path, age: float) -> list[Path]:
    """Remove what aio made more than `age` seconds ago, and return it. Other processes may do the same at the same time.

    The results of sweeps, which lie in folders of their own, stay: their contact sheets show them.

    Args:
        outputs: folder of the results. working: where engines work: `input` and `output`. scratch: the page's own folder.
    """
    before = time.time() - age
    gone: list[Path] = []
    for path in _old(outputs, before):
        if path.suffix == ".mp4" and _ours(path):
            recipe = path.with_suffix(".json")
            if recipe.is_file() and not recipe.is_symlink() and _ours(recipe):
                _remove(recipe, gone)   # first: a clip without it still knows whose it is
            _remove(path, gone)
    leftovers.remove(leftovers.parts(outputs), age, age)
    for folder in working:
        gone += remove_stale(folder / "input", age, every=0)
        leftovers.remove(leftovers.of_jobs(folder / "output"), age, age)
    for name, ending in (("recipes", ".json"), ("stills", ".jpg")):
        for path in _old(scratch / name, before):
            if path.suffix == ending:
                _remove(path, gone)
    return gone


def _old(folder: Path, before: float) -> Iterator[Path]:
    """Plain files of a folder, none below it, that were last changed before a time."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        try:
            facts = path.lstat()
        except OSError:
            continue   # another process was faster
        if stat.S_ISREG(facts.st_mode) and facts.st_mtime < before:
            yield path


def _ours(path: Path) -> bool:
    try:
        sidecar.read(path)
        return True
    except (MediaError, OSError):
        return False


def _remove(path: Path, gone: list[Path]) -> None:
    try:
        path.unlink()
        gone.append(path)
    except OSError:
        pass   # gone already, or not ours to remove
