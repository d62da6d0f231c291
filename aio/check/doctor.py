"""`doctor`: prove an installation before 40 GB are downloaded: every mode through the real ComfyUI, with tiny random weights.

Runs on the CPU in a scratch folder: each mode x preset, and on one preset each LoRA, control and optional input. What comes out
is coloured noise, but of the right size, length, rate and sound, made by the same code that makes the real video.
"""

from __future__ import annotations

import dataclasses
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio import check, request
from aio import config as configuration
from aio.comfyui import location, tinyweights
from aio.config import Config
from aio.errors import EngineError
from aio.fields import LIST, MEDIA_TYPES, lists
from aio.graph.draw import Drawn, draw
from aio.job import Job
from aio.machine import faults, folders, terminal
from aio.recipe import provenance
from aio.stop import Stop
from aio.values import ignore

SIZE = 128
"""Pixels of width and height: the smallest that two stages and a half-size guide allow. Fields start at 256, which takes longer."""

SECONDS = 0.4
"""Length of a clip: 9 frames at 24 fps, the shortest."""

SAMPLES = {"IMAGE": "astronaut.png", "AUDIO": "speech.wav", "VIDEO": "bigbuckbunny.mp4"}
"""Type of an input field -> file in samples/."""

DARK, FLAT = 2.0, 1.0
"""Least mean and standard deviation of the pixels, of 255. A NaN anywhere on the way comes out black."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run: a configuration, the values of fields, and what varies in words. `same`: the pixels need not differ from others'."""

    config: Config
    variant: str = ""
    params: Any = dataclasses.field(default_factory=dict)
    same: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """The outcome of a case.

    Attributes:
        found: what came out, in words. digest: of its pixels. seconds: wall time. faults: empty when all is well. note: why it was not run.
    """

    case: Case
    found: str = ""
    digest: str = ""
    seconds: float = 0.0
    faults: tuple[str, ...] = ()
    note: str = ""


def cases(modes: Sequence[str] = (), config_dirs: Sequence[Path] = ()) -> Iterator[Case]:
    """Every mode x preset; every control, optional input and model through a node pack; LoRAs and memory policies with one mode."""
    loras = configuration.choices("lora", config_dirs)
    for mode in modes or configuration.choices("mode", config_dirs):
        presets, models = (check.crossed(mode, group, config_dirs) for group in ("preset", "model"))
        plain = [configuration.compose([f"mode={mode}", *preset], config_dirs) for preset in presets]
        yield from map(Case, plain)
        base = configuration.compose([f"mode={mode}"], config_dirs)
        for field in base.fields.values():
            if field.type in MEDIA_TYPES and field.optional:
                yield Case(base, f"with {field.name}", {field.name: SAMPLES[field.type]})
            if field.type == "COMBO" and not field.advanced and any(field.name in (item.when or {}) for item in base.patches):
                same = field.name in request.FITTING   # the sample picture is square, as the clip is; the default was run above
                yield from (Case(base, f"{field.name} {option}", {field.name: option}, same) for option in field.options if option != field.default)
        for config in (check.offered(mode, presets, config_dirs, model) for model in models if model):
            if configuration.facts("model", config.choices["model"], config_dirs).get("packs") and config not in plain:
                yield Case(config, f"model {config.choices['model']}")   # the others load the same tiny weights under other names
        if "model" in base.ports:
            chosen = {name: configuration.compose([f"mode={mode}", f"lora=[{name}]"], config_dirs) for name in loras}
            yield from (Case(chosen[name], f"lora {name}") for name in loras if chosen[name].loras)
            loras = tuple(name for name in loras if not chosen[name].loras)   # those of another family
            for group, name in check.proved(base, config_dirs):
                config = configuration.compose([f"mode={mode}", f"{group}={name}"], config_dirs)
                own = {field.name: field.min for field in config.fields.values() if field.name not in base.fields}
                if config.patches != base.patches:   # the others change no graph
                    yield Case(config, f"{group} {name}", own, same=True)   # the least: many chunks or tiles of a small clip


def prepared(case: Case, input_dir: Path) -> Drawn:
    """The staged request of a case, with its graph: as a run makes them, but smaller than the fields allow.

    Raises:
        AioError: as a run would.
    """
    config = case.config
    params: dict[str, Any] = {f.name: SAMPLES[f.type] for f in config.fields.values() if f.type in MEDIA_TYPES and not f.optional}
    params |= {f.name: "A cat walks" for f in config.fields.values() if f.type == "STRING" and f.default is None}
    params |= {f.name: check.items(f, SAMPLES) for f in config.fields.values() if f.type == LIST}
    params |= ({"seconds": SECONDS} if "seconds" in config.fields else {}) | dict(case.params)
    params = lists.put(params, {name: str(folders.ROOT / "samples" / file) for name, _, file in lists.files(config.fields, params)})
    checked = request.validate(Job(config, params))
    small = {name: SIZE for name in ("width", "height") if name in config.fields}
    return draw(request.stage(dataclasses.replace(checked, values={**checked.values, **small}), input_dir))


def examine(case: Case, engine: Any, missing: Iterable[str] = ()) -> Row:
    """Run a case and look at its mp4.

    Args:
        engine: a ComfyUIEngine whose models are tiny weights. missing: weights that there is no stand-in for.
    """
    began = time.monotonic()
    try:
        note = lacking(case, engine, missing)
        if note:
            return Row(case, note=note)
        drawn = prepared(case, engine.input_dir)
        recipe = provenance.metadata(drawn, f"{engine.name} {engine.revision}")
        with tinyweights.narrow():
            made = engine.execute(drawn, ignore, Stop(), metadata=recipe)
    except Exception as error:   # one case's fault, whatever it is, does not end the others
        return Row(case, seconds=time.monotonic() - began, faults=(str(faults.known(error)),))
    seen = look(made.video)
    made.video.unlink()
    return Row(case, str(seen), seen.digest, time.monotonic() - began, tuple(_faults(seen, drawn)))


def lacking(case: Case, engine: Any, missing: Iterable[str]) -> str:
    """Why a case cannot be run here, and what to do about it; empty where it can.

    Raises:
        AioError: the case's graph cannot be made.
    """
    pins, packs = case.config.comfyui, case.config.packs
    places = {name: location.pack_place(engine.folders.comfyui, pins.pack(name)) for name in packs}
    gone = [name for name, place in places.items() if location.pack_revision(place, pins.pack(name)) != pins.pack(name).revision]
    # No media are staged for this: their names make no difference.
    drawn = draw(check.sample(case.config, {name: value for name, value in case.params.items() if name in case.config.fields}))
    absent = [ref.name for ref in drawn.models if ref.name in set(missing)]
    what = f"the pack {', '.join(gone)} is not there at its pin" if gone else f"no tiny stand-in for {', '.join(absent)}" if absent else ""
    remedy = f"; run `python -m aio setup {case.variant.replace(' ', '=')}`" if packs else ""
    return f"schema only: {what}{remedy}" if what else ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is in an mp4, decoded. mean, spread: of all pixel values, 0 to 255. tags: its metadata. digest: of the pixels."""

    width: int
    height: int
    frames: int
    fps: float
    sample_rate: int
    sound_seconds: float
    mean: float
    spread: float
    tags: frozenset[str]
    digest: str

    def __str__(self) -> str:
        sound = f"{self.sound_seconds:.3f} s {self.sample_rate} Hz" if self.sample_rate else "silent"
        return f"{self.width}x{self.height} {self.frames:3} frames {self.fps:g} fps, {sound:17} spread {self.spread:4.1f}"


def look(path: Path) -> Seen:
    """Decode an mp4."""
    import av

    with av.open(str(path)) as container:
        picture, sound = container.streams.video[0], next(iter(container.streams.audio), None)
        pixels = [frame.to_ndarray(format="rgb24") for frame in container.decode(picture)]
        # The encoder pads sound to whole blocks of 1,024 samples; the container tells the true length.
        length = float((sound.duration or 0) * (sound.time_base or 0)) if sound else 0.0
        return Seen(
            picture.width, picture.height, len(pixels), float(picture.average_rate or 0), sound.rate if sound else 0, length,
            statistics.fmean(float(frame.mean()) for frame in pixels), statistics.fmean(float(frame.std()) for frame in pixels),
            frozenset(container.metadata), hashlib.sha256(b"".join(frame.tobytes() for frame in pixels)).hexdigest())


def _faults(seen: Seen, drawn: Drawn) -> Iterator[str]:
    plan, asked = drawn.result, drawn.asked
    if asked and asked != _size(seen):
        yield f"asked for width, height, frames, fps {asked}, got {_size(seen)}"
    planned, found = (plan.width, plan.height, plan.frames, plan.fps, plan.sample_rate), (*_size(seen), seen.sample_rate)
    if planned != found:
        yield f"the plan said width, height, frames, fps, Hz {planned}, got {found}"
    # SaveVideo cuts the sound where the picture ends; 1 ms is the rounding of the container's header.
    heard = min(plan.sound_seconds, plan.seconds)
    if plan.sample_rate and abs(seen.sound_seconds - heard) > 0.001 + 1 / plan.sample_rate:
        yield f"the sound lasts {seen.sound_seconds:.4f} s, the plan said {heard:.4f} s"
    if not seen.sample_rate:
        yield "there is no sound"
    if seen.mean < DARK or seen.spread < FLAT:
        yield f"the picture is black or flat: mean {seen.mean:.1f}, spread {seen.spread:.1f} of 255"
    if not {"aio", "prompt"} <= seen.tags:
        yield f"the recipe is missing, the file's tags are {', '.join(sorted(seen.tags))}"


def _size(seen: Seen) -> tuple[int, int, int, float]:
    return seen.width, seen.height, seen.frames, seen.fps


def doctor(config_dirs: Sequence[Path] = (), modes: Sequence[str] = (), show: Callable[[str], None] = terminal.answer) -> int:
    """Run all cases and show a table. Returns the exit code: 1 with any fault.

    Raises:
        ConfigError: an unknown mode. EngineError: ComfyUI is not set up, or does not start.
    """
    from aio.comfyui.engine import ComfyUIEngine

    todo = list(cases(modes, config_dirs))
    if location.find(todo[0].config.comfyui) is None:
        raise EngineError("doctor runs the real ComfyUI, which is not set up: run `python -m aio setup` first")
    with tempfile.TemporaryDirectory(prefix="aio-doctor-") as scratch:
        began = time.monotonic()
        engine = ComfyUIEngine(todo[0].config, work_dir=Path(scratch), models_dir=Path(scratch) / "models", cpu=True)
        show(f"ComfyUI {engine.revision} at {engine.folders.comfyui}")
        engine.start()
        names = {name: item.folder for case in todo for name, item in case.config.registry.items()}
        missing = tinyweights.write(engine.folders.models, names)
        show(f"started on the CPU, tiny random weights made, in {time.monotonic() - began:.1f} s\n")
        show(f"{'mode':9} {'preset':9} {'variant':24} {'s':>5}  result")
        rows: list[Row] = []
        for case in todo:
            row = _differs(examine(case, engine, missing), rows)
            rows.append(row)
            show(_line(row))
    bad = [row for row in rows if row.faults]
    left, seconds = sum(bool(row.note) for row in rows), time.monotonic() - began
    show(f"\ncomfyui {engine.revision}: {len(rows) - left} runs, {len(bad)} with faults, {left} schema only; {seconds:.0f} s")
    return 1 if bad else 0


def _differs(row: Row, before: Iterable[Row]) -> Row:
    """The row, with a fault where the same mode has given the very same picture: what was chosen did not reach the model."""
    mode = row.case.config.mode
    if row.case.same:
        return row
    same = next((other for other in before if row.digest and other.digest == row.digest and other.case.config.mode == mode), None)
    if same is None:
        return row
    other = f"preset {same.case.config.choices.get('preset')} {same.case.variant}".strip()
    return dataclasses.replace(row, faults=(*row.faults, f"the same pixels as {other}: it changes nothing"))


def _line(row: Row) -> str:
    config = row.case.config
    head = f"{config.mode:9} {config.choices.get('preset') or '-':9} {row.case.variant:24} {row.seconds:5.1f}  "
    outcome = row.note or ("FAULT " if row.faults else "ok    ") + row.found
    return "\n".join([head + outcome, *(f"    {fault}" for fault in row.faults)])
