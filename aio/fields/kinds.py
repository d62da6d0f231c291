"""Field: one parameter of a mode, as a mode's file declares it, and the types that there are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aio.fields.amounts import KEY, Count
from aio.fields.conditions import Condition
from aio.fields.numerals import digits

TEXT_TYPES = frozenset({"STRING"})
MEDIA_TYPES = frozenset({"IMAGE", "AUDIO", "VIDEO"})
LITERAL_TYPES = TEXT_TYPES | MEDIA_TYPES
"""Types whose value is text: never split, parsed or interpolated."""
LIST = "LIST"
"""The type of a field that holds items, each a mapping of the same keys; every key is a field of its own, with its checks."""
ITEM_TYPES = LITERAL_TYPES | {"INT", "FLOAT", "BOOLEAN", "COMBO"}
TYPES = ITEM_TYPES | {LIST}

RANDOM = "random"
"""What is given to have a number drawn."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of a mode.

    Attributes:
        name: name on the command line, in the API and in templates.
        type: STRING, INT, FLOAT, BOOLEAN, COMBO, IMAGE, AUDIO, VIDEO or LIST.
        default: value when nothing else sets one; None makes the field required unless `optional`.
        min, max: inclusive bounds. step: a legal INT is a multiple of it (and the widget's step).
        options: choices of a COMBO.
        display_name, tooltip, placeholder, multiline, advanced, control_after_generate: as in ComfyUI. An INT that has the last
            may be drawn (`random`).
        optional: the field may stay empty.
        when: the field has an effect only where this condition holds.
        length_of: name of an AUDIO or VIDEO input whose length is the default (seconds).
        format: of a STRING, one of aio.fields.formats.FORMATS; `min` and `max` bound the numbers in it.
        below: name of a number field; the value must be smaller than that field's.
        at_most: name of a number field; the value must not be larger than that field's.
        size_of: of width and height: names of the IMAGE and VIDEO inputs fitted to the clip. The first one given sets the shape, defaults the pixels.
        items: of a LIST: key -> the field that it is in each item (JSON Schema's `items`). min_items, max_items: how many there may be.
        also: names that other tools have for it. source: the config file that says of it what counts.
    """

    name: str = dataclasses.field(metadata=KEY)
    type: str
    default: Any = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    options: tuple[Any, ...] = ()
    display_name: str = ""
    tooltip: str = ""
    placeholder: str = ""
    multiline: bool = False
    advanced: bool = False
    control_after_generate: str | None = None
    optional: bool = False
    when: Condition | None = None
    length_of: str | None = None
    format: str | None = None
    below: str | None = None
    at_most: str | None = None
    size_of: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    source: str = ""
    items: Mapping[str, Field] = dataclasses.field(default_factory=dict)
    min_items: Count | None = None
    max_items: Count | None = None

    @property
    def title(self) -> str:
        """Name for people."""
        return self.display_name or self.name.replace("_", " ").capitalize()

    @property
    def required(self) -> bool:
        """Whether a job without a value is refused."""
        return self.default is None and not self.optional and self.length_of is None and (self.type != LIST or bool(self.min_items))

    @property
    def draws(self) -> bool:
        """Whether a value may be drawn by chance."""
        return self.type == "INT" and bool(self.control_after_generate)

    @property
    def range(self) -> str:
        """The legal values, for help and messages."""
        if self.type == "COMBO":
            return " | ".join(map(str, self.options))
        if self.type == LIST:
            return f"{self.min_items or 0} to {self.max_items or 'any number of'} items of {', '.join(self.items)}"
        if self.min is None and self.max is None:
            return ""
        if self.max is None:
            return f"{digits(self.min or 0)} or more"
        low, high = (digits(bound) if bound is not None else "" for bound in (self.min, self.max))
        step = f", step {self.step:g}" if self.step and self.type == "INT" and self.step != 1 else ""
        return f"{low} to {high}{step}"
