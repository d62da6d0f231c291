"""What computes on this machine, and what is chosen there for what the user leaves open. Found without importing torch (seconds)."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def device() -> str | None:
    """`cuda`, `mps` or None."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return "cuda"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "mps"
    return None


def memory_gb() -> float:
    """The machine's memory in GB (1e9 bytes), 0 where the system does not tell. Apple's GPUs share it."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, OSError, ValueError):   # Windows has no sysconf; a system may lack the names
        return 0.0


def suited(overrides: Sequence[str], usual: Mapping[str, Iterable[Mapping[str, object]]]) -> list[str]:
    """The overrides that this machine's device adds to those of the user.

    Args:
        overrides: as typed. usual: device -> sets of choices (group -> name) with the memory that they need, `memory_gb`; of those
            for which there is memory, the first that contradicts nothing in `overrides` counts.
    """
    here = device()
    entries = usual.get(here or "", ())
    if not entries:
        return []
    typed = {key.lstrip("+~"): value for key, _, value in (text.partition("=") for text in overrides)}
    if typed.get("platform", "local") != "local":
        return []   # a look at another machine
    memory = memory_gb()
    for entry in entries:
        chosen = {group: name for group, name in entry.items() if group != "memory_gb"}
        if memory >= float(str(entry.get("memory_gb") or 0)) and all(typed.get(group, name) == name for group, name in chosen.items()):
            return [f"{group}={name}" for group, name in chosen.items() if group not in typed]
    return []
