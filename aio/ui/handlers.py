"""One endpoint a mode: `/t2v` and its like, for the page, gradio_client and MCP alike."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aio.command import help as helping
from aio.config.page import Ui
from aio.errors import Cancelled
from aio.ui import cards, recipes, words
from aio.ui.forms import Form
from aio.ui.gate import VISITOR
from aio.ui.guard import Said
from aio.ui.running import Run, Runner
from aio.ui.toolkit import gr
from aio.ui.visitors import Line, who

TICK = 0.25
"""Seconds between two looks at a run."""

SESSIONS_MAX, RESULTS_MAX = 1000, 200
"""Visitors whose results are remembered, and how many of each: names of files."""


class Desk:
    """What all modes share: the line, the rules for errors, and which visitor made what.

    Args:
        page: the `ui` section of the configuration. scratch: folder of the page's own temporary files.
        runner: aio.run.run, or something around it.
    """

    def __init__(self, page: Ui, scratch: Path, runner: Runner):
        self.page, self.scratch, self.runner = page, scratch, runner
        self.line = Line(page.queue.parallel, page.visitor.running, page.visitor.waiting)
        self._made: OrderedDict[str, list[tuple[str, str, Mapping[str, Any]]]] = OrderedDict()

    def note(self, session: str | None, result: Path, mode: str, seeds: Mapping[str, Any]) -> None:
        """Remember who made a result, and of which seeds."""
        if session:
            self._made[session] = [*self._made.get(session, ()), (result.name, mode, seeds)][-RESULTS_MAX:]
            self._made.move_to_end(session)
            while len(self._made) > SESSIONS_MAX:
                self._made.popitem(last=False)

    def made(self, session: str | None) -> list[str]:
        """Names of a visitor's results."""
        return [name for name, _, _ in self._made.get(session or "", ())]

    def seed(self, session: str | None, mode: str, name: str) -> Any:
        """The seed of a visitor's last result of a mode, of the field `name`; None where there is none."""
        return next((seeds.get(name) for _, of, seeds in reversed(self._made.get(session or "", ())) if of == mode), None)


def endpoint(form: Form, desk: Desk) -> Any:
    """The generator behind a mode's endpoint; it yields (video, command line, recipe file, status card)."""

    async def run(request: gr.Request = None, **given: Any) -> AsyncIterator[tuple[Any, ...]]:
        session, nothing = getattr(request, "session_hash", None), (None, "", None)   # gr.skip() would cost gradio 10 ms a yield
        visitor = who(None, session) | getattr(getattr(request, "request", None), "scope", {}).get(VISITOR, frozenset())
        ticket = task = ahead = None
        try:
            ticket = desk.line.join(visitor)
            while (now := desk.line.ahead(ticket)) > 0:
                if now != ahead:
                    ahead = now
                    yield *nothing, cards.waiting(ahead)
                await asyncio.sleep(TICK)
            job = await asyncio.to_thread(form.job, given)
            over, loop = asyncio.Event(), asyncio.get_running_loop()

            def at_end() -> None:
                desk.line.leave(ticket)
                loop.call_soon_threadsafe(over.set)

            task = Run(job, desk.runner, at_end).start()
            shown = None
            while not task.done.is_set():
                card = cards.running(task.event, task.elapsed, task.warnings)
                if card != shown:
                    shown = card
                    yield *nothing, card
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), TICK)
            if task.error is not None:
                raise task.error
            made = task.artifacts
            assert made is not None   # a run that is done has failed or made something
            recipe, command, file = await asyncio.to_thread(recipes.told, made.video, form.catalogue, desk.scratch / "recipes")
            seeds = {name: recipe["values"].get(name) for name, field in form.fields.items() if field.control_after_generate}
            desk.note(session, made.video, form.mode, seeds)
            yield str(made.video), command, str(file), cards.done(made, task.elapsed, task.warnings)
        except (GeneratorExit, asyncio.CancelledError):   # Stop, or a closed tab
            raise
        except BaseException as error:
            title, text = words.explain(error, desk.page.messages, [value for value in given.values() if isinstance(value, str)])
            state = "stopped" if isinstance(error, Cancelled) else "failed"
            yield *nothing, cards.status(state, title, text)
            raise Said(title, text) from None
        finally:
            if task is None:
                desk.line.leave(ticket)
            elif not task.done.is_set():
                task.stop()

    return _described(run, form)


def validator(form: Form) -> Any:
    """What is checked before a run stands in line: a sentence beside every field that is wrong."""

    def check(**given: Any) -> list[Any]:
        try:
            problems = form.problems(given)
        except Exception as error:   # the run itself says on its card that something is wrong
            words.logged(error)
            problems = {}
        return [gr.validate(name not in problems, problems.get(name, "")) for name in given]

    word = inspect.Parameter.KEYWORD_ONLY
    declared = inspect.Signature([inspect.Parameter(name, word, default=None) for name in (*form.fields, *form.catalogue.groups)])
    vars(check)["__signature__"] = declared
    return check


def needed(run: Any, names: Sequence[str]) -> dict[str, bool]:
    """Input of an endpoint -> whether a call must give it."""
    declared = inspect.signature(run).parameters
    return {name: declared[name].default is inspect.Parameter.empty for name in names}


def _described(run: Any, form: Form) -> Any:
    """Give the generator the signature and the documentation that gradio_client and MCP show."""
    word = inspect.Parameter.KEYWORD_ONLY
    # Gradio looks for the request among the positional parameters only.
    request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=gr.Request)
    parameters, lines = [request], []
    for name in order(form):
        if name in form.catalogue.groups:
            parameters.append(inspect.Parameter(name, word, default=None))
            lines.append(f"    {name}: {_choices(form, name)}")
            continue
        field = form.fields[name]
        needed = field.required and name not in form.following
        parameters.append(inspect.Parameter(name, word) if needed else inspect.Parameter(name, word, default=form.default(name)))
        extra = f"; only with {form.added[name]}" if name in form.added else ""
        extra += "; empty: as preset and input say" if name in form.following else ""
        lines.append(f"    {name}: {' '.join(helping.describe(field, form.config).split())}{extra}")
    run.__name__ = run.__qualname__ = form.mode
    run.__doc__ = f"{form.config.summary}.\n\nArgs:\n" + "\n".join(lines)
    run.__signature__ = inspect.Signature(parameters)
    run.__annotations__ = {"request": gr.Request}
    return run


def order(form: Form) -> list[str]:
    """The inputs of an endpoint: what must be given, the choices, the rest, the advanced, what suits the machine.

    Some call by position: what suits the machine stands last, so that what is offered of it moves nothing else.
    """
    first = [name for name, field in form.fields.items() if field.required and name not in form.following]
    rest = [name for name in form.fields if name not in first]
    advanced = [name for name in rest if form.fields[name].advanced or name in form.added]
    groups = form.catalogue.groups
    machine = [name for name, group in groups.items() if group.recipe == "machine"]
    return [*first, *(name for name in groups if name not in machine), *(name for name in rest if name not in advanced), *advanced, *machine]


def _choices(form: Form, group: str) -> str:
    many = "any number of " if form.catalogue.groups[group].many else ""
    return many + "; ".join(f"{choice.name}: {choice.summary or choice.title}" for choice in form.catalogue.choices[group])
