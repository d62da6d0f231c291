"""The sections `platform` and `duration` of the configuration, declared: where a job runs, and how long it takes there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from aio.errors import nearest
from aio.fields.amounts import Amount, Count, Factor

Device = Literal["cuda", "mps", "cpu"]


@dataclass(frozen=True)
class Clamp:
    """`platform.duration`."""

    min: Amount | None
    max: Amount | None
    cold_s: Amount
    margin: Amount
    retry_max: Amount | None = None


@dataclass(frozen=True)
class GpuSize:
    """An entry of `platform.sizes`."""

    card: str
    card_factor: Factor
    asks: Factor
    quota: Factor


@dataclass(frozen=True)
class Prune:
    """`platform.prune`."""

    hours: Amount | None
    every_minutes: Factor


@dataclass(frozen=True)
class Platform:
    """`platform` (conf/platform)."""

    duration: Clamp
    runs: Count
    prune: Prune
    timings: str | None = None
    size: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, GpuSize] = field(default_factory=dict)
    quota: dict[str, Amount] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    usual: dict[Device, list[dict[str, Any]]] = field(default_factory=dict)

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it beyond its type)."""
        if self.sizes and "default" not in self.size:
            yield "size", "missing default, the size of models that are not named there"
        for model, name in self.size.items():
            if name not in self.sizes:
                yield f"size.{model}", f"{name!r} is unknown.{nearest(name, self.sizes)} Known: {', '.join(self.sizes)}"

    def size_of(self, model: str) -> str:
        """Size of the GPU to ask for to run a model, empty where none has to be."""
        return self.size.get(model, self.size["default"]) if self.sizes else ""


@dataclass(frozen=True)
class Duration:
    """`duration` (conf/duration)."""

    card: str
    card_factor: Factor
    step_ms: tuple[Amount, Amount]
    step_floor_ms: Amount
    guide_factor: Amount
    decode_s_per_mpx_frame: Amount
    encode_s_per_mpx_frame: Amount
    text_s: Amount
    guide_s: Amount
    audio_s: Amount
    load_s: dict[str, Amount]
    look_s: dict[str, Amount]
    extra_s: dict[str, Amount]
