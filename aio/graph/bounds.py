"""What the pinned ComfyUI would refuse of a patched graph: numbers out of a node's range, choices that it does not offer.

ComfyUI says so after the weights are fetched and loaded, and names nodes; here it is said before, and names fields. What is not in the
committed schema is unknown, and passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from aio.config import Config
from aio.errors import AioError, Problem, nearest
from aio.fields import Field, coerce, lists, templates
from aio.fields.numerals import digits
from aio.graph import each, patch, schema, workflow
from aio.graph.draw import Drawn
from aio.graph.schema import Input, NodeClass
from aio.job import Request
from aio.values import Operation, Prompt

TRIES = 1000
"""Steps of a field's range that are tried for a value that fits."""
SHOWN = 20
"""Choices of a node that a message lists."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """An input that is refused: where, what it may be, and the template that its value was rendered from."""

    node: str
    input: Input
    value: Any
    template: Any
    fields: tuple[str, ...]


def refused(drawn: Drawn, nodes: Mapping[str, NodeClass] | None = None) -> list[Problem]:
    """What ComfyUI would refuse of a graph, once for each group of fields that values come from.

    Args:
        nodes: the classes that are known, by default the committed schema.
    """
    groups: dict[tuple[str, ...], list[_Fault]] = {}
    for fault in _faults(drawn, schema.load() if nodes is None else nodes):
        groups.setdefault(fault.fields or (fault.node, fault.input.name), []).append(fault)
    return [_problem(drawn.request, group, drawn.prompt) for group in groups.values()]


def _faults(drawn: Drawn, nodes: Mapping[str, NodeClass]) -> Iterator[_Fault]:
    request, prompt = drawn.request, drawn.prompt
    known_packs = {known.pack for known in nodes.values()}
    offers = known_packs.issuperset(request.config.packs)   # another pack may add samplers, schedulers, ...
    for node_id, node in prompt.items():
        known = nodes.get(node["class_type"])
        for key, wanted in known.inputs.items() if known else ():
            if key not in node["inputs"] or (wanted.when and node["inputs"].get(wanted.when[0]) not in wanted.when[1]):
                continue
            value = node["inputs"][key]
            if not isinstance(value, list) and not fits(wanted, value, offers):
                template = template_of(request, drawn.operations, node_id, key)
                read = templates.names(template)
                fields = tuple(sorted((name for name in read if lists.base(name) in request.config.fields), key=_rank(request.config)))
                yield _Fault(node_id, wanted, value, template, fields)


def fits(wanted: Input, value: Any, offers: bool = True) -> bool:
    """Whether ComfyUI's validate_inputs takes a value as far as range and choices go. offers: whether the choices are known."""
    if wanted.options is not None:
        return wanted.files is not None or not offers or value in wanted.options
    number = _number(wanted, value)
    return number is None or ((wanted.min is None or number >= wanted.min) and (wanted.max is None or number <= wanted.max))


def _number(wanted: Input, value: Any) -> float | None:
    """A value as ComfyUI compares it with a range; None where there is none, or it is no number, which is another fault."""
    convert = {"INT": int, "FLOAT": float}.get(wanted.type)
    try:
        return convert(value) if convert and not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _rank(config: Config) -> Callable[[str], int]:
    """The place of a name's field among the mode's."""
    order = list(config.fields)
    return lambda name: order.index(lists.base(name))


def template_of(request: Request, operations: Sequence[Operation], node_id: str, name: str) -> Any:
    """The template that the value of a node's input was rendered from; None where no patch sets it."""
    made, found = dict(each.chosen(request.config, {**request.config.values, **request.values})), None
    for operation in operations:
        if operation.source not in made or operation.op not in ("add", "replace"):
            continue
        value = made[operation.source][operation.index].get("value")
        if operation.path == f"/{patch.escape(node_id)}" and isinstance(value, Mapping):   # a spliced node
            found = (value.get("inputs") or {}).get(name)
        elif operation.path == f"/{patch.escape(node_id)}/inputs/{patch.escape(name)}":
            found = value
    return found


def _problem(request: Request, group: Sequence[_Fault], prompt: Prompt) -> Problem:
    fault, config, values = group[0], request.config, request.values
    node, wanted = workflow.title(prompt, fault.node), fault.input
    if wanted.options is not None:
        kind, why = "value_not_in_list", f"none of the choices that {node} has for {wanted.name}"
    else:
        number = _number(wanted, fault.value)
        low = wanted.min is not None and number is not None and number < wanted.min
        kind = "value_smaller_than_min" if low else "value_bigger_than_max"
        why = f"{'below' if low else 'above'} the {digits((wanted.min if low else wanted.max) or 0)} that {node} takes as {wanted.name}"
    shown = digits(fault.value) if isinstance(fault.value, (int, float)) else repr(fault.value)
    if wanted.options is not None:
        more = ", …" if len(wanted.options) > SHOWN else ""
        why += f".{nearest(str(fault.value), map(str, wanted.options))} Choices: {', '.join(map(str, wanted.options[:SHOWN]))}{more}"
    if not fault.fields:
        return Problem(config.workflow.name, kind, f"{shown} is {why}; correct it in the workflow, or in the patch that sets it")
    given = {name: lists.at(values, name) for name in fault.fields}
    made = [f"{name}={_typed(value)}" for name, value in given.items()]
    head = shown if len(made) == 1 and given[fault.fields[0]] == fault.value else f"{' and '.join(made)} make{'s' * (len(made) == 1)} {shown},"
    ways = [f"{name}={_typed(value)}" for name in fault.fields if (value := _fitting(request, group, name)) is not None]
    field = next((name for name in fault.fields if lists.base(name) in request.given), fault.fields[0])
    remedy = f"; give {' or '.join(ways)}" if ways else "" if wanted.options else "; give other values"
    return Problem(field, kind, f"{head} {'is ' * (head == shown)}{why}{remedy}")


def _typed(value: Any) -> str:
    return digits(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _fitting(request: Request, group: Sequence[_Fault], name: str) -> Any:
    """The value of a field or of a key of an item, nearest to its own, with which nothing of the group is refused; None where there is none."""
    field = lists.field_of(request.config.fields, name)
    if field is None:
        return None
    for value in _others(group, field, lists.at(request.values, name)):
        try:
            legal = coerce(field, value)
            values = lists.put({**request.config.values, **request.values}, {name: legal})
            if all(fits(fault.input, patch.filled(fault.template, request.config, values)) for fault in group):
                return legal
        except (AioError, ValueError):
            continue
    return None


def _others(group: Sequence[_Fault], field: Field, value: Any) -> Iterator[Any]:
    """Values that a field might have instead, the nearest first."""
    if field.type in ("COMBO", "BOOLEAN"):
        yield from field.options or (True, False)
    elif isinstance(value, (int, float)):
        direct = [fault.input for fault in group if fault.value == value]
        yield from sorted((bound for one in direct for bound in (one.min, one.max) if bound is not None), key=lambda bound: abs(bound - value))
        step = Decimal(str(field.step or (1 if field.type == "INT" else 0.01)))
        start = Decimal(str(value)) // step
        for away in range(TRIES):
            for number in (start - away, start + away) if away else (start,):
                yield type(value)(number * step)
