"""The command line's verbs. Results go to stdout, everything else to stderr.

Exit codes: 0 all good, 1 a job failed, 2 bad input, 130 cancelled by Ctrl-C, SIGTERM or SIGHUP. A code tells of the work alone: a clip that
was made and whose path could not be printed is made (0). Where the text is all that was asked for (plan, check, --help), a stdout that is
closed or full is a failure (1), and a reader that has enough (`| head`) is none. `ui` is ended by a signal, and that is no failure (0).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from aio import __version__, verbs
from aio import config as configuration
from aio.command import Command, parse
from aio.command.console import Console
from aio.command.usage import expect, unknown
from aio.config import Config
from aio.errors import AioError, Cancelled, ConfigError, InputError
from aio.job import Job
from aio.machine import faults, folders, paths, signals, terminal, whole
from aio.machine.faults import report
from aio.values import Event


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code. No exception escapes, and no signal leaves anything half done (aio.machine.signals)."""
    words = list(sys.argv[1:] if argv is None else argv)
    with terminal.opened(), faults.watched():
        try:
            with signals.handled():
                return _verb(words)
        except BaseException as error:
            what = KeyboardInterrupt() if signals.interrupted() else error
            return report(what, [word.partition("=")[2] for word in words])


def _verb(words: list[str]) -> int:
    if words[:1] == ["version"] or {"--version", "-V"} & set(words):
        terminal.answer(f"aio {__version__}")
        return 0
    if words[:1] == ["help"]:
        words[0] = "--help"
    _here(words)
    command = parse(words, VERBS)
    if command.help:
        from aio.command import help as helping

        terminal.answer(helping.text(command.compose(), command.config_dirs))
        return 0
    expect(command)
    return VERBS[command.verb](command)


def _here(words: Iterable[str]) -> None:
    """Refuse what no verb can work with: a current folder that was removed, a command line that Python could not read.

    Raises:
        InputError: says which.
    """
    if paths.current() is None:
        raise InputError(faults.GONE)
    if sys.getfilesystemencoding() == "ascii" and any(re.search("[\udc80-\udcff]", word) for word in words):
        raise InputError(
            "Python reads the command line as ASCII here, and it holds other characters: unset PYTHONUTF8, or set LC_ALL to a UTF-8 locale")


def run(command: Command) -> int:
    """One job, with -m a sweep; Hydra's own flags go to Hydra."""
    if command.flags:
        from aio.command import complete

        if words := complete.engines(command.flags):
            terminal.answer(words)
            return 0
        return _hydra(command)
    if command.multirun:
        from aio.sweep import runner

        return runner.run(command, signals.guarded, report, _hydra)
    return execute(Job(command.compose(), command.params))


def execute(job: Job, why: str = "") -> int:
    """Run a job with progress on stderr; its mp4's path is the last line of stdout.

    Args:
        why: the engine was chosen, else as its choice says.

    Returns:
        0 where the clip was made, also where stdout is closed, full or broken: then stderr says where it lies, if it can.
    """
    from aio.run import run as run_chain

    with Console() as console:
        engine = _engine(job.config, console, why)
        artifacts = signals.guarded(lambda stop: run_chain(job, engine, console, stop))
    terminal.made(artifacts.video)
    return 0


def _engine(config: Config, console: Console, why: str = "") -> Any:
    from aio.spaces.engine import choose, create

    name, reason = choose(config)
    console(Event("engine", f"{name} ({why or reason})"))
    return create(name, config)


def _hydra(command: Command, words: Sequence[str] | None = None) -> int:
    """Hand over to hydra.main: launchers and sweepers (with their overrides), --cfg, --info, shell completion."""
    import hydra
    from hydra.errors import HydraException

    configuration.register()
    if words is None and command.multirun:
        words = command.swept()
    elif words is None:
        words = _shown(command)
    codes: list[int] = []

    @hydra.main(version_base="1.3", config_path=str(configuration.CONF), config_name="config")
    def task(cfg: Any) -> int:
        codes.append(_job(cfg, command))
        return codes[-1]   # for launchers that run a job in another process

    multirun = ["--multirun"] if command.multirun else []
    sys.argv = [sys.argv[0], *multirun, *command.flags, *configuration.searched(command.config_dirs), *configuration.settled(words)]
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"   # let us have its errors: it would print a traceback and exit
    try:
        task()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 2 if error.code else 0
    except HydraException as error:
        raise ConfigError(configuration.explain(error, words, command.config_dirs)) from None
    finally:
        os.environ.pop("HYDRA_FULL_ERROR") if before is None else os.environ.update(HYDRA_FULL_ERROR=before)
    return (1 if any(codes) else 0) if command.multirun else max(codes, default=0)


def _shown(command: Command) -> list[str]:
    """A single run's words in Hydra's grammar, for Hydra to show; faults are told first, in aio's words."""
    from aio.config.grammar import literal, quoted

    if not {"-sc", "--shell-completion"} & set(command.flags):
        command.compose()
    given = configuration.sort(command.overrides, command.config_dirs)
    texts = [f"{key}={'null' if text is None else quoted(text)}" for key, text in given.texts.items()]
    return [*given.hydra, *texts, *(f"++params.{name}={literal(value)}" for name, value in command.params.items())]


def _job(cfg: Any, command: Command) -> int:
    """One job that Hydra hands over. In a sweep a failure is reported and does not stop the others; Ctrl-C stops all."""
    from hydra.core.hydra_config import HydraConfig

    try:
        mode = HydraConfig.get().mode
        if mode is not None and mode.name == "MULTIRUN":
            from aio.sweep import worker

            return worker.work(cfg, command.config_dirs, command.texts, signals.guarded, report)
        return execute(Job(command.compose(), command.params))
    except (Cancelled, KeyboardInterrupt):
        raise
    except BaseException as error:
        return report(error)


def check(command: Command) -> int:
    """Prove every graph, and aio's own constants against the official ones.

    --regenerate-schema writes the node schema from the ComfyUI that is set up, --fidelity docs/FIDELITY.md.
    """
    from aio import check as checking
    from aio.check import fidelity, table

    if "regenerate-schema" in command.options:
        return _regenerate(command)
    if "fidelity" in command.options:
        return verbs.write_fidelity(command)
    modes = verbs.chosen_modes(command)
    others = [text for text in command.overrides if not text.startswith("mode=")]
    known = set[str]()
    for mode in modes:
        configuration.choice("mode", mode, command.config_dirs)   # an unknown name is bad input, a broken file is a row
        with contextlib.suppress(AioError):
            known |= configuration.compose([f"mode={mode}", *others], command.config_dirs).fields.keys()
    unknown(command, known)
    rows = itertools.chain(checking.check(modes, command.config_dirs, others, command.params), fidelity.rows(modes, others))
    return table.table(rows, terminal.answer)


def _regenerate(command: Command) -> int:
    from aio.comfyui import describe, location
    from aio.graph.schema import FILE

    found = location.find(command.compose().comfyui)
    if found is None:
        raise ConfigError("check --regenerate-schema needs ComfyUI: run `python -m aio setup`, or set AIO_COMFYUI_DIR")
    whole.write(FILE, describe.regenerate(found.path, folders.ROOT / "nodes"))
    terminal.made(FILE)
    return 0


def plan(command: Command) -> int:
    """Show what a run would do."""
    from aio.check import plan as planning
    from aio.comfyui.location import known_models

    made = planning.plan(Job(command.compose(), command.params), known_models(command.compose().comfyui))
    if "json" in command.options:
        terminal.answer(json.dumps(made.as_dict(), indent=2, ensure_ascii=False), exact=True)
    else:
        terminal.answer(planning.text(made))
    return 0


def replay(command: Command) -> int:
    """Run the recipe of an mp4 again, varied where fields are given; with --command, print the command line that makes it."""
    from aio import replay as replaying

    made = replaying.replay(command)
    for note in made.notes:
        terminal.say(f"warning: {note}")
    if "command" in command.options:
        terminal.answer(made.command_line(), exact=True)
        return 0
    return execute(made.job, made.engine)


def sheet(command: Command) -> int:
    """Make a sweep's index.html and contact_sheet.png from the files in its folder."""
    from aio.sweep import sheet as sheets

    if not command.target:
        raise ConfigError("sheet: give a sweep's folder: python -m aio sheet outputs/sweeps/…")
    terminal.made(sheets.build(Path(command.target), command.config_dirs))
    return 0


VERBS: dict[str, Callable[[Command], int]] = {
    "run": run, "check": check, "plan": plan, "models": verbs.models, "setup": verbs.setup, "doctor": verbs.doctor,
    "ui": verbs.ui, "replay": replay, "sheet": sheet, "space": verbs.space,
}
