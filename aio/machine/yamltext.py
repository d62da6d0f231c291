"""YAML, which anyone may have written: size, depth, aliases and tags are bounded before anything is made of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

SIZE_MAX = 1_000_000
"""Bytes of a file. The largest of our own, the registry, has 16,000."""

DEPTH_MAX = 32
"""Collections within each other, aliases followed. Ours have 8."""

NODES_MAX = 20_000
"""Keys and values, an alias counted as what it stands for. The registry has 500. OmegaConf takes 0.1 ms for each."""

_TAGS = frozenset({None, "!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))})


def texts(text: str) -> Any:
    """What a text holds, with every number, date and word as the text that stands there; null alone means nothing.

    Raises:
        ValueError: it is no YAML, or goes beyond a limit; its text says which.
    """
    import yaml

    if len(text) > SIZE_MAX:
        raise ValueError(f"has more than {SIZE_MAX / 1e6:g} MB")
    try:
        bounded(text)
        return yaml.load(text, _text_loader())
    except yaml.YAMLError as error:
        raise ValueError(f"is not understood ({fault(error)}); a text with , : # or brackets wants quotes") from None


def fault(error: Any) -> str:
    """What is wrong, of a YAMLError."""
    return getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).split("\n")[0]


@dataclass(slots=True)
class _Open:
    """A collection that has not ended: what it holds so far, aliases followed."""

    anchor: str | None
    mapping: bool
    nodes: int = 1
    height: int = 0
    keys: set[str] = field(default_factory=set)
    key_next: bool = True


def bounded(text: str) -> None:
    """Look through the parser's events, of which nothing is built.

    Raises:
        ValueError: a limit is passed, or something that configuration has no use for; its text says which, and where.
    """
    import yaml

    documents, total, anchors, stack = 0, 0, dict[str, tuple[int, int]](), list[_Open]()
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        where = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise ValueError(f"{where}a second document begins; give one file for each")
        if isinstance(event, yaml.NodeEvent):
            tag = getattr(event, "tag", None)
            if tag not in _TAGS:
                raise ValueError(f"{where}the tag {tag!r} is not allowed; write plain values")
            nodes, height = 1, 0
            if isinstance(event, yaml.AliasEvent):
                if event.anchor not in anchors:
                    raise ValueError(f"{where}*{event.anchor} stands for nothing, or for what holds it")
                nodes, height = anchors[event.anchor]
            if stack:
                _note_key(stack[-1], event, where)
            total += nodes
            if total > NODES_MAX:
                raise ValueError(f"{where}more than {NODES_MAX:,} keys and values, aliases counted as what they stand for")
            if len(stack) + height >= DEPTH_MAX:
                raise ValueError(f"{where}nested more than {DEPTH_MAX} levels deep")
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append(_Open(event.anchor, isinstance(event, yaml.MappingStartEvent)))
                continue
            if isinstance(event, yaml.ScalarEvent) and event.anchor:
                anchors[event.anchor] = (1, 0)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            nodes, height = done.nodes, done.height
            if done.anchor:
                anchors[done.anchor] = (nodes, height)
        else:
            continue
        if stack:
            stack[-1].nodes += nodes
            stack[-1].height = max(stack[-1].height, height + 1)


def _note_key(inside: _Open, event: Any, where: str) -> None:
    """A key must be a text, and stand once."""
    if not inside.mapping:
        return
    if inside.key_next:
        text = getattr(event, "value", None)
        if text is None:
            raise ValueError(f"{where}a key must be a text")
        if text in inside.keys and text != "<<":
            raise ValueError(f"{where}the key {text!r} stands there twice")
        inside.keys.add(text)
    inside.key_next = not inside.key_next


@functools.cache
def _text_loader() -> Any:
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    null = "tag:yaml.org,2002:null"
    resolvers = {first: [one for one in found if one[0] == null] for first, found in base.yaml_implicit_resolvers.items()}
    return type("TextLoader", (base,), {"yaml_implicit_resolvers": resolvers})
