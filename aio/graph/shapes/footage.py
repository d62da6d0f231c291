"""How the nodes around pictures, sounds and clips change them: ComfyUI's arithmetic, by kind of node.

Source of every rule: ComfyUI v0.33.0, nodes.py and comfy_extras/nodes_images.py, nodes_lt.py, nodes_audio.py,
nodes_video.py with comfy_api/latest/_input_impl/video_types.py. A rule takes a Node and returns its outputs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

from aio.graph.shapes.node import Node, Outputs, Rule
from aio.graph.shapes.values import Audio, Fit, Images, Opaque, Picture, Video, find


def _finite(node: Node, name: str, default: float = 0) -> Any:
    """The number at an input: infinity and no-number, which a workflow may hold, have no size, time or rate."""
    value = node.number(name, default)
    if not math.isfinite(value):
        node.fail(f"input {name} is {value}; give a finite number")
    return value


def _load_image(node: Node) -> Outputs:
    name = str(node.value("image"))
    media = node.media(name)
    return Images(1, media.width, media.height, (Picture(name, "image"),)), Opaque("MASK")


def _scale(node: Node) -> Outputs:
    return (_sized(node.want("image", Images), _finite(node, "width"), _finite(node, "height")),)


def _sized(image: Images, width: Any, height: Any) -> Images:
    """The picture at a size of which 0 stands for what keeps its shape."""
    if not width and not height:
        return image
    return replace(image, width=width or max(1, round(image.width * height / max(image.height, 1))),
                   height=height or max(1, round(image.height * width / max(image.width, 1))))


def _resize(node: Node) -> Outputs:
    """ResizeImageMaskNode (nodes_post_processing.py) on a picture; of a mask nothing reads the size."""
    image, way = find(node.value("input"), Images), node.value("resize_type")
    if image is None:
        return (node.value("input"),)
    width, height = max(image.width, 1), max(image.height, 1)

    def number(name: str) -> Any:
        return max(_finite(node, f"resize_type.{name}"), 0)

    def by(factor: float) -> Outputs:
        return (replace(image, width=round(width * factor), height=round(height * factor)),)

    def edge(now: int, wanted: Any) -> Outputs:   # in the node's own order: a half is rounded like there
        return (replace(image, width=round(width / now * wanted), height=round(height / now * wanted)),)

    match way:
        case "scale dimensions" if number("width") and number("height"):
            return (_reshaped(node, image, _sized(image, number("width"), number("height"))),)
        case "scale dimensions" | "scale width" | "scale height":
            return (_sized(image, number("width"), number("height")),)
        case "scale longer dimension":
            return edge(max(width, height), number("longer_size"))
        case "scale shorter dimension":
            return edge(min(width, height), number("shorter_size"))
        case "scale by multiplier":
            return by(number("multiplier"))
        case "scale total pixels":
            return by(math.sqrt(int(number("megapixels") * 1024**2) / (width * height)))
        case "scale to multiple":
            step = max(number("multiple"), 1)
            whole = (width // step * step, height // step * step)
            return (replace(image, width=whole[0], height=whole[1]) if all(whole) else image,)
    other = find(node.value("resize_type.match"), Images)
    return (_reshaped(node, image, _sized(image, other.width, other.height)) if other else image,)


def _reshaped(node: Node, before: Images, after: Images) -> Images:
    return _fitted(after, "stretch" if node.value("resize_type.crop") == "disabled" else "crop", before)


def _compress(node: Node) -> Outputs:
    image = node.want("image", Images)
    return (image if not _finite(node, "img_compression", 35) else
            replace(image, width=image.width // 2 * 2, height=image.height // 2 * 2),)


def _pad(node: Node) -> Outputs:
    image, width, height = node.want("image", Images), _finite(node, "target_width", 512), _finite(node, "target_height", 512)
    return (_fitted(replace(image, width=width, height=height), "pad", image),)


def _cut(node: Node) -> Outputs:
    (image,) = _scale(node)
    if not (node.value("width") and node.value("height")):   # a side that is left out follows the shape: what is rounded off is no cut
        return (image,)
    return (_fitted(image, "crop" if node.value("crop") == "center" else "stretch", node.want("image", Images)),)


def _fitted(image: Images, way: str, before: Images) -> Images:
    """`image`, whose pictures remember how they were brought to its shape, if that is another one than `before`."""
    if image.width * before.height == image.height * before.width or min(image.width, image.height) < 1:
        return image
    fit = Fit(way, image.width, image.height)
    return replace(image, pictures=tuple(replace(picture, fits=(*picture.fits, fit)) for picture in image.pictures))


def _from_batch(node: Node) -> Outputs:
    image, index = node.want("image", Images), _finite(node, "batch_index")
    index = max(0, min(image.count - 1, index + image.count if index < 0 else index))
    count = min(image.count - index, _finite(node, "length", 1))
    kept = [replace(picture, frame=max(picture.frame - index, 0), first=picture.first + max(index - picture.frame, 0),
                    count=min(picture.frame + picture.count, index + count) - max(picture.frame, index))
            for picture in image.pictures]
    return (replace(image, count=count, pictures=tuple(picture for picture in kept if picture.count > 0)),)


def _control(node: Node) -> Outputs:
    """A preprocessor draws something from the pictures behind one of its inputs."""
    image = node.want(node.own.input, Images)
    return (replace(image, pictures=tuple(replace(picture, control=node.own.draws) for picture in image.pictures)),)


def _load_audio(node: Node) -> Outputs:
    name = str(node.value("audio"))
    media = node.media(name)
    return (Audio(round(media.seconds * media.sample_rate), media.sample_rate, media.channels, name),)


def _trim_audio(node: Node) -> Outputs:
    audio, start = node.want("audio", Audio, None), _finite(node, "start_index")
    if audio is None or not audio.samples:
        return (audio,)
    first = round(start * audio.sample_rate) + (audio.samples if start < 0 else 0)
    first = max(0, min(first, audio.samples))
    count = min(round(_finite(node, "duration", 60.0) * audio.sample_rate), audio.samples - first)
    if count <= 0:
        node.fail(f"nothing of the sound is left: it is {audio.seconds:.2f} s long and the cut starts at {start} s")
    return (replace(audio, samples=count, start=audio.start + first),)


def _empty_audio(node: Node) -> Outputs:
    rate, channels = (round(_finite(node, name, usual)) for name, usual in (("sample_rate", 44_100), ("channels", 2)))
    if rate < 1:
        node.fail(f"input sample_rate is {rate}; give at least 1")
    return (Audio(round(_finite(node, "duration", 60.0) * rate), rate, channels),)


def _join_audio(node: Node) -> Outputs:
    first, second = node.want("audio1", Audio, None), node.want("audio2", Audio, None)
    if first is None or second is None:
        return (first or second,)
    rate = max(first.sample_rate, second.sample_rate)
    samples = sum(-(-one.samples * rate // one.sample_rate) for one in (first, second))
    leading = second if node.value("direction") == "before" else first
    # Known by what begins it: a sound of the model's, or silence, has no source.
    return (replace(leading, samples=samples, sample_rate=rate, channels=2, start=round(leading.start * rate / leading.sample_rate)),)


def _load_video(node: Node) -> Outputs:
    name = str(node.value("file"))
    media = node.media(name)
    images = Images(media.frames, media.width, media.height, (Picture(name, "video", count=media.frames),))
    samples = round(media.seconds * media.sample_rate)
    return (Video(images, _rate(node, media.fps), Audio(samples, media.sample_rate, media.channels, name) if samples else None),)


def _components(node: Node) -> Outputs:
    video = node.want("video", Video)
    return video.images, video.audio, float(video.fps), 8


def _create_video(node: Node) -> Outputs:
    images, fps, audio = node.want("images", Images), _rate(node, _finite(node, "fps", 30.0)), node.want("audio", Audio, None)
    if audio:  # SaveVideo cuts the sound at the picture's end, and pads nothing
        audio = replace(audio, samples=min(audio.samples, math.ceil(audio.sample_rate / fps * images.count)))
    return (Video(images, fps, audio),)


def _rate(node: Node, fps: float) -> Fraction:
    """The frame rate that SaveVideo writes (video_types.py)."""
    if not 0.001 <= fps < math.inf:
        node.fail(f"its rate is {fps:g} frames a second; give at least 0.001")
    return Fraction(round(fps * 1000), 1000)


RULES: dict[str, Rule] = {
    "load_image": _load_image,
    "empty_image": lambda node: (Images(_finite(node, "batch_size", 1), _finite(node, "width"), _finite(node, "height")),),
    "scale": _cut,
    "pad": _pad,
    "resize": _resize,
    "from_batch": _from_batch,
    "compress": _compress,
    "control": _control,
    "load_audio": _load_audio,
    "trim_audio": _trim_audio,
    "empty_audio": _empty_audio,
    "join_audio": _join_audio,
    "load_video": _load_video,
    "components": _components,
    "create_video": _create_video,
    "save": lambda node: (node.want("video", Video),),
}
"""Kind -> rule."""
