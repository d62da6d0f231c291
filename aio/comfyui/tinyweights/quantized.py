"""GGUF files, as the node pack ComfyUI-GGUF reads them: 8-bit blocks of a transformer's wide tensors, the rest in 32 bits."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BLOCK = 32
"""Numbers that share a scale in the type Q8_0. Only rows that they divide are quantized."""

PREFIX = "model.diffusion_model."
"""What names of tensors begin with in a checkpoint, and do not in a GGUF."""


def writable() -> bool:
    """Whether the package gguf, which the node pack needs too, is there."""
    return importlib.util.find_spec("gguf") is not None


def save(tensors: Mapping[str, Any], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a GGUF. ComfyUI finds the network's shape in the metadata `config`, as in a checkpoint."""
    import gguf

    writer = gguf.GGUFWriter(path, "ltxv")   # the architecture that the pack knows for LTX-2.3 too
    for key, text in (metadata or {}).items():
        writer.add_string(key, text)
    for name, tensor in tensors.items():
        numbers = tensor.float().numpy()
        wide = name.endswith(".weight") and numbers.ndim > 1 and numbers.shape[-1] % BLOCK == 0   # others belong to no layer
        kind = gguf.GGMLQuantizationType.Q8_0 if wide else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name.removeprefix(PREFIX), gguf.quants.quantize(numbers, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
