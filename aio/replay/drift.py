"""What is not as it was when a clip was made: its recipe against the one that the same job has now, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aio.fields import lists
from aio.recipe import provenance
from aio.replay.asked import brief
from aio.values import Prompt

SHOWN = 8
"""Differences that a message names."""

_Key = tuple[str, str]
_ABSENT = object()


def between(old: Mapping[str, Any], now: Mapping[str, Any], varied: Mapping[str, Any] | None = None, graph: Prompt | None = None) -> str:
    """One sentence about what differs, empty where nothing does.

    Args:
        old: the recorded recipe, which anyone may have written. now: the one of the same job today.
        graph: the mode's workflow; an operation of today that sets what stands there already is no difference.
        varied: the one of the job as it will run, where the user varies it: what he changed, and what follows from it, is no difference.
    """
    before, after = _flat(old), _flat(now)
    last = after if varied is None else _flat(varied)
    keys = [key for key in dict.fromkeys([*before, *after]) if not _same(before, after, key) and _same(after, last, key)]
    if graph and before.get(("workflow", "")) == after.get(("workflow", "")):
        keys = [key for key in keys if key in before or not _stands(graph, key, after[key])]
    told = [(before.get(key), after.get(key)) for key in keys if key[0] in ("values", "settings", "models")]
    keys = [key for key in keys if key[0] != "operations" or not _follows(before.get(key), after.get(key), told)]
    found = [_words(key, before.get(key, _ABSENT), after.get(key, _ABSENT)) for key in keys if key[0] != "operations"]
    found += _graph([key[1] for key in keys if key[0] == "operations"], before, after)
    if not found:
        return ""
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"not as it was then: {'; '.join(found[:SHOWN])}{more}; the clip may differ"


def _stands(graph: Prompt, key: _Key, operations: Any) -> bool:
    """Whether operations of today set, or test, what the workflow holds."""
    found: Any = graph
    for part in key[1].split("/")[1:]:
        found = found.get(part, _ABSENT) if isinstance(found, dict) else _ABSENT
    same = [{"op": op, "value": found} for op in ("replace", "test")]
    return key[0] == "operations" and found is not _ABSENT and all(one in same for one in operations)


def _same(one: Mapping[_Key, Any], other: Mapping[_Key, Any], key: _Key) -> bool:
    a, b = one.get(key, _ABSENT), other.get(key, _ABSENT)
    return a is b or (a is not _ABSENT and b is not _ABSENT and a == b and isinstance(a, bool) == isinstance(b, bool))


def _flat(data: Mapping[str, Any]) -> dict[_Key, Any]:
    """(part, name) -> value of all that determines a result; of an operation the name is its pointer."""
    parts = provenance.determinants(data)
    found: dict[_Key, Any] = {}
    for part in ("choices", "values", "settings", "models", "pins"):
        found |= {(part, str(name)): value for name, value in lists.flat(parts[part] or {}).items() if part != "choices" or value is not None}
    found[("workflow", "")] = parts["workflow"]
    for index, operation in enumerate(parts["operations"]):
        if isinstance(operation, Mapping):
            path = str(operation.get("path"))
            rest = {key: value for key, value in operation.items() if key != "path"}
            found.setdefault(("operations", path), []).append(rest)
        else:
            found[("operations", f"#{index}")] = [operation]
    return found


def _follows(before: Any, after: Any, told: list[tuple[Any, Any]]) -> bool:
    """Whether an operation differs by a value alone whose own difference is told."""
    pairs = [tuple(one.get("value") for one in (old, new)) for old, new in zip(before or (), after or ()) if isinstance(old, Mapping) and old != new]
    return bool(pairs) and len(before or ()) == len(after or ()) and all(pair in told for pair in pairs)


def _words(key: _Key, old: Any, new: Any) -> str:
    part, name = key[0], brief(key[1])[1:-1]
    if part == "workflow":
        return "the mode's workflow file has changed"
    if part == "models":
        return _models(name, old, new)
    what = {"pins": f"the revision of {name}"}.get(part, name)
    return f"{what} {_change(old, new)}"


def _change(old: Any, new: Any) -> str:
    if old is _ABSENT:
        return f"was not there, is {brief(new)}"
    if new is _ABSENT:
        return f"was {brief(old)}, is not there now"
    return f"was {brief(old)}, is {brief(new)}"


def _models(name: str, old: Any, new: Any) -> str:
    if old is _ABSENT:
        return f"the weights {name} were not used then"
    if new is _ABSENT:
        return f"the weights {name} are not used now"
    return f"the weights {name} were {brief(old, 16)}, are {brief(new, 16)}"


def _graph(pointers: Iterable[str], before: Mapping[_Key, Any], after: Mapping[_Key, Any]) -> Iterator[str]:
    """The operations that differ, a phrase for each node."""
    nodes: dict[str, list[str]] = {}
    for pointer in pointers:
        node, _, rest = pointer.removeprefix("/").partition("/")
        old, new = before.get(("operations", pointer), _ABSENT), after.get(("operations", pointer), _ABSENT)
        what = brief(rest.removeprefix("inputs/"))[1:-1]
        inside = nodes.setdefault(node, [])
        inside.append(f"{what} {_change(*_values(old, new))}".lstrip() if not inside else what)
    for node, inside in nodes.items():
        yield f"in the graph node {brief(node)[1:-1]}: {', '.join(inside[:SHOWN])}{' …' if len(inside) > SHOWN else ''}"


def _values(old: Any, new: Any) -> tuple[Any, Any]:
    """What the operations at one pointer set, as far as they differ."""
    if old is _ABSENT or new is _ABSENT:
        return _last(old), _last(new)
    pairs = [(a, b) for a, b in zip(old, new) if a != b]
    return (_last([pairs[-1][0]]), _last([pairs[-1][1]])) if pairs else (_last(old[len(new):]), _last(new[len(old):]))


def _last(operations: Any) -> Any:
    if operations is _ABSENT or not operations:
        return _ABSENT
    last = operations[-1]
    return last.get("value", last.get("op")) if isinstance(last, Mapping) else last
