"""The shape interpreter: sizes and lengths are those that ComfyUI gives, for all six workflows and for broken ones."""

from __future__ import annotations

import copy
import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
from graphs import KINDS
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import check, config
from aio.errors import WorkflowError
from aio.graph import duration, schema
from aio.graph.draw import draw
from aio.graph.shapes import Result, interpret, result, samplers
from aio.graph.shapes.values import Audio, AudioLatent, AVLatent, Images, Picture, Video, VideoLatent
from aio.values import Media

WORKFLOWS = Path(__file__).resolve().parent.parent / "workflows"
SOUND = KINDS.sounds["ltxav"]
MODES = sorted(path.stem for path in WORKFLOWS.glob("*.json"))


def media(name: str) -> Media:
    """An image, a mono sound of 6.5 s or a video of the clip's size, by suffix."""
    if name.endswith(".wav"):
        return Media(Path(name), "audio", seconds=6.5, sample_rate=22050, channels=1)
    if name.endswith(".mp4"):
        return Media(Path(name), "video", 1280, 704, 121, 24.0, 121 / 24, 48000, 2)
    return Media(Path(name), "image", 512, 512)


def workflow(mode: str) -> dict:
    return json.loads((WORKFLOWS / f"{mode}.json").read_text(encoding="utf-8"))


def clip(prompt: dict, schema=None) -> Result:
    return result(prompt, interpret(prompt, media, KINDS, schema), KINDS)


@pytest.mark.parametrize("mode", MODES)
def test_every_workflow_gives_its_size_length_and_rate(mode):
    found = clip(workflow(mode))
    assert (found.width, found.height, found.frames, found.fps) == (1280, 704, 121, 24.0)
    assert found.seconds == pytest.approx(121 / 24)


@pytest.mark.parametrize("mode", ["t2v", "i2v", "keyframe"])
def test_generated_sound_is_48_khz_stereo_of_the_vocoders_length(mode):
    found = clip(workflow(mode))
    # round(121/24 * 25) = 126 latents -> 4*126-3 mel frames of 10 ms
    assert (found.sound.samples, found.sample_rate, found.channels) == (501 * 480, 48000, 2)
    assert found.sound.source is None


@pytest.mark.parametrize("mode", ["a2v", "lipsync"])
def test_given_sound_keeps_its_rate_and_is_cut_to_the_clip(mode):
    found = clip(workflow(mode))
    assert (found.sample_rate, found.channels, found.sound.source) == (22050, 1, "example.wav")
    assert found.sound.samples == round(5.04 * 22050)


def test_sound_longer_than_the_picture_is_cut_up_to_the_next_whole_sample():
    prompt = workflow("a2v")
    prompt["61"]["inputs"]["duration"] = 6.4
    prompt["42"]["inputs"]["fps"] = 23.976
    found = clip(prompt)
    assert found.sound.samples == -(-22050 * 121 * 1000 // 23976)
    assert Fraction(found.fps).limit_denominator(1000) == Fraction(23976, 1000)


def test_guides_are_sampled_and_then_gone():
    prompt = workflow("keyframe")
    shapes = interpret(prompt, media, KINDS)
    stage_1, stage_2 = samplers(prompt, shapes, KINDS)
    assert (stage_1.tokens, stage_1.guides) == ((16 + 2) * 11 * 20, 2)
    assert (stage_2.tokens, stage_2.guides) == ((16 + 2) * 22 * 40, 2)
    assert shapes["72"][2] == VideoLatent(16, 11, 20, KINDS.latents["ltxv"], pictures=shapes["72"][2].pictures)


def test_guides_that_are_not_cropped_give_eight_frames_more_each():
    prompt = workflow("keyframe")
    prompt["40"]["inputs"]["samples"] = ["38", 0]
    assert clip(prompt).frames == 121 + 16


def test_guides_that_are_cropped_after_the_upscale_stay():
    prompt = workflow("keyframe")
    prompt["31"]["inputs"]["samples"] = ["25", 0]   # upscale before the crop
    prompt["72"]["inputs"]["latent"] = ["31", 0]    # 2 guides of 11x20 cells are no whole frame of 22x40
    prompt["40"]["inputs"]["samples"] = ["72", 2]
    assert clip(prompt).frames == 121 + 16


def test_keyframes_stand_at_the_first_and_the_last_frame():
    assert [(p.name, p.frame) for p in clip(workflow("keyframe")).pictures] == [("example.png", 0), ("example.png", 120)]


def test_a_picture_that_is_not_linked_does_not_appear():
    prompt = workflow("i2v")
    prompt["12"]["inputs"]["video_latent"] = ["10", 0]
    prompt["32"]["inputs"]["video_latent"] = ["31", 0]
    assert clip(prompt).pictures == ()


def test_a_bypassed_image_does_not_appear():
    prompt = workflow("i2v")
    prompt["53"]["inputs"]["bypass"] = prompt["54"]["inputs"]["bypass"] = True
    assert clip(prompt).pictures == ()


def test_the_positive_prompt_reaches_the_clip_and_the_negative_does_not():
    prompt = workflow("t2v")
    prompt["4"]["inputs"]["text"], prompt["5"]["inputs"]["text"] = "a fox", "blurry"
    assert clip(prompt).text == "a fox"


def test_a_small_grid_ic_lora_costs_a_quarter_of_its_guides_tokens():
    prompt = workflow("style")
    (facts,) = samplers(prompt, interpret(prompt, media, KINDS), KINDS)
    assert facts.tokens == 16 * 22 * 40 + 16 * 22 * 40 // 4
    prompt["83"]["inputs"]["lora_name"] = "other.safetensors"
    (facts,) = samplers(prompt, interpret(prompt, media, KINDS), KINDS)
    assert facts.tokens == 2 * 16 * 22 * 40


def test_a_size_that_the_ic_lora_cannot_divide_is_refused():
    prompt = workflow("style")
    prompt["10"]["inputs"]["height"] = 736
    with pytest.raises(WorkflowError, match=r"85 Guide: control video.*multiples of 64"):
        interpret(prompt, media, KINDS)


@pytest.mark.parametrize(("classes", "kind"), [
    (("Canny",), "canny"),
    (("MoGeInference", "MoGeRender"), "depth"),
    (("DA3Inference", "DA3Render"), "depth"),
    (("SDPoseKeypointExtractor", "SDPoseDrawKeypoints"), "pose"),
])
def test_a_control_is_marked_on_the_video(classes, kind):
    prompt, source = workflow("style"), ["81", 0]
    names = {"MoGeRender": "moge_geometry", "DA3Render": "da3_geometry", "SDPoseDrawKeypoints": "keypoints"}
    for class_type in classes:
        prompt[class_type] = {"class_type": class_type, "inputs": {names.get(class_type, "image"): source}}
        source = [class_type, 0]
    prompt["85"]["inputs"]["image"] = source
    assert clip(prompt).pictures == (Picture("example.mp4", "video", kind, count=121),)


def test_a_guide_longer_than_the_clip_is_refused():
    prompt = workflow("style")
    prompt["10"]["inputs"]["length"] = 9
    with pytest.raises(WorkflowError, match="longer than the clip"):
        interpret(prompt, media, KINDS)


def test_steps_and_passes_follow_the_schedule_and_the_guidance():
    prompt = workflow("t2v")
    facts = samplers(prompt, interpret(prompt, media, KINDS), KINDS)
    assert [(f.title, f.steps, f.passes, f.seed) for f in facts] == [("Sample, stage 1", 8, 1, 42), ("Sample, stage 2", 3, 1, 42)]
    prompt["stg"] = {"class_type": "LTXVSpatioTemporalGuidance", "inputs": {"model": ["1", 0], "scale": 1.0, "blocks": "28"}}
    prompt["mod"] = {"class_type": "LTXVModalityGuidance", "inputs": {"model": ["stg", 0], "modality_scale": 3.0}}
    prompt["23"]["inputs"] |= {"model": ["mod", 0], "video_cfg": 3.0, "audio_cfg": 7.0}
    prompt["22"] = {"class_type": "LTXVScheduler", "inputs": {"steps": 30}}
    first, second = samplers(prompt, interpret(prompt, media, KINDS), KINDS)
    assert (first.steps, first.passes) == (30, 4)
    assert (second.steps, second.passes) == (3, 1)


def test_guidance_that_is_switched_off_costs_nothing():
    prompt = workflow("t2v")
    prompt["stg"] = {"class_type": "LTXVSpatioTemporalGuidance", "inputs": {"model": ["1", 0], "scale": 0.0}}
    prompt["mod"] = {"class_type": "LTXVModalityGuidance", "inputs": {"model": ["stg", 0], "modality_scale": 1.0}}
    prompt["23"]["inputs"]["model"] = ["mod", 0]
    assert samplers(prompt, interpret(prompt, media, KINDS), KINDS)[0].passes == 1


def test_a_ksampler_brings_its_own_steps_seed_and_cfg():
    prompt = workflow("t2v")
    prompt["37"] = {"class_type": "KSampler", "inputs": {
        "seed": 7, "steps": 12, "cfg": 4.0, "model": ["1", 0], "positive": ["6", 0], "negative": ["6", 1], "latent_image": ["32", 0]}}
    facts = {f.node: f for f in samplers(prompt, interpret(prompt, media, KINDS), KINDS)}
    assert (facts["37"].steps, facts["37"].passes, facts["37"].seed) == (12, 2, 7)
    assert clip(prompt).frames == 121


def test_sizes_may_come_from_primitive_nodes():
    prompt = workflow("t2v")
    prompt["w"] = {"class_type": "PrimitiveInt", "inputs": {"value": 320}}
    prompt["10"]["inputs"]["width"] = ["w", 0]
    assert clip(prompt).width == 640


def test_a_size_that_only_the_run_knows_is_named():
    prompt = workflow("t2v")
    prompt["x"] = {"class_type": "Unknown", "inputs": {}}
    prompt["10"]["inputs"]["width"] = ["x", 0]
    with pytest.raises(WorkflowError, match=r"10 Empty video latent.*width is no number"):
        interpret(prompt, media, KINDS)


def test_an_unknown_node_hands_on_what_it_gets():
    prompt = workflow("t2v")
    prompt["x"] = {"class_type": "SomeLatentFilter", "inputs": {"anything": ["38", 0]}}
    prompt["40"]["inputs"]["samples"] = ["x", 3]
    prompt["y"] = {"class_type": "SomeFrameFilter", "inputs": {"pictures": ["40", 0]}}
    prompt["42"]["inputs"]["images"] = ["y", 0]
    assert clip(prompt) == clip(workflow("t2v"))


def test_a_node_of_the_schema_hands_on_by_type_and_order():
    prompt = workflow("t2v")
    prompt["4"]["inputs"]["text"] = "a fox"
    prompt["x"] = {"class_type": "Both", "inputs": {"positive": ["6", 0], "negative": ["6", 1], "latent": ["31", 0]}}
    schema = {"Both": SimpleNamespace(outputs=("CONDITIONING", "CONDITIONING", "LATENT", "MASK"))}
    shapes = interpret(prompt, media, KINDS, schema)
    assert shapes["x"][:3] == (*shapes["6"], shapes["31"][0])
    assert shapes["x"][3].type == "MASK"


def test_a_cycle_is_named():
    prompt = workflow("t2v")
    prompt["10"]["inputs"]["width"] = ["43", 0]
    with pytest.raises(WorkflowError, match=r"cycle through .*Save video"):
        interpret(prompt, media, KINDS)


def test_a_dangling_link_is_named():
    prompt = workflow("t2v")
    prompt["40"]["inputs"]["samples"] = ["99", 0]
    with pytest.raises(WorkflowError, match=r"40 Decode video.*samples links to node 99"):
        interpret(prompt, media, KINDS)


def test_an_output_that_is_not_there_is_named():
    prompt = workflow("t2v")
    prompt["40"]["inputs"]["samples"] = ["38", 5]
    with pytest.raises(WorkflowError, match="output 5 of node 38"):
        interpret(prompt, media, KINDS)


def test_a_workflow_that_saves_no_video_is_refused():
    prompt = workflow("t2v")
    del prompt["43"]
    with pytest.raises(WorkflowError, match="saves no video; end it with SaveVideo"):
        clip(prompt)


def test_interpreting_leaves_the_prompt_alone():
    prompt = workflow("keyframe")
    before = copy.deepcopy(prompt)
    interpret(prompt, media, KINDS)
    assert prompt == before


def test_a_sound_that_begins_after_its_end_is_refused():
    prompt = workflow("a2v")
    prompt["61"]["inputs"]["start_index"] = 9.0
    with pytest.raises(WorkflowError, match="nothing of the sound is left"):
        interpret(prompt, media, KINDS)


def test_a_later_part_of_a_sound_remembers_where_it_starts():
    prompt = workflow("a2v")
    prompt["61"]["inputs"] |= {"start_index": -2.0, "duration": 1.0}
    assert (clip(prompt).sound.start, clip(prompt).sound.samples) == (round(4.5 * 22050), 22050)


def test_sounds_that_are_joined_add_up_at_the_higher_rate_and_the_first_leads():
    def joined(direction: str) -> Audio:
        return interpret({
            "given": {"class_type": "LoadAudio", "inputs": {"audio": "speech.wav"}},
            "silence": {"class_type": "EmptyAudio", "inputs": {"duration": 1.5, "sample_rate": 44100, "channels": 2}},
            "both": {"class_type": "AudioConcat", "inputs": {"audio1": ["given", 0], "audio2": ["silence", 0], "direction": direction}},
        }, lambda name: Media(Path(name), "audio", seconds=2.0, sample_rate=16000, channels=1), KINDS)["both"][0]

    assert joined("after") == Audio(round(3.5 * 44100), 44100, 2, "speech.wav")
    assert joined("before").source is None and joined("before").samples == joined("after").samples


def test_a_silence_without_a_rate_is_refused():
    with pytest.raises(WorkflowError, match="sample_rate is 0"):
        interpret({"silence": {"class_type": "EmptyAudio", "inputs": {"sample_rate": 0}}}, media, KINDS)


def test_a_video_without_sound_makes_a_silent_clip():
    prompt = workflow("style")
    prompt["12"]["inputs"]["audio_latent"] = ["empty", 0]
    prompt["empty"] = {"class_type": "LTXVEmptyLatentAudio", "inputs": {"frames_number": 121, "frame_rate": 24.0}}
    for node in ("62", "63", "64"):
        del prompt[node]
    silent = lambda name: Media(Path(name), "video", 1280, 704, 121, 24.0, 121 / 24)  # noqa: E731
    found = result(prompt, interpret(prompt, silent, KINDS), KINDS)
    assert (found.sound, found.sample_rate, found.sound_seconds) == (None, 0, 0.0)


def test_part_of_a_batch_keeps_the_place_of_its_pictures():
    prompt = workflow("style")
    prompt["part"] = {"class_type": "ImageFromBatch", "inputs": {"image": ["81", 0], "batch_index": 8, "length": 17}}
    prompt["85"]["inputs"]["image"] = ["part", 0]
    shapes = interpret(prompt, media, KINDS)
    assert shapes["part"][0] == Images(17, 1280, 704, (Picture("example.mp4", "video", count=17, first=8),))


def test_an_av_latent_keeps_its_length_when_its_sound_is_swapped():
    prompt = workflow("t2v")
    prompt["short"] = {"class_type": "LTXVEmptyLatentAudio", "inputs": {"frames_number": 9, "frame_rate": 24.0}}
    prompt["swap"] = {"class_type": "LTXVConcatAVLatent", "inputs": {"video_latent": ["12", 0], "audio_latent": ["short", 0]}}
    shapes = interpret(prompt, media, KINDS)
    assert isinstance(shapes["swap"][0], AVLatent)
    assert shapes["swap"][0].audio == AudioLatent(126)


def test_a_loaded_video_can_be_saved_as_it_is():
    prompt = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "a.mp4"}},
        "2": {"class_type": "SaveVideo", "inputs": {"video": ["1", 0]}},
    }
    shapes = interpret(prompt, media, KINDS)
    assert isinstance(shapes["2"][0], Video)
    assert result(prompt, shapes, KINDS).frames == 121


@pytest.mark.parametrize(("frames", "fps", "latents"), [(121, 24, 126), (121, 25, 121), (9, 24, 9), (97, 30, 81), (241, 23.976, 251)])
def test_latents_of_an_empty_sound(frames, fps, latents):
    assert SOUND.latents_of_frames(frames, fps) == latents


@pytest.mark.parametrize(("samples", "rate", "latents"), [(111169, 22050, 126), (242000, 48000, 126), (48000, 48000, 24)])
def test_latents_of_a_given_sound(samples, rate, latents):
    assert SOUND.latents_of_samples(samples, rate) == latents


WAYS = [
    {"resize_type": "scale dimensions", "width": 333, "height": 0, "crop": "disabled"},
    {"resize_type": "scale dimensions", "width": 320, "height": 200, "crop": "center"},
    {"resize_type": "scale by multiplier", "multiplier": 0.37},
    {"resize_type": "scale longer dimension", "longer_size": 1024},
    {"resize_type": "scale shorter dimension", "shorter_size": 500},
    {"resize_type": "scale width", "width": 77},
    {"resize_type": "scale height", "height": 77},
    {"resize_type": "scale total pixels", "megapixels": 0.3},
    {"resize_type": "scale to multiple", "multiple": 48},
]


@pytest.mark.comfyui
@pytest.mark.parametrize("size", [(1280, 704), (704, 1280), (251, 251), (333, 41)])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way["resize_type"])
def test_a_resized_picture_has_the_size_that_the_real_node_gives_it(way, size, comfy):  # noqa: F811
    import torch
    from comfy_extras.nodes_post_processing import ResizeImageMaskNode

    node = {"input": ["0", 0], "scale_method": "area", "resize_type": way["resize_type"]}
    node |= {f"resize_type.{name}": value for name, value in way.items() if name != "resize_type"}
    picture = {"class_type": "EmptyImage", "inputs": {"width": size[0], "height": size[1], "batch_size": 2}}
    found = interpret({"0": picture, "1": {"class_type": "ResizeImageMaskNode", "inputs": node}}, media, KINDS)["1"][0]
    real = ResizeImageMaskNode.execute(torch.zeros(2, size[1], size[0], 3), "area", way).result[0]
    assert (found.count, found.height, found.width) == tuple(real.shape[:3])


def styled(control, **params):
    found = check.sample(config.compose(["mode=style"]), {"control": control, **params})
    return draw(found).prompt, {str(found.values[name]): facts for name, facts in found.media.items()}.__getitem__


@pytest.mark.parametrize("control", ["canny", "depth", "pose"])
def test_the_preview_knows_what_the_style_mode_follows(control):
    prompt, given = styled(control)
    found = result(prompt, interpret(prompt, given, KINDS, schema.load()), KINDS)
    assert [(picture.kind, picture.control) for picture in found.pictures] == [("video", control)]


def test_a_control_costs_time_for_each_picture_and_poses_for_each_person():
    def seconds(*given, **params):
        return duration.estimate(duration.work(*styled(*given, **params), KINDS), config.compose(["mode=style"])).parts.get("Control", 0)

    assert seconds("none") == 0 < seconds("canny") < seconds("depth") < seconds("pose", people=1)
    one, two, four = (seconds("pose", people=people) for people in (1, 2, 4))
    assert four - two == pytest.approx(2 * (two - one), abs=0.1)
    assert seconds("pose", seconds=2.0) < seconds("pose", seconds=4.0)
