"""Fields that follow an input (`length_of`, `size_of`): what a mode's file may say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aio.errors import nearest
from aio.fields import LIST, Field
from aio.fields.geometry import SIZE

_LENGTHS, _SHAPES = ("AUDIO", "VIDEO"), ("IMAGE", "VIDEO")


def faults(fields: Mapping[str, Field]) -> Iterator[str]:
    """What is wrong with them, each as a sentence."""
    for name, field in fields.items():
        if field.length_of:
            yield from _input(f"fields.{name}.length_of", field.length_of, fields, _LENGTHS)
        for source in field.size_of:
            yield from _input(f"fields.{name}.size_of", source, fields, _SHAPES)
        if field.size_of and not (name in SIZE and set(SIZE) <= set(fields)):
            yield f"fields.{name}.size_of: only {' and '.join(SIZE)} follow a shape, and a mode needs both; name the fields so"
        elif field.size_of and (field.type != "INT" or not field.default):
            yield f"fields.{name}: with size_of it needs type: INT and a default, for the pixels of the default size are those of every shape"


def _input(where: str, source: str, fields: Mapping[str, Field], types: tuple[str, str]) -> Iterator[str]:
    inputs = [name for name, field in fields.items() if field.type in types]
    if types is _SHAPES:
        inputs += [name for name, field in fields.items() if field.type == LIST and any(one.type in types for one in field.items.values())]
    if source not in inputs:
        yield f"{where}: {source!r} is no {' or '.join(types)} input of the mode.{nearest(source, inputs)} Inputs: {', '.join(inputs) or 'none'}"
