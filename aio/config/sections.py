"""The sections of the configuration, declared: what is text, a number or one of a few words, and what is needed. There are no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aio.config.download import Download
from aio.config.groups import Group
from aio.config.kinds import Family, Kinds
from aio.config.page import Ui
from aio.config.pins import Pins
from aio.config.platform import Device, Duration, Platform
from aio.config.registry import RegistryEntry
from aio.config.space import Space
from aio.fields import Condition, Field
from aio.fields.amounts import Amount, Count
from aio.media.bounds import Limits


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
class Input:
    """`input`."""

    keep_days: Amount | None = None
    original_mb: Amount | None = None
    cut_share: Amount | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Sweep:
    """`sweep`: limits of a sweep and of a table."""

    jobs: Count
    columns: Count


@dataclass(frozen=True)
class Memory:
    """`memory` (conf/memory).

    Attributes:
        name: of the policy. remedy: what to choose where the memory does not suffice.
        after_job: keep (models and node results stay), unload (models leave the GPU), free (results go too).
        vram: auto, high, low, none or gpu: ComfyUI's modes of the same names.
        reserve_gb: GB of VRAM left to other programs, None for ComfyUI's own choice.
        dynamic_vram: NVIDIA: ComfyUI streams weights as its main.py does by default; else it loads them whole, by estimates.
        cache: pressure (ComfyUI's default: results go when RAM runs short), classic, or none.
        cache_gb: free GB of RAM that the pressure cache keeps while a job runs, and below which results that the job does
            not need go; null for main.py's numbers.
    """

    name: str = ""
    remedy: str = ""
    after_job: Literal["keep", "unload", "free"] = "keep"
    vram: Literal["auto", "high", "low", "none", "gpu"] = "auto"
    reserve_gb: Amount | None = None
    dynamic_vram: bool = True
    cache: Literal["pressure", "classic", "none"] = "pressure"
    cache_gb: tuple[Amount | None, Amount | None] = (None, None)


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
class Preset:
    """`preset`: what a preset's file says about itself."""

    name: str = ""
    summary: str = ""


@dataclass(frozen=True)
class Model:
    """`model`: what a model's file says about itself. remedy: what to choose instead. devices: that can compute it; none named: any."""

    name: str = ""
    summary: str = ""
    remedy: str = ""
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True)
class Lora:
    """An entry of `loras`. file: its weights. base: the model that it was made for. note: what a user is told."""

    title: str = ""
    file: str = ""
    base: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Sections:
    """Those that code reads as they are written. Those without a default are needed.

    Attributes:
        registry, comfyui: weights and pins. duration: GPU-seconds constants. loras: facts of the chosen LoRAs.
        fields: name -> Field. values: what preset, model and mode set; name -> value.
        nodes, tables: see aio.graph.patch. packs: node pack -> what is used of it. phases: groups, in the order of their patches.
        engine: auto or a name of `engines`. space: where a Space is made.
    """

    output: Output
    platform: Platform
    duration: Duration
    comfyui: Pins
    ui: Ui
    registry: Mapping[str, RegistryEntry]
    sweep: Sweep
    groups: Mapping[str, Group]
    engines: dict[str, EngineEntry]
    engine: Annotated[str, "one of a few words"] = "auto"
    input: Input = field(default_factory=Input)
    memory: Memory = field(default_factory=Memory)
    download: Download = field(default_factory=Download)
    fields: Mapping[str, Field] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    loras: Mapping[str, Lora] = field(default_factory=dict)
    lora_keys: LoraKeys = field(default_factory=LoraKeys)
    kinds: Kinds = field(default_factory=Kinds)
    family: Family = field(default_factory=Family)
    phases: tuple[str, ...] = ()
    packs: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Note] = field(default_factory=dict)
    official: Mapping[str, str] = field(default_factory=dict)
    preset: Preset = field(default_factory=Preset)
    model: Model = field(default_factory=Model)
    space: Space | None = None


@dataclass(frozen=True, kw_only=True)
class Root(Sections):
    """All sections, as they are written."""

    mode: Mode
    ports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    patches: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[Mapping[str, Any], ...] = ()
