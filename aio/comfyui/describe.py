"""Writes aio/data/node_schema.json: what ComfyUI's node classes say of themselves, as aio.graph.schema reads it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aio.comfyui import torch_compat
from aio.errors import EngineError
from aio.graph.schema import FILE

PACK_CLASSES = {
    "ComfyUI-aio": ("LTXVRescaleGuidance", "AudioPinkNoise"), "ComfyUI-KJNodes": ("LTXVChunkFeedForward",), "ComfyUI-GGUF": ("UnetLoaderGGUF",)}
"""Node pack -> those of its classes that are described, since a config may splice them in: conf/guidance/ltx23.yaml and
conf/mode/base/speech.yaml, conf/memory/chunked.yaml, conf/model/gguf.yaml."""

COMMENT = "Nodes of ComfyUI {} ({}). Made, with ComfyUI present, by: python -m aio check --regenerate-schema"
_VALUES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}  # types written in place
_KINDS = ("required", "optional")  # a node's hidden inputs no prompt gives
_UPLOADS = ("image_upload", "audio_upload", "video_upload")  # comfy_api/latest/_io.py UploadType
_FILES = "files of: "  # plus a folder: stands for its listing while the classes describe themselves


def regenerate(comfyui_dir: Path | str, own: Path) -> str:
    """Return the text of node_schema.json, made from all core classes of a ComfyUI checkout and PACK_CLASSES of the packs in its custom_nodes.

    Args:
        own: folder of the packs that come with aio.

    The classes of a pack that is not there, or of a file of ComfyUI that wants a package that is not, keep what the committed file says of them.

    Use a fresh process: ComfyUI is imported into this one, with its file listings replaced.

    Raises:
        EngineError: not a ComfyUI git checkout.
    """
    root = Path(comfyui_dir).expanduser().resolve()
    head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode or not (root / "nodes.py").is_file():
        raise EngineError(f"{root} is not a git checkout of ComfyUI. Give the folder with its nodes.py.")
    sys.path.insert(0, str(root))
    torch_compat.ensure_torchvision()
    import comfy.options

    comfy.options.enable_args_parsing(False)
    import comfy.cli_args
    import folder_paths
    import utils.extra_config  # noqa: F401  early: later comfy/ is on sys.path and its utils comes first
    from comfyui_version import __version__ as version

    comfy.cli_args.args.cpu = True
    folder_paths.get_filename_list = lambda folder: [_FILES + folder]
    with tempfile.TemporaryDirectory() as empty:
        folder_paths.set_input_directory(empty)
        import nodes

        failed = asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
        found = _unimported(root, failed) | {name: _describe(cls) for name, cls in nodes.NODE_CLASS_MAPPINGS.items()}
        found |= _of_packs(root, own)
    comment = COMMENT.format(version, head.stdout.strip())
    compact = json.JSONEncoder(allow_nan=False, separators=(",", ":"), sort_keys=True).encode
    rows = ",\n".join(f'"{name}": {compact(node)}' for name, node in sorted(found.items()))
    return f'{{\n"_comment": {compact(comment)},\n"nodes": {{\n{rows}\n}}\n}}\n'


def _unimported(root: Path, failed: Iterable[str]) -> dict[str, Any]:
    """What is committed of the classes in ComfyUI's own files that did not import: packages that no class of a workflow needs may lack here."""
    texts = [(root / "comfy_extras" / name).read_text(encoding="utf-8") for name in failed]
    return {name: node for name, node in _committed().items() if any(f'"{name}"' in text for text in texts)}


def _committed() -> dict[str, Any]:
    nodes: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["nodes"]
    return nodes


def _of_packs(root: Path, own: Path) -> dict[str, Any]:
    """The pack classes: from the packs that are installed, else as committed."""
    import comfy.cli_args
    import nodes
    import server

    # Packs register routes while they load. A real server that never serves; without a front end it would ask for a package.
    comfy.cli_args.args.front_end_root = str(root)
    server.PromptServer(asyncio.new_event_loop())
    committed, found = _committed(), {}
    for pack, names in PACK_CLASSES.items():
        folder = next((place / pack for place in (own, root / "custom_nodes") if (place / pack).is_dir()), own / pack)
        loaded = folder.is_dir() and asyncio.run(nodes.load_custom_node(str(folder), set(nodes.NODE_CLASS_MAPPINGS)))
        for name in names:
            if loaded:
                found[name] = _describe(nodes.NODE_CLASS_MAPPINGS[name]) | {"pack": pack}
            elif name in committed:
                found[name] = committed[name]
    return found


def _describe(cls: Any) -> dict[str, Any]:
    """The JSON form of a node class. ComfyUI's newer (V3) classes answer to the older names as well."""
    kinds, outputs, inputs = cls.INPUT_TYPES(), cls.RETURN_TYPES, dict[str, Any]()
    for name, value in _flatten(kinds, "", None):
        if name in inputs:  # the same input under several options of a dynamic combo
            combo, keys = inputs[name]["when"]
            value["when"] = [combo, keys + value["when"][1]]
            value = _shared(inputs[name], value)
        inputs[name] = value
    templates = (spec[1].get("template") for kind in _KINDS for spec in kinds.get(kind, {}).values() if spec[1:])
    match = {t["template_id"]: t["allowed_types"] for t in templates if t and "template_id" in t}
    if match:  # a matched output has the type of the input that shares its template
        keys = cls.GET_NODE_INFO_V1()["output_matchtypes"]
        outputs = [match.get(key, type_) for key, type_ in zip(keys, outputs)]
    outputs = ["*" if type_ == "COMFY_MATCHTYPE_V3" else type_ for type_ in outputs]  # matched to an autogrowing input: of any type
    end = {"output_node": True} if getattr(cls, "OUTPUT_NODE", False) else {}
    return {"inputs": inputs, "outputs": outputs} | end


def _shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """An input that differs between the options of its combo: what both say of it, and every type and choice."""
    value = {key: item for key, item in other.items() if key == "when" or one.get(key) == item}
    value["type"] = ",".join(dict.fromkeys([*one["type"].split(","), *other["type"].split(",")]))
    return value | ({"options": list(dict.fromkeys([*one["options"], *other["options"]]))} if one.get("options") and other.get("options") else {})


def _flatten(kinds: Mapping[str, Any], prefix: str, when: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (dotted name, JSON form) of every input, nested ones after the one they belong to."""
    specs = [(kind, *item) for kind in _KINDS for item in kinds.get(kind, {}).items()]
    for kind, key, (type_, *rest) in specs:
        name, extra = prefix + key, rest[0] if rest else {}
        if type_ == "COMFY_AUTOGROW_V3":
            yield from _autogrown(name, extra["template"])
            continue
        optional = {} if kind == "required" else {"required": False}
        yield name, _value(type_, extra) | optional | ({"when": when} if when else {})
        if type_ == "COMFY_DYNAMICCOMBO_V3":
            for option in extra["options"]:
                yield from _flatten(option["inputs"], f"{name}.", [name, [option["key"]]])


def _value(type_: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON form of an input's type, limits and choices."""
    listed = type_ if isinstance(type_, (list, tuple)) else extra.get("options")  # V1 has it for the type
    name = "COMBO" if listed is type_ else extra.get("template", {}).get("allowed_types", type_)
    value = {"type": name} | {key: extra[key] for key in ("default", "min", "max", "step") if key in extra}
    if extra.get("forceInput") or not _VALUES.intersection(name.split(",")):
        value["is_link"] = True
    if listed is None:
        return value
    options = [item["key"] if isinstance(item, Mapping) else item for item in listed]
    folders = [o.removeprefix(_FILES) for o in options if str(o).startswith(_FILES)]
    if any(extra.get(flag) for flag in _UPLOADS):  # the listing of an empty folder: no option is left
        folders = [extra.get("image_folder", "input")]
    if folders:
        value["files"] = folders[0]
    return value | {"options": [o for o in options if not str(o).startswith(_FILES)] or None}


def _autogrown(name: str, template: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the inputs that an autogrowing one can become: the first `min` of them are required."""
    kind, (type_, extra) = next((kind, *inner.values()) for kind, inner in template["input"].items() if inner)
    keys = template.get("names") or [f"{template['prefix']}{i}" for i in range(template["max"])]
    for index, key in enumerate(keys):
        required = kind == "required" and index < template["min"]
        yield f"{name}.{key}", _value(type_, extra) | ({} if required else {"required": False})
