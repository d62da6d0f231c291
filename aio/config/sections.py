"""The sections of the configuration that code reads, declared: what is text, a number or one of a few words, and what is needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aio.config.page import Ui
from aio.config.typed import Amount, Count, Factor
from aio.fields import Condition, Field


@dataclass(frozen=True)
class Mode:
    """`mode`: what a mode's file says about itself. workflow: file beside the mode's, or with its whole path; NAME.json unless given."""

    name: str
    title: str = ""
    summary: str = ""
    workflow: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """Our name's node in the workflow: its id and the class that a guard tests."""

    id: str
    class_type: str


@dataclass(frozen=True)
class Output:
    """`output`. node: the node whose file is the result."""

    dir: str = "outputs"
    name: str | None = None
    node: str = ""
    keep_days: Amount | None = None
    part_hours: Amount | None = None


@dataclass(frozen=True)
class Limits:
    """`input.limits`: see aio.media.bounds; null is no limit."""

    megapixels: Amount | None = None
    frame_megapixels: Amount | None = None
    frames: Amount | None = None
    gigapixels: Amount | None = None
    seconds: Amount | None = None
    channels: Amount | None = None
    sample_rate: Amount | None = None
    streams: Amount | None = None


@dataclass(frozen=True)
class Input:
    """`input`."""

    keep_days: Amount | None = None
    original_mb: Amount | None = None
    cut_share: Amount | None = None
    limits: Limits | None = None


@dataclass(frozen=True)
class Sweep:
    """`sweep`: limits of a sweep and of a table."""

    jobs: Count
    columns: Count


@dataclass(frozen=True)
class Download:
    """`download`: how weights are fetched."""

    slowest_kb_s: Amount
    for_s: Factor
    silent_s: Factor
    answer_s: Factor
    retries: Amount
    pause_s: Amount
    wait_s: Amount
    history: Amount
    parallel: Count


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
    usual: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


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


@dataclass(frozen=True)
class Memory:
    """`memory` (conf/memory); aio.comfyui.memory says what the words do."""

    name: str = "keep_warm"
    after_job: Literal["keep", "unload", "free"] = "keep"
    vram: Literal["auto", "high", "low", "none", "gpu"] = "auto"
    reserve_gb: Amount | None = None
    dynamic_vram: bool = True
    cache: Literal["pressure", "classic", "none"] = "pressure"
    cache_gb: tuple[Amount | None, Amount | None] = (None, None)


@dataclass(frozen=True)
class Pin:
    """A repository of `comfyui.packs`, or the folder of one that comes with aio."""

    revision: str
    url: str = ""
    bundled: str = ""


@dataclass(frozen=True)
class LoraKeys:
    """`lora_keys` (conf/comfyui/base/lora.yaml); aio.weights.lorafit says what the words do."""

    loaders: dict[str, list[str]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    prefixes: list[str] = field(default_factory=list)
    networks: dict[str, list[str]] = field(default_factory=dict)
    not_networks: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    pairs: dict[str, str] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)
    whole: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    made_for: list[str] = field(default_factory=list)
    packed: list[str] = field(default_factory=list)
    log: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ComfyUI:
    """`comfyui` (conf/comfyui/pins.yaml)."""

    url: str
    revision: str
    version: str = ""
    mirror: str | None = None
    packs: dict[str, Pin] = field(default_factory=dict)
    leave_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class EngineEntry:
    """An entry of `engines`: what must be known of an engine before it is imported.

    Attributes:
        class_path: import path of its class, see aio.engine.Engine. device: whether it computes on a GPU, this machine's or ZeroGPU's.
        note: what a user should know of its results.
    """

    class_path: str
    device: bool = False
    note: str = ""


@dataclass(frozen=True)
class Note:
    """An entry of `notes`: a sentence for whoever plans or runs a job where `when` holds, over fields, values and the choices of groups."""

    text: str
    when: Condition | None = None


@dataclass(frozen=True)
class Root:
    """The sections by name. Those without a default are needed; a section that is not here is not checked."""

    mode: Mode
    output: Output
    platform: Platform
    duration: Duration
    comfyui: ComfyUI
    ui: Ui
    registry: dict[str, Any]
    sweep: Sweep
    engines: dict[str, EngineEntry]
    engine: Annotated[str, "one of a few words"] = "auto"
    input: Input = field(default_factory=Input)
    memory: Memory = field(default_factory=Memory)
    download: Download | None = None
    fields: dict[str, Field] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    ports: dict[str, dict[str, str]] = field(default_factory=dict)
    patches: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    loras: dict[str, dict[str, Any]] = field(default_factory=dict)
    lora_keys: LoraKeys = field(default_factory=LoraKeys)
    packs: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    official: dict[str, Any] = field(default_factory=dict)
    preset: dict[str, str] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
