"""The page: what lies where, and what leads to what."""

from __future__ import annotations

import inspect
from typing import Any

from aio.fields import LIST
from aio.ui import actions, cards, widgets
from aio.ui.catalogue import Catalogue
from aio.ui.forms import Form, form
from aio.ui.guard import Page
from aio.ui.handlers import Desk, endpoint, order, validator
from aio.ui.inbox import Inbox
from aio.ui.items import Items
from aio.ui.running import Runner
from aio.ui.toolkit import gr

Parts = dict[str, Any]
"""Name of a field or choice -> its component."""


def build(offered: Catalogue, runner: Runner, inbox: Inbox) -> Page:
    """The page of a catalogue; `runner` is aio.run.run, or something around it. Its files lie in `inbox`."""
    page, first = offered.page, next(iter(offered.modes.values()))
    desk = Desk(page, inbox.root, runner)
    forms = {name: form(offered, name) for name in offered.modes}
    with Page(title=f"{page.title}: {page.tagline}", analytics_enabled=False, fill_width=True, delete_cache=(600, page.keep)) as blocks:
        blocks.inbox, blocks.characters, blocks.messages = inbox, page.limits.characters, page.messages
        blocks.queue(max_size=4 * page.queue.waiting, default_concurrency_limit=4, api_open=False)   # here, as it describes all there is
        gr.HTML(f'<header class="aio-head"><h1>{page.title}</h1><p>{page.tagline}</p></header>')
        mode = widgets.Radio(
            [(config.title, name) for name, config in offered.modes.items()], value=first.mode, label="Mode", elem_id="modes", container=False)
        with gr.Row(equal_height=False, elem_classes="aio-columns"):
            with gr.Column(scale=6, min_width=320):
                built = {}
                for name, each in forms.items():
                    with gr.Column(visible=name == first.mode, elem_id=f"form-{name}", elem_classes="aio-form") as column:
                        built[name] = (column, *_form(each))
            with gr.Column(scale=5, min_width=320, elem_id="result"):
                result = _result()
                gallery = _gallery()
        actions.wire(blocks, desk, forms, built, mode, result, gallery, offered, first.output_dir, endpoint, validator)
        for kind in {type(block) for block in blocks.blocks.values()}:   # gradio asks anew for each component and visitor: 30 ms
            kind.__init__.__signature__ = inspect.signature(kind.__init__)
    return blocks


def _form(form: Form) -> tuple[Parts, Parts]:
    """The components of a mode's form, and those around it that are no input."""
    parts: Parts = {}
    around: Parts = {"samples": []}
    names = order(form)
    front = [name for name in names if name in form.fields and not form.fields[name].advanced and name not in form.added]
    media = [name for name in front if form.fields[name].type in widgets.MEDIA]
    texts = [name for name in front if form.fields[name].type == "STRING"]
    seeds = [name for name in front if form.fields[name].control_after_generate]
    listed = [name for name in front if form.fields[name].type == LIST]
    numbers = [name for name in front if name not in (*media, *texts, *seeds, *listed)]
    with gr.Row(elem_classes="aio-intro"):
        gr.HTML(f"<p>{form.config.summary}</p>")
        for index, _ in enumerate(form.config.examples):
            title = "Fill in a sample" if index == 0 else f"Sample {index + 1}"
            around["samples"].append(gr.Button(title, size="sm", min_width=130, scale=0, elem_id=f"{form.mode}-sample-{index + 1}"))
    if media:
        with gr.Row(equal_height=True):
            for name in media:
                parts[name] = _part(form, name, min_width=220)
    for name in (*listed, *texts):
        parts[name] = _part(form, name)
    groups = form.catalogue.groups
    for group in [name for name, declared in groups.items() if declared.page == "plain" and not declared.fold]:
        parts[group] = _choices(form, group)
    for pair in [numbers[at : at + 2] for at in range(0, len(numbers), 2)]:
        with gr.Row():
            for name in pair:
                parts[name] = _part(form, name, min_width=200)
    for name in seeds:
        with gr.Row(elem_classes="aio-seed"):
            parts[name] = _part(form, name, min_width=150)
            fresh = form.fields[name].control_after_generate == "randomize"
            around["fresh"] = widgets.Checkbox(fresh, label="New one for every run", min_width=150, elem_id=f"{form.mode}-fresh")
            around["last"] = gr.Button("Reuse last", size="sm", min_width=110, scale=0, elem_id=f"{form.mode}-last")
            around["seed"] = name
    for group in [name for name, declared in groups.items() if declared.fold and form.catalogue.choices[name]]:
        with gr.Accordion(groups[group].fold, open=False, elem_id=f"{form.mode}-{group}s"):
            parts[group] = _choices(form, group)
            _fields_of(form, group, parts)
    with gr.Accordion("Advanced", open=False, elem_id=f"{form.mode}-advanced"):
        for group in [name for name, declared in groups.items() if declared.page == "advanced" and not declared.fold]:
            parts[group] = _choices(form, group)
            _fields_of(form, group, parts)
        rest = [name for name in names if name in form.fields and name not in parts]
        for pair in [rest[at : at + 2] for at in range(0, len(rest), 2)]:
            with gr.Row():
                for name in pair:
                    parts[name] = _part(form, name, min_width=200)
    for group in groups:
        if group not in parts:
            parts[group] = widgets.CheckboxGroup([], value=[], visible=False) if groups[group].many else widgets.Radio([], value=None, visible=False)
    around["outlook"] = gr.HTML("", elem_id=f"{form.mode}-outlook", container=False)
    around["run"] = gr.Button("Run", variant="primary", size="lg", elem_id=f"{form.mode}-run", elem_classes="aio-run")
    return {name: parts[name] for name in names}, around


def _part(form: Form, name: str, visible: bool = True, **look: Any) -> Any:
    field = form.fields[name]
    follows = widgets.follows(field, form.config.values.get(name, field.default)) if name in form.following else None
    shown = visible and form.effective(form.config, {}).get(name, True)
    if field.type == LIST:
        return Items(field, form.default(name), elem_id=f"{form.mode}-{name}", visible=shown, **look)
    return widgets.make(field, form.default(name), follows, elem_id=f"{form.mode}-{name}", visible=shown, **look)


def _choices(form: Form, group: str) -> Any:
    declared, known = form.catalogue.groups[group], form.catalogue.choices[group]
    choices = [(f"{choice.title}: {choice.summary}" if choice.summary else choice.title, choice.name) for choice in known]
    usual, label = form.catalogue.usual(form.mode, group), declared.title or group
    look = {"elem_id": f"{form.mode}-{group}", "elem_classes": "aio-choices"}
    if declared.many:
        return widgets.CheckboxGroup(choices, value=usual, label=label, **look)
    return widgets.Radio(choices if usual else [("None", ""), *choices], value=usual, label=label, **look)


def _fields_of(form: Form, group: str, parts: Parts) -> None:
    """The fields that choices of a group add, hidden until one is chosen that does."""
    shown = {name for choice in form.catalogue.choices[group] for name in choice.fields}
    for name in [name for name in form.added if name in shown and name not in parts]:
        parts[name] = _part(form, name, visible=False)


def _result() -> Parts:
    parts: Parts = {"status": gr.HTML(cards.idle(), label="Status", elem_id="status", container=False)}
    parts["stop"] = gr.Button("Stop", variant="stop", elem_id="stop")
    parts["video"] = widgets.Video(
        None, label="Result", show_label=False, interactive=False, elem_id="video", buttons=["download"], autoplay=True, loop=True)
    with gr.Accordion("Recipe", open=False, elem_id="recipe"):
        parts["command"] = gr.Textbox("", label="Command line", lines=3, max_lines=12, interactive=False, buttons=["copy"], elem_id="command")
        with gr.Row():
            parts["recipe"] = widgets.DownloadButton("Download the recipe (JSON)", size="sm", elem_id="recipe-file")
            parts["again"] = gr.Button("Fill the form with it", size="sm", elem_id="again")
    parts["drop"] = widgets.File(label="Drop an mp4 made by aio to fill the form again", file_types=[".mp4"], height=120, elem_id="drop")
    parts["dropped"] = gr.HTML("", elem_id="dropped", container=False)
    return parts


def _gallery() -> Parts:
    with gr.Column(elem_id="gallery"):
        grid = gr.Gallery(
            [], label="Last results", columns=3, fit_columns=False, height="auto", allow_preview=False, interactive=False,
            object_fit="cover", buttons=[], elem_id="results",
        )
    return {"grid": grid, "names": gr.State([])}
