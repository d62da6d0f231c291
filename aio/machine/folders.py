"""Where aio's own files lie, and where it looks for ComfyUI and keeps its work: folders alone, whatever is in them."""

from __future__ import annotations

import os
from pathlib import Path

from aio.machine import paths

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE if (PACKAGE / "conf").is_dir() else PACKAGE.parent
"""Folder that holds conf/, workflows/, samples/ and nodes/: the package itself in a wheel, the checkout otherwise."""
DATA = PACKAGE / "data"
"""What is made from others' code: schema, hashes, requirements."""


def checkout() -> Path | None:
    """The git checkout that aio runs from, None when it is installed as a package."""
    return ROOT if ROOT != PACKAGE and (ROOT / ".git").exists() else None


def comfyui(override: str | Path | None = None) -> list[tuple[str, Path]]:
    """(why, folder) in the order of preference, whether ComfyUI is there or not; one alone where the user names it."""
    if override or os.environ.get("AIO_COMFYUI_DIR"):
        why = "the given folder" if override else "AIO_COMFYUI_DIR"
        return [(why, paths.expanded(override or os.environ["AIO_COMFYUI_DIR"], why).absolute())]
    root = checkout()
    cache = ("the cache", paths.cache() / "comfyui")
    return [("the submodule", root / "comfyui"), cache] if root else [cache]


def models(comfyui_dir: Path) -> Path:
    """ComfyUI's models folder: AIO_MODELS_DIR, else the one in its own folder."""
    return paths.expanded(os.environ.get("AIO_MODELS_DIR") or comfyui_dir / "models", "AIO_MODELS_DIR").absolute()


def work() -> Path:
    """Folder of an engine's input, output and log: AIO_WORK_DIR, else ~/.cache/aio/work."""
    return paths.expanded(os.environ.get("AIO_WORK_DIR") or paths.cache() / "work", "AIO_WORK_DIR").absolute()
