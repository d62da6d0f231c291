"""A model family of one's own, in YAML and one workflow: Wan 2.1, whose latents hold 4 frames and 8 pixels a cell."""

from __future__ import annotations

import contextlib
import functools
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

FILES = {   # path below a folder for --config-dir -> text
    "family/wan21.yaml": """
        # @package _global_
        # Wan 2.1: video without sound.
        defaults:
          - _self_
          - override /registry: wan21
          - override /duration: wan21
          - override /official: null
          - override /guidance: null
          - override /model: null
          - override /preset: null
        family: {name: wan21, title: Wan 2.1, latent: wan}
        """,
    "registry/wan21.yaml": """
        wan2.1_t2v_1.3B_bf16.safetensors:
          repo: Comfy-Org/Wan_2.1_ComfyUI_repackaged
          path: split_files/diffusion_models/wan2.1_t2v_1.3B_bf16.safetensors
          folder: diffusion_models
        umt5_xxl_fp8_e4m3fn_scaled.safetensors:
          repo: Comfy-Org/Wan_2.1_ComfyUI_repackaged
          path: split_files/text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors
          folder: text_encoders
        wan_2.1_vae.safetensors:
          repo: Comfy-Org/Wan_2.1_ComfyUI_repackaged
          path: split_files/vae/wan_2.1_vae.safetensors
          folder: vae
        """,
    "duration/wan21.yaml": """
        # Not measured.
        card: NVIDIA H100 80GB
        card_factor: 1.0
        step_ms: [10.0, 0.5]
        step_floor_ms: 50
        guide_factor: 1.0
        decode_s_per_mpx_frame: 0.05
        encode_s_per_mpx_frame: 0.026
        text_s: 0.5
        guide_s: 0
        audio_s: 0
        look_s: {}
        load_s: {}
        extra_s: {}
        """,
    "mode/wan.yaml": """
        # @package _global_
        defaults:
          - _self_
          - override /family: wan21
        mode: {name: wan, title: Wan, summary: Text to video with Wan 2.1, workflow: wan.json}
        fields:
          prompt: {type: STRING, multiline: true}
          negative_prompt: {type: STRING, multiline: true, default: blurred, optional: true, when: {cfg: {above: 1}}}
          width: {type: INT, default: 832, min: 16, max: 1280, step: 16}
          height: {type: INT, default: 480, min: 16, max: 1280, step: 16}
          seconds: {type: FLOAT, default: 5.0, min: 0.3, max: 10.0, step: 0.1}
          fps: {type: FLOAT, default: 16.0, min: 8.0, max: 30.0, step: 1.0}
          seed: {type: INT, default: 42, min: 0, max: 18446744073709551615, control_after_generate: randomize}
          steps: {type: INT, default: 30, min: 1, max: 100}
          cfg: {type: FLOAT, default: 6.0, min: 1.0, max: 20.0, step: 0.1}
          crf: {type: INT, default: 19, min: 0, max: 51, step: 1, advanced: true}
        nodes:
          model: {id: "1", class_type: UNETLoader}
          text_encoder: {id: "2", class_type: CLIPLoader}
          prompt: {id: "4", class_type: CLIPTextEncode}
          negative_prompt: {id: "5", class_type: CLIPTextEncode}
          latent: {id: "6", class_type: EmptyHunyuanLatentVideo}
          sample: {id: "7", class_type: KSampler}
          decode: {id: "8", class_type: VAEDecode}
          video: {id: "9", class_type: CreateVideo}
          save: {id: "10", class_type: SaveVideo}
        ports:
          model: {sample: model}
        output: {node: save}
        patches:
          wan:
            - {op: replace, path: "${pointer:prompt,text}", value: "${value:prompt}"}
            - {op: replace, path: "${pointer:negative_prompt,text}", value: "${value:negative_prompt}"}
            - {op: replace, path: "${pointer:latent,width}", value: "${value:width}"}
            - {op: replace, path: "${pointer:latent,height}", value: "${value:height}"}
            - {op: replace, path: "${pointer:latent,length}", value: "${frames:seconds,fps}"}
            - {op: replace, path: "${pointer:sample,seed}", value: "${value:seed}"}
            - {op: replace, path: "${pointer:sample,steps}", value: "${value:steps}"}
            - {op: replace, path: "${pointer:sample,cfg}", value: "${value:cfg}"}
            - {op: replace, path: "${pointer:video,fps}", value: "${value:fps}"}
            - {op: add, path: "${pointer:save,codec.encoding}", value: re-encode}
            - {op: add, path: "${pointer:save,codec.encoding.crf}", value: "${value:crf}"}
        stages: {model: Loading the model, prompt: Reading the prompt, sample: Sampling, decode: Decoding, save: Writing the video}
        """,
}


def node(class_type: str, title: str, **inputs: Any) -> dict[str, Any]:
    """A node of a workflow in the API format."""
    return {"inputs": inputs, "class_type": class_type, "_meta": {"title": title}}


WORKFLOW = {
    "1": node("UNETLoader", "Load model", unet_name="wan2.1_t2v_1.3B_bf16.safetensors", weight_dtype="default"),
    "2": node("CLIPLoader", "Load text encoder", clip_name="umt5_xxl_fp8_e4m3fn_scaled.safetensors", type="wan", device="default"),
    "3": node("VAELoader", "Load VAE", vae_name="wan_2.1_vae.safetensors"),
    "4": node("CLIPTextEncode", "Prompt", text="", clip=["2", 0]),
    "5": node("CLIPTextEncode", "Negative prompt", text="", clip=["2", 0]),
    "6": node("EmptyHunyuanLatentVideo", "Empty latent", width=832, height=480, length=81, batch_size=1),
    "7": node("KSampler", "Sample", model=["1", 0], positive=["4", 0], negative=["5", 0], latent_image=["6", 0], seed=0, steps=30, cfg=6.0,
              sampler_name="uni_pc", scheduler="simple", denoise=1.0),
    "8": node("VAEDecode", "Decode", samples=["7", 0], vae=["3", 0]),
    "9": node("CreateVideo", "Create video", images=["8", 0], fps=16.0),
    "10": node("SaveVideo", "Save", video=["9", 0], filename_prefix="wan", format="auto", codec="auto"),
}


def write(folder: Path, **texts: str) -> Path:
    """Write the family into a folder for --config-dir. texts: what to put in place of what, over all files."""
    for name, text in FILES.items():
        for old, new in texts.items():
            text = text.replace(old, new)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text).lstrip())
    (folder / "workflows").mkdir(exist_ok=True)
    (folder / "workflows" / "wan.json").write_text(json.dumps(WORKFLOW, indent=2))
    return folder


# -- tiny weights for the real ComfyUI, of its own networks

TRANSFORMER = {"dim": 128, "ffn_dim": 64, "num_layers": 1, "num_heads": 1, "text_dim": 64}   # ComfyUI takes heads of 128 (model_detection.py)
TEXT = {"d_model": 64, "d_ff": 64, "d_kv": 32, "num_heads": 2, "num_layers": 1, "vocab_size": 400}   # UMT5: comfy/text_encoders/umt5_config_xxl.json
VAE = {"dim": 8, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": [], "temperal_downsample": [False, True, True]}


def weights(models_dir: Path) -> None:
    """Write a tiny stand-in for each file of the registry; ComfyUI must have been started."""
    import comfy.ops
    import comfy.text_encoders.t5 as t5
    import torch
    from comfy.ldm.wan.model import WanModel
    from comfy.ldm.wan.vae import WanVAE
    from safetensors.torch import save_file

    from aio.comfyui.tinyweights import networks

    made, plain = networks.Networks(0), {"device": "cpu", "dtype": torch.float32}
    ops = comfy.ops.disable_weight_init
    text = t5.T5({"dense_act_fn": "gelu_pytorch_tanh", "is_gated_act": True, "model_type": "umt5", **TEXT}, operations=ops, **plain)
    files: dict[str, tuple[dict[str, Any], Any]] = {
        "diffusion_models/wan2.1_t2v_1.3B_bf16.safetensors":
            (made.fill(WanModel(operations=ops, **plain, **TRANSFORMER)), {"config": json.dumps({"transformer": TRANSFORMER})}),
        "vae/wan_2.1_vae.safetensors": (made.fill(WanVAE(**VAE)), None),
        "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors":
            (made.fill(text) | {"spiece_model": torch.frombuffer(bytearray(networks._tokenizer(0)), dtype=torch.uint8)}, None),
    }
    for name, (tensors, metadata) in files.items():
        tensors = {key: torch.ones_like(value) if key.endswith("gamma") else value for key, value in tensors.items()}
        (models_dir / name).parent.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous().clone() for key, value in tensors.items()}, models_dir / name, metadata=metadata)


@contextlib.contextmanager
def narrow() -> Iterator[None]:
    """While it lasts, ComfyUI takes the tiny text encoder for UMT5 XXL and builds it as small: see aio.comfyui.tinyweights.narrow."""
    import comfy.sd

    from aio.comfyui.tinyweights.thin import put

    load: Callable[..., Any] = comfy.sd.load_text_encoder_state_dicts

    @functools.wraps(load)
    def narrowed(*args: Any, model_options: Mapping[str, Any] = {}, **kwargs: Any) -> Any:
        return load(*args, model_options={**model_options, "umt5xxl_model_config": TEXT}, **kwargs)

    with put(comfy.sd, "load_text_encoder_state_dicts", narrowed), put(comfy.sd, "detect_te_model", lambda tensors: comfy.sd.TEModel.T5_XXL):
        yield
