"""From a Field to a component. The components pass values through as they came: one place checks them, aio.fields."""

from __future__ import annotations

import secrets
from html import escape
from pathlib import Path
from typing import Any

from aio.fields import MEDIA_TYPES as MEDIA
from aio.fields import RANDOM, Field
from aio.fields.numerals import EXACT_MAX
from aio.machine import links
from aio.ui.toolkit import FileData, gr

__all__ = ["MEDIA", "escape", "following", "follows", "make"]

COMBO_RADIO = 4
"""Up to so many choices are all shown at once."""

SLIDER_RANGE = 10_000
"""A range with more steps than this is typed, not dragged."""


class Raw:
    """Gradio's own look, without its own checks of the value."""

    takes_file = False

    def get_block_name(self) -> str:
        """Name of the frontend part."""
        return type(self).__name__.lower()

    def preprocess(self, payload: Any) -> Any:
        """The value as it came."""
        return payload


class _File(Raw):
    takes_file = True   # aio.ui.guard looks where it lies

    def preprocess(self, payload: Any) -> Any:
        """The uploaded file's path: nothing is opened here."""
        return payload.path if payload else None


class _Measured(Raw):
    """A number whose `field` tells gradio_client and MCP its type and range."""

    field: Field | None = None

    def api_info(self) -> dict[str, Any]:
        """JSON schema of the value."""
        if self.field is None:   # while gradio makes it
            return {"type": "number"}
        if exceeds(self.field):
            exact = {"type": "integer", "minimum": self.field.min or 0, "maximum": EXACT_MAX}
            words = f"|{RANDOM}" if self.field.draws else ""
            return {"anyOf": [exact, {"type": "string", "pattern": f"^(-?[0-9]+{words})$"}]}
        bounds = {"minimum": self.field.min, "maximum": self.field.max, "multipleOf": self.field.step if self.field.type == "INT" else None}
        return {"type": "integer" if self.field.type == "INT" else "number", **{key: bound for key, bound in bounds.items() if bound is not None}}


class Slider(_Measured, gr.Slider):
    """A bounded number."""


class Number(_Measured, gr.Number):
    """A number that is typed."""


class Textbox(_Measured, gr.Textbox):
    """A text; with a `field` a number that may stay empty, where gradio's own number field would show 0, or may have more digits than it keeps."""

    def api_info(self) -> dict[str, Any]:
        """JSON schema of the value."""
        return {"type": "string"} if self.field is None else super().api_info()


class Checkbox(Raw, gr.Checkbox):
    """Yes or no."""


class Dropdown(Raw, gr.Dropdown):
    """One of many."""


class Radio(Raw, gr.Radio):
    """One of a few."""


class CheckboxGroup(Raw, gr.CheckboxGroup):
    """Several of a few."""


class Image(_File, gr.Image):
    """A picture file."""


class Audio(_File, gr.Audio):
    """A sound file."""


class File(_File, gr.File):
    """A file that is dropped."""


class DownloadButton(_File, gr.DownloadButton):
    """A file to take along; as an input, the one that it holds."""


class Video(_File, gr.Video):
    """A video file."""

    def postprocess(self, value: Any) -> Any:
        """The file itself; gradio would look into it with ffprobe, hash it and copy it first."""
        return FileData(path=hidden(Path(value), Path(self.GRADIO_CACHE)), orig_name=Path(value).name) if value else None


def exceeds(field: Field) -> bool:
    """Whether a browser's numbers would lose digits of a field's."""
    return field.type == "INT" and (field.draws if field.max is None else field.max > EXACT_MAX)


def hidden(file: Path, cache: Path) -> str:
    """`file` within gradio's folder, at an address that nobody guesses: who knows it may read it."""
    if file.is_relative_to(cache):
        return str(file)
    target = cache / secrets.token_urlsafe(16) / file.name
    target.parent.mkdir(parents=True)
    links.twin(file, target)
    return str(target)


def make(field: Field, value: Any, follows: str | None, **look: Any) -> Any:
    """The component of a field.

    Args:
        value: shown at first. follows: None, or what an empty field means, e.g. `Preset: 3`.
        look: elem_id and visible.
    """
    common = {"label": field.title, **look}
    words = {"info": _info(field)} if field.tooltip or field.type in ("INT", "FLOAT") else {}
    if field.type == "STRING":
        lines = 3 if field.multiline else 1
        return Textbox(value, placeholder=follows or field.placeholder or None, lines=lines, max_lines=4 * lines, **words, **common)
    if field.type == "BOOLEAN" or field.type == "COMBO":
        return _choice(field, value, follows, words, common)
    if field.type in ("INT", "FLOAT"):
        return _number(field, value, follows, words, common)
    common["label"] = field.title + (" (optional)" if field.optional else "")
    if field.type == "IMAGE":
        return Image(value, type="filepath", sources=["upload", "clipboard"], height=220, buttons=[], **common)
    if field.type == "AUDIO":
        return Audio(value, type="filepath", sources=["upload", "microphone"], editable=False, buttons=[], **common)
    return Video(value, sources=["upload"], height=220, buttons=[], **common)


def _choice(field: Field, value: Any, follows: str | None, words: dict[str, str], common: dict[str, Any]) -> Any:
    if field.type == "BOOLEAN" and follows is None:
        return Checkbox(bool(value), **words, **common)
    options = ["true", "false"] if field.type == "BOOLEAN" else list(field.options)
    if follows is not None:
        return Dropdown([(follows, ""), *((str(option), option) for option in options)], value="", filterable=False, **words, **common)
    kind = Radio if len(options) <= COMBO_RADIO else Dropdown
    return kind(options, value=value, **words, **common)


def _number(field: Field, value: Any, follows: str | None, words: dict[str, str], common: dict[str, Any]) -> Any:
    step = field.step or (1 if field.type == "INT" else 0.01)
    if follows is not None or exceeds(field):
        part = Textbox(value, placeholder=follows, max_lines=1, **words, **common)
    elif field.min is not None and field.max is not None and (field.max - field.min) / step <= SLIDER_RANGE:
        part = Slider(field.min, field.max, value=value, step=step, buttons=[], **words, **common)
    else:
        part = Number(value, step=step, **words, **common)
    part.field = field
    return part


def _info(field: Field) -> str:
    bounds = field.range if field.type in ("INT", "FLOAT") and field.max is not None and field.max < SLIDER_RANGE else ""
    text = ". ".join(filter(None, (field.tooltip, bounds)))
    return text.replace("*", "∗").replace("`", "'")   # gradio takes a pair of either for emphasis, and knows no escape


def follows(field: Field, effective: Any) -> str:
    """What an empty field says: where its value comes from, and which it is."""
    if field.length_of and effective is None:
        return f"As long as the {field.length_of}"
    if field.size_of:
        return f"By the shape of the {field.size_of[0].replace('_', ' ')}"
    return f"Preset: {effective}"


def following(part: Any, means: str) -> dict[str, Any]:
    """The update of a component whose empty value means something else now."""
    if isinstance(part, gr.Dropdown):
        return {"choices": [(means, ""), *part.choices[1:]]}
    return {"placeholder": means} if isinstance(part, gr.Textbox) else {}
