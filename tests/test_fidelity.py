"""Quality is Lightricks' full recipe: what the real sampler does at each step, against their formula and their constants."""

import math

import pytest
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import check, config
from aio.comfyui import location
from aio.graph.draw import draw
from aio.machine import folders


def drawn(mode, preset="quality", **params):
    composed = config.compose([f"mode={mode}", f"preset={preset}"])
    job = check.sample(composed, params)
    return job, draw(job).prompt


@pytest.mark.parametrize("mode", config.choices("mode"))
def test_quality_rescales_last_of_all_guidance_and_nothing_else_does(mode):
    _, prompt = drawn(mode)
    assert prompt["rescale"]["inputs"]["rescale_video"] == prompt["rescale"]["inputs"]["rescale_audio"] == 0.7
    assert prompt["23"]["inputs"]["model"] == ["rescale", 0] and prompt["rescale"]["inputs"]["model"] == ["modality", 0]
    for preset in ("fast", "balanced"):
        assert "rescale" not in drawn(mode, preset)[1]


@pytest.mark.parametrize("mode", config.choices("mode"))
def test_quality_takes_lightricks_negative_prompt_and_a_users_own_comes_before_it(mode):
    constant = config.compose([f"mode={mode}"]).official["L_DEFAULT_NEGATIVE_PROMPT"]
    assert constant.startswith("has_subtitles, has_blurbox,") and constant.endswith("stylized filters, or AI artifacts.")
    assert drawn(mode)[1]["5"]["inputs"]["text"] == constant
    assert drawn(mode, negative_prompt="rain")[1]["5"]["inputs"]["text"] == "rain"


def test_the_sound_of_t2v_and_i2v_is_stage_1s_at_quality_and_stage_2s_elsewhere():
    for mode in ("t2v", "i2v"):
        assert [drawn(mode, preset)[1]["41"]["inputs"]["samples"] for preset in ("quality", "balanced", "fast")] == [["25", 1], ["38", 1], ["38", 1]]
    assert drawn("keyframe")[1]["41"]["inputs"]["samples"] == ["38", 1]   # L keyframe_interpolation.py decodes stage 2's


def test_quality_compresses_pictures_as_the_model_was_trained_and_holds_keyframes_by_the_mask_alone():
    assert drawn("i2v")[1]["52"]["inputs"]["img_compression"] == drawn("lipsync")[1]["52"]["inputs"]["img_compression"] == 33
    keyframe = drawn("keyframe")[1]
    assert {keyframe[node]["inputs"]["img_compression"] for node in ("52", "57")} == {33}
    assert {keyframe[node]["inputs"]["strength"] for node in ("70", "71", "73", "74")} == {1.0}


def test_the_bundled_pack_is_at_its_pin_and_named_in_every_recipe():
    pins = config.compose().comfyui
    pin = pins.pack("ComfyUI-aio")
    place = location.pack_place(folders.ROOT, pin)
    assert location.pack_revision(place, pin) == pin.revision, f"write this into conf/comfyui/pins.yaml: {location.pack_revision(place, pin)}"


class Steps:
    """What the sampler computed at each step of stage 1: the conditioned prediction, the others, the result."""

    def __init__(self, monkeypatch):
        from comfy import samplers

        self.made, self.others, plain, batch = [], [], samplers.cfg_function, samplers.calc_cond_batch

        def cfg_function(model, cond_pred, uncond_pred, cond_scale, x, timestep, model_options=None, cond=None, uncond=None):
            self.others.clear()
            result = plain(model, cond_pred, uncond_pred, cond_scale, x, timestep, model_options=model_options or {}, cond=cond, uncond=uncond)
            if uncond_pred is not None and self.others:
                self.made.append((cond_pred, uncond_pred, *self.others, x, cond[0]["model_conds"], result))
            return result

        def calc_cond_batch(*args, **options):
            found = batch(*args, **options)
            self.others += found if len(found) == 1 else []   # the extra passes of STG and of modality guidance, in this order
            return found

        monkeypatch.setattr(samplers, "cfg_function", cfg_function)
        monkeypatch.setattr(samplers, "calc_cond_batch", calc_cond_batch)


@pytest.mark.comfyui
@pytest.mark.parametrize(("mode", "cfgs"), [("t2v", (3, 7)), ("i2v", (3, 7)), ("keyframe", (3, 7)), ("lipsync", (3, 3)), ("style", (3, 3))])
def test_every_step_of_quality_is_lightricks_formula(mode, cfgs, comfy, monkeypatch):  # noqa: F811
    steps = Steps(monkeypatch)
    comfy.run(f"mode={mode}", "preset=quality", params={"steps": 4})
    assert len(steps.made) == 4
    factors = []
    for cond, uncond, perturbed, isolated, x, conds, result in steps.made:
        start = 0
        for shape, cfg, mask in zip(conds["latent_shapes"].cond, cfgs, ("denoise_mask", "audio_denoise_mask")):
            size = (1, *shape[1:])
            end = start + math.prod(shape[1:])
            part = [one[..., start:end].reshape(size) for one in (cond, uncond, perturbed, isolated, x, result)]
            c, u, p, i, given, found = part
            start = end
            guided = c + (cfg - 1) * (c - u) + 1.0 * (c - p) + (3 - 1) * (c - i)   # MultiModalGuider.calculate
            level = conds[mask].cond.expand(size) if mask in conds else 1.0       # its predictions: input - level * sigma * velocity
            seen, plain = given + level * (guided - given), given + level * (c - given)
            factor = 0.7 * (plain.std() / seen.std()) + 0.3 if seen.std() > 0 else 1.0
            assert (found - guided * factor).abs().max() <= 2e-5 * guided.abs().max()
            factors.append(float(factor))
    assert max(abs(one - 1) for one in factors) > 1e-5   # or the node would change nothing
