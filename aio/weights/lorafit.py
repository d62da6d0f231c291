"""Whether a prompt's LoRAs fit its model, from the headers of the files: names and shapes, as the pinned ComfyUI compares them.

ComfyUI leaves out what does not fit and runs on: a LoRA for another model changes nothing, and nobody is told. The rules are
conf/comfyui/base/lora.yaml, whose head names their sources. Where they cannot decide, what the loader logs does (aio.engines).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aio.config import Config
from aio.config.sections import LoraKeys
from aio.errors import WeightsMismatch
from aio.graph import workflow
from aio.machine.outside import shown
from aio.values import Prompt
from aio.weights import tensorfile
from aio.weights.registry import ModelStatus
from aio.weights.tensorfile import Header

NAME = "lora_name"
"""The input of every loader of LoRAs that names the file."""

SAYS_MAX = 80
"""Characters of what a file says about itself that are repeated."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a LoRA fits a model.

    Attributes:
        name, model: files as the prompt names them; model is empty where it is not known. node: id of the loader.
        total: weights that the LoRA changes. fitting: those that the model has, in that shape. foreign: those that it lacks.
        misshapen: sentences about those of another shape. The rest is undecided.
        made_for: the model it was made for, where the file says so.
    """

    name: str
    model: str
    node: str
    total: int = 0
    fitting: int = 0
    foreign: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    made_for: str = ""

    @property
    def decided(self) -> bool:
        """Whether the headers tell of every weight."""
        return self.total > 0 and self.total == self.fitting + len(self.foreign) + len(self.misshapen)

    @property
    def nothing(self) -> bool:
        """Whether no weight fits, for certain."""
        return self.decided and not self.fitting


def check(prompt: Prompt, config: Config, models: Iterable[ModelStatus]) -> list[str]:
    """Warnings about the LoRAs of a prompt that fit a part of the model only. Milliseconds: it reads headers, and keeps them.

    Args:
        config: names the output node, and holds the rules. models: the prompt's weight files; those that are not on disk are left out.

    Raises:
        WeightsMismatch: one line for each LoRA that fits no weight of the model, or whose file is damaged.
    """
    faults, warnings = list[str](), list[str]()
    for fit in fits(prompt, config.node(config.output.node).id, models, config.lora_keys, faults):
        if fit.nothing:
            faults.append(refusal(fit))
        elif fit.foreign or fit.misshapen:
            warnings.append(warning(fit))
    if faults:
        raise WeightsMismatch("\n".join(dict.fromkeys(faults)))
    return list(dict.fromkeys(warnings))


def refusal(fit: Fit) -> str:
    """The sentence about a LoRA that would change nothing."""
    why = [f"{len(fit.foreign):,} name no weight of it (such as {shown(fit.foreign[0])[:120]})"] if fit.foreign else []
    why += [f"{len(fit.misshapen):,} have another shape ({fit.misshapen[0]})"] if fit.misshapen else []
    because = "; ".join(why) or "its loader took none"
    return (f"{fit.name}: none of its {fit.total:,} weights fits {_model(fit)}, so it would change nothing: {because}."
            f"{_made_for(fit)} Leave it out (lora=[], or without its name), or put one there that was made for this model")


def warning(fit: Fit) -> str:
    """The sentence about a LoRA of which a part does nothing."""
    lost = len(fit.foreign) + len(fit.misshapen)
    shapes = f", {len(fit.misshapen):,} of them because of their shape ({fit.misshapen[0]})" if fit.misshapen else ""
    return f"{fit.name}: {lost:,} of its {fit.total:,} weights fit no weight of {_model(fit)} and do nothing{shapes}.{_made_for(fit)}"


def _model(fit: Fit) -> str:
    return fit.model or "the model"


def _made_for(fit: Fit) -> str:
    return f" The file says it was made for {fit.made_for}." if fit.made_for else ""


def fits(prompt: Prompt, output: str, models: Iterable[ModelStatus], rules: LoraKeys, faults: list[str]) -> Iterator[Fit]:
    """How each LoRA that is loaded fits, as far as headers tell; what is wrong with the files themselves goes to `faults`."""
    paths = {(one.folder, one.name): one.path for one in models if one.state in ("present", "cached")}
    by_name = {name: path for (folder, name), path in paths.items() if folder != "loras"}
    for node_id, name in loaded(prompt, output, rules):
        path = paths.get(("loras", name))
        if path is None or not name.lower().endswith((".safetensors", ".sft")):
            continue
        try:
            own = tensorfile.header(path)
        except (OSError, ValueError) as error:
            faults.append(f"loras/{name} cannot be used: {shown(getattr(error, 'strerror', None) or str(error))}. Fetch it again, or leave it out")
            continue
        model = model_of(prompt, node_id, rules)
        fit = compared(own, _weights(by_name.get(model), rules), rules, "clip" in prompt[node_id]["inputs"])
        yield replace(fit, name=name, model=model, node=node_id)


def loaded(prompt: Prompt, output: str, rules: LoraKeys) -> Iterator[tuple[str, str]]:
    """(node id, file) of the LoRAs that reach the output with a strength of more or less than 0."""
    loaders = rules.loaders
    alive = workflow.ancestors(prompt, output)
    for node_id, node in prompt.items():
        name, strengths = node["inputs"].get(NAME), loaders.get(node["class_type"])
        if node_id in alive and strengths is not None and isinstance(name, str):
            if not strengths or any(node["inputs"].get(strength) != 0 for strength in strengths):
                yield node_id, name


def model_of(prompt: Prompt, node_id: str, rules: LoraKeys) -> str:
    """The file that a node's input `model` comes from, through whatever it passes; empty where that is not known."""
    root = prompt.get(root_of(prompt, node_id))
    name = root and root["inputs"].get(rules.models.get(root["class_type"]))
    return name if isinstance(name, str) else ""


def root_of(prompt: Prompt, node_id: str) -> str:
    """The node that a node's input `model` begins at, through whatever it passes: one without such an input, which loads or makes a model."""
    seen: set[str] = set()
    while node_id in prompt and node_id not in seen:
        seen.add(node_id)
        link = workflow.as_link(prompt[node_id]["inputs"].get("model"))
        if link is None:
            return node_id
        node_id = link[0]
    return ""


def _weights(path: Path | None, rules: LoraKeys) -> dict[str, tuple[int, ...] | None] | None:
    """Key of a LoRA -> the shape of the model's tensor that it means (None: not known); None altogether where the header does not tell."""
    if path is None:
        return None
    try:
        tensors = tensorfile.header(path).tensors
    except (OSError, ValueError):
        return None   # another format, or damage, which its own loader tells
    if any(f"{prefix}{mark}" in tensors for prefix in rules.prefixes for mark in rules.not_networks):
        return None
    for prefix in rules.prefixes:
        for mark, forms in rules.networks.items():
            if f"{prefix}{mark}" in tensors:
                return _keys({name.removeprefix(prefix): entry for name, entry in tensors.items() if name.startswith(prefix)}, forms, rules)
    return None


def _keys(tensors: Mapping[str, tuple[str, tuple[int, ...]]], forms: Iterable[str], rules: LoraKeys) -> dict[str, tuple[int, ...] | None]:
    forms = tuple(forms)
    found: dict[str, tuple[int, ...] | None] = {}
    for name, (kind, shape) in tensors.items():
        known = None if kind in rules.packed else shape
        stem, weight = name.removesuffix(".weight"), name.endswith(".weight")
        for form in forms:   # what is no `.weight`, a bias or a table, goes by its whole name in the first, generic form alone
            if weight or form == forms[0]:
                key = form.replace("{}", stem).replace("{_}", stem.replace(".", "_"))
                found[key] = known
                if weight and f"{stem}.bias" in tensors:
                    found[f"{key}\0.bias"] = tensors[f"{stem}.bias"][1]
    return found


def compared(own: Header, weights: Mapping[str, tuple[int, ...] | None] | None, rules: LoraKeys, clip: bool = True) -> Fit:
    """How a LoRA's tensors fit a model's weights.

    Args:
        weights: key of a LoRA -> shape (see above), None where the model's are not known: then nothing is decided.
        clip: it is loaded for a text encoder too, whose weights are not known.
    """
    groups, text = grouped(own, rules), tuple(rules.text) if clip else ()
    foreign, misshapen, fitting = list[str](), list[str](), 0
    for key, parts in groups.items():
        if weights is None or parts is None or (key not in weights and key.startswith(text)):
            continue   # of an unknown kind, or for a text encoder
        if key not in weights:
            foreign.append(key)
        elif said := _misshapen(key, parts, own, weights, rules):
            misshapen.append(said)
        else:
            fitting += 1
    made_for = next((own.metadata[key] for key in rules.made_for if own.metadata.get(key)), "")
    return Fit("", "", "", len(groups), fitting, tuple(foreign), tuple(misshapen), shown(made_for)[:SAYS_MAX].strip())


def grouped(own: Header, rules: LoraKeys) -> dict[str, list[tuple[str, str]] | None]:
    """What a LoRA changes: key of a weight -> (ending, tensor) of what there is for it, None where no ending is known."""
    endings = [*rules.beside, *rules.pairs, *rules.pairs.values(),
               *rules.whole, *rules.others]
    endings.sort(key=len, reverse=True)   # the longest that fits: .lora_B.default.weight is no .weight of lora_B.default
    found: dict[str, list[tuple[str, str]] | None] = {}
    for name in own.tensors:
        ending = next((ending for ending in endings if name.endswith(ending)), None)
        if ending is None:
            found.setdefault(name, None)
        else:
            parts = found.setdefault(name.removesuffix(ending), [])
            found[name.removesuffix(ending)] = [*(parts or ()), (ending, name)]
    return found


def _misshapen(
    key: str, parts: list[tuple[str, str]], own: Header, weights: Mapping[str, tuple[int, ...] | None], rules: LoraKeys
) -> str:
    """A sentence where what there is for a weight is not of its shape, or not whole; empty where it is, or nobody can tell."""
    there = {ending: own.tensors[name][1] for ending, name in parts}
    shape, pairs = weights[key], rules.pairs
    if there.keys() <= {*rules.beside}:
        return f"{shown(key)}: nothing is there but {', '.join(there)}"
    for ending, target in rules.whole.items():
        wanted = weights.get(f"{key}\0.bias") if target == ".bias" else shape
        if ending in there and wanted is not None and there[ending] != wanted and ending != ".set_weight":   # that is copied, and may be wider
            return f"{shown(key)}{ending}: {_size(there[ending])} where the model has {_size(wanted)}"
    for up, down in pairs.items():
        if up not in there and down not in there:
            continue
        if up not in there or down not in there:
            return f"{shown(key)}: {down if up in there else up} is missing"
        if shape is None or ".reshape_weight" in there or ".lora_mid.weight" in there or not there[up] or not there[down]:
            return ""   # packed, padded or of three matrices: the loader works it out
        have = (there[up][0], math.prod(there[down][1:]))
        want = (shape[0], math.prod(shape[1:])) if shape else (1, 1)
        rank = math.prod(there[up][1:]) == there[down][0]
        return "" if have == want and rank else f"{shown(key)}: {_size(have)} where the model has {_size(want)}"
    return ""


def _size(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape)) or "a number"
