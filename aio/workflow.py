"""Workflows: load an API-format file, and look at the links of a prompt."""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from aio.errors import WorkflowError
from aio.values import Link, Prompt

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
    except OSError as error:
        raise WorkflowError(f"workflow {path}: {error.strerror or error}; give mode.workflow an API-format file") from None


@functools.lru_cache(maxsize=64)
def _checked(path: Path, _mtime_ns: int, _size: int) -> str:
    """The text of a sound workflow file."""
    # Keyed by time and size, so that a sweep reads each file once and an edited one again.
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except OSError as error:
        raise WorkflowError(f"workflow {path}: {error.strerror}; give mode.workflow an API-format file") from None
    except ValueError as error:
        raise WorkflowError(f"workflow {path}: not JSON ({error}); export it again: Workflow > Export (API)") from None
    if isinstance(data, dict) and isinstance(data.get("nodes"), list):
        raise WorkflowError(
            f"workflow {path}: this is ComfyUI's editor format (it has a 'nodes' array); "
            "in ComfyUI choose Workflow > Export (API) and use that file"
        )
    if not isinstance(data, dict) or not data:
        raise WorkflowError(f"workflow {path}: expected an object of nodes; export it with Workflow > Export (API)")
    for node_id, node in data.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str) or not isinstance(node.get("inputs"), dict):
            raise WorkflowError(f"workflow {path}: node {node_id!r} lacks class_type or inputs; export it again")
    return text


def copied(value: Plain) -> Plain:
    """A copy that shares nothing with `value`, a prompt or a part of one; for plain data a pickle is ten times as fast as copy.deepcopy."""
    return pickle.loads(pickle.dumps(value))


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


def title(prompt: Prompt, node_id: str) -> str:
    """`24 Sample, stage 1 (SamplerCustomAdvanced)`: how messages name a node."""
    node = prompt.get(node_id)
    if node is None:
        return str(node_id)
    name = node.get("_meta", {}).get("title")
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
        path: list[str] = []
        stack = [(start, iter([s for _, (s, _) in links(prompt[start])]))]
        path.append(start)
        while stack:
            node_id, sources = stack[-1]
            source = next((s for s in sources if s in prompt and s not in done), None)
            if source is None:
                done.add(node_id)
                stack.pop()
                path.pop()
            elif source in path:
                return [*path[path.index(source):], source]
            else:
                path.append(source)
                stack.append((source, iter([s for _, (s, _) in links(prompt[source])])))
    return []
