"""Memory of the ComfyUI engine: what the config's `memory` does to ComfyUI, and the one place that frees anything.

VRAM is ComfyUI's own work: it loads, offloads and evicts. The policy (conf/memory) chooses its modes and says what stays
loaded between two jobs.
"""

from __future__ import annotations

import gc
import time
from typing import Any

from aio.config.sections import Memory

VRAM = {"auto": None, "high": "highvram", "low": "lowvram", "none": "novram", "gpu": "gpu_only"}
"""`memory.vram` -> ComfyUI's option of that name (comfy/cli_args.py)."""

COLLECT_SECONDS = 10.0
"""ComfyUI's own interval between two collections (gc_collect_interval in main.py)."""

_collected = -COLLECT_SECONDS


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
        executor: the PromptExecutor whose results may go. how: the config's `memory.after_job`.
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
