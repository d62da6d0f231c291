"""Where ComfyUI lies, and whether it is the pinned one. Decided here and nowhere else.

In this order: AIO_COMFYUI_DIR, the filled submodule of a checkout, ~/.cache/aio/comfyui. It must be the pinned revision: by its
git HEAD, else (a copy without .git) by its version file and the committed hashes of the files that matter.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio.config.pins import Pin, Pins
from aio.errors import AioError, EngineError
from aio.machine import folders
from aio.machine.outside import json_of, text_of

MANIFEST = folders.DATA / "comfyui_manifest.json"
MANIFEST_FILES = (
    *("*.py", "utils/*.py", "comfy/*.py", "comfy/ldm/lightricks/**/*.py", "comfy/text_encoders/lt.py"),
    *("comfy_execution/*.py", "comfy_api/latest/*.py", "comfy_extras/nodes_lt*.py"),
    *(f"comfy_extras/nodes_{name}.py" for name in ("video", "audio", "custom_sampler", "images", "mask", "canny", "math", "primitive")),
    *(f"comfy_extras/nodes_{name}.py" for name in ("moge", "depth_anything_3", "sdpose", "rtdetr", "hunyuan", "post_processing")),
)
"""What aio imports or a workflow runs, as patterns under the ComfyUI folder."""
_LINE = 10_000
"""Bytes of a file that holds one line or little more."""
ANY, REMEDY = "AIO_ALLOW_ANY_COMFYUI", "run `python -m aio setup`"


@dataclass(frozen=True, slots=True)
class ComfyUIDir:
    """A ComfyUI that may be used.

    Attributes:
        path: absolute folder. revision: commit, or the version where there is no git. source: why this folder.
        verified_by: git, manifest, or nothing (AIO_ALLOW_ANY_COMFYUI). warning: sentence for the user, empty when all is well.
    """

    path: Path
    revision: str
    source: str
    verified_by: str
    warning: str = ""


def find(pins: Pins, override: str | Path | None = None) -> ComfyUIDir | None:
    """The ComfyUI to use, None when none is set up.

    Raises:
        EngineError: there is one and it is not the pinned one (or a folder that the user names holds none).
    """
    for why, path in folders.comfyui(override):
        try:
            holds = (path / "execution.py").is_file() and (path / "nodes.py").is_file()
        except OSError as error:
            raise EngineError(f"{path} ({why}) cannot be looked into: {error.strerror}; set AIO_COMFYUI_DIR to a folder of your own") from None
        if holds:
            return _verified(pins, path, why)
        if why in ("the given folder", "AIO_COMFYUI_DIR"):
            raise EngineError(f"{path} ({why}) holds no ComfyUI; {REMEDY}, which fills it, or name another folder")
    return None


def known_models(pins: Pins) -> Path | None:
    """ComfyUI's models folder, None where none is set up, or not the pinned one: listing needs no engine, `run` and `setup` say what is wrong."""
    try:
        found = find(pins)
    except AioError:
        return None
    return folders.models(found.path) if found else None


def _verified(pins: Pins, path: Path, why: str) -> ComfyUIDir:
    wanted = f"{pins.version} {pins.comfyui.revision}".strip()
    if (path / ".git").exists():
        revision, by = head(path) or "", "git"
        fault = "" if revision == pins.comfyui.revision else f"is at {revision or 'no commit (setup was interrupted)'}"
    else:
        revision, by = version(path), "manifest"
        changed = drift(path, pins.comfyui.revision) if revision == pins.version else None
        fault = f"has version {revision or 'unknown'} and no .git" if changed is None else ""
        if changed:
            some = ", ".join(changed[:3]) + (", ..." if changed[3:] else "")
            fault = f"has no .git, and {len(changed)} of its files are not the pinned ones ({some})"
    if not fault:
        return ComfyUIDir(path, revision, why, by)
    message = f"ComfyUI at {path} ({why}) {fault}; aio is made for {wanted}"
    if os.environ.get(ANY, "") not in ("", "0"):
        warning = f"{message}. Used all the same because {ANY} is set: results may differ or fail"
        logging.getLogger("aio").warning(warning)
        return ComfyUIDir(path, revision, why, "nothing", warning)
    raise EngineError(f"{message}: {REMEDY}, or set {ANY}=1 to use it all the same")


def pack_dir(comfyui: Path, pin: Pin) -> Path:
    """Folder of an installed node pack. Raises EngineError when it is missing or at another revision."""
    path = pack_place(comfyui, pin)
    found = pack_revision(path, pin)
    if found != pin.revision and os.environ.get(ANY, "") in ("", "0"):
        state = "is not there" if not path.is_dir() else f"is at {found or 'no commit (setup was interrupted)'}"
        raise EngineError(f"node pack {pin.name} {state}; aio is made for {pin.revision}: {REMEDY}")
    return path


def pack_place(comfyui: Path, pin: Pin) -> Path:
    """Where a node pack lies, whether it is there or not."""
    return folders.ROOT / pin.bundled if pin.bundled else comfyui / "custom_nodes" / pin.name


def pack_revision(path: Path, pin: Pin) -> str | None:
    """Revision of the node pack at `path`, None where there is none."""
    if not pin.bundled:
        return head(path) if path.is_dir() else None
    return _sha256(path / "__init__.py")[:40] if (path / "__init__.py").is_file() else None


def git_dir(path: Path) -> Path | None:
    """The git directory of the work tree at `path` itself, None when it has none."""
    git = path / ".git"
    if git.is_file():   # a submodule or a second work tree
        git = path / text_of(git, _LINE).removeprefix("gitdir:").strip()
    return git if git.is_dir() else None


def head(path: Path) -> str | None:
    """Commit of a git work tree, read without git: None when there is no commit yet, or no .git in this very folder."""
    try:
        git = git_dir(path)
        if git is None:
            return None
        text = text_of(git / "HEAD", _LINE).strip()
        if not text.startswith("ref:"):
            return text
        name, common = text.removeprefix("ref:").strip(), git
        if (git / "commondir").is_file():
            common = git / text_of(git / "commondir", _LINE).strip()
        for place in (git, common):
            if (place / name).is_file():
                return text_of(place / name, _LINE).strip()
        packed = text_of(common / "packed-refs")
        return next((line[:40] for line in packed.splitlines() if line[41:] == name), None)
    except (OSError, ValueError):   # not there, or no repository of git's making
        return None


def version(path: Path) -> str:
    """What comfyui_version.py says, empty when it does not."""
    try:
        text = text_of(path / "comfyui_version.py", _LINE)
    except (OSError, ValueError):
        return ""
    found = re.search(r"""^__version__\s*=\s*["']([^"']+)""", text, re.MULTILINE)
    return found.group(1) if found else ""


def manifest(path: Path) -> dict[str, Any]:
    """What comfyui_manifest.json holds, made from a ComfyUI folder: revision, version, file -> sha256 (of LF line ends)."""
    names = sorted({file.relative_to(path).as_posix() for pattern in MANIFEST_FILES for file in path.glob(pattern)})
    return {"revision": head(path) or "", "version": version(path), "files": {name: _sha256(path / name) for name in names}}


def drift(path: Path, revision: str) -> list[str] | None:
    """Names of files that differ from the committed manifest or are missing; None when it describes another revision."""
    pinned = json_of(text_of(MANIFEST))
    if pinned["revision"] != revision:
        return None
    return [name for name, sha256 in pinned["files"].items() if not (path / name).is_file() or _sha256(path / name) != sha256]


def _sha256(path: Path) -> str:
    # A checkout on Windows may have CRLF: not a difference. What cannot be read is one.
    try:
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    except OSError:
        return ""
