"""Faults of a patched prompt that can be seen without an engine.

`faults` compares it with the committed schema of ComfyUI's node classes: names, types, ranges, choices. `of_job` adds what
the job's configuration promises: no dead node, files of the registry, packs, the size that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aio.config import Config
from aio.errors import nearest
from aio.graph import schema as node_schema
from aio.graph import workflow
from aio.graph.draw import Drawn
from aio.graph.schema import Input, NodeClass
from aio.values import Operation, Prompt

_NUMBERS: dict[str, Any] = {"INT": int, "FLOAT": (int, float)}


def faults(prompt: Prompt, schema: Mapping[str, NodeClass]) -> list[str]:
    """Sentences about every class, input, link or value that the pinned ComfyUI would refuse."""
    return [fault for node_id in prompt for fault in _node(prompt, node_id, schema)]


def _node(prompt: Prompt, node_id: str, schema: Mapping[str, NodeClass]) -> Iterator[str]:
    node, name = prompt[node_id], workflow.title(prompt, node_id)
    known = schema.get(node["class_type"])
    if known is None:
        yield f"{name}: class {node['class_type']} is not in the node schema.{nearest(node['class_type'], schema)}"
        return
    inputs = node["inputs"]
    for key in inputs:
        if key not in known.inputs:
            yield f"/{node_id}/inputs/{key}: {name} has no such input.{nearest(key, known.inputs)}"
    for key, wanted in known.inputs.items():
        if wanted.when and inputs.get(wanted.when[0]) not in wanted.when[1]:
            continue
        if key in inputs:
            yield from (f"/{node_id}/inputs/{key}: {name}: {fault}" for fault in _input(prompt, wanted, inputs[key], schema))
        elif wanted.required:
            yield f"/{node_id}/inputs/{key}: {name}: required input is missing"


def _input(prompt: Prompt, wanted: Input, value: Any, schema: Mapping[str, NodeClass]) -> Iterator[str]:
    link = workflow.as_link(value)
    if link:
        yield from _link(prompt, wanted, link, schema)
    elif wanted.is_link:
        yield f"needs a link of type {wanted.type}, found {value!r}"
    elif wanted.options is not None and wanted.files is None and value not in wanted.options:
        yield f"{value!r} is not one of {', '.join(map(str, wanted.options))}.{nearest(str(value), map(str, wanted.options))}"
    elif wanted.files is not None and not isinstance(value, str):
        yield f"{value!r} is not a file name"
    else:
        yield from _value(wanted, value)


def _value(wanted: Input, value: Any) -> Iterator[str]:
    kind = wanted.type.split(",")[0]
    if kind in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, _NUMBERS[kind]):
            yield f"{value!r} is not a {kind}"
            return
        if wanted.min is not None and value < wanted.min:
            yield f"{value} is below {wanted.min}"
        if wanted.max is not None and value > wanted.max:
            yield f"{value} is above {wanted.max}"
    elif kind == "STRING" and not isinstance(value, str):
        yield f"{value!r} is not a STRING"
    elif kind == "BOOLEAN" and not isinstance(value, bool):
        yield f"{value!r} is not a BOOLEAN"


def _link(prompt: Prompt, wanted: Input, link: tuple[str, int], schema: Mapping[str, NodeClass]) -> Iterator[str]:
    source, slot = link
    known = schema.get(prompt[source]["class_type"]) if source in prompt else None
    if known is None:
        return   # a dangling link or an unknown class is reported on its own
    if not 0 <= slot < len(known.outputs):
        yield f"links to slot {slot} of {workflow.title(prompt, source)}, which has {len(known.outputs)}"
        return
    given = known.outputs[slot]
    if "*" not in (given, wanted.type) and not set(given.split(",")) & set(wanted.type.split(",")):
        yield f"needs {wanted.type}, {workflow.title(prompt, source)} gives {given}"


def of_job(drawn: Drawn, reach: Iterable[str] = ()) -> list[str]:
    """Sentences about everything that is wrong with the prompt of a job.

    Args:
        reach: spliced nodes through which the model must flow to every sampler.
    """
    config, prompt = drawn.request.config, drawn.prompt
    found = [*workflow.faults(prompt, config.node(config.output.node).id), *faults(prompt, node_schema.load())]
    found += [*_misuse(drawn.operations, config), *_packs(prompt, config)]
    return found or [*_files(drawn), *_sizes(drawn), *_unreached(prompt, reach)]


def _misuse(operations: Sequence[Operation], config: Config) -> Iterator[str]:
    """`add` onto an input that the workflow has: a misspelt `replace` would pass unseen."""
    original = workflow.load(config.workflow)
    for operation in operations:
        parts = operation.path.split("/")[1:]
        if operation.op == "add" and len(parts) > 2 and parts[2] in original.get(parts[0], {}).get("inputs", {}):
            yield f"{operation.source}[{operation.index}]: add {operation.path}: the input is there already; use replace"


def _packs(prompt: Prompt, config: Config) -> Iterator[str]:
    """Classes of a node pack that the config does not name, so that it would not be loaded."""
    named, known = config.packs, node_schema.load()
    for node_id, node in prompt.items():
        pack = known[node["class_type"]].pack if node["class_type"] in known else ""
        if pack and pack not in named:
            yield f"{workflow.title(prompt, node_id)}: belongs to the pack {pack}; name it under `packs`"


def _files(drawn: Drawn) -> Iterator[str]:
    entries = drawn.request.config.registry
    for ref in drawn.models:
        where = f"/{ref.node}/inputs/{ref.input}"
        if ref.guessed:
            continue   # a pack's node: only its file's ending speaks for it
        if ref.name not in entries:
            yield f"{where}: {ref.name} is not in conf/registry.{nearest(ref.name, entries)}"
        elif entries[ref.name].folder != ref.folder:
            yield f"{where}: {ref.name} lies in {entries[ref.name].folder}, the node reads {ref.folder}"


def _sizes(drawn: Drawn) -> Iterator[str]:
    result, wanted = drawn.result, drawn.asked
    if wanted is None:
        return
    found = (result.width, result.height, result.frames, result.fps)
    if wanted != found:
        yield f"asked for width, height, frames, fps {wanted}, the graph gives {found}"
    if result.sample_rate and abs(result.sound_seconds - result.seconds) > 0.1:
        yield f"the picture lasts {result.seconds:.3f} s, the sound {result.sound_seconds:.3f} s"


def _unreached(prompt: Prompt, nodes: Iterable[str]) -> Iterator[str]:
    """Samplers whose model does not pass through a spliced node. What else feeds them does not count."""
    for node_id, node in prompt.items():
        guider = workflow.as_link(node["inputs"].get("guider"))
        model = workflow.as_link((prompt[guider[0]] if guider else node)["inputs"].get("model"))
        if model and ("sigmas" in node["inputs"] or "sampler_name" in node["inputs"]):
            chain = workflow.ancestors(prompt, model[0])
            yield from (f"{workflow.title(prompt, node_id)}: {name} does not reach it" for name in nodes if name not in chain)
