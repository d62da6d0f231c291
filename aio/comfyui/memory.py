"""Memory of the ComfyUI engine: what the config's `memory` may say, and the one place that frees anything.

VRAM is ComfyUI's own work: it loads, offloads and evicts. The policy (conf/memory) chooses its modes and says what stays
loaded between two jobs.
"""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aio.errors import ConfigError, nearest

VRAM = {"auto": None, "high": "highvram", "low": "lowvram", "none": "novram", "gpu": "gpu_only"}
"""`memory.vram` -> ComfyUI's option of that name (comfy/cli_args.py)."""

AFTER_JOB = ("keep", "unload", "free")

COLLECT_SECONDS = 10.0
"""ComfyUI's own interval between two collections (gc_collect_interval in main.py)."""

_collected = -COLLECT_SECONDS


@dataclass(frozen=True, slots=True)
class Memory:
    """The config's `memory` (conf/memory/*.yaml).

    Attributes:
        name: of the policy.
        after_job: keep (models and node results stay), unload (models leave the GPU), free (results go too).
        vram: auto, high, low, none or gpu: ComfyUI's modes of the same names.
        reserve_gb: GB of VRAM left to other programs, None for ComfyUI's own choice.
        dynamic_vram: NVIDIA: ComfyUI streams weights as its main.py does by default; else it loads them whole, by estimates.
        cache: pressure (ComfyUI's default: results go when RAM runs short), classic, or none.
        cache_gb: free GB of RAM that the pressure cache keeps while a job runs, and below which results that the job does
            not need go; null for main.py's numbers.
    """

    name: str = "keep_warm"
    after_job: str = "keep"
    vram: str = "auto"
    reserve_gb: float | None = None
    dynamic_vram: bool = True
    cache: str = "pressure"
    cache_gb: tuple[float | None, float | None] = (None, None)


def parse(data: Mapping[str, Any]) -> Memory:
    """Read `memory` of a composed configuration; an absent one is the default.

    Raises:
        ConfigError: an unknown key or value, with the nearest known one.
    """
    given = dict(data.get("memory") or {})
    known = [field.name for field in dataclasses.fields(Memory)]
    for key in given:
        if key not in known:
            raise ConfigError(f"memory: unknown key {key!r}.{nearest(str(key), known)} Known: {', '.join(known)}")
    memory = Memory(**given | {"cache_gb": tuple(given.get("cache_gb") or (None, None))})
    choices = {"after_job": AFTER_JOB, "vram": tuple(VRAM), "cache": ("pressure", "classic", "none")}
    for key, allowed in choices.items():
        value = getattr(memory, key)
        if value not in allowed:
            raise ConfigError(f"memory.{key}: {value!r} is unknown.{nearest(str(value), allowed)} Known: {', '.join(allowed)}")
    if len(memory.cache_gb) != 2:
        raise ConfigError(f"memory.cache_gb: expected two numbers or nulls, found {list(memory.cache_gb)}")
    return memory


def set_options(memory: Memory, args: Any) -> None:
    """Write the policy into ComfyUI's parsed options, before anything else of ComfyUI is imported."""
    option = VRAM[memory.vram]
    if option:
        setattr(args, option, True)
    args.reserve_vram = memory.reserve_gb
    args.disable_dynamic_vram = not memory.dynamic_vram


def cache(memory: Memory) -> dict[str, Any]:
    """Arguments of PromptExecutor for the policy's cache. ComfyUI must have been imported."""
    import comfy.model_management
    import execution

    total = comfy.model_management.total_ram / 1024   # GB
    # The two numbers of prompt_worker in main.py.
    active, inactive = memory.cache_gb
    active = min(10.0, max(2.0, total * 0.10)) if active is None else active
    inactive = min(128.0, total) if inactive is None else inactive
    kind = {"pressure": "RAM_PRESSURE", "classic": "CLASSIC", "none": "NONE"}[memory.cache]
    return {"cache_type": execution.CacheType[kind], "cache_args": {"lru": 0, "ram": active, "ram_inactive": inactive}}


def release(executor: Any, how: str) -> None:
    """Free memory after a job: the only place of aio that does.

    Args:
        executor: the PromptExecutor whose results may go. how: one of AFTER_JOB.
    """
    global _collected
    import comfy.model_management as management

    if how in ("unload", "free"):
        management.unload_all_models()
    if how == "free":
        executor.reset()
    # As main.py does after jobs, at most every ten seconds where everything stays warm: it costs 0.1 s.
    if how != "keep" or time.monotonic() - _collected >= COLLECT_SECONDS:
        gc.collect()
        management.cleanup_models_gc()
        management.soft_empty_cache()
        _collected = time.monotonic()
