"""The constants of a recipe, told from configuration and graph alone: what fields are set to, and every input of a node that no field drives."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aio import check
from aio.config import Config
from aio.fields import MEDIA_TYPES, holds, lists, templates
from aio.graph import each, workflow
from aio.graph.draw import draw
from aio.job import Request
from aio.values import Operation, Prompt


@dataclass(frozen=True, slots=True)
class Constant:
    """One value in one composition.

    Attributes:
        name: of a field or setting; or NODE.INPUT, where NODE is the mode's name for it, else the key under which a patch adds it, else its class.
        where: the inputs that a field drives, or the literal's own, each CLASS.INPUT. Empty: it decides which patches apply.
        mode, preset, model: the composition.
    """

    name: str
    value: Any
    where: tuple[str, ...]
    mode: str
    preset: str
    model: str


def of(config: Config) -> Iterator[Constant]:
    """Every constant of a composition, once: of its usual graph, and of each that a choice or an optional input makes of it.

    Raises:
        AioError: it gives no graph.
    """
    found: dict[tuple[str, str], Constant] = {}
    for params in _variants(config):
        job = check.sample(config, params)
        drives, literals = _graph(job)
        told = [(name, value, drives.get(name, ())) for name, value in {**_settings(config), **_set(job)}.items()]
        for name, value, where in [*told, *literals]:
            one = Constant(name, value, where, config.mode, str(config.choices.get("preset")), str(config.choices.get("model")))
            known = found.get((name, repr(value)))
            if known is None or len(known.where) < len(where):   # a variant may give a field more to drive
                found[name, repr(value)] = one
    yield from found.values()


def _variants(config: Config) -> Iterator[Mapping[str, Any]]:
    """The usual job, and one for each option that decides over patches and that the preset leaves open, with every optional input."""
    conditions = {name for item in config.patches for name in (item.when or {})}
    inputs = {f.name: f"aio/{f.name}" for f in config.fields.values() if f.type in MEDIA_TYPES and f.optional}
    yield {}
    for field in config.fields.values():
        if field.name in conditions and field.type == "COMBO" and field.name not in config.values:
            yield from ({**inputs, field.name: option} for option in field.options)


def _settings(config: Config) -> dict[str, Any]:
    """Values that are no fields, and that the patches read, also those that the mode cannot take."""
    read = {name for item in (*config.patches, *config.missing) for name in (*(item.when or {}), *each.reads(config, item))}
    return {name: value for name, value in config.values.items() if name not in config.fields and name in read}


def _set(job: Request) -> dict[str, Any]:
    """What fields are unless a user sets them: all that a preset sets, the others where they have an effect."""
    preset, values = job.config.values, {**job.config.values, **job.values}
    known = {name: preset.get(name, field.default) for name, field in job.config.fields.items() if field.type not in MEDIA_TYPES}
    return {name: value for name, value in known.items() if value is not None and (name in preset or holds(job.config.fields[name].when, values))}


def _graph(job: Request) -> tuple[dict[str, tuple[str, ...]], list[tuple[str, Any, tuple[str, ...]]]]:
    """Field -> the inputs that it drives; the literals, each with its name, value and input."""
    drawn = draw(job)
    driven, names = _driven(job, drawn.operations), _names(job.config, drawn.prompt)
    drives: dict[str, tuple[str, ...]] = {}
    literals: list[tuple[str, Any, tuple[str, ...]]] = []
    for node_id, node in drawn.prompt.items():
        for key, value in node["inputs"].items():
            where = f"{node['class_type']}.{key}"
            for field in driven.get((node_id, key), ()):
                drives[field] = tuple(dict.fromkeys((*drives.get(field, ()), where)))
            if not driven.get((node_id, key)) and workflow.as_link(value) is None:
                literals.append((f"{names[node_id]}.{key}", value, (where,)))
    return drives, literals


def _driven(job: Request, operations: Sequence[Operation]) -> dict[tuple[str, str], frozenset[str]]:
    """Node and input -> the fields that its value is made of, none for what an operation writes as it stands."""
    chosen = each.chosen(job.config, {**job.config.values, **job.values})
    made = {(source, index): template for source, several in chosen for index, template in enumerate(several)}
    found = dict[tuple[str, str], frozenset[str]]()
    for operation in operations:
        if operation.op not in ("add", "replace"):
            continue   # the others move links
        # An operation that no template made sets the name of the file.
        template = made.get((operation.source, operation.index), {"value": "${value:file}"})["value"]
        node_id, *rest = operation.path.split("/")[1:]
        if len(rest) == 2:
            found[node_id, rest[1]] = _fields(template, job.config.fields)
        elif not rest:
            found |= {(node_id, key): _fields(item, job.config.fields) for key, item in template["inputs"].items()}
    return found


def _fields(template: Any, fields: Container[str]) -> frozenset[str]:
    """Fields that a value is made of. What `pick` finds in a table is a constant, one for each choice."""
    picked = isinstance(template, str) and template.startswith("${pick:")
    read = set() if picked else templates.names(template)
    return frozenset(lists.base(name) for name in read if "[" not in name or lists.base(name) in fields)   # else a fact of the configuration


def _names(config: Config, prompt: Prompt) -> dict[str, str]:
    """Node id -> its name: the mode's, else the key under which it was added, else its class, with the id where there are several."""
    given = {node.id: name for name, node in reversed(list(config.nodes.items()))}
    classes = [node["class_type"] for node_id, node in prompt.items() if node_id.isdigit() and node_id not in given]
    return {
        node_id: given.get(node_id) or (node_id if not node_id.isdigit() else node["class_type"] if classes.count(node["class_type"]) == 1
                                        else f"{node['class_type']} {node_id}")
        for node_id, node in prompt.items()
    }
