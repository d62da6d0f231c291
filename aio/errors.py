"""Every error that aio raises on purpose.

    AioError                      exit code 1, one message, no traceback for the user
    ├── InputError                exit code 2: what the user gave cannot be run
    │   ├── ConfigError           unknown mode, preset or field; a broken YAML file
    │   ├── InvalidParams         one or more field values, all reported at once
    │   ├── WorkflowError         a workflow file that is missing, in editor format or damaged
    │   │   └── PatchError        an operation that does not apply: names source, index, op and pointer
    │   ├── MediaError            an input file that is missing, unreadable or of the wrong kind
    │   ├── ModelMissing          weights that are not on disk or not known to the registry
    │   └── WeightsMismatch       a LoRA that fits no weight of the model, or a damaged one
    ├── EngineError               the engine cannot start
    │   └── NodeError             a node failed: names stage and node
    │       └── OutOfMemory       GPU memory or RAM ran out in it
    ├── GpuError                  a platform gives no GPU, or takes it back (aio.spaces.refusals says which)
    │   ├── GpuAborted            it took it back: the run was longer than it had asked for
    │   ├── IllegalDuration       one run may not ask for so many seconds
    │   ├── QuotaExceeded         the account's seconds of today are used up
    │   ├── SignInNeeded          those of a visitor without an account are
    │   ├── QueueTimeout          none became free in time
    │   ├── NoGpu                 there is none at all
    │   └── TokenExpired          the page is too old to speak for its visitor
    ├── OutputError               the result cannot be written: folder, permission, disk full
    ├── SystemFault               what aio runs on fails it: memory, open files, a missing Python package (aio.machine.faults says which)
    ├── InternalError             a fault of aio, which nobody foresaw; its details are in a file (aio.machine.faults)
    └── Cancelled                 exit code 130: Ctrl-C, SIGTERM, SIGHUP or Stop

A message names the field (or file, or pointer), the value and the remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class AioError(Exception):
    """Base of all: `str(error)` is a complete sentence for the user."""

    exit_code = 1


class InputError(AioError):
    """What the user gave cannot be run as it is."""

    exit_code = 2


class ConfigError(InputError):
    """A config group choice, key or file that aio does not know or cannot read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of one field. `type` uses ComfyUI's names, e.g. value_bigger_than_max."""

    field: str
    type: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidParams(InputError):
    """All faults of a job's parameters, collected before anything runs."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class WorkflowError(InputError):
    """A workflow file that cannot be used."""


class PatchError(WorkflowError):
    """An operation that does not apply to the workflow.

    Attributes:
        source: config file and patch list the operation came from, e.g. `mode/t2v: base`.
        index: position of the operation in that list, -1 for a generated one.
        op: RFC 6902 operation name.
        pointer: RFC 6901 pointer of the operation.
    """

    def __init__(self, reason: str, *, source: str, index: int, op: str, pointer: str):
        self.source, self.index, self.op, self.pointer = source, index, op, pointer
        where = source if index < 0 else f"{source}[{index}]"
        super().__init__(f"{where}: {op} {pointer}: {reason}")


class MediaError(InputError):
    """An input file that cannot be used; `field` names the input it was given for."""

    def __init__(self, message: str, field: str | None = None):
        self.field = field
        super().__init__(f"{field}: {message}" if field else message)


class ModelMissing(InputError):
    """Weights that the prompt names and the disk lacks."""


class WeightsMismatch(InputError):
    """A LoRA file that would change nothing, since none of it fits the model, or that is damaged."""


class EngineError(AioError):
    """The engine cannot start or go on."""


class NodeError(EngineError):
    """A node failed.

    Attributes:
        stage: title of the stage, empty before the first one. node: its id. reason: exception and text.
    """

    def __init__(self, message: str, *, stage: str, node: str, reason: str):
        self.stage, self.node, self.reason = stage, node, reason
        super().__init__(message)


class OutOfMemory(NodeError):
    """A node ran out of GPU memory or RAM."""


class GpuError(AioError):
    """A platform that lends GPUs gives none, or takes one back."""


class GpuAborted(GpuError):
    """The platform ended the run: it took longer than it had asked for."""


class IllegalDuration(GpuError):
    """The run asks for more seconds than one run may have."""


class QuotaExceeded(GpuError):
    """The account's GPU seconds of today do not cover the run."""


class SignInNeeded(GpuError):
    """The GPU seconds of visitors without an account do not cover the run."""


class QueueTimeout(GpuError):
    """No GPU became free while the run stood in line."""


class NoGpu(GpuError):
    """The platform has no GPU at all now."""


class TokenExpired(GpuError):
    """The page's proof of who its visitor is has expired."""


class OutputError(AioError):
    """The result cannot be written."""


class SystemFault(AioError):
    """The machine or the Python that aio runs on fails it."""


class InternalError(AioError):
    """Something that nobody foresaw: a fault of aio itself."""


class Cancelled(AioError):
    """The user stopped the run."""

    exit_code = 130


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the most similar choice, or an empty string."""
    match = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f" Did you mean '{match[0]}'?" if match else ""
