"""`plan`: everything about a run that can be known without running it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aio import engines, request
from aio.config import Config
from aio.fields import MEDIA_TYPES, lists
from aio.fields.conditions import holds
from aio.fields.numerals import exact
from aio.graph import duration, workflow
from aio.graph.draw import Drawn
from aio.job import Job, Request
from aio.machine.device import device
from aio.values import Prompt
from aio.weights import lorafit, registry


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What a job would do.

    Attributes:
        drawn: checked values, files not staged yet; patch, graph, result and GPU seconds.
        warnings: sentences for the user. models: files that the prompt needs, with bytes and state.
    """

    drawn: Drawn
    warnings: tuple[str, ...]
    models: tuple[registry.ModelStatus, ...]

    @property
    def request(self) -> Request:
        """The request, with everything that there is to say of it."""
        return dataclasses.replace(self.drawn.request, warnings=self.warnings)

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values; whole numbers that JavaScript would round are text. A file is shown under its own name, as it was given."""
        config, result = self.drawn.request.config, self.drawn.result
        return exact({
            "mode": config.mode,
            "choices": {group: config.choices.get(group) for group, facts in config.groups.items() if facts.plan},
            "workflow": config.workflow.name,
            "fields": dict(self.drawn.request.values),
            "origins": dict(self.drawn.request.origins),
            "warnings": list(self.warnings),
            "result": {
                "width": result.width,
                "height": result.height,
                "frames": result.frames,
                "fps": result.fps,
                "seconds": round(result.seconds, 6),
                "sound_seconds": round(result.sound_seconds, 6),
                "sample_rate": result.sample_rate,
            },
            "operations": [operation.as_dict() for operation in self.drawn.operations],
            "prompt": self.drawn.prompt,
            "models": [
                {"folder": model.folder, "name": model.name, "bytes": model.bytes, "state": model.state} for model in self.models
            ],
            "missing_bytes": self.missing_bytes,
            "gpu": dataclasses.asdict(self.drawn.estimate),
        })

    @property
    def missing_bytes(self) -> int:
        """Bytes still to be downloaded."""
        return sum(model.bytes or 0 for model in self.models if model.state not in ("present", "cached"))


def plan(job: Job, models_dir: Path | None = None) -> Plan:
    """Check a job and work out what it would do.

    Args:
        models_dir: ComfyUI's models folder, None where ComfyUI is not set up: then only the Hub's cache counts.

    Raises:
        AioError: as `run` would, before anything starts.
    """
    # Not staged: a plan writes nothing. The file's own path stands where the engine's name will.
    return examine(request.checked(job), models_dir)


def examine(drawn: Drawn, models_dir: Path | None = None) -> Plan:
    """The plan of a graph. Raises WorkflowError: its shapes do not fit."""
    config = drawn.request.config
    _ = drawn.work   # faults show here
    models = registry.status(drawn.models, config.registry, models_dir)
    unfit = engines.unfit(config, device())
    return Plan(drawn, (*drawn.request.warnings, *([unfit] if unfit else []), *lorafit.check(drawn.prompt, config, models)), models)


def text(plan: Plan) -> str:
    """The plan for people."""
    data, config = plan.as_dict(), plan.drawn.request.config
    result, lines = plan.drawn.result, []
    choices = ", ".join(f"{group} {_choice(value)}" for group, value in data["choices"].items())
    lines += [f"{config.mode}: {config.summary}", f"  {choices}, workflow {data['workflow']}", "", "Fields"]
    for name, field in config.fields.items():
        if holds(field.when, {**config.values, **plan.drawn.request.values}):
            value = plan.drawn.request.values[name]
            shown = Path(value).name if field.type in MEDIA_TYPES and value else lists.words(field, value)
            origin = f"   from {plan.drawn.request.origins[name]}" if name in plan.drawn.request.origins else ""
            lines.append(f"  {name:18} {_short('' if shown is None else str(shown))}{origin}")
    sound = f"{result.sound_seconds:.2f} s at {result.sample_rate} Hz" if result.sample_rate else "none"
    lines += ["", "Result", f"  {result.width}x{result.height}, {result.frames} frames at {result.fps:g} fps, {result.seconds:.2f} s; sound {sound}"]
    lines += ["", f"Patch ({len(plan.drawn.operations)} operations)"]
    for operation in plan.drawn.operations:
        shown = f"from {operation.from_}" if operation.op in ("copy", "move") else _short(_compact(operation.value))
        lines.append(f"  {operation.op:8} {operation.path}  {shown}")
    lines += ["", f"Graph ({len(plan.drawn.prompt)} nodes)", *_graph(plan.drawn.prompt, config)]
    lines += ["", "Files"]
    for model in plan.models:
        size = f"{model.bytes / 1e9:6.2f} GB" if model.bytes else "  size ?"
        lines.append(f"  {size}  {model.state:8} {model.folder}/{model.name}")
    lines.append(f"  {plan.missing_bytes / 1e9:6.2f} GB  to download")
    lines += ["", "GPU seconds", *_seconds(plan.drawn.estimate)]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines)


def _seconds(gpu: duration.Estimate) -> list[str]:
    """What a run costs, and where a GPU has to be asked for, what each kind of account may have."""
    shares = ", ".join(f"{name} {seconds:g}" for name, seconds in gpu.parts.items())
    asked = "" if gpu.size else f"; platform request {gpu.request:g} s"
    lines = [f"  {gpu.total:g} s on one {gpu.card} with the model loaded, {gpu.load:g} s more for the first run{asked}", f"  {shares}"]
    if gpu.size:
        short = f", though it may need {gpu.needed:g} s: choose fewer seconds or a smaller size" if gpu.needed > gpu.request + 1 else ""
        lines.append(f"  asks ZeroGPU for {gpu.request:g} s, size {gpu.size}, {gpu.quota:g} s of the daily quota{short}")
        fits = [f"{kind} {f'{count} a day' if count else 'does not fit'}" for kind, count in gpu.runs.items()]
        lines.append(f"  such runs: {', '.join(fits)}")
    return lines


def _graph(prompt: Prompt, config: Config) -> list[str]:
    """One line a node that samples, loads or writes: title <- titles of its sources."""
    alive = workflow.ancestors(prompt, config.node(config.output.node).id)
    names = {node_id: workflow.titled(node) or node["class_type"] for node_id, node in prompt.items()}
    lines = []
    for node_id, node in prompt.items():
        sources = list(dict.fromkeys(names.get(source, source) for _, (source, _) in workflow.links(node)))
        if (node_id in alive and len(sources) > 1) or (node_id not in config.stages and not node_id.isdigit()):
            lines.append(f"  {node_id} {names[node_id]} <- {', '.join(sources)}")
    return lines


def _choice(value: Any) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, (list, tuple)) else str(value or "none")


def _compact(value: Any) -> str:
    if isinstance(value, Mapping):
        inputs = value.get("inputs", value)
        return f"{value.get('class_type', '')}({', '.join(f'{key}={_compact(item)}' for key, item in inputs.items())})"
    return str(value)


def _short(text: str, width: int = 90) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
