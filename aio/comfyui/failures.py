"""ComfyUI's refusals and failures in aio's words: stage, node, field, reason, remedy."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aio.errors import AioError, NodeError, OutOfMemory, WorkflowError
from aio.fields import lists, templates
from aio.graph import bounds, workflow
from aio.graph.draw import Drawn

OUT_OF_MEMORY_TEXT = ("DefaultCPUAllocator: can't allocate memory", "MPS backend out of memory", "not enough memory: you tried to allocate")
"""How torch says it where it raises a plain RuntimeError: on the CPU and on MPS."""


UNKNOWN_TYPES = {
    "Float8": "this device has no 8-bit numbers; {remedy}",
    "float64": "ComfyUI computes a part of this model in 64 bits, which Apple's GPUs lack (Comfy-Org/ComfyUI #15512); choose another model",
}
"""A type in torch's "Trying to convert Float8_e4m3fn to the MPS backend" -> what it means."""


def refused(error: Mapping[str, Any] | None, node_errors: Mapping[str, Any], drawn: Drawn) -> WorkflowError:
    """The error of a graph that validate_prompt does not accept: one line a fault.

    Args:
        error: ComfyUI's summary, None when it accepted another output. node_errors: node id -> its `errors`.
    """
    lines, prompt = [], drawn.prompt
    for node_id, found in node_errors.items():
        for fault in found["errors"]:
            name = (fault.get("extra_info") or {}).get("input_name", "")
            fields = ", ".join(_fields(drawn, node_id, name))
            where = f"{workflow.title(prompt, node_id)}{f': {name}' if name else ''}{f' (from {fields})' if fields else ''}"
            details = str(fault.get("details") or "")
            lines.append(f"{where}: {fault['message']}{f' ({details})' if details not in ('', name) else ''}")
    if not lines and error:
        node_id = (error.get("extra_info") or {}).get("node_id", "")
        where = f"{workflow.title(prompt, node_id)}: " if node_id in prompt else ""
        kind = (error.get("extra_info") or {}).get("class_type")
        if error.get("type") == "missing_node_type" and kind:
            lines.append(f"{where}ComfyUI has no node class {kind}; correct the workflow, or name the node pack under `packs`")
        else:
            lines.append(f"{where}{error['message']}{' (' + error['details'] + ')' if error.get('details') else ''}")
    return WorkflowError("\n".join(lines) or "ComfyUI refuses the workflow without a reason")


def _fields(drawn: Drawn, node_id: str, name: str) -> list[str]:
    """Fields that an input's value was rendered from."""
    try:
        template = bounds.template_of(drawn.request, drawn.operations, node_id, name)
    except AioError:
        return []
    return sorted(name for name in templates.names(template) if lists.base(name) in drawn.request.config.fields)


def failed(error: BaseException, node_id: str, drawn: Drawn, stage: str, stages: Mapping[str, str], log: Path) -> AioError:
    """The error of a node that raised `error`.

    Args:
        stage: title of the last stage that opened. stages: node id -> title. log: ComfyUI's log file.
    """
    import comfy.model_management as management

    prompt, config = drawn.prompt, drawn.request.config
    title = workflow.title(prompt, node_id)
    if not stage:   # the nodes that open stages were cached: the last one that this node builds on
        before = workflow.ancestors(prompt, node_id)
        stage = next((name for key, name in reversed(list(stages.items())) if key in before), "")
    where = f"{stage}: {title}" if stage else title
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    facts = {"stage": stage, "node": node_id, "reason": reason}
    if management.is_oom(error) or isinstance(error, MemoryError) or any(text in str(error) for text in OUT_OF_MEMORY_TEXT):
        others = f", or {config.memory.remedy}" if config.memory.remedy else ""
        return OutOfMemory(f"{where} ran out of memory. Choose a smaller width and height or fewer seconds{others}", **facts)
    lacking = next((meaning for kind, meaning in UNKNOWN_TYPES.items() if kind in reason), "") if "MPS" in reason else ""
    if lacking:
        return NodeError(f"{where} failed: {lacking.format(remedy=config.model.remedy or 'choose another model')} ({reason})", **facts)
    return NodeError(f"{where} failed: {reason}. {log} has the details", **facts)


def no_room(error: BaseException) -> bool:
    """Whether a node failed because nothing more can be written."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)


def executor_class() -> type:
    """ComfyUI's executor, which also keeps the exception of the node that failed: its messages hold only texts."""
    import execution

    class Executor(execution.PromptExecutor):
        failure: tuple[str, BaseException] | None = None

        def handle_execution_error(self, prompt_id: Any, prompt: Any, outputs: Any, executed: Any, error: Any, ex: Any) -> None:
            self.failure = (error["node_id"], ex)
            super().handle_execution_error(prompt_id, prompt, outputs, executed, error, ex)

    return Executor
