"""What a prompt will make, known before it runs: sizes, lengths, rates, sounds and pictures.

`interpret` walks a patched prompt in dependency order and gives every node's outputs as small frozen values (values.py).
The rules of sampling.py and footage.py copy the arithmetic of ComfyUI's nodes, for the classes that the configuration's `kinds` names;
all other nodes hand on what they receive, by the type of the output. Pure: it opens no file, asks for media by name, and needs neither
ComfyUI nor PyAV. The preview engine draws from it; the plan and the GPU seconds are read from it.
"""

from __future__ import annotations

import functools
import graphlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aio.config.kinds import Kinds
from aio.errors import AioError, WorkflowError
from aio.graph.shapes import footage, sampling
from aio.graph.shapes.node import Node, Rule
from aio.graph.shapes.values import (
    Audio,
    AudioLatent,
    AVLatent,
    Conditioning,
    Guider,
    Images,
    Model,
    Noise,
    Opaque,
    Picture,
    Shapes,
    Sigmas,
    Video,
    VideoLatent,
    find,
)
from aio.graph.workflow import as_link, links, title, titled
from aio.values import Media, Prompt

RULES: dict[str, Rule] = sampling.RULES | footage.RULES
"""Kind -> rule, for all that bear size, length, rate, sound or pictures."""

SLOT_MAX = 255
"""Highest output of a node that a link may ask for. ComfyUI's own classes have 8 at most."""


@dataclass(frozen=True, slots=True)
class SamplerFacts:
    """The work of one sampler.

    Attributes:
        node: its id. title: its title in the workflow.
        steps: sampling steps. passes: forward passes of the model in each step.
        tokens: video tokens in each pass, guides included.
        guides: guide frames among the latent's frames.
        seed: of its noise, None where that is unknown.
    """

    node: str
    title: str
    steps: int
    passes: int
    tokens: int
    guides: int = 0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The clip that a prompt writes.

    Attributes:
        width, height: pixels. frames: count. fps: frames a second. seconds: length of the picture.
        sound: its sound track, None without one.
        pictures: what is given and really reaches it. text: the prompt that reaches it.
    """

    width: int
    height: int
    frames: int
    fps: float
    seconds: float
    sound: Audio | None = None
    pictures: tuple[Picture, ...] = ()
    text: str = ""

    @property
    def sample_rate(self) -> int:
        """Hz, 0 without sound."""
        return self.sound.sample_rate if self.sound else 0

    @property
    def channels(self) -> int:
        """Count, 0 without sound."""
        return self.sound.channels if self.sound else 0

    @property
    def sound_seconds(self) -> float:
        """Length of the sound, 0 without sound."""
        return self.sound.seconds if self.sound else 0.0


def interpret(prompt: Prompt, media: Callable[[str], Media], kinds: Kinds, schema: Mapping[str, Any] | None = None) -> Shapes:
    """Return the outputs of every node, sources first.

    Args:
        prompt: the patched prompt.
        media: gives the facts of a file by the name that a loader node holds. kinds: what classes do.
        schema: class_type -> aio.graph.schema.NodeClass, for the outputs of nodes without a rule. A class that is not in it
            has as many outputs as are used, each standing for whatever its inputs give.

    Raises:
        WorkflowError: a cycle, a dangling link, or a node that ComfyUI would refuse for its shapes.
    """
    used = Counter[str]()
    for node_id, node in prompt.items():
        for name, (source, slot) in links(node):
            if source not in prompt:
                raise WorkflowError(f"{title(prompt, node_id)}: input {name} links to node {source}, which is not there")
            if not 0 <= slot <= SLOT_MAX:
                raise WorkflowError(f"{title(prompt, node_id)}: input {name} asks for output {slot} of node {source}; no node has so many")
            used[source] = max(used[source], slot + 1)
    shapes: Shapes = {}
    for node_id in _order(prompt):
        class_type, here = prompt[node_id]["class_type"], Node(prompt, node_id, shapes, functools.partial(_given, media), kinds)
        known, rule = (schema or {}).get(class_type), RULES.get(kinds.of(class_type))
        outputs = known.outputs if known else ("*",) * used[node_id]
        with _told(prompt, node_id):
            shapes[node_id] = rule(here) if rule else _hand_on(here, outputs)
    return shapes


def _given(media: Callable[[str], Media], name: str) -> Media:
    try:
        return media(name)
    except KeyError:
        raise WorkflowError(f"the graph loads {name[:80]!r}, which no field gives; patch that input with ${{value:FIELD}}") from None


@contextmanager
def _told(prompt: Prompt, node_id: str) -> Iterator[None]:
    """Rules trust what a sound workflow has: text where a number belongs, or zero, ends as words about the node."""
    try:
        yield
    except AioError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise WorkflowError(f"{title(prompt, node_id)}: what it is given does not fit together ({error})") from None


def samplers(prompt: Prompt, shapes: Shapes, kinds: Kinds) -> list[SamplerFacts]:
    """Return the work of every sampler of an interpreted prompt, in the order in which they run."""
    facts = []
    for node_id in shapes:
        if kinds.of(prompt[node_id]["class_type"]) == "sampler":
            with _told(prompt, node_id):
                facts.append(_sampler(Node(prompt, node_id, shapes, _no_media, kinds)))
    return facts


def _sampler(node: Node) -> SamplerFacts:
    noise, own = find(node.value("noise"), Noise), node.prompt[node.id]
    seed = noise.seed if noise else node.value("seed")
    latent = find(node.shapes[node.id][0], VideoLatent)
    return SamplerFacts(
        node=node.id,
        title=titled(own) or own["class_type"],
        steps=sampling.steps(node),
        passes=sampling.guidance(node).passes,
        tokens=latent.tokens if latent else 0,
        guides=latent.guides if latent else 0,
        seed=seed if isinstance(seed, int) else None,
    )


def looks(prompt: Prompt, shapes: Shapes, kinds: Kinds) -> Mapping[str, int]:
    """class_type -> pictures that nodes of the class are given as `image`; with `bboxes`, times the people that these may hold."""
    found = Counter[str]()
    for node_id in shapes:
        node = Node(prompt, node_id, shapes, _no_media, kinds)
        image, boxes = find(node.value("image"), Images), as_link(prompt[node_id]["inputs"].get("bboxes"))
        if image:
            people = prompt[boxes[0]]["inputs"].get("max_detections") if boxes else 1
            found[prompt[node_id]["class_type"]] += image.count * (max(people, 1) if isinstance(people, int) else 1)
    return found


def result(prompt: Prompt, shapes: Shapes, kinds: Kinds) -> Result:
    """Return the clip that the prompt saves (the first one, where there are several).

    Raises:
        WorkflowError: nothing is saved as a video.
    """
    node_id = next((key for key in shapes if kinds.of(prompt[key]["class_type"]) == "save"), None)
    if node_id is None:
        saves = " or ".join(name for name in kinds.classes if kinds.of(name) == "save")
        raise WorkflowError(f"the workflow saves no video; end it with {saves}")
    with _told(prompt, node_id):
        video = shapes[node_id][0]
        images, sound = video.images, video.audio
        return Result(
            width=images.width, height=images.height, frames=images.count, fps=float(video.fps),
            seconds=float(images.count / video.fps), sound=sound, pictures=images.pictures, text=images.text,
        )


def _no_media(name: str) -> Media:
    raise LookupError(name)


def _order(prompt: Prompt) -> list[str]:
    sources = {node_id: [source for _, (source, _) in links(node)] for node_id, node in prompt.items()}
    try:
        return list(graphlib.TopologicalSorter(sources).static_order())
    except graphlib.CycleError as error:
        raise WorkflowError("cycle through " + " -> ".join(title(prompt, node_id) for node_id in error.args[1])) from None


_TYPES: dict[str, Any] = {
    "IMAGE": Images, "AUDIO": Audio, "VIDEO": Video, "CONDITIONING": Conditioning, "MODEL": Model, "GUIDER": Guider,
    "SIGMAS": Sigmas, "NOISE": Noise, "LATENT": (VideoLatent, AudioLatent, AVLatent),
}


def _hand_on(node: Node, outputs: tuple[str, ...]) -> tuple[Any, ...]:
    """Outputs of a node without a rule: the n-th output of a type is the n-th input of that type, or the last one."""
    inputs = tuple(node.value(name) for name, _ in links(node.prompt[node.id]))
    given, seen = [], Counter[str]()
    for output in outputs:
        same = [value for value in inputs if isinstance(value, _TYPES.get(output, ()))]
        given.append(same[min(seen[output], len(same) - 1)] if same else Opaque(output, inputs))
        seen[output] += 1
    return tuple(given)
