"""Compare a prompt with the committed schema of ComfyUI's node classes: names, types, ranges, choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aio import workflow
from aio.errors import nearest
from aio.schema import Input, NodeClass
from aio.values import Prompt

_NUMBERS = {"INT": int, "FLOAT": (int, float)}


def faults(prompt: Prompt, schema: Mapping[str, NodeClass]) -> list[str]:
    """Sentences about every class, input, link or value that the pinned ComfyUI would refuse."""
    return [fault for node_id in prompt for fault in _node(prompt, node_id, schema)]


def _node(prompt: Prompt, node_id: str, schema: Mapping[str, NodeClass]) -> Iterator[str]:
    node, name = prompt[node_id], workflow.title(prompt, node_id)
    known = schema.get(node["class_type"])
    if known is None:
        yield f"{name}: class {node['class_type']} is not in the node schema.{nearest(node['class_type'], schema)}"
        return
    inputs = node["inputs"]
    for key in inputs:
        if key not in known.inputs:
            yield f"/{node_id}/inputs/{key}: {name} has no such input.{nearest(key, known.inputs)}"
    for key, wanted in known.inputs.items():
        if wanted.when and inputs.get(wanted.when[0]) not in wanted.when[1]:
            continue
        if key in inputs:
            yield from (f"/{node_id}/inputs/{key}: {name}: {fault}" for fault in _input(prompt, wanted, inputs[key], schema))
        elif wanted.required:
            yield f"/{node_id}/inputs/{key}: {name}: required input is missing"


def _input(prompt: Prompt, wanted: Input, value: Any, schema: Mapping[str, NodeClass]) -> Iterator[str]:
    link = workflow.as_link(value)
    if link:
        yield from _link(prompt, wanted, link, schema)
    elif wanted.is_link:
        yield f"needs a link of type {wanted.type}, found {value!r}"
    elif wanted.options is not None and wanted.files is None and value not in wanted.options:
        yield f"{value!r} is not one of {', '.join(map(str, wanted.options))}.{nearest(str(value), map(str, wanted.options))}"
    elif wanted.files is not None and not isinstance(value, str):
        yield f"{value!r} is not a file name"
    else:
        yield from _value(wanted, value)


def _value(wanted: Input, value: Any) -> Iterator[str]:
    kind = wanted.type.split(",")[0]
    if kind in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, _NUMBERS[kind]):
            yield f"{value!r} is not a {kind}"
            return
        if wanted.min is not None and value < wanted.min:
            yield f"{value} is below {wanted.min}"
        if wanted.max is not None and value > wanted.max:
            yield f"{value} is above {wanted.max}"
    elif kind == "STRING" and not isinstance(value, str):
        yield f"{value!r} is not a STRING"
    elif kind == "BOOLEAN" and not isinstance(value, bool):
        yield f"{value!r} is not a BOOLEAN"


def _link(prompt: Prompt, wanted: Input, link: tuple[str, int], schema: Mapping[str, NodeClass]) -> Iterator[str]:
    source, slot = link
    known = schema.get(prompt[source]["class_type"]) if source in prompt else None
    if known is None:
        return   # a dangling link or an unknown class is reported on its own
    if not 0 <= slot < len(known.outputs):
        yield f"links to slot {slot} of {workflow.title(prompt, source)}, which has {len(known.outputs)}"
        return
    given = known.outputs[slot]
    if "*" not in (given, wanted.type) and not set(given.split(",")) & set(wanted.type.split(",")):
        yield f"needs {wanted.type}, {workflow.title(prompt, source)} gives {given}"
