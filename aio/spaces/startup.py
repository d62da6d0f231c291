"""The start on a Hugging Face Space, before anything imports huggingface_hub: the cache's mirror, ComfyUI at its pin, folders.

Everything may be interrupted, run again, and run by two processes at once; a start that finds all in place takes a second.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from aio.comfyui import provision
from aio.comfyui.boot import Folders
from aio.command import parse
from aio.command.console import Console
from aio.config import Config
from aio.errors import EngineError, InputError, OutputError
from aio.machine import folders, paths, terminal
from aio.spaces import needs
from aio.spaces.mirror import mirror
from aio.weights.registry.cache import hub_cache

PRELOADED = "~/.cache/huggingface/hub"
"""Where `preload_from_hub` puts files at build time, whatever HF_HOME says (the Hub's page "Spaces configuration reference")."""

SERVER = {"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": "7860", "FORWARDED_ALLOW_IPS": "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"}
"""Where a Space must listen (the Hub's page "Spaces", app_port): a Space sets the first itself. The last: the Hub's proxy, which
stands within the cluster, says who asks (uvicorn takes the last address of X-Forwarded-For that is not one of these)."""


def prepare(words: Sequence[str] = (), say: Callable[[str], None] = lambda line: terminal.say(f"aio: {line}")) -> list[str]:
    """Make a Space ready for the page, and return the words for `python -m aio ui` that a Space needs.

    Args:
        words: the command line, for its configuration (comfyui.mirror=…). say: gets a line for each thing done.

    Raises:
        EngineError: ComfyUI cannot be fetched, or huggingface_hub has read its settings already. OutputError: no folder is writable.
        ConfigError: the words or the configuration are wrong.
    """
    if "huggingface_hub" in sys.modules:
        raise EngineError("the start on a Space must come first: huggingface_hub is imported and would use the read-only cache")
    command = parse(["ui", *words], ("ui",))
    config, packs = command.compose(), needs.packs(command.overrides, command.config_dirs)
    home = _home(config.platform.folders)
    from filelock import FileLock

    with FileLock(home / "start.lock"):   # the second of two processes finds everything done
        _mirror(home / "huggingface", say)
        os.environ.setdefault("AIO_COMFYUI_DIR", str(home / "comfyui"))
        os.environ.setdefault("AIO_WORK_DIR", str(home / "work"))
        _comfyui(config, packs, say)
    for name, value in SERVER.items():
        os.environ.setdefault(name, value)
    given = {word.partition("=")[0] for word in words}
    return [word for word in ("ui=shared", f"output.dir={home / 'outputs'}") if word.partition("=")[0] not in given]


def _home(candidates: Sequence[str]) -> Path:
    """The first folder that can be made and written; a Space's home may belong to the user that built it."""
    faults = []
    for candidate in candidates:
        try:
            folder = paths.expanded(candidate).absolute()
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except (OSError, InputError) as error:   # also a home folder that there is not
            faults.append(f"{candidate} ({getattr(error, 'strerror', None) or error})")
    raise OutputError(f"platform.folders: none that can be written: {', '.join(faults) or 'it is empty'}; name one there")


def _mirror(target: Path, say: Callable[[str], None]) -> None:
    """Mirror the caches there are into `target`/hub, and point huggingface_hub to it."""
    hub = target / "hub"
    for source in dict.fromkeys(place.absolute() for place in (hub_cache(), _preloaded()) if place):
        if source.is_dir() and source != hub:
            for line in mirror(source, hub).lines():
                say(line)
    hub.mkdir(parents=True, exist_ok=True)
    os.environ.update(HF_HOME=str(target), HF_HUB_CACHE=str(hub))


def _preloaded() -> Path | None:
    try:
        return paths.expanded(PRELOADED)
    except InputError:
        return None   # a user without a home has nothing there


def _comfyui(config: Config, packs: Sequence[str], say: Callable[[str], None]) -> None:
    """ComfyUI and the packs at their pins, and the folders that it expects. Their Python packages came with requirements.txt."""
    with Console() as console:
        report = provision.setup(config.comfyui, packs, console, install=False)
    for line in report.lines():
        say(line)
    comfyui, work = report.comfyui.path, folders.work()
    try:
        Folders(comfyui, work, folders.models(comfyui)).make()
    except OSError as error:
        raise OutputError(f"AIO_WORK_DIR: {work} cannot be written ({error.strerror or error}); name another folder") from None
