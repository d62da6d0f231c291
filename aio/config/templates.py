"""What the templates of a patch name: nodes, ports and fields of a mode. aio.graph.patch renders them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WORD = re.compile(r"\$\{(\w+):([^{}]*)\}")
"""A word of a template and its names, separated by commas."""

_FIELDS_FROM = {"node": None, "port": None, "pointer": None, "pick": 1}
"""Word -> the first of its names that is a field's, None where none is; all are of further words."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a template names."""

    nodes: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


def names(template: Any) -> Names:
    """What a template, or a container of templates, names."""
    found: dict[str, set[str]] = {"nodes": set(), "ports": set(), "fields": set()}
    for text in _texts(template):
        for word, args in WORD.findall(text):
            given, first = args.split(","), _FIELDS_FROM.get(word, 0)
            if word in ("node", "pointer"):
                found["nodes"].add(given[0])
            elif word == "port":
                found["ports"].add(given[0])
            found["fields"].update(given[first:] if first is not None else ())
    return Names(**{kind: frozenset(each) for kind, each in found.items()})


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, Mapping):
        for item in template.values():
            yield from _texts(item)
    elif isinstance(template, (list, tuple)):
        for item in template:
            yield from _texts(item)
