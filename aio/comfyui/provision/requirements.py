"""Python requirements of ComfyUI and node packs: which are left out, which are there, and pip for the rest."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from aio.comfyui.provision import process
from aio.errors import EngineError
from aio.machine import paths
from aio.machine.outside import text_of
from aio.values import OnEvent, ignore

TORCH = ("torch", "torchvision", "torchaudio")
"""Chosen by the user for the device at hand; ComfyUI imports all three."""


def missing_torch() -> list[str]:
    """Members of TORCH that are not installed."""
    return [name for name in TORCH if importlib.util.find_spec(name) is None]


def read(file: Path, leave_out: Iterable[str] = ()) -> list[str]:
    """Lines of a requirements file without comments and without the packages that match `leave_out`."""
    try:
        return kept(text_of(file).splitlines() if file.is_file() else (), leave_out)
    except ValueError as error:
        raise EngineError(f"{file}: {error}; put it back as its repository has it") from None


def kept(lines: Iterable[str], leave_out: Iterable[str]) -> list[str]:
    """Requirement lines without comments and without the packages that match `leave_out`; `*` ends a prefix."""
    patterns = [_plain(pattern) for pattern in leave_out]
    found = []
    for line in lines:
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if line and not (name and any(fnmatch(_plain(name.group()), pattern) for pattern in patterns)):
            found.append(line)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _satisfied(line: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate():
            return True
        return not wanted.url and wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
        return False


def install(lines: Sequence[str], on_event: OnEvent = ignore) -> tuple[str, ...]:
    """Give pip the lines that this environment does not satisfy yet, and return them. The torch that is here stays as it is.

    Raises:
        EngineError: pip failed: its last lines, and the command to run by hand.
    """
    todo = tuple(dict.fromkeys(line for line in lines if not _satisfied(line)))
    if todo:
        torch = [f"{name}=={importlib.metadata.version(name)}" for name in TORCH if name not in missing_torch()]
        with tempfile.TemporaryDirectory(dir=paths.temporary()) as folder:
            wanted, kept = Path(folder, "requirements.txt"), Path(folder, "constraints.txt")
            wanted.write_text("\n".join(todo), encoding="utf-8")
            kept.write_text("\n".join(torch), encoding="utf-8")
            remedy = f"install them by hand and run setup again: {' '.join([*pip_install(), *todo])}"
            process.run([*pip_install(), "-r", str(wanted), "-c", str(kept)], remedy, on_event, "Installing requirements")
        importlib.invalidate_caches()
    return todo


def pip_install() -> list[str]:
    """The command that installs into this environment; uv's where pip is not in it."""
    if importlib.util.find_spec("pip") is None and (uv := shutil.which("uv")):
        return [uv, "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
