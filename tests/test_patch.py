"""Patches: templates become operations, operations apply wholly or not at all, and every refusal says where."""

import copy
import itertools

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aio import check, config
from aio.errors import ConfigError, PatchError
from aio.graph import workflow
from aio.graph.draw import draw
from aio.graph.models import models_of
from aio.graph.patch import apply, render
from aio.values import Operation

MODES, PRESETS, LORAS = (config.choices(group) for group in ("mode", "preset", "lora"))


def prompt_of(*overrides, **params):
    request = check.sample(config.compose(overrides), params)
    return draw(request).prompt


def test_a_modes_patch_opens_with_a_guard_of_every_node_it_touches():
    request = check.sample(config.compose(["mode=lipsync"]))
    operations = render(request)
    guarded = {operation.path.split("/")[1] for operation in operations if operation.source == "guard"}
    touched = {operation.path.split("/")[1] for operation in operations if operation.source != "guard"}
    assert [operation.op for operation in operations[: len(guarded)]] == ["test"] * len(guarded)
    assert touched - guarded == {"distilled_lora"}   # spliced in by the patch itself


@pytest.mark.parametrize("mode", MODES)
def test_preset_changes_the_graph(mode):
    graphs = [prompt_of(f"mode={mode}", f"preset={preset}") for preset in PRESETS]
    assert all(one != other for one, other in itertools.combinations(graphs, 2))


def test_fast_runs_the_distilled_checkpoint_without_a_lora():
    prompt = prompt_of("mode=t2v", "preset=fast")
    assert prompt["1"]["inputs"]["ckpt_name"] == "ltx-2.3-22b-distilled-fp8.safetensors"
    assert not [node for node in prompt.values() if node["class_type"] == "LoraLoaderModelOnly"]


def test_balanced_shares_one_patched_model_between_both_stages():
    prompt = prompt_of("mode=t2v", "preset=balanced")
    assert prompt["23"]["inputs"]["model"] == prompt["36"]["inputs"]["model"] == ["distilled_lora", 0]
    assert prompt["distilled_lora"]["inputs"]["strength_model"] == 0.5


def test_quality_guides_stage_1_and_puts_the_distilled_lora_on_stage_2_alone():
    prompt = prompt_of("mode=t2v", "preset=quality")
    assert prompt["22"]["class_type"] == "LTXVScheduler" and prompt["22"]["inputs"]["steps"] == 30
    assert (prompt["23"]["inputs"]["video_cfg"], prompt["23"]["inputs"]["audio_cfg"]) == (3.0, 7.0)
    stage_1, stage_2 = workflow.ancestors(prompt, "23"), workflow.ancestors(prompt, "36")
    assert {"stg", "modality"} <= stage_1 and "distilled_lora" not in stage_1
    assert "distilled_lora" in stage_2 and not {"stg", "modality"} & stage_2 - workflow.ancestors(prompt, "31")
    assert prompt["36"]["inputs"]["model"] == ["distilled_lora", 0]


@pytest.mark.parametrize("precision", ["fp8", "bf16"])
@pytest.mark.parametrize("variant", ["dev", "distilled"])
def test_model_picks_the_precision_of_every_loader(precision, variant):
    prompt = prompt_of("mode=i2v", f"model={precision}", variant=variant)
    names = {node["inputs"]["ckpt_name"] for node in prompt.values() if "ckpt_name" in node["inputs"]}
    assert len(names) == 1 and variant in (name := names.pop())
    assert ("fp8" in name) == (precision == "fp8")


@pytest.mark.parametrize("mode", MODES)
def test_any_number_of_loras_reaches_every_sampler(mode):
    prompt = prompt_of(f"mode={mode}", f"lora=[{','.join(LORAS)}]", "preset=quality")
    samplers = [node_id for node_id, node in prompt.items() if node["class_type"] == "SamplerCustomAdvanced"]
    for sampler in samplers:
        assert set(LORAS) <= workflow.ancestors(prompt, sampler)


def test_one_length_feeds_the_video_and_the_audio_latent():
    prompt = prompt_of("mode=t2v", seconds=5, fps=25)
    assert prompt["10"]["inputs"]["length"] == prompt["11"]["inputs"]["frames_number"] == 121


def test_given_sound_is_frozen_in_both_stages_and_returned_as_it_is():
    for mode in ("a2v", "lipsync"):
        prompt = prompt_of(f"mode={mode}")
        assert prompt["12"]["inputs"]["audio_latent"] == prompt["32"]["inputs"]["audio_latent"] == ["64", 0]
        assert prompt["42"]["inputs"]["audio"] == ["61", 0]


def test_keyframe_crops_its_guides_before_the_upscale():
    prompt = prompt_of("mode=keyframe")
    assert prompt["31"]["inputs"]["samples"][0] == "72" and prompt["72"]["class_type"] == "LTXVCropGuides"
    assert prompt["40"]["inputs"]["samples"][0] == "75" and prompt["75"]["class_type"] == "LTXVCropGuides"


def chain(prompt, node="85", name="image"):
    """Classes of the nodes behind an input, nearest first, along the pictures."""
    while True:
        inputs = prompt[node]["inputs"]
        link = inputs.get(name) or next((inputs[key] for key in ("image", "input", "keypoints", "moge_geometry", "video") if key in inputs), None)
        if not isinstance(link, list):
            return
        node, name = link[0], ""
        yield prompt[node]["class_type"]


@pytest.mark.parametrize(("control", "nodes"), [
    ("canny", ["Canny", "ImageScale", "GetVideoComponents"]),
    ("depth", ["ImageScale", "MoGeRender", "MoGeInference", "GetVideoComponents"]),
    ("pose", ["ImageScale", "SDPoseDrawKeypoints", "SDPoseKeypointExtractor", "ResizeImageMaskNode", "GetVideoComponents"]),
    ("none", ["ImageScale", "GetVideoComponents"]),
])
def test_depth_and_poses_are_found_before_the_shrinking_and_edges_after_it(control, nodes):
    assert list(chain(prompt_of("mode=style", control=control)))[:len(nodes)] == nodes


def test_poses_are_found_in_people_as_the_official_blueprint_does():
    prompt = prompt_of("mode=style", control="pose", people=3)
    assert prompt["pose"]["inputs"]["bboxes"] == ["people", 0]
    assert prompt["pose"]["inputs"]["image"] == prompt["people"]["inputs"]["image"] == ["pose_frames", 0]
    assert prompt["people"]["inputs"] | {"threshold": 0.5, "class_name": "person", "max_detections": 3} == prompt["people"]["inputs"]
    assert prompt["pose_frames"]["inputs"]["resize_type.longer_size"] == 1024
    drawn = {"draw_feet": True, "stick_width": 4, "face_point_size": 2, "score_threshold": 0.5}
    assert prompt["pose_image"]["inputs"] | drawn == prompt["pose_image"]["inputs"]
    assert {ref.name for ref in models_of(prompt)} >= {"rt_detr_v4-x-hgnet_fp16.safetensors", "sdpose_wholebody_fp16.safetensors"}


def test_a_style_image_becomes_the_first_frame():
    assert prompt_of("mode=style")["85"]["inputs"]["latent"] == ["10", 0]
    assert prompt_of("mode=style", image="aio/look.png")["85"]["inputs"]["latent"] == ["style_first_frame", 0]


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_a_prompt_is_never_interpolated(text):
    assert prompt_of("mode=t2v", prompt=f"x{text}")["4"]["inputs"]["text"] == f"x{text}"


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "${value:seed}", "???", "null", "5", "a,b", "'\"", "a\nb", "=x", "{rain}", "🙂"])
def test_text_that_looks_like_a_template_stays_text(text):
    assert prompt_of("mode=t2v", prompt=text)["4"]["inputs"]["text"] == text


def test_reexported_workflow_is_refused():
    request = check.sample(config.compose(["mode=t2v"]))
    drifted = workflow.load(request.config.workflow)
    drifted["104"] = drifted.pop("4")
    with pytest.raises(PatchError, match=r"node 4 is not there; the workflow drifted: nodes of class CLIPTextEncode: 5 .*, 104 Prompt"):
        apply(render(request), drifted)


def test_a_node_of_another_class_is_refused():
    request = check.sample(config.compose(["mode=t2v"]))
    drifted = workflow.load(request.config.workflow)
    drifted["20"]["class_type"] = "DisableNoise"
    with pytest.raises(PatchError, match="guard: test /20/class_type: expected RandomNoise, found DisableNoise"):
        apply(render(request), drifted)


def test_a_misspelt_input_names_file_operation_pointer_and_the_nearest_input():
    prompt = workflow.load(config.compose(["mode=t2v"]).workflow)
    with pytest.raises(PatchError) as caught:
        apply((Operation("replace", "/4/inputs/txt", "x", source="mode/t2v.yaml: base", index=3),), prompt)
    assert "mode/t2v.yaml: base[3]: replace /4/inputs/txt" in str(caught.value)
    assert "Did you mean 'text'?" in str(caught.value)


def test_a_template_that_names_nothing_is_a_config_error():
    import dataclasses

    from aio.config import Patch

    base = config.compose(["mode=t2v"])
    for path, words in [("${pointer:promt,text}", "Did you mean 'prompt'"), ("${port:modell}", "Did you mean 'model'")]:
        broken = dataclasses.replace(base, patches=(Patch("x", ({"op": "replace", "path": path, "value": 1},), source="mode/x.yaml"),))
        with pytest.raises(ConfigError, match=words):
            render(check.sample(broken))


keys = st.sampled_from(["1", "4", "99", "inputs", "text", "class_type", "new", "~0", "a/b", ""])
pointers = st.lists(keys, max_size=4).map(lambda parts: "".join("/" + part for part in parts))
operations = st.builds(
    Operation,
    op=st.sampled_from(["add", "replace", "remove", "copy", "move", "test", "bogus"]),
    path=pointers,
    value=st.none() | st.integers() | st.text(max_size=3) | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    from_=pointers,
)


@given(st.lists(operations, max_size=5))
def test_a_patch_applies_wholly_or_leaves_no_trace(patch):
    prompt = workflow.load(config.compose(["mode=t2v"]).workflow)
    before = copy.deepcopy(prompt)
    try:
        result = apply(tuple(patch), prompt)
    except PatchError as error:
        assert error.op in str(error)
        result = None
    assert prompt == before
    if result is not None:   # then the library agrees
        assert result == jsonpatch.JsonPatch([operation.as_dict() for operation in patch]).apply(before)
