"""`check`: prove without any engine that every mode, preset, model, LoRA and control gives a sound graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio import config as configuration
from aio import fields, geometry, nodecheck, patch, registry, schema, shapes, workflow
from aio.config import Config
from aio.errors import AioError, InvalidParams, nearest
from aio.fields import MEDIA_TYPES, Field
from aio.values import Media, Operation, Prompt, Request


@dataclass(frozen=True, slots=True)
class Row:
    """One checked variant. `faults` name file, operation and pointer; empty when all is well."""

    mode: str
    preset: str
    model: str
    variant: str
    nodes: int = 0
    operations: int = 0
    faults: tuple[str, ...] = ()


def check(modes: Sequence[str] = (), config_dirs: Sequence[Path] = (), overrides: Sequence[str] = ()) -> Iterator[Row]:
    """Yield a row for every mode x preset x model, each memory policy, each LoRA alone,
    one pair, and every choice that changes the patch.

    Args:
        modes: names to check, all when empty.
        overrides: further Hydra overrides, e.g. a workflow elsewhere.
    """
    presets, models, loras = (configuration.choices(group, config_dirs) for group in ("preset", "model", "lora"))
    for mode in modes or configuration.choices("mode", config_dirs):
        try:
            base = configuration.compose([f"mode={mode}", *overrides], config_dirs)
        except AioError as error:
            yield Row(mode, "-", "-", "compose", faults=(str(error),))
            continue
        yield Row(mode, "all", "-", "fields", faults=tuple(_unread(base)))
        effects: set[str] = set()
        for preset in presets:
            for model in models:
                config = configuration.compose([f"mode={mode}", f"preset={preset}", f"model={model}", *overrides], config_dirs)
                yield _row(config, preset, model, "", {})
            effects |= _effective(config)
            yield Row(mode, preset, "all", "official constants", faults=tuple(_constants(config)))
        for name, params in _variants(base):
            yield _row(base, "balanced", "fp8", name, params)
        for memory in configuration.choices("memory", config_dirs):
            config = configuration.compose([f"mode={mode}", f"memory={memory}", *overrides], config_dirs)
            yield _row(config, "balanced", "fp8", f"memory {memory}", {})
        idle = [name for name in base.fields if name not in effects and name not in _affecting(base)]
        yield Row(mode, "all", "all", "effects", faults=tuple(f"field {name} changes nothing in any preset" for name in idle))
        if loras:
            yield from _loras(mode, loras, config_dirs, overrides)


def _loras(mode: str, loras: Sequence[str], config_dirs: Sequence[Path], overrides: Sequence[str]) -> Iterator[Row]:
    every = configuration.compose([f"mode={mode}", f"lora=[{','.join(loras)}]", *overrides], config_dirs)
    for chosen in [*((name,) for name in loras), tuple(loras[:2])]:
        dropped = {f"lora/{name}.yaml" for name in loras if name not in chosen}
        config = dataclasses.replace(every, patches=tuple(p for p in every.patches if p.source not in dropped))
        yield _row(config, "balanced", "fp8", "lora " + " + ".join(chosen), {}, reach=chosen)


def _variants(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every choice of a COMBO that a patch depends on, and every optional input given."""
    conditions = {name for item in config.patches for name in (item.when or {})}
    for field in config.fields.values():
        if field.name in conditions and field.type == "COMBO":
            yield from ((f"{field.name} {option}", {field.name: option}) for option in field.options)
        if field.name in conditions and field.type in MEDIA_TYPES and field.optional:
            yield f"with {field.name}", {field.name: f"aio/{field.name}"}


def sample(config: Config, params: Mapping[str, Any] = {}) -> Request:
    """A request with made-up input files: what a job looks like without a user.

    Raises:
        InvalidParams: the config's own defaults or presets break the config's own rules.
    """
    given = {f.name: f"aio/{f.name}" for f in config.fields.values() if f.type in MEDIA_TYPES and not f.optional}
    given |= {f.name: "text" for f in config.fields.values() if f.type == "STRING" and f.default is None}
    values = fields.check(config.fields, given | dict(params), config.values)
    for field in config.fields.values():
        if field.length_of and values[field.name] is None:
            values[field.name] = 5.0
    found = {}
    for field in config.fields.values():
        if field.type in MEDIA_TYPES and values[field.name]:
            found[field.name] = _media(field, values)
    return Request(config, values, frozenset(params), found)


def _media(field: Field, values: Mapping[str, Any]) -> Media:
    width, height, fps = values.get("width") or 512, values.get("height") or 512, values.get("fps") or 24.0
    frames = geometry.frames(values.get("seconds") or 5.0, fps)
    kind = field.type.lower()
    facts = Media(Path(str(values[field.name])), kind, width, height)
    if kind == "video":
        facts = dataclasses.replace(facts, frames=frames, fps=fps)
    if kind != "image":
        facts = dataclasses.replace(facts, seconds=frames / fps, sample_rate=48000, channels=2)
    return facts


def draw(request: Request) -> tuple[tuple[Operation, ...], Prompt]:
    """Operations and final graph of a request."""
    operations = patch.render(request)
    return operations, patch.apply(operations, workflow.load(request.config.workflow))


def _row(config: Config, preset: str, model: str, variant: str, params: dict[str, Any], reach: Iterable[str] = ()) -> Row:
    try:
        request = sample(config, params)
        operations, prompt = draw(request)
    except AioError as error:
        return Row(config.mode, preset, model, variant, faults=tuple(str(error).splitlines()))
    found = [*workflow.faults(prompt, config.node(config.output).id), *nodecheck.faults(prompt, schema.load())]
    found += [*_misuse(operations, config), *_packs(prompt, config)]
    if not found:
        found += [*_files(prompt, config), *_sizes(request, prompt), *_unreached(prompt, reach)]
    return Row(config.mode, preset, model, variant, len(prompt), len(operations), tuple(found))


def _misuse(operations: Sequence[Operation], config: Config) -> Iterator[str]:
    """`add` onto an input that the workflow has: a misspelt `replace` would pass unseen."""
    original = workflow.load(config.workflow)
    for operation in operations:
        parts = operation.path.split("/")[1:]
        if operation.op == "add" and len(parts) > 2 and parts[2] in original.get(parts[0], {}).get("inputs", {}):
            yield f"{operation.source}[{operation.index}]: add {operation.path}: the input is there already; use replace"


def _packs(prompt: Prompt, config: Config) -> Iterator[str]:
    """Classes of a node pack that the config does not name, so that it would not be loaded."""
    named, known = config.data.get("packs") or (), schema.load()
    for node_id, node in prompt.items():
        pack = known[node["class_type"]].pack if node["class_type"] in known else ""
        if pack and pack not in named:
            yield f"{workflow.title(prompt, node_id)}: belongs to the pack {pack}; name it under `packs`"


def _files(prompt: Prompt, config: Config) -> Iterator[str]:
    entries = registry.parse(config.data["registry"])
    for ref in registry.models_of(prompt, schema.load()):
        where = f"/{ref.node}/inputs/{ref.input}"
        if ref.guessed:
            continue   # a pack's node: only its file's ending speaks for it
        if ref.name not in entries:
            yield f"{where}: {ref.name} is not in conf/registry.{nearest(ref.name, entries)}"
        elif entries[ref.name].folder != ref.folder:
            yield f"{where}: {ref.name} lies in {entries[ref.name].folder}, the node reads {ref.folder}"


def _sizes(request: Request, prompt: Prompt) -> Iterator[str]:
    media = {str(request.values[name]): facts for name, facts in request.media.items()}
    result = shapes.result(prompt, shapes.interpret(prompt, lambda name: media[name], schema.load()))
    values = request.values
    if {"width", "height", "seconds", "fps"} <= set(values):
        wanted = (values["width"], values["height"], geometry.frames(values["seconds"], values["fps"]), values["fps"])
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


def _unread(config: Config) -> Iterator[str]:
    read = _affecting(config)
    for item in config.patches:
        read |= set().union(*(patch.names(operation) for operation in item.operations), set())
    yield from (f"field {name} is read by no operation" for name in config.fields if name not in read)


def _affecting(config: Config) -> set[str]:
    """Names in the conditions of patches."""
    return {name for item in config.patches for name in (item.when or {})}


def _effective(config: Config) -> set[str]:
    """Fields of which another value gives another prompt, in this preset."""
    optional = {f.name: f"aio/{f.name}" for f in config.fields.values() if f.type in MEDIA_TYPES and f.optional}
    request, found = sample(config, optional), set()
    _, before = draw(request)
    for name, field in config.fields.items():
        try:
            other = sample(config, {**optional, name: _other(field, request.values[name])})
        except InvalidParams:
            continue
        if fields.holds(field.when, {**config.values, **request.values}) and draw(other)[1] != before:
            found.add(name)
    return found


def _other(field: Field, value: Any) -> Any:
    """A legal value that differs from `value`."""
    if field.type in ("INT", "FLOAT"):
        step = field.step or 1
        # One second is a whole number of latent frames at every rate that fields allow.
        step = 1 if field.length_of or field.name == "seconds" else step
        return value - step if field.max is not None and value + step > field.max else value + step
    if field.type == "COMBO":
        return next((option for option in field.options if option != value), value)
    if field.type == "BOOLEAN":
        return not value
    return f"{value}, other"


def _constants(config: Config) -> Iterator[str]:
    """Values of the preset that differ from the official constant they name."""
    official, preset = config.data.get("official") or {}, config.choices.get("preset")
    for name, constant in (config.data.get("preset_constants") or {}).items():
        if constant not in official:
            yield f"preset/{preset}.yaml: {name}: no official constant {constant}.{nearest(constant, official)}"
        elif _numbers(config.values.get(name)) != _numbers(official[constant]):
            yield f"preset/{preset}.yaml: {name} is {config.values.get(name)}, {constant} is {official[constant]}"


def _numbers(value: Any) -> list[float]:
    if isinstance(value, str):
        return [float(part) for part in value.split(",")]
    return [float(part) for part in value] if isinstance(value, (list, tuple)) else [float(value)]


def table(rows: Iterable[Row], show: Callable[[str], None]) -> int:
    """Show the rows as a table and their faults below it. Returns the exit code: 1 with any fault."""
    show(f"{'mode':10} {'preset':9} {'model':6} {'variant':44} {'nodes':>5} {'ops':>4}  result")
    bad: list[Row] = []
    count = 0
    for row in rows:
        count += 1
        verdict = "ok" if not row.faults else f"{len(row.faults)} faults" if len(row.faults) > 1 else "1 fault"
        sizes = f"{row.nodes or '':>5} {row.operations or '':>4}"
        show(f"{row.mode:10} {row.preset:9} {row.model:6} {row.variant:44} {sizes}  {verdict}")
        bad += [row] if row.faults else []
    for row in bad:
        show(f"\n{' '.join(filter(None, (row.mode, row.preset, row.model, row.variant)))}")
        for fault in row.faults:
            show(f"  {fault}")
    show(f"\n{count} rows, {len(bad)} with faults" if bad else f"\n{count} rows, no fault")
    return 1 if bad else 0
