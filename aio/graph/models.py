"""The weight files that a graph names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aio.graph.schema import NodeClass, load
from aio.values import Prompt

MODEL_ENDINGS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".pkl")
"""What ComfyUI lists as a model (folder_paths.supported_pt_extensions at v0.33.0), and GGUF."""
GUESS_ENDINGS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth")
NOT_MODELS = frozenset({"input", "output", "temp"})
ALIASES = {"unet": "diffusion_models", "clip": "text_encoders", "unet_gguf": "diffusion_models", "clip_gguf": "text_encoders"}
"""Old folder names (folder_paths.map_legacy) and those of ComfyUI-GGUF (its nodes.py) -> the folder they list."""



@dataclass(frozen=True, slots=True)
class ModelRef:
    """A weight file that a prompt names.

    Attributes:
        folder: ComfyUI models/<folder>; empty when guessed.
        name: as the node gives it. node: id. input: name.
        guessed: the node's class is not in the schema, the file's ending alone speaks for it.
    """

    folder: str
    name: str
    node: str
    input: str
    guessed: bool = False


def models_of(prompt: Prompt, nodes: Mapping[str, NodeClass] | None = None) -> tuple[ModelRef, ...]:
    """The weight files that a patched prompt names, each once, in the prompt's order.

    Args:
        nodes: class name -> NodeClass, by default aio.graph.schema.load(); an input's `files` names the ComfyUI folder it lists.
    """
    nodes = load() if nodes is None else nodes
    found: dict[tuple[str, str], ModelRef] = {}
    for node_id, node in prompt.items():
        known = nodes.get(node["class_type"])
        for name, value in node["inputs"].items():
            if not isinstance(value, str) or "\n" in value:
                continue
            if known is None:
                folder, endings = "", tuple(GUESS_ENDINGS)
            else:
                files = getattr(known.inputs.get(name), "files", None)
                if not files or files in NOT_MODELS:
                    continue
                folder, endings = ALIASES.get(files, files), tuple(MODEL_ENDINGS)
            if value.lower().endswith(endings):   # a list may also offer words, e.g. VAELoader's pixel_space
                found.setdefault((folder, value), ModelRef(folder, value, node_id, name, guessed=known is None))
    return tuple(found.values())
