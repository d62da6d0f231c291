"""The command line's verbs. Results go to stdout, everything else to stderr.

Exit codes: 0 all good, 1 a job failed, 2 bad input, 130 cancelled.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aio import __version__, verbs
from aio import config as configuration
from aio.command import Command, parse
from aio.config import Config
from aio.console import Console
from aio.errors import AioError, Cancelled, ConfigError
from aio.spaces.here import placed
from aio.values import Artifacts, Event, Job


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; no exception escapes without AIO_DEBUG=1."""
    try:
        command = parse(sys.argv[1:] if argv is None else argv, VERBS)
        if "version" in command.options:
            print(f"aio {__version__}")
            return 0
        if command.help:
            from aio import help as helping

            print(helping.text(command.compose(), command.config_dirs))
            return 0
        return VERBS[command.verb](command)
    except AioError as error:
        return report(error)
    except KeyboardInterrupt:
        return report(Cancelled("cancelled"))
    except BrokenPipeError:   # `aio --help | head`
        sys.stdout = None
        return 0


def report(error: AioError) -> int:
    """Say an error on stderr and return its exit code."""
    if os.environ.get("AIO_DEBUG") == "1":
        traceback.print_exception(error)
    for line in str(error).splitlines() or [type(error).__name__]:
        print(f"aio: {line}", file=sys.stderr)
    return error.exit_code


def run(command: Command) -> int:
    """One job, with -m a sweep; Hydra's own flags go to Hydra."""
    command.expect(set())
    if command.flags:
        return _hydra(command)
    if command.multirun:
        from aio.sweep import runner

        return runner.run(command, _interruptible, report, _hydra)
    return execute(Job(command.compose(), command.params))


def execute(job: Job, why: str = "") -> int:
    """Run a job with progress on stderr; print the mp4's path as the last line of stdout. why: the engine was chosen, else as its choice says."""
    from aio.run import run as run_chain

    with Console() as console:
        engine = _engine(job.config, console, why)
        artifacts = _interruptible(lambda: run_chain(job, engine, console), engine)
    print(artifacts.video)
    return 0


def _engine(config: Config, console: Console, why: str = "") -> Any:
    from aio.spaces.engine import choose, create

    name, reason = choose(config)
    console(Event("engine", f"{name} ({why or reason})"))
    return create(name, config)


def _interruptible(work: Callable[[], Artifacts], engine: Any) -> Artifacts:
    """Run `work`; Ctrl-C and SIGTERM ask the engine to stop, so that it can remove its partial file."""

    def stop(signum: int, frame: Any) -> None:
        engine.cancel()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return work()
    except KeyboardInterrupt:
        raise Cancelled("cancelled; the partial file was removed") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hydra(command: Command, words: Sequence[str] | None = None) -> int:
    """Hand over to hydra.main: launchers and sweepers (with their overrides), --cfg, --info, shell completion."""
    import hydra

    configuration.register()
    if words is None and command.multirun:
        words = command.swept()
    elif words is None:
        from aio.grammar import literal

        words = [*command.overrides, *(f"++params.{name}={literal(value)}" for name, value in command.params.items())]
    codes: list[int] = []

    @hydra.main(version_base="1.3", config_path=str(configuration.CONF), config_name="config")
    def task(cfg: Any) -> int:
        codes.append(_job(cfg, command.config_dirs))
        return codes[-1]   # for launchers that run a job in another process

    folders = [word for folder in command.config_dirs for word in ("--config-dir", str(folder))]
    sys.argv = [sys.argv[0], *(["--multirun"] if command.multirun else []), *folders, *command.flags, *placed(words)]
    try:
        task()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 2 if error.code else 0
    return (1 if any(codes) else 0) if command.multirun else max(codes, default=0)


def _job(cfg: Any, config_dirs: Sequence[Path]) -> int:
    """One job that Hydra hands over. In a sweep a failure is reported and does not stop the others; Ctrl-C stops all."""
    from hydra.core.hydra_config import HydraConfig

    try:
        if HydraConfig.get().mode.name == "MULTIRUN":
            from aio.sweep import launch

            return launch.work(cfg, config_dirs, _interruptible, report)
        return execute(Job(configuration.build(cfg, config_dirs), configuration.params_of(cfg)))
    except Cancelled:
        raise
    except AioError as error:
        return report(error)


def check(command: Command) -> int:
    """Prove every graph; with --regenerate-schema, write the node schema from the ComfyUI that is set up."""
    from aio import check as checking

    command.expect({"regenerate-schema"})
    if "regenerate-schema" in command.options:
        return _regenerate(command)
    modes = verbs.chosen_modes(command)
    others = [text for text in command.overrides if not text.startswith("mode=")]
    for mode in modes:
        configuration.compose([f"mode={mode}"], command.config_dirs)   # an unknown name is bad input, not a fault
    return checking.table(checking.check(modes, command.config_dirs, others), lambda line: print(line, flush=True))


def _regenerate(command: Command) -> int:
    from aio import comfyui_dir, schema

    found = comfyui_dir.find(command.compose().data["comfyui"])
    if found is None:
        raise ConfigError("check --regenerate-schema needs ComfyUI: run `python -m aio setup`, or set AIO_COMFYUI_DIR")
    target = configuration.PACKAGE / "data" / "node_schema.json"
    target.write_text(schema.regenerate(found.path, comfyui_dir.ROOT / "nodes"), encoding="utf-8")
    print(target)
    return 0


def plan(command: Command) -> int:
    """Show what a run would do."""
    from aio import plan as planning

    command.expect({"json"})
    made = planning.plan(Job(command.compose(), command.params), verbs.models_dir(command.compose()))
    print(json.dumps(made.as_dict(), indent=2, ensure_ascii=False) if "json" in command.options else planning.text(made))
    return 0


def replay(command: Command) -> int:
    """Run the recipe of an mp4 again, varied where fields are given; with --command, print the command line that makes it."""
    from aio import replay as replaying

    command.expect({"command"})
    made = replaying.replay(command)
    for note in made.notes:
        print(f"warning: {note}", file=sys.stderr)
    if "command" in command.options:
        print(made.command_line())
        return 0
    return execute(made.job, made.engine)


def sheet(command: Command) -> int:
    """Make a sweep's index.html and contact_sheet.png from the files in its folder."""
    from aio import sheet as sheets

    command.expect(set())
    if not command.target:
        raise ConfigError("sheet: give a sweep's folder: python -m aio sheet outputs/sweeps/…")
    print(sheets.build(Path(command.target), command.config_dirs))
    return 0


VERBS: dict[str, Callable[[Command], int]] = {
    "run": run, "check": check, "plan": plan, "models": verbs.models, "setup": verbs.setup, "doctor": verbs.doctor,
    "ui": verbs.ui, "replay": replay, "sheet": sheet, "space": verbs.space,
}
