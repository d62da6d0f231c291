"""Narrow configurations of LTX-2.3's networks, as its checkpoints' metadata hold the wide ones.

What cannot be narrowed (ComfyUI v0.33.0): 128 channels of the video latent, 8 x 16 of the audio latent, 128 registers of the
connectors, 64 mel bins in stereo, 256 wide attention heads of Gemma 3, multiples of 32 in the upscaler, 64 wide heads of DINOv2,
320 and 640 channels of SDPose's UNet.
"""

from __future__ import annotations

from typing import Any

TRANSFORMER: dict[str, Any] = {   # the switches of LTX-2.3 (its checkpoints' metadata), one block, two narrow heads
    "_class_name": "AVTransformer3DModel", "in_channels": 128, "out_channels": 128, "audio_in_channels": 128, "audio_out_channels": 128,
    "num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 32, "audio_num_attention_heads": 2, "audio_attention_head_dim": 16,
    "cross_attention_dim": 64, "audio_cross_attention_dim": 32, "caption_channels": 64, "positional_embedding_type": "rope",
    "rope_type": "split", "frequencies_precision": "float64", "positional_embedding_theta": 10000.0,
    "positional_embedding_max_pos": [20, 2048, 2048], "audio_positional_embedding_max_pos": [20], "causal_temporal_positioning": True,
    "use_middle_indices_grid": True, "timestep_scale_multiplier": 1000, "av_ca_timestep_scale_multiplier": 1000.0,
    "apply_gated_attention": True, "cross_attention_adaln": True, "caption_proj_before_connector": True,
    "caption_projection_first_linear": False, "use_embeddings_connector": True, "connector_num_layers": 1,
    "connector_apply_gated_attention": True, "connector_num_attention_heads": 2, "connector_attention_head_dim": 32,
    "audio_connector_num_attention_heads": 2, "audio_connector_attention_head_dim": 16,
}

_PLAIN = {"num_layers": 1, "inject_noise": False}
VIDEO_VAE = {   # patches of 4, three halvings: 32 pixels a cell, 8 frames a latent frame
    "_class_name": "CausalVideoAutoencoder", "dims": 3, "in_channels": 3, "out_channels": 3, "latent_channels": 128,
    "encoder_base_channels": 8, "decoder_base_channels": 8, "scaling_factor": 1.0, "norm_layer": "pixel_norm", "patch_size": 4,
    "latent_log_var": "uniform", "use_quant_conv": False, "causal_decoder": False, "timestep_conditioning": False,
    "spatial_padding_mode": "zeros",
    "encoder_blocks": [
        ["res_x", {"num_layers": 1}],
        *([f"compress_{axis}_res", {"multiplier": 2}] for axis in ("space", "time", "all", "all")),
        ["res_x", {"num_layers": 1}],
    ],
    "decoder_blocks": [["res_x", _PLAIN], *[["compress_all", {"residual": False, "multiplier": 2}]] * 3, ["res_x", _PLAIN]],
}

AUDIO_VAE = {
    "model": {"params": {"sampling_rate": 16000, "ddconfig": {
        "double_z": True, "mel_bins": 64, "z_channels": 8, "resolution": 256, "downsample_time": False, "in_channels": 2, "out_ch": 2,
        "ch": 8, "ch_mult": [1, 2, 4], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0, "mid_block_add_attention": False,
        "norm_type": "pixel", "causality_axis": "height"}}},
    "preprocessing": {"stft": {"filter_length": 1024, "hop_length": 160}},
}

_GENERATOR = {"upsample_initial_channel": 16, "resblock": "AMP1", "activation": "snakebeta", "resblock_kernel_sizes": [3],
              "resblock_dilation_sizes": [[1, 3, 5]], "stereo": True, "use_tanh_at_final": False, "use_bias_at_final": False}
VOCODER: dict[str, Any] = {   # 16 kHz, then the bandwidth extension to 48 kHz; the rates multiply to the hop, times three in the extension
    "vocoder": {**_GENERATOR, "upsample_rates": [10, 16], "upsample_kernel_sizes": [20, 32]},
    "bwe": {**_GENERATOR, "upsample_rates": [15, 16], "upsample_kernel_sizes": [31, 32], "input_sampling_rate": 16000,
            "output_sampling_rate": 48000, "hop_length": 80, "n_fft": 512, "num_mels": 64},
}

UPSCALER = {"_class_name": "LatentUpsampler", "in_channels": 128, "mid_channels": 32, "num_blocks_per_stage": 1, "dims": 3,
            "spatial_upsample": True, "temporal_upsample": False, "spatial_scale": 2.0, "rational_resampler": False}

GEMMA: dict[str, Any] = {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1,
         "num_key_value_heads": 1}

DINO = {"hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 4, "layer_norm_eps": 1e-6, "use_swiglu_ffn": False}

POSE = {   # a Stable Diffusion 2 UNet with two levels instead of four: 120 MB, the largest of all files
    "image_size": 32, "in_channels": 4, "model_channels": 320, "out_channels": 4, "num_res_blocks": [1, 1], "channel_mult": [1, 2],
    "transformer_depth": [1, 0], "transformer_depth_output": [0, 0, 0, 0], "transformer_depth_middle": -2, "context_dim": 1024,
    "use_spatial_transformer": True, "use_linear_in_transformer": True, "num_head_channels": 64, "num_heads": -1, "heatmap_head": True,
}
POSE_SIZE = (48, 64)   # pixels of width and height that SDPose looks at

DETECTOR = {"enc_h": 32, "dec_h": 32, "enc_ff": 32, "dec_ff": 32}   # RT-DETR v4; ComfyUI reads enc_h from the file, the rest it knows
DETECTOR_STAGES = [   # of its backbone: in, middle, out, blocks, downsample, light, kernel, layers
    [64, 8, 16, 1, False, False, 3, 1], [16, 8, 16, 1, True, False, 3, 1], [16, 8, 16, 1, True, True, 5, 1], [16, 8, 16, 1, True, True, 5, 1],
]

LORA_LAYERS = (".attn1.to_q.weight", ".attn1.to_k.weight", ".attn1.to_v.weight", ".attn1.to_out.0.weight", ".ff.net.2.weight")
