"""What follows from a checked request and from nothing else: operations, graph, shapes, work, estimate, weight files.

Nothing else in aio renders or applies a patch. All is worked out when it is first asked for, and once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from aio.fields import geometry
from aio.graph import duration, models, patch, shapes, workflow
from aio.graph.clip import files_of
from aio.job import Request
from aio.values import Media, Operation, Prompt


@dataclass(frozen=True)
class Drawn:
    """A request with its graph. request: checked; staged or not."""

    request: Request

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """The patch. Raises PatchError: a template cannot be rendered."""
        return patch.render(self.request)

    @cached_property
    def prompt(self) -> Prompt:
        """The patched workflow, which nobody changes.

        Raises:
            PatchError, WorkflowError: the patch does not apply, or the workflow cannot be read.
        """
        return patch.apply(self.operations, workflow.load(self.request.config.workflow))

    @property
    def output(self) -> str:
        """Id of the node whose file is the result."""
        config = self.request.config
        return config.node(config.output.node).id

    def kind(self, node_id: str) -> str:
        """The kind of a node (aio.config.kinds), empty where it has none."""
        return self.request.config.kinds.of(self.prompt[node_id]["class_type"])

    @property
    def asked(self) -> tuple[int, int, int, float] | None:
        """Width, height, frames and rate that the fields ask for; None where the mode lacks one of them."""
        values = self.request.values
        if not {"width", "height", "seconds", "fps"} <= set(values):
            return None
        return values["width"], values["height"], geometry.frames(self.request.config.clips, values["seconds"], values["fps"]), values["fps"]

    @cached_property
    def files(self) -> Mapping[str, Media]:
        """Name of an input file in the prompt -> its facts, as the engine finds it."""
        return files_of(self.request)

    @cached_property
    def work(self) -> duration.Work:
        """What the prompt gives an engine to do.

        Raises:
            WorkflowError: its shapes do not fit. KeyError: it names a file that the request does not know.
        """
        return self.work_with(self.files.__getitem__)

    def work_with(self, others: Callable[[str], Media]) -> duration.Work:
        """The same, where somebody else knows the files that no field gives. Raises as `work` does, and what `others` raises."""
        def find(name: str) -> Media:
            return self.files[name] if name in self.files else others(name)

        return duration.work(self.prompt, find, self.request.config.kinds)

    @property
    def result(self) -> shapes.Result:
        """The clip that the prompt writes. Raises as `work` does."""
        return self.work.result

    @cached_property
    def estimate(self) -> duration.Estimate:
        """Seconds on a GPU. Raises as `work` does."""
        return duration.estimate(self.work, self.request.config)

    @cached_property
    def models(self) -> tuple[models.ModelRef, ...]:
        """The weight files that the prompt names."""
        return models.models_of(self.prompt)


def draw(request: Request) -> Drawn:
    """The graph of a request.

    Raises:
        PatchError, WorkflowError: the patch does not apply, or the workflow cannot be read.
    """
    drawn = Drawn(request)
    _ = drawn.prompt   # faults show here, and not where somebody looks at it
    return drawn
