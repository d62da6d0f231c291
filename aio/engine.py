"""The protocol that every engine follows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from aio.values import Artifacts, OnEvent, Prompt, Request

NO_METADATA: Mapping[str, str] = MappingProxyType({})


class Engine(Protocol):
    """Executes one prompt at a time.

    Attributes:
        name: `preview` or `comfyui`. revision: what makes its results differ: a version or a commit.
        input_dir: where loader nodes find their files. output_dir: where the job's files are written, in `aio/`.
        models_dir: ComfyUI's models folder, None for an engine that needs no weights.
    """

    name: str
    revision: str
    input_dir: Path
    output_dir: Path
    models_dir: Path | None

    def execute(
        self, prompt: Prompt, request: Request, on_event: OnEvent, *, metadata: Mapping[str, str] = NO_METADATA
    ) -> Artifacts:
        """Run the prompt to its mp4.

        Args:
            request: the staged request that the prompt was made from; `request.prefix` names the file.
            on_event: gets `stage` and `step` events; what it raises ends the run.
            metadata: tags for the mp4.

        Raises:
            Cancelled, EngineError, OutputError, WorkflowError. Nothing partial is left behind.
        """
        ...

    def cancel(self) -> None:
        """Stop the run, or the next one if none has begun. From any thread."""
        ...
