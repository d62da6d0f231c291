"""The small frozen values that stand for a node's outputs: sizes, lengths, rates, and where pictures and sounds come from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from aio.fields.geometry import Latent


@dataclass(frozen=True, slots=True)
class Fit:
    """How a picture of another shape is brought to `width` x `height` pixels. way: `crop` to the middle, `pad` with black bars, `stretch`."""

    way: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A given picture and its place in a clip.

    Attributes:
        name: the file's ComfyUI name. kind: `image` or `video`.
        control: `canny`, `depth`, `pose`, or empty for the picture itself.
        frame: index of the clip frame at which it stands. count: frames that it covers. first: its own first frame.
        fits: how its shape was changed, in this order; at last the clip's own size is cut out of its middle.
    """

    name: str
    kind: str
    control: str = ""
    frame: int = 0
    count: int = 1
    first: int = 0
    fits: tuple[Fit, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoLatent:
    """Frames and cells of a video latent.

    Attributes:
        frames: latent frames, guides included. height, width: latent cells. cell: what one holds.
        guides: guide frames at the end. skipped: cells of guides that the model leaves out (reduced IC-LoRA grids).
        pictures: what it was conditioned on. text: the prompt that it was sampled with.
    """

    frames: int
    height: int
    width: int
    cell: Latent
    guides: int = 0
    skipped: int = 0
    pictures: tuple[Picture, ...] = ()
    text: str = ""

    @property
    def tokens(self) -> int:
        """Tokens that the transformer sees."""
        return self.frames * self.height * self.width - self.skipped


@dataclass(frozen=True, slots=True)
class AudioLatent:
    """`length` latent steps of sound. `source`: name of the given sound it was encoded from."""

    length: int
    source: str | None = None


@dataclass(frozen=True, slots=True)
class AVLatent:
    """A video latent and an audio latent that are sampled together."""

    video: VideoLatent
    audio: AudioLatent


@dataclass(frozen=True, slots=True)
class Images:
    """A batch of `count` images, `width` x `height` pixels."""

    count: int
    width: int
    height: int
    pictures: tuple[Picture, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Audio:
    """A sound. `start`: its first sample within the file `source`; without `source` the model makes it."""

    samples: int
    sample_rate: int
    channels: int
    source: str | None = None
    start: int = 0

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class Video:
    """A clip as CreateVideo joins it: images at `fps` frames a second, and a sound or none."""

    images: Images
    fps: Fraction
    audio: Audio | None = None


@dataclass(frozen=True, slots=True)
class Conditioning:
    """A prompt's text and the tokens of the guides that hang on it."""

    text: str = ""
    guide_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """A diffusion model: its LoRAs, the extra forward passes of its guidance, the last LoRA's reference downscale."""

    loras: tuple[str, ...] = ()
    passes: int = 0
    downscale: int = 1


@dataclass(frozen=True, slots=True)
class Guider:
    """Forward passes a step, and the positive prompt's text."""

    passes: int = 1
    text: str = ""


@dataclass(frozen=True, slots=True)
class Sigmas:
    """A schedule of `steps` sampling steps."""

    steps: int


@dataclass(frozen=True, slots=True)
class Noise:
    """A noise source with its seed."""

    seed: int


@dataclass(frozen=True, slots=True)
class IcParameters:
    """The factor by which an IC-LoRA's guides are smaller than the clip."""

    downscale: int = 1


@dataclass(frozen=True, slots=True)
class Opaque:
    """An output that nothing is known about but its type and what it was made from."""

    type: str = "*"
    inputs: tuple[Any, ...] = ()


Shapes = dict[str, tuple[Any, ...]]
"""Node id -> its outputs, in dependency order."""

def find(value: Any, kind: type) -> Any:
    """Return the first `kind` that `value` is, holds or was made from, else None."""
    if isinstance(value, kind):
        return value
    parts = value.inputs if isinstance(value, Opaque) else (value.video, value.audio) if isinstance(value, AVLatent) else ()
    return next((found for part in parts if (found := find(part, kind)) is not None), None)
