"""Templates: strings of a patch that hold `${WORD:NAME,...}`. Which words there are, and which names a template reads.

In a patch with `each`, `item.KEY` stands for a name, and `${key:}` for the item's number in a list, from 0, or its name in a mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aio.fields.geometry import FUNCTIONS

WORDS = {"value": (1, 1), "pick": (2, 2), "node": (1, 1), "port": (1, 1), "pointer": (1, 99)}
"""Words of a template -> how many names they take; further words are functions of aio.fields.geometry."""

KEY = "key"
"""The word for an item's number or name."""

ALL = (*WORDS, KEY, *FUNCTIONS)

TEMPLATE = re.compile(r"\$\{(\w+):([^{}]*)\}")

_ITEM = re.compile(r"\bitem\.(?=\w)")


def names(template: Any) -> set[str]:
    """Names of the fields and values that a template reads."""
    if isinstance(template, Mapping):
        return set().union(*(names(item) for item in template.values()))
    if isinstance(template, (list, tuple)):
        return set().union(*(names(item) for item in template))
    found: set[str] = set()
    for function, args in TEMPLATE.findall(template if isinstance(template, str) else ""):
        if function == "pick":
            found.update(args.split(",")[1:])
        elif function not in ("node", "pointer", "port", KEY):
            found.update(args.split(","))
    return found


def targets(template: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the nodes and of the ports that a template, or a container of templates, points to."""
    nodes, ports = set[str](), set[str]()
    for text in _texts(template):
        for word, args in TEMPLATE.findall(text):
            if word in ("node", "pointer"):
                nodes.add(args.split(",")[0])
            elif word == "port":
                ports.add(args)
    return frozenset(nodes), frozenset(ports)


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, (Mapping, list, tuple)):
        for item in template.values() if isinstance(template, Mapping) else template:
            yield from _texts(item)


def bound(template: Any, each: str, key: str) -> Any:
    """A template for one item: `${key:}` is `key`, and `item.at` is `EACH[KEY].at`."""
    if isinstance(template, Mapping):
        return {name: bound(item, each, key) for name, item in template.items()}
    if isinstance(template, (list, tuple)):
        return [bound(item, each, key) for item in template]
    if not isinstance(template, str):
        return template
    text = template.replace(f"${{{KEY}:}}", key)
    return TEMPLATE.sub(lambda match: f"${{{match[1]}:{_ITEM.sub(f'{each}[{key}].', match[2])}}}", text)
