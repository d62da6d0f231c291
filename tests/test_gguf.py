"""model=gguf: the transformer from a GGUF, the rest from files of their own, in every mode, distilled only."""

import itertools

import pytest
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import check, config
from aio.check import doctor, table
from aio.cli import main
from aio.comfyui import tinyweights
from aio.errors import InvalidParams
from aio.graph import schema, workflow
from aio.graph.draw import draw
from aio.graph.models import models_of
from aio.preview.engine import PreviewEngine
from aio.request import unoffered
from aio.stop import Stop
from aio.values import ignore

MODES = config.choices("mode")
GGUF = ("model=gguf", "preset=fast")


def graph(*overrides):
    configured = config.compose(overrides)
    return configured, draw(check.sample(configured)).prompt


@pytest.mark.parametrize("mode", MODES)
def test_every_loader_of_a_mode_is_that_of_the_gguf_and_no_node_is_left_dead(mode):
    configured, prompt = graph(f"mode={mode}", *GGUF)
    assert workflow.faults(prompt, configured.node(configured.output.node).id) == []
    assert not {"CheckpointLoaderSimple", "LTXAVTextEncoderLoader"} & {node["class_type"] for node in prompt.values()}
    sources = {"model": "UnetLoaderGGUF", "vae": "VAELoader", "audio_vae": "LTXVAudioVAELoader", "clip": "DualCLIPLoader"}
    seen = set()
    for node in prompt.values():
        for name, (source, slot) in workflow.links(node):
            while name == "model" and prompt[source]["inputs"].get("model"):   # through LoRAs and guidance
                source = prompt[source]["inputs"]["model"][0]
            if name in sources:
                assert (prompt[source]["class_type"], slot) == (sources[name], 0)
                seen.add(name)
    assert seen >= {"model", "vae", "audio_vae", "clip"}


def test_its_files_are_in_the_registry_in_the_folders_that_the_loaders_read():
    configured, prompt = graph("mode=t2v", *GGUF)
    entries = configured.registry
    found = {(ref.folder, ref.name.rpartition(".")[2]) for ref in models_of(prompt, schema.load()) if not ref.guessed}
    assert {("diffusion_models", "gguf"), ("vae", "safetensors"), ("text_encoders", "safetensors"), ("checkpoints", "safetensors")} <= found
    assert all(entries[ref.name].sha256 for ref in models_of(prompt, schema.load()))


@pytest.mark.parametrize("preset", ["balanced", "quality"])
def test_a_preset_that_needs_the_dev_variant_is_refused_before_anything_runs_with_a_way_out(preset, capsys):
    assert main(["plan", "mode=t2v", "model=gguf", f"preset={preset}", "prompt=x"]) == 2
    said = capsys.readouterr().err
    assert f"preset {preset} needs 'dev', model gguf offers distilled; choose preset=fast, or model=fp8" in said


def test_who_asks_for_the_dev_variant_in_person_is_told_what_there_is():
    with pytest.raises(InvalidParams, match="'dev' is not one of distilled"):
        check.sample(config.compose(["mode=t2v", *GGUF]), {"variant": "dev"})


def test_another_preset_runs_with_the_distilled_variant_where_that_is_asked_for():
    values = check.sample(config.compose(["mode=t2v", "model=gguf", "preset=balanced"]), {"variant": "distilled"}).values
    assert (values["variant"], values["stage_2_sigmas"]) == ("distilled", "0.85, 0.7250, 0.4219, 0.0")


def test_the_check_calls_such_a_pair_not_offered_and_no_fault(capsys):
    first = itertools.islice(check.check(["t2v"], overrides=["model=gguf"]), 7)   # the rest takes seconds
    rows = {row.preset: row for row in first if row.model == "gguf"}
    assert [bool(rows[preset].note) for preset in ("fast", "balanced", "quality")] == [False, True, True]
    assert not any(row.faults for row in rows.values()) and rows["fast"].nodes
    assert table.table(rows.values(), print) == 0
    assert "not offered: variant: preset quality needs 'dev'" in capsys.readouterr().out


def test_every_other_model_offers_what_every_preset_needs():
    pairs = [(model, preset) for model in config.choices("model") if model != "gguf" for preset in config.choices("preset")]
    assert len(pairs) >= 6
    assert not any(unoffered(config.compose([f"model={model}", f"preset={preset}"])) for model, preset in pairs)


def test_its_pack_and_that_of_a_memory_policy_are_both_named():
    assert set(config.compose([*GGUF, "memory=chunked"]).packs) >= {"ComfyUI-GGUF", "ComfyUI-KJNodes"}


def test_a_smaller_file_is_one_override_away():
    _, prompt = graph("mode=t2v", *GGUF, "tables.checkpoint.distilled=ltx-2.3-22b-distilled-Q3_K_M.gguf")
    assert prompt["1"]["inputs"]["unet_name"] == "ltx-2.3-22b-distilled-Q3_K_M.gguf"


# -- through the real node pack


def case(mode):
    return doctor.Case(config.compose([f"mode={mode}", *GGUF]), "model gguf")


@pytest.fixture
def pack(comfy):  # noqa: F811
    """The real ComfyUI with the pack at its pin and tiny GGUF weights."""
    note = doctor.lacking(case("t2v"), comfy.engine, comfy.engine.missing)
    if note:
        pytest.skip(note)
    return comfy


@pytest.mark.comfyui
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_runs_through_the_pinned_pack(pack, mode):
    assert doctor.examine(case(mode), pack.engine).faults == ()
    assert {"1", "2", "3", "video_vae"} <= {*pack.engine.executed, *pack.engine.cached}


@pytest.mark.comfyui
def test_quantized_weights_draw_what_the_same_weights_draw_unquantized(pack):
    import numpy as np

    request, prompt = pack.case("mode=t2v", *GGUF)
    plain = "ltx-plain.safetensors"
    tinyweights.write(pack.engine.models_dir, {plain: "diffusion_models"})
    loader = {"class_type": "UNETLoader", "inputs": {"unet_name": plain, "weight_dtype": "default"}}
    first = pixels(pack.execute(request, prompt).video)
    same = pixels(pack.execute(*pack.again(request, {**prompt, "1": loader}, "aio/plain")).video)
    other = pixels(pack.run("mode=t2v", *GGUF, params={"seed": 7}).video)
    assert 0 < np.abs(first - same).mean() < np.abs(first - other).mean() / 2


@pytest.mark.comfyui
def test_the_preview_has_the_size_of_the_real_result(pack, tmp_path):
    preview = PreviewEngine(work_dir=tmp_path)
    made = doctor.prepared(case("i2v"), preview.input_dir)
    drawn, real = doctor.look(preview.execute(made, ignore, Stop()).video), doctor.look(pack.run("mode=i2v", *GGUF).video)
    assert (drawn.width, drawn.height, drawn.frames, drawn.fps, drawn.sample_rate) == (
        real.width, real.height, real.frames, real.fps, real.sample_rate)


def pixels(video):
    import av
    import numpy as np

    with av.open(str(video)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(float)
