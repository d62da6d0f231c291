"""How the nodes around the diffusion model change latents, prompts, models and schedules: ComfyUI's arithmetic, by kind of node.

Source of every rule: ComfyUI v0.33.0, comfy_extras/nodes_lt.py, nodes_lt_audio.py, nodes_lt_upsampler.py,
nodes_custom_sampler.py and nodes.py. A rule takes a Node and returns its outputs.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

from aio.fields.geometry import Sound
from aio.graph.shapes.node import Node, Outputs, Rule
from aio.graph.shapes.values import (
    Audio,
    AudioLatent,
    AVLatent,
    Conditioning,
    Guider,
    IcParameters,
    Images,
    Model,
    Noise,
    Opaque,
    Picture,
    Sigmas,
    VideoLatent,
    find,
)


def _empty_video(node: Node) -> Outputs:
    cell = node.kinds.latents[node.own.latent]
    frames, height, width = cell.latents(node.number("length")), node.number("height") // cell.pixel_step, node.number("width") // cell.pixel_step
    if min(frames, height, width) < 1:
        node.fail(f"width and height must be at least {cell.pixel_step} and length at least 1")
    return (VideoLatent(frames, height, width, cell),)


def _empty_sound(node: Node) -> Outputs:
    return (AudioLatent(_sound(node).latents_of_frames(node.number("frames_number"), node.number("frame_rate", 25.0))),)


def _sound(node: Node) -> Sound:
    return node.kinds.sounds[node.own.sound]


def _join(node: Node) -> Outputs:
    first = node.value("video_latent")
    audio = node.want("audio_latent", AudioLatent)
    if isinstance(first, AVLatent):  # an AV latent keeps its own length, the new sound is cut or padded to it
        audio = replace(audio, length=first.audio.length)
    return (AVLatent(node.want("video_latent", VideoLatent), audio),)


def _split(node: Node) -> Outputs:
    joint = node.want("av_latent", AVLatent)
    return joint.video, joint.audio


def _upsample(node: Node) -> Outputs:
    latent = node.want("samples", VideoLatent)
    return (replace(latent, height=latent.height * node.own.factor, width=latent.width * node.own.factor, skipped=0),)


def _pin(latent: VideoLatent, pictures: tuple[Picture, ...], frame: int) -> VideoLatent:
    """The latent with `pictures` at clip frame `frame`; a second stage repeats those of the first."""
    new = [replace(picture, frame=picture.frame + frame) for picture in pictures]
    known = {replace(picture, fits=()) for picture in latent.pictures}   # it may be given in another size, of the same shape
    return replace(latent, pictures=latent.pictures + tuple(picture for picture in new if replace(picture, fits=()) not in known))


def _first_frame(node: Node) -> Outputs:
    latent = node.want("latent", VideoLatent)
    return (latent if node.value("bypass") is True else _pin(latent, node.want("image", Images).pictures, 0),)


def _image_to_video(node: Node) -> Outputs:
    (latent,) = _empty_video(node)
    image = node.want(node.own.input or "image", Images, None)   # optional where a class says so
    return *_conditionings(node), _pin(latent, image.pictures, 0) if image else latent


def _guide(node: Node) -> Outputs:
    latent, image = node.want("latent", VideoLatent), node.want("image", Images)
    cell, step = latent.cell, latent.cell.frame_step
    factor = node.want("iclora_parameters", IcParameters, IcParameters()).downscale
    if latent.width % factor or latent.height % factor:
        node.fail(f"the latent of {latent.width}x{latent.height} cells cannot be divided by {factor}, the IC-LoRA's reference "
                  f"downscale; use a width and height that are multiples of {cell.pixel_step * factor}")
    positive, negative = _conditionings(node)
    earlier = positive.guide_tokens // (latent.height * latent.width)
    frame = node.number("frame_idx")
    if frame < 0:
        frame = max(cell.frames(latent.frames - earlier) + frame, 0)
    kept = cell.frames(cell.latents(image.count))
    # A guide within the clip is encoded behind a throw-away frame, since the first latent frame holds only one.
    guides = cell.latents(kept) if frame == 0 or kept == 1 else image.count // step
    if kept > 1 and frame:
        frame = cell.frames(cell.latents(frame))
    if (frame + step - 1) // step + guides > latent.frames:
        node.fail(f"the guide of {image.count} frames at frame {frame} is longer than the clip; shorten it, or lengthen the clip")
    tokens = guides * latent.height * latent.width
    guided = replace(
        _pin(latent, image.pictures, frame), frames=latent.frames + guides, guides=latent.guides + guides,
        skipped=latent.skipped + tokens - tokens // factor**2,
    )
    return *(replace(one, guide_tokens=one.guide_tokens + tokens) for one in (positive, negative)), guided


def _crop_guides(node: Node) -> Outputs:
    latent = node.want("latent", VideoLatent)
    positive, negative = _conditionings(node)
    # Counted from the conditioning's tokens, as ComfyUI does: after an upscale the count comes out wrong there too.
    guides = positive.guide_tokens // (latent.height * latent.width)
    if not guides:
        return positive, negative, latent
    if guides >= latent.frames:
        node.fail(f"{guides} guide frames cannot be removed from {latent.frames} latent frames; crop the latent they were added to")
    cropped = replace(latent, frames=latent.frames - guides, guides=max(latent.guides - guides, 0), skipped=0)
    return replace(positive, guide_tokens=0), replace(negative, guide_tokens=0), cropped


def _encode_sound(node: Node) -> Outputs:
    audio = node.want("audio", Audio)
    return (AudioLatent(_sound(node).latents_of_samples(audio.samples, audio.sample_rate), audio.source),)


def _decode_sound(node: Node) -> Outputs:
    latent, sound = node.want("samples", AudioLatent), _sound(node)
    return (Audio(sound.samples_of_latents(latent.length), sound.sample_rate, sound.channels, latent.source),)


def _decode(node: Node) -> Outputs:
    latent = node.want("samples", VideoLatent)
    cell = latent.cell
    return (Images(cell.frames(latent.frames), latent.width * cell.pixel_step, latent.height * cell.pixel_step, latent.pictures, latent.text),)


def _conditionings(node: Node) -> tuple[Conditioning, Conditioning]:
    return node.want("positive", Conditioning, Conditioning()), node.want("negative", Conditioning, Conditioning())


def _encode_text(node: Node) -> Outputs:
    text = node.value("text")
    return (Conditioning(text if isinstance(text, str) else ""),)


def _lora(node: Node) -> Outputs:
    model, name = node.want("model", Model, Model()), str(node.value("lora_name"))
    # The factor is in the file's metadata; where names repeat it, the configuration says how.
    reference = re.search(node.own.reference, name) if node.own.reference else None
    factor = max(1, round(1 / float(reference[1]))) if reference else 1
    return (replace(model, loras=(*model.loras, name), downscale=factor),)


def _extra_pass(node: Node) -> Outputs:
    """A guidance that runs the model once more a step unless its strength is neutral."""
    model, own = node.want("model", Model, Model()), node.own
    return (model if math.isclose(node.number(own.input), own.neutral) else replace(model, passes=model.passes + 1),)


def guidance(node: Node) -> Guider:
    """The guidance of a sampler or guider node: one pass, one more for any CFG but 1, and those of the model."""
    guider = find(node.value("guider"), Guider)
    if guider:
        return guider
    scales = [node.number(name, 1.0) for name in ("cfg", "video_cfg", "audio_cfg")]
    passes = 1 + any(not math.isclose(scale, 1.0) for scale in scales)
    text = node.want("positive", Conditioning, node.want("conditioning", Conditioning, Conditioning())).text
    return Guider(passes + node.want("model", Model, Model()).passes, text)


def steps(node: Node) -> int:
    """Steps of a sampler node: of its schedule, or its own."""
    schedule = find(node.value("sigmas"), Sigmas)
    return schedule.steps if schedule else int(node.number("steps"))


def _given_sigmas(node: Node) -> Outputs:
    return (Sigmas(max(len(re.findall(r"[-+]?(?:\d*\.*\d+)", str(node.value("sigmas")))) - 1, 0)),)


def _sample(node: Node) -> Outputs:
    latent, text = node.value("latent_image"), guidance(node).text
    if isinstance(latent, AVLatent):
        sampled: Any = replace(latent, video=replace(latent.video, text=text))
    else:
        sampled = replace(node.want("latent_image", VideoLatent), text=text)
    return sampled, sampled


RULES: dict[str, Rule] = {
    "empty_video": _empty_video,
    "empty_sound": _empty_sound,
    "join": _join,
    "split": _split,
    "upsample": _upsample,
    "image_to_video": _image_to_video,
    "first_frame": _first_frame,
    "guide": _guide,
    "crop_guides": _crop_guides,
    "same": lambda node: (node.value(node.own.input),),
    "encode_sound": _encode_sound,
    "decode_sound": _decode_sound,
    "decode": _decode,
    "text": _encode_text,
    "conditioning": _conditionings,
    "load_model": lambda node: (Model(), Opaque("CLIP"), Opaque("VAE")),
    "lora": _lora,
    "lora_parameters": lambda node: (IcParameters(node.want("iclora_model", Model, Model()).downscale),),
    "extra_pass": _extra_pass,
    "guider": lambda node: (guidance(node),),
    "noise": lambda node: (Noise(node.number("noise_seed")),),
    "given_sigmas": _given_sigmas,
    "computed_sigmas": lambda node: (Sigmas(steps(node)),),
    "sampler": _sample,
}
"""Kind -> rule."""
