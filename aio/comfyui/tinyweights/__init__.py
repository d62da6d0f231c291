"""Tiny random weights that ComfyUI's real loaders accept, under the registry's names: a whole run without 40 GB and a GPU.

The pictures that come out are coloured noise. ComfyUI must have been started (aio.comfyui.boot) before anything here
is called: the networks are its own classes.
"""

from __future__ import annotations

import contextlib
import functools
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aio.comfyui.tinyweights import quantized
from aio.comfyui.tinyweights.configs import GEMMA, POSE_SIZE
from aio.comfyui.tinyweights.networks import Networks
from aio.comfyui.tinyweights.thin import put, thin_detector
from aio.machine import links, whole


def write(models_dir: Path, names: Mapping[str, str], seed: int = 0) -> tuple[str, ...]:
    """Write a stand-in for each file that one can be made for: about 140 MB, seconds, the same bytes for the same seed.

    Args:
        models_dir: ComfyUI's models folder. names: file name -> folder in it. Files that are there already are kept.

    Returns:
        The names that there is no stand-in for.
    """
    from safetensors.torch import save_file

    made: dict[tuple[str, str], Path] = {}
    missing = []
    for name, folder in names.items():
        kind = _kind(name, folder)
        if kind is None:
            missing.append(name)
            continue
        path = models_dir / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            continue
        if (kind, path.suffix) in made:
            links.twin(made[kind, path.suffix], path)   # the same bytes under another name
            continue
        # Every LoRA is another one, so that the picture tells which of them was loaded.
        own = kind in ("lora", "ic_lora")
        tensors, metadata = Networks(zlib.crc32(name.encode()) if own else seed).make(kind)
        save = quantized.save if path.suffix == ".gguf" else save_file
        with whole.filled(path) as (_, part):
            save(tensors, part, metadata=metadata)
        if not own:
            made[kind, path.suffix] = path
    return tuple(missing)


def _kind(name: str, folder: str) -> str | None:
    """Which network a file of the registry holds, None where there is no tiny one."""
    lower = name.lower()
    if lower.endswith(".gguf"):
        return "transformer" if folder == "diffusion_models" and quantized.writable() else None
    if not lower.endswith(".safetensors"):
        return None
    for kind in ("sdpose", "rt_detr"):
        if lower.startswith(kind):
            return kind
    words = {"video_vae": "video_vae", "audio_vae": "audio_vae", "connectors": "projection", "text_projection": "projection"}
    for word, kind in words.items():
        if word in lower:
            return kind
    if folder == "loras":
        return "ic_lora" if "ic-lora" in lower else None if lower.startswith("gemma") else "lora"
    if folder == "geometry_estimation":
        return "moge" if lower.startswith("moge") else None
    kinds = {"checkpoints": "checkpoint", "text_encoders": "gemma", "latent_upscale_models": "upscaler"}
    return kinds.get(folder) or ("transformer" if folder == "diffusion_models" and "ltx" in lower else None)


@contextlib.contextmanager
def narrow() -> Iterator[None]:
    """While it lasts, ComfyUI builds what its loaders know in the full size only as small as tiny weights need it.

    Gemma 3 in the size of the file: ComfyUI has an option for it, `_model_config` (comfy/sd1_clip.py), which no loader node
    sets. MoGe looks at a picture in 64 tokens instead of 3,600, SDPose at 48x64 pixels instead of 768x1024, the detector through
    a thin backbone. Set where the loader nodes call. Only for tiny weights: a real run never comes here.
    """
    import comfy.ldm.modules.diffusionmodules.openaimodel as unet
    import comfy.sd
    from comfy.ldm.moge.model import MoGeModelV2

    original: Callable[..., Any] = comfy.sd.load_text_encoder_state_dicts

    @functools.wraps(original)
    def narrowed(state_dicts: Any = (), *args: Any, model_options: Mapping[str, Any] = {}, **kwargs: Any) -> Any:
        if any("model.layers.0.pre_feedforward_layernorm.weight" in tensors for tensors in state_dicts):
            model_options = {**model_options, "_model_config": GEMMA}
        return original(state_dicts, *args, model_options=model_options, **kwargs)

    with (
        put(comfy.sd, "load_text_encoder_state_dicts", narrowed),
        put(MoGeModelV2, "num_tokens_range", (64, 64)),
        put(unet, "HeatmapHead", functools.partial(unet.HeatmapHead, input_size=POSE_SIZE)),
        thin_detector(),
    ):
        yield
