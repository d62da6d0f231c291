"""Progress of a ComfyUI run from the executor's own events: node starts, steps within nodes, node ends.

A stage opens when the node that the config names for it starts. Every node weighs the seconds that the duration model gives
it; cached nodes weigh nothing. Pure: it needs no ComfyUI, and is given as handler to ComfyUI's progress registry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aio.engine import Timer
from aio.errors import AioError
from aio.graph.draw import Drawn
from aio.graph.duration import SHARES
from aio.values import Event, OnEvent

LEAST = 0.02
"""Seconds that any node weighs: without a cost of its own it is quick."""

LOADERS = ("load_model", "load")
"""Kinds of nodes that share the seconds of loading."""


def weights(drawn: Drawn) -> dict[str, float]:
    """Node id -> seconds on a GPU by the duration model, or equal shares where that does not know the graph."""
    kinds = {node_id: drawn.kind(node_id) for node_id in drawn.prompt}
    try:
        work, found = drawn.work, drawn.estimate
    except (AioError, LookupError, TypeError):
        return dict.fromkeys(kinds, 1.0)
    shares: dict[str, float] = {}
    for seconds, names in [*((found.parts.get(part, 0.0), names) for part, names in SHARES.items()), (found.load, LOADERS)]:
        shares |= dict.fromkeys(names, seconds / (sum(work.counts.get(name, 0) for name in names) or 1))
    result = {node_id: shares.get(kind, 0.0) for node_id, kind in kinds.items()}
    same = Counter(sampler.title for sampler in work.samplers)
    result |= {sampler.node: found.parts.get(sampler.title, 0.0) / same[sampler.title] for sampler in work.samplers}
    return {node_id: max(LEAST, seconds) for node_id, seconds in result.items()}


class Progress:
    """Turns node events into `stage` and `step` events; a handler in the sense of comfy_execution.progress.ProgressHandler.

    Args:
        weights: node id -> seconds. stages: node id -> title.
        on_event: gets the events. What it raises is kept in `failure`, and the run is stopped.
        stopped: whether the run is to stop. interrupt: tells ComfyUI so.

    Attributes:
        timer: knows the stage and the timings. executed, cached: node ids.
    """

    name, enabled = "aio", True

    def __init__(
        self,
        weights: Mapping[str, float],
        stages: Mapping[str, str],
        on_event: OnEvent,
        stopped: Callable[[], bool],
        interrupt: Callable[[], None],
    ):
        self.weights, self.stages, self.on_event = dict(weights), stages, on_event
        self.stopped, self.interrupt = stopped, interrupt
        self.failure: BaseException | None = None
        self.executed: list[str] = []
        self.cached: frozenset[str] = frozenset()
        self.timer = Timer(self._send)
        self._done, self._node, self._part, self._registry = 0.0, "", 0.0, None

    def open(self, title: str) -> None:
        """Open a stage that is no node's, such as starting ComfyUI. The time left counts from the next event on."""
        self.timer.open(title, self.fraction())
        self.timer.begin()

    def skip(self, cached: Iterable[str]) -> None:
        """Leave out nodes whose results are there already."""
        self.cached = frozenset(cached)
        self.weights = {node_id: weight for node_id, weight in self.weights.items() if node_id not in self.cached}
        self.timer.begin()

    def fraction(self) -> float:
        """Share of the work that is done, 0 to 1."""
        total = sum(self.weights.values()) or 1.0
        return min(1.0, (self._done + self.weights.get(self._node, 0.0) * self._part) / total)

    def running(self) -> str:
        """The node that started last, empty before the first."""
        return self.executed[-1] if self.executed else ""

    def warn(self, text: str) -> None:
        """Tell a warning."""
        self._send(Event("warning", text))

    def fail(self, error: BaseException) -> None:
        """Stop the run for `error`, the first that comes."""
        if self.failure is None:
            self.failure = error
            self.interrupt()

    # The methods of ProgressHandler.

    def set_registry(self, registry: Any) -> None:
        """Called first, with the run's registry."""
        self._registry = registry

    def start_handler(self, node_id: str, state: Any, prompt_id: str) -> None:
        """A node starts."""
        # An interrupt before the executor's own start was cleared by it (execution.py, execute_async): say it again.
        if self.stopped():
            self.interrupt()
        node_id = self._shown(node_id)
        self.executed.append(node_id)
        self._node, self._part = node_id, 0.0
        if node_id in self.stages:
            self.timer.open(self.stages[node_id], self.fraction())

    def update_handler(self, node_id: str, value: float, max_value: float, state: Any, prompt_id: str, image: Any = None) -> None:
        """A node made a step."""
        if self.stopped():
            self.interrupt()
        node_id = self._shown(node_id)
        if node_id == self._node and max_value > 0:
            self._part = min(1.0, value / max_value)
            # Another node's bar, say of loading, moves the whole but is no step of the stage.
            steps = (int(value), int(max_value)) if node_id in self.stages else (0, 0)
            self.timer.tell("step", self.fraction(), *steps)

    def finish_handler(self, node_id: str, state: Any, prompt_id: str) -> None:
        """A node ends, or was cached."""
        node_id = self._shown(node_id)
        if node_id == self._node:
            self._done += self.weights.get(node_id, 0.0)
            self._node = ""
        elif node_id not in self.executed:   # cached, also by a twin that ran in this very job
            self.cached |= {node_id}
            self.weights.pop(node_id, None)

    def reset(self) -> None:
        """The next run begins."""

    def _shown(self, node_id: str) -> str:
        """The workflow's node that an expanded one stands for."""
        return self._registry.dynprompt.get_display_node_id(node_id) if self._registry else node_id

    def _send(self, event: Event) -> None:
        if self.failure is not None:
            return
        try:
            self.on_event(event)
        except BaseException as error:   # also KeyboardInterrupt: it must not end as a node's failure
            self.fail(error)
