"""ComfyUI's own networks in narrow, filled with small random numbers: key names always fit the ComfyUI that is there."""

from __future__ import annotations

import io
import json
import random
import string
from typing import Any

from aio.comfyui.tinyweights.configs import AUDIO_VAE, DETECTOR, DINO, GEMMA, LORA_LAYERS, POSE, TRANSFORMER, UPSCALER, VIDEO_VAE, VOCODER
from aio.comfyui.tinyweights.thin import thin_detector

Weights = tuple[dict[str, Any], dict[str, str] | None]
"""Tensors by name, and the file's metadata."""


class Networks:
    """Builds the networks, each from its own generator, so that one file does not depend on which others are made."""

    def __init__(self, seed: int):
        import torch

        self.seed, self.generator = seed, torch.Generator().manual_seed(seed)

    def make(self, kind: str) -> Weights:
        """Tensors and metadata of one kind of file."""
        import torch

        tensors, config = getattr(self, f"_{kind}")()
        tensors = {key: value.bfloat16() if value.is_floating_point() else value for key, value in tensors.items()}
        tensors = {key: value.contiguous().clone() for key, value in tensors.items()}
        metadata = config if config is None or "reference_downscale_factor" in config else {"config": json.dumps(config)}
        assert all(torch.isfinite(value).all() for value in tensors.values() if value.is_floating_point())
        return tensors, metadata

    def normal(self, *shape: int, std: float) -> Any:
        """Random numbers around zero."""
        import torch

        return torch.randn(shape, generator=self.generator) * std

    def fill(self, module: Any, prefix: str = "") -> dict[str, Any]:
        """Values for all tensors of a network that keep its activations near one."""
        return {prefix + key: self.value(key, tensor.float()) for key, tensor in module.state_dict().items()}

    def value(self, key: str, tensor: Any) -> Any:
        """Values for one tensor, by its role in the network."""
        last = key.rsplit(".", 1)[-1]
        if last in ("filter", "kernel", "image_mean", "image_std", "up", "reg_scale", "project", "num_points_scale"):
            return tensor   # computed by the class
        if last in ("bias", "alpha", "beta", "running_mean") or "mean-of-means" in key:
            return tensor.new_zeros(tensor.shape)
        if "std-of-means" in key or last in ("lambda1", "running_var") or (last == "weight" and tensor.ndim == 1):
            return tensor.new_ones(tensor.shape)
        fan_in = tensor[0].numel() if tensor.ndim > 1 and "scale_shift_table" not in key else 625
        return self.normal(*tensor.shape, std=0.5 / fan_in**0.5)

    def _transformer(self) -> tuple[dict[str, Any], Any]:
        return self.fill(_narrow_transformer(), "model.diffusion_model."), {"transformer": TRANSFORMER}

    def _video_vae(self) -> tuple[dict[str, Any], Any]:
        from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE

        return self.fill(VideoVAE(config=VIDEO_VAE)), {"vae": VIDEO_VAE}

    def _audio_vae(self) -> tuple[dict[str, Any], Any]:
        from comfy.ldm.lightricks.vae.causal_audio_autoencoder import CausalAudioAutoencoder
        from comfy.ldm.lightricks.vocoders.vocoder import VocoderWithBWE

        tensors = self.fill(CausalAudioAutoencoder(config=AUDIO_VAE), "audio_vae.")
        tensors |= self.fill(VocoderWithBWE(config=VOCODER), "vocoder.")
        bases = _spectrogram(VOCODER["bwe"]["n_fft"], VOCODER["bwe"]["num_mels"])
        tensors = {key: bases.get(key.rsplit(".", 1)[-1], value) for key, value in tensors.items()}
        return tensors, {"audio_vae": AUDIO_VAE, "vocoder": VOCODER}

    def _checkpoint(self) -> tuple[dict[str, Any], Any]:
        tensors, config = self._transformer()
        vae, vae_config = self._video_vae()
        audio, audio_config = self._audio_vae()
        tensors |= {f"vae.{key}": value for key, value in vae.items()} | audio | self._projection()[0]
        return tensors, config | vae_config | audio_config

    def _upscaler(self) -> tuple[dict[str, Any], Any]:
        import comfy.ops
        from comfy.ldm.lightricks.latent_upsampler import LatentUpsampler

        return self.fill(LatentUpsampler.from_config(UPSCALER, operations=comfy.ops.disable_weight_init)), UPSCALER

    def _gemma(self) -> tuple[dict[str, Any], Any]:
        import comfy.ops
        import torch
        from comfy.text_encoders import llama

        model = llama.Llama2_(llama.Gemma3_12B_Config(**GEMMA), device="cpu", dtype=torch.float32, ops=comfy.ops.disable_weight_init)
        tensors = self.fill(model, "model.")
        # Its norms multiply by one plus their weight.
        tensors = {key: value.new_zeros(value.shape) if "norm" in key else value for key, value in tensors.items()}
        return tensors | {"spiece_model": torch.frombuffer(bytearray(_tokenizer(self.seed)), dtype=torch.uint8)}, None

    def _projection(self) -> tuple[dict[str, Any], Any]:
        inner, tensors = GEMMA["hidden_size"] * (GEMMA["num_hidden_layers"] + 1), dict[str, Any]()
        for name, width in (("video", TRANSFORMER["cross_attention_dim"]), ("audio", TRANSFORMER["audio_cross_attention_dim"])):
            key = f"text_embedding_projection.{name}_aggregate_embed"
            tensors |= {f"{key}.weight": self.normal(width, inner, std=inner**-0.5), f"{key}.bias": self.normal(width, std=0.0)}
        return tensors, None

    def _lora(self) -> tuple[dict[str, Any], Any]:
        tensors: dict[str, Any] = {}
        for key, value in _narrow_transformer().state_dict().items():
            if key.startswith("transformer_blocks.") and key.endswith(LORA_LAYERS):
                name = f"diffusion_model.{key.removesuffix('.weight')}"
                tensors[f"{name}.lora_A.weight"] = self.normal(2, value.shape[1], std=0.5)
                tensors[f"{name}.lora_B.weight"] = self.normal(value.shape[0], 2, std=0.5)
        return tensors, None

    def _ic_lora(self) -> tuple[dict[str, Any], Any]:
        return self._lora()[0], {"reference_downscale_factor": "2"}

    def _moge(self) -> tuple[dict[str, Any], Any]:
        from comfy.ldm.moge.model import MoGeModelV2

        width = 8
        stack = {"dim_res_blocks": [width] * 5, "num_res_blocks": [0] * 5, "resamplers": ["bilinear"] * 4}
        outputs = {"points_head": 3, "mask_head": 1}
        heads = {name: {**stack, "dim_in": [width] * 5, "dim_out": [*[None] * 4, count]} for name, count in outputs.items()}
        model = MoGeModelV2(
            encoder={"backbone": DINO, "intermediate_layers": [0, 1, 2, 3], "dim_out": width},
            neck={**stack, "dim_in": [width + 2, 2, 2, 2, 2], "dim_out": [width] * 5}, scale_head={"dims": [64, 8, 1]}, **heads)
        return self.fill(model) | {"mask_head.output_blocks.4.bias": self.normal(1, std=0.0) + 2}, None   # nothing is masked

    def _sdpose(self) -> tuple[dict[str, Any], Any]:
        import comfy.ops
        from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
        from comfy.taesd.taesd import TAESD

        tensors = self.fill(UNetModel(operations=comfy.ops.disable_weight_init, **POSE), "model.diffusion_model.")
        tensors["model.diffusion_model.heatmap_head.final_layer.weight"] *= 4   # sure enough of its keypoints to draw them
        # The small autoencoder in the place of the full-sized one: ComfyUI takes either.
        return tensors | self.fill(TAESD(latent_channels=4), "first_stage_model."), None

    def _rt_detr(self) -> tuple[dict[str, Any], Any]:
        import comfy.ops
        import torch
        from comfy.ldm.rt_detr import rtdetr_v4

        with thin_detector():
            model = rtdetr_v4.RTv4(enc_h=DETECTOR["enc_h"], dtype=torch.float32, device="cpu", operations=comfy.ops.disable_weight_init)
        made = ("anchors", "valid_mask", "num_batches_tracked")   # made anew by the class; one holds infinity
        tensors = {key: value for key, value in self.fill(model).items() if not key.endswith(made)}
        for key, tensor in tensors.items():
            if key.startswith("decoder.dec_score_head.") and key.endswith(".bias"):
                tensor[0] += 4   # the first class is a person: there is always somebody
        tensors["decoder.pre_bbox_head.layers.2.bias"][2:] -= 1.5   # and small, so that drawing it takes no time
        return tensors, None


def _narrow_transformer() -> Any:
    import comfy.ops
    import torch
    from comfy.ldm.lightricks.av_model import LTXAVModel

    return LTXAVModel(dtype=torch.float32, device="cpu", operations=comfy.ops.disable_weight_init, **TRANSFORMER)


def _spectrogram(n_fft: int, mels: int) -> dict[str, Any]:
    """What is not learned in the bandwidth extension: a windowed Fourier basis, and triangles for the mel bins."""
    import torch

    turns = torch.arange(n_fft // 2 + 1)[:, None] * torch.arange(n_fft) / n_fft * 2 * torch.pi
    window = torch.hann_window(n_fft)
    basis = torch.cat([torch.cos(turns) * window, -torch.sin(turns) * window])[:, None]
    edges, bins = torch.linspace(0, n_fft // 2, mels + 2)[:, None], torch.arange(n_fft // 2 + 1.0)
    rise, fall = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return {"forward_basis": basis, "inverse_basis": basis, "mel_basis": torch.minimum(rise, fall).clamp(min=0)}


def _tokenizer(seed: int) -> bytes:
    """A SentencePiece model of a few words with Gemma's special ids; any other text falls back to bytes."""
    import sentencepiece

    words = ["a", "the", "cat", "dog", "man", "woman", "walks", "talks", "smiles", "slowly", "red", "blue", "sea", "sky", "night"]
    choose, model = random.Random(seed), io.BytesIO()
    sentences = [" ".join(choose.choices(words, k=8)) for _ in range(400)] + [string.printable.strip()] * 5
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, vocab_size=400, model_type="bpe", byte_fallback=True,
        character_coverage=1.0, pad_id=0, eos_id=1, bos_id=2, unk_id=3, minloglevel=2)
    return model.getvalue()
