"""Start ComfyUI as a library, once in a process. Nothing of it, nor torch, is imported before `boot`.

Order matters (ComfyUI v0.33.0): its folder comes first on sys.path; its options are set before any other of its modules is
imported; a PromptServer exists before the nodes, which register with it. What main.py sets up beyond that is repeated here.
"""

from __future__ import annotations

import asyncio
import gc
import logging.handlers
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio.comfyui import torch_compat
from aio.comfyui.memory import Memory, set_options
from aio.errors import EngineError
from aio.machine.device import device as device_here

TOP_LEVEL = frozenset((
    "api_server", "app", "comfy", "comfy_api", "comfy_config", "comfy_execution", "comfy_extras", "comfyui_version", "cuda_malloc",
    "execution", "folder_paths", "hook_breaker_ac10a0", "latent_preview", "middleware", "node_helpers", "nodes", "protocol", "server",
    "utils",
))
"""ComfyUI's top-level modules, by their plain names: another program's `utils` or `app` may be loaded already."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Absolute folders of an engine.

    Attributes:
        comfyui: ComfyUI's checkout. work: aio's own, with input, output, temp, user and the log. models: ComfyUI's models folder.
    """

    comfyui: Path
    work: Path
    models: Path

    @property
    def input(self) -> Path:
        """Where loader nodes find their files."""
        return self.work / "input"

    @property
    def output(self) -> Path:
        """Where SaveVideo writes."""
        return self.work / "output"

    @property
    def log(self) -> Path:
        """What ComfyUI says."""
        return self.work / "comfyui.log"

    def make(self) -> None:
        """Make the folders that ComfyUI expects to be there."""
        for name in ("input", "output", "temp", "user", "web"):
            (self.work / name).mkdir(parents=True, exist_ok=True)


@dataclass(slots=True)
class Library:
    """The ComfyUI of this process. `device`: cpu, cuda or mps. `memory`: its options. `packs`: node packs that are loaded."""

    server: Any
    device: str
    memory: Memory
    folders: Folders
    packs: set[str]


_library: Library | None = None


def boot(folders: Folders, memory: Memory, *, cpu: bool = False) -> Library:
    """Return the library, started if it is not yet (about 6 s), with its folders set to these.

    Args:
        memory: ComfyUI's options of the first call hold for the process. cpu: leave a GPU alone.

    Raises:
        EngineError: a package is missing, or another ComfyUI runs in this process.
    """
    global _library
    if _library is None:
        try:
            _library = _start(folders, memory, cpu)
        except ImportError as error:
            raise EngineError(f"ComfyUI cannot start: {error}. Run `python -m aio setup`, which installs what it needs") from error
    if _library.folders.comfyui != folders.comfyui:
        raise EngineError(f"this process runs ComfyUI from {_library.folders.comfyui}; start another one for {folders.comfyui}")
    if _library.folders != folders:
        _point_at(folders)
        _library.folders = folders
    return _library


def _start(folders: Folders, memory: Memory, cpu: bool) -> Library:
    folders.make()
    _log_to(folders.log)
    come_first(folders.comfyui)
    import comfy.options

    comfy.options.enable_args_parsing(False)   # the command line is aio's
    from comfy.cli_args import args

    args.base_directory, args.models_directory = str(folders.work), str(folders.models)
    args.front_end_root = str(folders.work / "web")   # any folder: no page is served
    args.database_url = "sqlite:///:memory:"
    set_options(memory, args)
    nvidia = not cpu and device_here() == "cuda"
    if nvidia and "torch" not in sys.modules:
        import cuda_malloc  # noqa: F401  chooses CUDA's allocator, which torch reads when it is imported
    aimdo = nvidia and _dynamic_vram(args)
    torch_compat.ensure_torchvision()
    import torch

    device = "cpu" if cpu else "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    args.cpu = device == "cpu"
    # MoGe (depth) takes the text encoder's type, and torch's antialiased resize has no half precision on the CPU.
    args.fp32_text_enc = args.cpu
    import comfy.utils
    import execution  # noqa: F401
    import nodes
    import server
    import utils.extra_config  # noqa: F401  binds `utils` before a node pack puts comfy/, with its utils.py, on the path

    if aimdo and device == "cuda":
        _dynamic_vram_devices(args)
    comfy.utils.set_progress_bar_enabled(False)   # tqdm's bars on stderr; the hook below stays
    comfy.utils.set_progress_bar_global_hook(_steps)
    made = _server_class(server.PromptServer)(asyncio.new_event_loop())
    failed = asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
    if failed:
        logging.warning("aio: node modules that did not load: %s", ", ".join(failed))
    gc.collect()
    gc.freeze()   # what is loaded now stays: later collections, after each job, need not go through it (0.3 s each)
    return Library(made, device, memory, folders, set())


def come_first(comfyui: Path) -> None:
    """Put ComfyUI's folder before all others on sys.path, and forget modules of other programs that bear its modules' names.

    A program's app.py, or a utils.py in the current folder, would be taken for ComfyUI's packages `app` and `utils`.
    """
    sys.path[:] = [str(comfyui), *(entry for entry in sys.path if entry != str(comfyui))]
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        if name.partition(".")[0] in TOP_LEVEL and not (origin and Path(origin).is_relative_to(comfyui)):
            del sys.modules[name]   # who imported it holds it still


def _log_to(file: Path) -> None:
    """Send ComfyUI's log, which it writes to the root logger, to a file, or with AIO_DEBUG=1 to stderr."""
    root = logging.getLogger()
    if root.handlers:
        return   # the program has its own logging; without any handler the first logging.info() would add one for stderr
    debug = os.environ.get("AIO_DEBUG") == "1"
    to_file = logging.handlers.RotatingFileHandler(file, maxBytes=2_000_000, backupCount=1, delay=True)
    handler = logging.StreamHandler() if debug else to_file
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def _dynamic_vram(args: Any) -> bool:
    """Start comfy-aimdo before torch touches the card, as main.py does. False where it is off or not installed."""
    from comfy.cli_args import enables_dynamic_vram

    if not enables_dynamic_vram():
        return False
    try:
        import comfy_aimdo.control

        headroom = None if args.reserve_vram is None else int(args.reserve_vram * 1024**3)
        comfy_aimdo.control.init(simple_vram_headroom=headroom, nvml_pressure=not args.disable_nvml_pressure)
    except Exception as error:   # a build for another driver: ComfyUI works without
        logging.warning("aio: comfy-aimdo does not start, weights are loaded by estimates: %s", error)
        return False
    return True


def _dynamic_vram_devices(args: Any) -> None:
    """Let comfy-aimdo manage the cards: the second half of what main.py does for it."""
    import comfy.memory_management
    import comfy.model_management
    import comfy.model_patcher
    import comfy_aimdo.control

    if not comfy.model_management.is_nvidia() or comfy.model_management.torch_version_numeric < (2, 8):
        return
    headroom = int(args.vram_headroom * 1024**3)
    if comfy_aimdo.control.init_devices((device.index, headroom) for device in comfy.model_management.get_all_torch_devices()):
        comfy.model_patcher.CoreModelPatcher = comfy.model_patcher.ModelPatcherDynamic
        comfy.memory_management.aimdo_enabled = True


def _steps(value: float, total: float, preview: Any, prompt_id: str | None = None, node_id: str | None = None) -> None:
    """Progress bars of nodes -> the progress registry, which tells the handlers. As hijack_progress of main.py."""
    import comfy.model_management
    from comfy_execution.progress import get_progress_state
    from comfy_execution.utils import get_executing_context

    comfy.model_management.throw_exception_if_processing_interrupted()
    context = get_executing_context()
    if node_id is None and context is not None:
        node_id = context.node_id
    if node_id is not None:
        get_progress_state().update_progress(node_id, value, total, None)


def _server_class(base: type) -> type:
    """ComfyUI's own server, which never serves: its messages go to `listener`, set while a job runs."""

    class Server(base):
        listener: Callable[[str, Any], None] | None = None

        def send_sync(self, event: Any, data: Any, sid: Any = None) -> None:
            if self.listener is not None:
                self.listener(event, data)

    return Server


def _point_at(folders: Folders) -> None:
    """Change the folders of a running library."""
    import folder_paths

    for kind in ("input", "output", "temp", "user"):
        (folders.work / kind).mkdir(parents=True, exist_ok=True)
        getattr(folder_paths, f"set_{kind}_directory")(str(folders.work / kind))
    before, folder_paths.models_dir = Path(folder_paths.models_dir), str(folders.models)
    for paths, _ in folder_paths.folder_names_and_paths.values():
        paths[:] = [str(folders.models / Path(p).relative_to(before)) if Path(p).is_relative_to(before) else p for p in paths]
    folder_paths.filename_list_cache.clear()


async def load_packs(library: Library, packs: list[tuple[str, Path]]) -> None:
    """Load the node packs (name, folder) that are not loaded yet, each alone. Raises EngineError if one fails to."""
    import nodes

    for name, folder in packs:
        if name not in library.packs:
            core = set(nodes.NODE_CLASS_MAPPINGS)   # a pack may add classes, not replace them
            if not await nodes.load_custom_node(str(folder), core, module_parent="custom_nodes"):
                raise EngineError(f"node pack {name} does not load; {library.folders.log} says why. Run `python -m aio setup`")
            library.packs.add(name)


def card() -> str:
    """Name of the GPU that ComfyUI uses, empty where it uses none."""
    import comfy.model_management
    import torch

    device = comfy.model_management.get_torch_device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "" if device.type == "cpu" else f"Apple {device.type.upper()}"
