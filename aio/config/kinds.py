"""The section `kinds` of the configuration, declared: what node classes do to sizes, lengths and rates (conf/comfyui/base/kinds.yaml).

And `family`: which of it the clips of a model family are made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from aio.errors import nearest
from aio.fields.amounts import Count
from aio.fields.geometry import Latent, Sound

Kind = Literal[
    "empty_video", "empty_sound", "join", "split", "upsample", "image_to_video", "first_frame", "guide", "crop_guides", "same",
    "encode_sound", "decode_sound", "decode", "text", "conditioning", "load_model", "load", "lora", "lora_parameters", "extra_pass",
    "guider", "noise", "given_sigmas", "computed_sigmas", "sampler", "load_image", "empty_image", "scale", "pad", "resize",
    "from_batch", "compress", "control", "load_audio", "trim_audio", "empty_audio", "join_audio", "load_video", "components",
    "create_video", "save",
]
"""What aio.graph.shapes has arithmetic for; `load` has none, and shares the seconds of loading."""

NEEDS: dict[str, tuple[str, ...]] = {
    "empty_video": ("latent",), "image_to_video": ("latent",), "empty_sound": ("sound",), "encode_sound": ("sound",), "decode_sound": ("sound",),
    "same": ("input",), "extra_pass": ("input",), "control": ("input", "draws"),
}
"""Kind -> what its entry must say."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """An entry of `kinds.classes`.

    Attributes:
        kind: whose arithmetic it has. latent, sound: names of `kinds.latents` and `kinds.sounds`: which it makes, or is made for alone.
        input: the input that counts, where classes of a kind call it differently.
        factor: of an upscaler. draws: what a preprocessor draws. neutral: strength that adds no pass.
        reference: regular expression whose group 1, in the name of a LoRA's file, is the size of its guides as a share of the clip's.
    """

    kind: Kind
    latent: str = ""
    sound: str = ""
    input: str = ""
    factor: Count = 1
    draws: str = ""
    neutral: float = 0.0
    reference: str = ""

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it beyond its type)."""
        for key in NEEDS.get(self.kind, ()):
            if not getattr(self, key):
                yield key, f"missing, and a class of kind {self.kind} needs it"
        try:
            if self.reference and re.compile(self.reference).groups != 1:
                yield "reference", f"{self.reference!r} has not one group, the share"
        except re.error as error:
            yield "reference", f"{self.reference!r} is no regular expression ({error})"


@dataclass(frozen=True)
class Kinds:
    """`kinds`. latents, sounds: name -> what a cell or step of one holds. classes: class_type -> what it does."""

    latents: dict[str, Latent] = field(default_factory=dict)
    sounds: dict[str, Sound] = field(default_factory=dict)
    classes: dict[str, NodeKind] = field(default_factory=dict)

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it beyond its type)."""
        for name, entry in self.classes.items():
            for key, known in (("latent", self.latents), ("sound", self.sounds)):
                if (given := getattr(entry, key)) and given not in known:
                    yield f"classes.{name}.{key}", f"{given!r} is unknown.{nearest(given, known)} Known: {', '.join(known)}"

    def of(self, class_type: str) -> str:
        """The kind of a class, empty where it has none."""
        return self.classes[class_type].kind if class_type in self.classes else ""


@dataclass(frozen=True)
class Family:
    """`family` (conf/family). latent, sound: names of `kinds.latents` and `kinds.sounds`; without one a clip may have any length.

    Attributes:
        name, title: of the model family, as the files call it and as people do.
    """

    name: str = ""
    title: str = ""
    latent: str = ""
    sound: str = ""
