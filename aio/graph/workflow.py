"""Workflows: load an API-format file, and look at the links of a prompt."""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from aio.errors import WorkflowError
from aio.machine.outside import json_of, text_of
from aio.values import Link, Prompt

NODES_MAX = 10_000
"""Nodes of a workflow. The largest of our own has 40, the largest known ones some hundreds."""

Plain = TypeVar("Plain")
"""JSON values."""


def load(path: Path) -> Prompt:
    """Return a fresh copy of the workflow at `path`.

    Raises:
        WorkflowError: the file is missing, not JSON, in editor format, or not a graph of nodes.
    """
    try:
        stat = path.stat()
        return json.loads(_checked(path, stat.st_mtime_ns, stat.st_size))   # faster than a deep copy
    except (OSError, ValueError) as error:   # a name with NUL in it is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise WorkflowError(f"workflow {path}: {reason}; give mode.workflow an API-format file") from None


@functools.lru_cache(maxsize=64)
def _checked(path: Path, _mtime_ns: int, _size: int) -> str:
    """The text of a sound workflow file."""
    # Keyed by time and size, so that a sweep reads each file once and an edited one again.
    try:
        text = text_of(path)
        data = json_of(text)
    except OSError as error:
        raise WorkflowError(f"workflow {path}: {error.strerror or error}; give mode.workflow an API-format file") from None
    except ValueError as error:
        raise WorkflowError(f"workflow {path}: not JSON ({error}); export it again: Workflow > Export (API)") from None
    if isinstance(data, dict) and isinstance(data.get("nodes"), list):
        raise WorkflowError(
            f"workflow {path}: this is ComfyUI's editor format (it has a 'nodes' array); "
            "in ComfyUI choose Workflow > Export (API) and use that file"
        )
    if not isinstance(data, dict) or not data:
        raise WorkflowError(f"workflow {path}: expected an object of nodes; export it with Workflow > Export (API)")
    if len(data) > NODES_MAX:
        raise WorkflowError(f"workflow {path}: {len(data):,} nodes, and {NODES_MAX:,} is the most")
    for node_id, node in data.items():
        fault = fault_of(node)
        if fault:
            raise WorkflowError(f"workflow {path}: node {node_id[:80]!r} {fault}; export it again: Workflow > Export (API)")
    return text


def fault_of(node: Any) -> str:
    """What keeps a value from being a node of a prompt, empty where nothing does."""
    if not isinstance(node, dict):
        return "is no object with class_type and inputs"
    if not isinstance(node.get("class_type"), str) or not isinstance(node.get("inputs"), dict):
        return "lacks class_type (a text) or inputs (an object)"
    note = node.get("_meta", {})
    if not isinstance(note, dict) or not isinstance(note.get("title", ""), str):
        return "has a _meta without a title"
    return ""


def copied(value: Plain) -> Plain:
    """A copy that shares nothing with `value`, a prompt or a part of one; for plain data a pickle is ten times as fast as copy.deepcopy."""
    return pickle.loads(pickle.dumps(value))


def size(value: Any) -> int:
    """About how many bytes a prompt, or whatever became of one, has."""
    return len(pickle.dumps(value))


def as_link(value: Any) -> Link | None:
    """Return (node id, slot) where `value` is a link, else None."""
    if isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], str):
        if isinstance(value[1], int) and not isinstance(value[1], bool):
            return value[0], value[1]
    return None


def links(node: Mapping[str, Any]) -> Iterator[tuple[str, Link]]:
    """Yield (input name, source) of every linked input of a node."""
    for name, value in node["inputs"].items():
        link = as_link(value)
        if link:
            yield name, link


def titled(node: Mapping[str, Any]) -> str:
    """The title that a node has in the editor, empty where it has none; in a foreign graph `_meta` may be anything."""
    note = node.get("_meta")
    return str(note.get("title") or "") if isinstance(note, Mapping) else ""


def title(prompt: Prompt, node_id: str) -> str:
    """`24 Sample, stage 1 (SamplerCustomAdvanced)`: how messages name a node."""
    node = prompt.get(node_id)
    if node is None:
        return str(node_id)
    name = titled(node)
    return f"{node_id} {name} ({node['class_type']})" if name else f"{node_id} ({node['class_type']})"


def ancestors(prompt: Prompt, node_id: str) -> set[str]:
    """Ids of all nodes that feed `node_id`, itself included. Dangling links are left out."""
    seen: set[str] = set()
    pending = [node_id]
    while pending:
        current = pending.pop()
        if current not in seen and current in prompt:
            seen.add(current)
            pending += [source for _, (source, _) in links(prompt[current])]
    return seen


def faults(prompt: Prompt, output: str) -> list[str]:
    """Sentences about dangling links, cycles, and nodes that do not feed node `output`."""
    found = [
        f"{title(prompt, node_id)}: input {name} links to node {source}, which is not there"
        for node_id, node in prompt.items()
        for name, (source, _) in links(node)
        if source not in prompt
    ]
    if output not in prompt:
        return [*found, f"the output node {output} is not in the graph"]
    alive = ancestors(prompt, output)
    found += [f"{title(prompt, node_id)}: dead node, nothing of it reaches the output" for node_id in prompt if node_id not in alive]
    cycle = _cycle(prompt)
    return [*found, f"cycle through {' -> '.join(cycle)}"] if cycle else found


def _cycle(prompt: Prompt) -> list[str]:
    done: set[str] = set()
    for start in prompt:
        path = {start: None}   # in order, and looked up fast
        stack = [(start, iter([s for _, (s, _) in links(prompt[start])]))]
        while stack:
            node_id, sources = stack[-1]
            source = next((s for s in sources if s in prompt and s not in done), None)
            if source is None:
                done.add(node_id)
                stack.pop()
                del path[node_id]
            elif source in path:
                steps = list(path)
                return [*steps[steps.index(source):], source]
            else:
                path[source] = None
                stack.append((source, iter([s for _, (s, _) in links(prompt[source])])))
    return []
