"""A node of a prompt, as a rule sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from aio.config.kinds import Kinds, NodeKind
from aio.errors import WorkflowError
from aio.graph.shapes.values import Shapes, find
from aio.graph.workflow import as_link, title
from aio.values import Media, Prompt

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a prompt and the outputs that are known so far."""

    prompt: Prompt
    id: str
    shapes: Shapes
    media: Callable[[str], Media]
    kinds: Kinds

    @property
    def own(self) -> NodeKind:
        """What the configuration says of its class, which has a kind."""
        return self.kinds.classes[self.prompt[self.id]["class_type"]]

    def value(self, name: str) -> Any:
        """What is at input `name`: a plain value, a linked output, or None."""
        raw = self.prompt[self.id]["inputs"].get(name)
        link = as_link(raw)
        if link is None:
            return raw
        outputs = self.shapes[link[0]]
        return outputs[link[1]] if link[1] < len(outputs) else self.fail(f"input {name} asks for output {link[1]} of node {link[0]}")

    def want(self, name: str, kind: type, default: Any = _NOTHING) -> Any:
        """The `kind` at input `name`. Raises WorkflowError where there is none and no default."""
        found = find(self.value(name), kind)
        if found is None and default is _NOTHING:
            self.fail(f"input {name} gives no {kind.__name__}, so the size of the result is unknown")
        return default if found is None else found

    def number(self, name: str, default: float = 0) -> Any:
        """The int or float at input `name`; `default` where the input is absent."""
        value = self.value(name)
        if value is not None and not isinstance(value, (int, float)):
            self.fail(f"input {name} is no number that can be known before the run; give it a plain value")
        return default if value is None else value

    def fail(self, reason: str) -> NoReturn:
        """Raise WorkflowError in the name of this node."""
        raise WorkflowError(f"{title(self.prompt, self.id)}: {reason}")


Outputs = tuple[Any, ...]
Rule = Callable[[Node], Outputs]
"""Gives the outputs of a node."""
