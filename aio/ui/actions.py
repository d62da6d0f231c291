"""What happens on the page: every event and what it changes.

An event changes as few components as it can: gradio's frontend looks each of them up in the whole page, 2 ms apiece.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aio.errors import AioError, Cancelled, InvalidParams, MediaError
from aio.fields.numerals import draw
from aio.replay import asked
from aio.ui import cards, gallery, recipes, uploads, widgets, words
from aio.ui.catalogue import Catalogue
from aio.ui.forms import Form
from aio.ui.handlers import Desk
from aio.ui.inbox import Foreign
from aio.ui.toolkit import gr

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Of events that only the page itself uses."""

AT_ONCE: dict[str, Any] = {**QUIET, "queue": False}

SETTLE = 0.5
"""Seconds after which nothing of a cancelled run is on its way to the page any more; it writes every 0.25 s."""


def wire(
    blocks: gr.Blocks, desk: Desk, forms: Mapping[str, Form], built: Mapping[str, tuple[Any, dict[str, Any], dict[str, Any]]], mode: Any,
    result: dict[str, Any], shelf: dict[str, Any], offered: Catalogue, output_dir: Path, endpoint: Callable[..., Any], validator: Callable[..., Any],
) -> None:
    """Connect everything."""
    outputs = [result["video"], result["command"], result["recipe"], result["status"]]
    shown = [shelf["grid"], shelf["names"]]
    refresh = _refresh(desk, offered, output_dir)
    runs = []
    for name, form in forms.items():
        _, parts, around = built[name]
        first = around["run"].click(*_roll(form, around, parts), **AT_ONCE)
        event = first.then(
            endpoint(form, desk), inputs_kwargs=parts, outputs=outputs, validator=validator(form), api_name=name, api_description=None,
            show_progress="hidden", concurrency_id="engine", concurrency_limit=offered.page.queue.waiting + 1, trigger_mode="once",
        )
        event.then(refresh, None, shown, **AT_ONCE)
        runs.append(event)
        _live(form, parts, around)
        _seed(form, desk, parts, around)
        plain = [name for name in parts if name in form.fields and not form.fields[name].advanced and name not in form.added]
        for index, button in enumerate(around["samples"]):
            button.click(_sampler(form, index, desk, plain), None, [parts[name] for name in plain], **AT_ONCE)
    stopped = cards.status("stopped", *words.explain(Cancelled(), desk.page.messages))
    pressed = result["stop"].click(lambda: stopped, None, result["status"], cancels=runs, **AT_ONCE)
    pressed.then(functools.partial(_settled, stopped), None, result["status"], **AT_ONCE)
    columns = [column for column, _, _ in built.values()]
    mode.change(lambda chosen: [gr.update(visible=name == chosen) for name in forms], mode, columns, **AT_ONCE)
    fills = {name: gr.State(None) for name in forms}   # mode -> values for its form
    for name, (_, parts, _) in built.items():
        filled = functools.partial(lambda names, values: [values[one] if values else gr.skip() for one in names], tuple(parts))
        fills[name].change(filled, fills[name], list(parts.values()), **AT_ONCE)
    wanted = [mode, result["dropped"], *fills.values()]
    for name, (_, _, around) in built.items():
        if "fresh" in around:   # a seed that was filled in is the one to run with
            fills[name].change(lambda values: False if values else gr.skip(), fills[name], around["fresh"], **AT_ONCE)
    result["drop"].upload(_filler(recipes.read, desk, forms, fills, mode, result), result["drop"], wanted, **QUIET)
    result["again"].click(_filler(recipes.saved, desk, forms, fills, mode, result), result["recipe"], wanted, **QUIET)
    shelf["grid"].select(_pick(output_dir, desk, offered), shelf["names"], outputs, **QUIET)
    blocks.load(refresh, None, shown, **AT_ONCE)
    blocks.load(lambda: [_outlook(form, {}) for form in forms.values()], None, [around["outlook"] for _, _, around in built.values()], **AT_ONCE)


def _settled(card: str) -> str:
    """The card of a stopped run once more: a message of it that was on its way may have come after the first."""
    time.sleep(SETTLE)
    return card


def _roll(form: Form, around: Mapping[str, Any], parts: Mapping[str, Any]) -> tuple[Any, ...]:
    """Before a run: a new seed where that is wanted. It stands in the form."""
    if "seed" not in around:
        return (lambda: None, None, None)
    field = form.fields[around["seed"]]

    def roll(fresh: bool, seed: Any) -> Any:
        return str(draw(field.min, field.max)) if fresh else seed

    return roll, [around["fresh"], parts[around["seed"]]], [parts[around["seed"]]]


def _seed(form: Form, desk: Desk, parts: Mapping[str, Any], around: Mapping[str, Any]) -> None:
    """Reuse last: the seed of the visitor's last result, known before the page shows it, so that no click comes too early."""
    if "seed" not in around:
        return
    seed = parts[around["seed"]]

    def again(now: Any, request: gr.Request) -> tuple[Any, bool]:
        used = desk.seed(request.session_hash, form.mode, around["seed"])
        return now if used is None else used, False

    around["last"].click(again, seed, [seed, around["fresh"]], **AT_ONCE)


def _outlook(form: Form, given: Mapping[str, Any]) -> str:
    try:
        return cards.consequences(*form.outlook(given))
    except InvalidParams as error:
        return cards.unsettled(form.sentences(error, given))
    except Exception as error:
        known = isinstance(error, AioError)
        return cards.unsettled(uploads.without_folders(str(error), given.values()) if known else words.logged(error))


def _live(form: Form, parts: Mapping[str, Any], around: Mapping[str, Any]) -> None:
    """The consequences of what is typed, the fields that matter now, and what an empty field means now."""
    conditional = [name for name in parts if name in form.added or (name in form.fields and form.fields[name].when)]
    touched = list(dict.fromkeys([*conditional, *form.following]))
    deciding = {*form.catalogue.groups, *(name for field in form.fields.values() for name in field.when or ())}

    def consequences(*values: Any) -> str:
        return _outlook(form, dict(zip(parts, values, strict=True)))

    def matter(*values: Any) -> list[Any]:
        given = dict(zip(parts, values, strict=True))
        try:
            config = form.compose(given)
        except AioError:
            return [gr.skip() for _ in touched]   # the consequences say why
        effective, updates = form.effective(config, given), []
        for name in touched:
            look: dict[str, Any] = {"visible": effective[name]} if name in effective else {}
            if name in form.following:
                look |= widgets.following(parts[name], widgets.follows(form.fields[name], config.values.get(name, form.fields[name].default)))
            updates.append(gr.update(**look))
        return updates

    # Not a seed: it has no consequences, and every event clears the faults that the last run left beside its inputs.
    triggers = {}
    for name, part in parts.items():
        field = form.fields.get(name)
        if field is None or (field.type != "STRING" and not field.control_after_generate):
            triggers[name] = part.change
        elif name in form.following and field.type == "STRING":
            triggers[name] = part.blur
    how = {"trigger_mode": "always_last", **AT_ONCE}
    gr.on(list(triggers.values()), consequences, list(parts.values()), around["outlook"], **how)
    gr.on([trigger for name, trigger in triggers.items() if name in deciding], matter, list(parts.values()), [parts[name] for name in touched], **how)


def _sampler(form: Form, index: int, desk: Desk, names: Sequence[str]) -> Callable[[], Any]:
    def fill() -> Any:
        values = recipes.example(form, index, desk.scratch / "samples")
        found = [values[name] for name in names]
        return found if len(found) > 1 else found[0]

    return fill


def _filler(
    read: Callable[[Path], Mapping[str, Any]], desk: Desk, forms: Mapping[str, Form], fills: Mapping[str, Any], mode: Any, result: Mapping[str, Any]
) -> Callable[[Any], dict[Any, Any]]:
    def fill(file: str | Foreign | None) -> dict[Any, Any]:
        try:
            if isinstance(file, Foreign):
                raise MediaError(file.words[:1].upper() + file.words[1:])
            recipe = read(Path(file or ""))
        except MediaError as error:
            return {result["dropped"]: cards.unsettled(uploads.without_folders(str(error)))}
        form = forms.get(recipe["mode"])
        if form is None:
            return {result["dropped"]: cards.unsettled(f"This page has no mode {recipe['mode'][:40]}.")}
        values, absent = recipes.refill(form, recipe, desk.scratch / "samples")
        said = f"The form of {form.config.title} is filled." + (f" Add again: {', '.join(absent)}." if absent else "")
        said += f" Not in this form: {asked.named(beyond)}." if (beyond := recipes.beyond(form, recipe)) else ""
        shown = f'<p class="aio-said" role="status">{widgets.escape(said)}</p>'
        return {mode: form.mode, result["dropped"]: shown, fills[form.mode]: {**values, "": time.monotonic_ns()}}   # the same again counts too

    return fill


def _refresh(desk: Desk, offered: Catalogue, output_dir: Path) -> Callable[..., Any]:
    settings = offered.page.gallery

    def refresh(request: gr.Request) -> tuple[Any, list[str]]:
        only = desk.made(request.session_hash) if settings.show == "session" else None
        found = gallery.results(output_dir.resolve(), settings.count, only)
        pairs = [(path, picture) for path in found if (picture := gallery.still(path, desk.scratch / "stills"))]
        return [(str(picture), gallery.caption(path)) for path, picture in pairs], [path.name for path, _ in pairs]

    return refresh


def _pick(output_dir: Path, desk: Desk, offered: Catalogue) -> Callable[..., Any]:
    def pick(names: list[str], request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        if type(event.index) is not int or not 0 <= event.index < len(names):
            return gr.skip(), gr.skip(), gr.skip(), cards.status("failed", "Reload this page", "What it shows is too old to be chosen from.")
        path = output_dir.resolve() / names[event.index]
        own = desk.page.gallery.show != "session" or path.name in desk.made(request.session_hash)
        if not own or not path.is_file():
            return gr.skip(), gr.skip(), gr.skip(), cards.status("failed", "Gone", "This file has been removed from the output folder.")
        try:
            recipe, command, file = recipes.told(path, offered, desk.scratch / "recipes")
        except MediaError:
            return str(path), "", None, cards.status("done", path.name, "It holds no recipe.")
        return str(path), command, str(file), cards.status("done", path.name, f"{recipe['mode']}, engine {recipe.get('engine', '')}")

    return pick
