"""What of aio the harness calls in its own processes, in one place: all else goes through commands and the page.

`python -m tests.trust.entrances NAME …` runs one of these as a child that can be killed.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aio.errors import ConfigError

from . import ROOT
from .world import SMALL


class Refused(Exception):
    """aio refused an input on purpose; its words."""


class Untold(Exception):
    """aio refused an input, but not in words for a user; says what is wrong with them."""


@contextlib.contextmanager
def refusing() -> Any:
    """Turn aio's own errors into Refused."""
    from aio.errors import AioError

    try:
        yield
    except AioError as error:
        raise Refused(str(error)) from error


def command(words: Sequence[str]) -> tuple[int, str, str]:
    """`python -m aio WORDS` in this process: exit code, stdout, stderr."""
    from aio.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    return code, out.getvalue(), err.getvalue()


def compose(*words: str) -> Any:
    """A composed configuration."""
    from aio.config import compose

    return compose(words)


def checked(config: Any, params: Mapping[str, Any]) -> Any:
    """The request of a job."""
    from aio.job import Job
    from aio.request import validate

    with refusing():
        return validate(Job(config, params))


def staged(config: Any, params: Mapping[str, Any], folder: Path) -> Any:
    """The request of a job, its inputs staged into a folder."""
    from aio.request import stage

    request = checked(config, params)
    with refusing():
        return stage(request, folder)


def drawn(request: Any) -> dict[str, Any]:
    """The patched graph of a request."""
    from aio.graph import patch, workflow

    with refusing():
        return patch.apply(patch.render(request), workflow.load(request.config.workflow))


def graph(config: Any) -> dict[str, Any]:
    """The graph of a mode, as its file has it."""
    from aio.graph import workflow

    return workflow.load(config.workflow)


def patched(operations: Sequence[Mapping[str, Any]], prompt: dict[str, Any]) -> dict[str, Any]:
    """A graph after RFC 6902 operations."""
    from aio.graph import patch
    from aio.values import Operation

    made = tuple(Operation(one.get("op"), one.get("path"), one.get("value"), one.get("from"), "trust", index) for index, one in enumerate(operations))
    with refusing():
        return patch.apply(made, prompt)


def read_graph(prompt: dict[str, Any], output: str) -> list[str]:
    """Everything that is read from a graph before it runs: its faults in words, its weights, what comes out."""
    from graphs import KINDS

    from aio.errors import MediaError
    from aio.graph import shapes, workflow
    from aio.graph.models import models_of

    def no_media(name: str) -> Any:
        raise MediaError("there is none here", name)

    with refusing():
        faults = workflow.faults(prompt, output)
        models_of(prompt)
        known = shapes.interpret(prompt, no_media, KINDS)
        shapes.samplers(prompt, known, KINDS)
        shapes.result(prompt, known, KINDS)
        return faults


def entries(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """A registry's entries."""
    from aio.config import typed
    from aio.config.registry import RegistryEntry

    faults: list[str] = []
    with refusing():
        made = typed.read(Mapping[str, RegistryEntry], mapping, "registry", faults)
        if faults:
            raise ConfigError("\n".join(faults))
    return made


def typed(words: Sequence[str]) -> Mapping[str, Any]:
    """The fields of a command line, `@file` read."""
    from aio.cli import VERBS
    from aio.command import parse

    with refusing():
        return parse(words, VERBS).params


def sweep(words: Sequence[str]) -> list[Mapping[str, Any]]:
    """The fields of each job of a sweep's command line; nothing runs."""
    from aio.cli import VERBS
    from aio.command import parse
    from aio.sweep.plan import plan

    with refusing():
        return [{"mode": "", **dict(job.spec.params)} for job in plan(parse(words, VERBS))]


def timings(file: Path) -> tuple[int, str, str]:
    """`python -m aio.timings FILE`."""
    from aio.timings import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), refusing():
        code = main([str(file)])
    return code, out.getvalue(), err.getvalue()


def forms() -> Mapping[str, Any]:
    """The page's forms."""
    from aio.ui import catalogue
    from aio.ui.forms import form

    offered, faults = catalogue.read(["engine=preview"])
    assert not faults, faults
    return {name: form(offered, name) for name in offered.modes}


def filled(form: Any, given: Mapping[str, Any]) -> tuple[Mapping[str, str], Any]:
    """What the page says beside each field, and the request that the form would make."""
    said = form.problems(given)
    with refusing():
        job = form.job(given)
    return said, checked(job.config, job.params)


def _mirror(source: str, target: str) -> None:
    from aio.spaces.mirror import mirror

    mirror(Path(source), Path(target))


def _thousand(count: str, out: str) -> None:
    """Runs of every mode in one process; prints a line when each has ended."""
    samples = ROOT / "samples"
    inputs = {"i2v": {"image": "astronaut.png"}, "a2v": {"audio": "speech.wav"}, "lipsync": {"image": "astronaut.png", "audio": "speech.wav"},
              "keyframe": {"first_frame": "astronaut.png", "last_frame": "astronaut.png"}, "style": {"video": "bigbuckbunny.mp4"}, "t2v": {}}
    modes = itertools.cycle(inputs.items())
    for number in range(int(count)):
        mode, files = next(modes)
        words = [*SMALL, f"mode={mode}", f"seed={number}", f"prompt=run {number}", f"output.dir={out}"]
        code, said, err = command([*words, *(f"{field}={samples / name}" for field, name in files.items())])
        print(code, said.strip() if code == 0 else err.strip().splitlines()[-1], flush=True)
        for path in Path(out).iterdir():
            path.unlink()


def _real(folder: str, out: str) -> None:
    """One run through the real ComfyUI, on the CPU with tiny weights."""
    import dataclasses

    from aio.comfyui import tinyweights
    from aio.comfyui.engine import ComfyUIEngine
    from aio.job import Job
    from aio.run import run

    config = dataclasses.replace(compose("mode=t2v", "preset=fast"), output_dir=Path(out))
    engine = ComfyUIEngine(config, work_dir=Path(folder) / "work", models_dir=Path(folder) / "models", cpu=True)
    engine.start()
    entries = config.registry
    tinyweights.write(engine.models_dir, {name: entry.folder for name, entry in entries.items()})
    plain = {name: dataclasses.replace(entry, size=None, sha256=None) for name, entry in entries.items()}   # the stand-ins are smaller
    config = dataclasses.replace(config, registry=plain)
    with tinyweights.narrow():
        print(run(Job(config, {"prompt": "A cat", "width": 256, "height": 256, "seconds": 0.4}), engine).video)


if __name__ == "__main__":
    {"mirror": _mirror, "thousand": _thousand, "real": _real}[sys.argv[1]](*sys.argv[2:])
