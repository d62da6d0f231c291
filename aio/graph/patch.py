"""Patches: render a mode's RFC 6902 templates with a request's values, and apply them to a workflow.

A template is an RFC 6902 operation whose strings may hold

    ${value:FIELD}              the field's value, in its type
    ${pick:TABLE,FIELD}         tables.TABLE[value of FIELD], e.g. the checkpoint of a model variant
    ${FUNCTION:FIELD,...}       a function of aio.fields.geometry on the fields' values
    ${node:NAME}                the id of a node
    ${pointer:NODE,KEY,...}     /<id>/inputs/<KEY>/..., escaped per RFC 6901
    ${port:NAME}                the inputs of a port; an operation on it applies to each of them
    ${key:}, item.KEY           in a patch with `each`: the item's number or name, and as a FIELD a key of the item, as in ${value:item.at}

Values are inserted once and never looked at again, so a `${...}` inside a user's text stays text.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonpatch
import jsonpointer

from aio.config import Config
from aio.errors import ConfigError, PatchError, nearest
from aio.fields.geometry import FUNCTIONS
from aio.fields.templates import TEMPLATE, WORDS
from aio.graph import each, workflow
from aio.job import Request
from aio.values import Operation, Prompt

COPIED_MAX = 1_000_000
"""Bytes by which the `copy` operations of a patch may let a graph grow. Ours copy links of 10 bytes."""

GUARD = "guard"
"""Source of generated operations."""

NEEDS = {
    "add": ("path", "value"), "replace": ("path", "value"), "test": ("path", "value"), "remove": ("path",),
    "move": ("path", "from"), "copy": ("path", "from"),
}
"""Operations of RFC 6902 -> what stands beside `op`."""

def escape(token: str) -> str:
    """One reference token of an RFC 6901 pointer."""
    return jsonpointer.escape(token)


def render(request: Request) -> tuple[Operation, ...]:
    """Return the operations of a request: guards first, then every patch whose condition holds.

    Each node of the workflow that an operation touches is guarded by a `test` of its class_type, so that a
    re-exported workflow that drifted is refused before it runs. The last operation sets the output's file prefix.

    Raises:
        ConfigError: a template names a field, node, port, table or function that is not there.
    """
    config, values = request.config, {**request.config.values, **request.values}
    operations: list[Operation] = []
    touched: dict[str, None] = {}
    for source, templates in each.chosen(config, values):
        for index, template in enumerate(templates):
            scope = _Scope(config, values, touched, source, index)
            operations += scope.expand(template)
    output = config.node(config.output.node)
    touched[config.output.node] = None
    operations.append(Operation("replace", f"/{output.id}/inputs/filename_prefix", request.prefix, source="output"))
    guards = [
        Operation("test", f"/{escape(config.node(name).id)}/class_type", config.node(name).class_type, source=GUARD)
        for name in touched
    ]
    return (*guards, *operations)


class _Scope:
    """Expands one template; remembers the nodes it names in `touched`."""

    def __init__(self, config: Config, values: Mapping[str, Any], touched: dict[str, None], source: str, index: int):
        self.config, self.values, self.touched, self.source, self.index = config, values, touched, source, index

    def expand(self, template: Mapping[str, Any]) -> Iterator[Operation]:
        op, needs = template.get("op"), NEEDS.get(str(template.get("op")), ())
        if not needs or not set(template) == {"op", *needs} or not all(isinstance(template.get(key, ""), str) for key in ("path", "from")):
            raise self.fault(f"{_brief(dict(template))} is no operation; write op (one of {', '.join(NEEDS)}), path, and value or from")
        from_ = self.paths(template["from"])[0] if "from" in template else None
        value = self.fill(template.get("value"))
        for path in self.paths(template["path"]):
            # A port has several inputs: each gets a value of its own, never a shared list.
            own = copy.deepcopy(value) if isinstance(value, (dict, list)) else value
            yield Operation(str(op), path, own, from_, self.source, self.index)

    def fault(self, reason: str) -> ConfigError:
        return ConfigError(f"{self.source}[{self.index}]: {reason}")

    def paths(self, text: str) -> list[str]:
        match = re.fullmatch(r"\$\{port:(\w+)\}", text)
        if not match:
            return [str(self.fill(text))]
        inputs = self.lookup(self.config.ports, match[1], "port")
        return [self.pointer(node, key) for node, key in inputs]

    def fill(self, template: Any) -> Any:
        if isinstance(template, Mapping):
            return {key: self.fill(item) for key, item in template.items()}
        if isinstance(template, (list, tuple)):
            return [self.fill(item) for item in template]
        if not isinstance(template, str):
            return template
        whole = TEMPLATE.fullmatch(template)
        if whole:
            return self.call(whole[1], whole[2].split(","))
        return TEMPLATE.sub(lambda match: str(self.call(match[1], match[2].split(","))), template)

    def call(self, name: str, args: list[str]) -> Any:
        function: Any = self.lookup(FUNCTIONS, name, "function") if name not in WORDS else None
        least, most = WORDS.get(name) or (len(inspect.signature(function).parameters) - 1,) * 2
        if not least <= len(args) <= most:
            raise self.fault(f"${{{name}:…}} takes {least}{' or more' if most > least else ''} names, found {','.join(args)!r}")
        if name == "value":
            return self.value(args[0])
        if name == "pick":
            return self.lookup(self.lookup(self.config.tables, args[0], "table"), str(self.value(args[1])), args[0])
        if name == "node":
            return self.node_id(args[0])
        if name == "pointer":
            return self.pointer(*args)
        if name == "port":
            raise self.fault(f"${{port:{args[0]}}} stands alone, as a path or a from")
        try:
            return function(self.config.clips, *(self.value(arg) for arg in args))
        except (TypeError, ValueError, ArithmeticError) as error:
            values = ", ".join(f"{arg}={self.value(arg)!r}" for arg in args)
            raise self.fault(f"${{{name}:{','.join(args)}}} cannot be worked out of {values[:120]} ({error})") from None

    def value(self, name: str) -> Any:
        item = each.item_of(self.config, self.values, name) if name not in self.values else {}
        return self.lookup(item or self.values, name, "field")

    def node_id(self, name: str) -> str:
        self.touched[name] = None
        return escape(self.lookup(self.config.nodes, name, "node").id)

    def pointer(self, node: str, *keys: str) -> str:
        return "/".join(["", self.node_id(node), "inputs", *map(escape, keys)])

    def lookup(self, table: Mapping[str, Any], name: str, kind: str) -> Any:
        if name not in table:
            raise self.fault(f"no {kind} named {name!r}.{nearest(name, table)} Known: {', '.join(table)}")
        return table[name]


def filled(template: Any, config: Config, values: Mapping[str, Any]) -> Any:
    """A template with these values. Raises ConfigError: it names what is not there, or cannot be worked out."""
    return _Scope(config, values, {}, "patches", 0).fill(template)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def apply(patch: tuple[Operation, ...], prompt: Prompt) -> Prompt:
    """Return a copy of `prompt` with every operation applied, or raise and leave no trace.

    Raises:
        PatchError: the first operation that does not apply, with its source, index and pointer.
    """
    try:
        result = _applied(patch, prompt)
        if _whole(result):
            return result
    except _FAULTS:
        pass   # the library's messages omit the operation, and dump the document
    # So once more, one at a time, to find the operation.
    result = prompt
    for operation in patch:
        try:
            result = _applied((operation,), result)
        except _FAULTS as error:
            raise _explain(operation, result, error) from None
        if not _whole(result):
            raise _error(operation, "it leaves no graph: every node needs a class_type and inputs")
    return result


_FAULTS = (
    jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, LookupError, TypeError, ValueError, AttributeError, ArithmeticError,
    RecursionError,
)


def _applied(patch: tuple[Operation, ...], prompt: Prompt) -> Any:
    # Copies, because the library puts a value into the document as it is, and later operations may reach into it.
    result: Any = workflow.copied(prompt)
    grown = 0
    for operation in workflow.copied([operation.as_dict() for operation in patch]):
        before = workflow.size(result) if operation["op"] == "copy" else 0
        result = jsonpatch.JsonPatch([operation]).apply(result, in_place=True)
        grown += workflow.size(result) - before if before else 0
        if grown > COPIED_MAX:   # thirty copies of everything into itself make a billion
            raise ValueError(f"the graph has grown beyond bounds: more than {COPIED_MAX / 1e6:g} MB by copies")
    return result


def _whole(prompt: Any) -> bool:
    """Whether this is still a graph of nodes; an operation may replace anything, the whole document too."""
    return isinstance(prompt, dict) and not any(map(workflow.fault_of, prompt.values()))


def _error(operation: Operation, reason: str) -> PatchError:
    return PatchError(reason, source=operation.source, index=operation.index, op=operation.op, pointer=operation.path)


def _explain(operation: Operation, prompt: Prompt, error: Exception) -> PatchError:
    pointer = operation.from_ if operation.op in ("copy", "move") and operation.from_ else operation.path
    parts = [jsonpointer.unescape(part) for part in pointer.split("/")[1:]]
    node_id, key = (parts + ["", ""])[0], parts[2] if len(parts) > 2 else ""
    node = prompt.get(node_id)
    if operation.op == "test" and node is not None and not key:
        reason = f"expected {operation.value}, found {node.get('class_type')}; the workflow drifted: {_where(operation.value, prompt)}"
    elif node is None and operation.op == "test":
        reason = f"node {node_id} is not there; the workflow drifted: {_where(operation.value, prompt)}"
    elif node is None and operation.op != "add":
        reason = f"node {node_id} is not there.{nearest(node_id, prompt)}"
    elif node is not None and key and key not in node["inputs"]:
        known = ", ".join(node["inputs"])
        reason = f"{workflow.title(prompt, node_id)} has no input {key!r}.{nearest(key, node['inputs'])} Inputs: {known}"
    else:
        reason = f"it is not a valid RFC 6902 operation here ({str(error)[:120]})"   # the library dumps the document
    return _error(operation, reason)


def _where(class_type: Any, prompt: Prompt) -> str:
    same = [workflow.title(prompt, node_id) for node_id, node in prompt.items() if node["class_type"] == class_type]
    if not same:
        return f"no node of class {class_type} is left; correct `nodes` in the mode's file"
    return f"nodes of class {class_type}: {', '.join(same)}; correct the id in `nodes` of the mode's file"
