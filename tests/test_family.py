"""A model family of one's own: YAML and a workflow in a --config-dir (wan.py), no Python."""

import hashlib
import json
from pathlib import Path

import av
import pytest
import wan
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import config as configuration
from aio import run
from aio.check import check, doctor
from aio.cli import main
from aio.job import Job
from aio.media import probe

SMALL = ["prompt=A cat", "width=96", "height=64", "seconds=0.7"]   # 0.7 s x 16 are 11.2 frames: 9 are a whole number of cells


@pytest.fixture
def family(tmp_path, monkeypatch):
    """The arguments that choose the family; results land in the test's folder."""
    monkeypatch.chdir(tmp_path)
    return ["mode=wan", "--config-dir", str(wan.write(tmp_path / "mine"))]


def pictures(video):
    with av.open(str(video)) as container:
        yield from (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))


def faulty(folder, *modes):
    return {f"{row.variant}: {fault}" for row in check(modes, [folder]) for fault in row.faults}


def test_a_plan_counts_frames_in_cells_of_four(family, capsys):
    assert main(["plan", *family, *SMALL]) == 0
    assert "96x64, 9 frames at 16 fps, 0.56 s; sound none" in capsys.readouterr().out
    for seconds in (0.3, 1.0, 5.0):
        assert main(["plan", "--json", *family, "prompt=A cat", f"seconds={seconds}"]) == 0
        told = json.loads(capsys.readouterr().out)
        frames = told["result"]["frames"]
        assert frames % 4 == 1 and frames == told["prompt"]["6"]["inputs"]["length"] and abs(frames - seconds * 16) <= 4
        assert (told["result"]["width"], told["result"]["height"], told["result"]["sample_rate"]) == (832, 480, 0)


def test_a_size_that_is_no_multiple_of_the_modes_step_is_refused(family, capsys):
    assert main(["plan", *family, "prompt=A cat", "width=100"]) == 2
    assert "width: 100" in capsys.readouterr().err


def test_a_check_of_it_finds_no_fault(family, capsys):
    assert main(["check", *family]) == 0, capsys.readouterr().out
    out = capsys.readouterr().out
    rows = {line[27:71].strip(): line.split()[-1] for line in out.splitlines() if line.startswith("wan ")}
    assert rows["memory tiled"] == rows["memory low"] == "ok"   # its graph has the node `decode`
    assert rows["memory chunked"] == rows["lora detailer"] == "offered"   # not: they are made for LTX
    assert "memory=chunked is not offered by mode wan, which has no latent 'ltxv'; its graph keeps its own values" in out
    assert "lora=[detailer] is not offered by mode wan, which has no use for ltx23's weight file 'ltx-2-19b-ic-lora-detailer.safetensors'" in out
    assert out.splitlines()[-1].endswith("rows, no fault")


def test_what_its_graph_lacks_is_said_in_words(family, tmp_path, capsys):
    wan.write(tmp_path / "mine", **{"ports:\n          model: {sample: model}\n": "ports: {}\n", "decode:": "pictures:"})
    assert main(["check", *family]) == 0, capsys.readouterr().out
    out = capsys.readouterr().out
    assert "memory=chunked is not offered by mode wan, which has no port 'model', no latent 'ltxv'; its graph keeps its own values" in out
    assert "memory=tiled is not offered by mode wan, which has no node 'decode'; its graph keeps its own values" in out


def test_what_any_model_takes_is_offered(family, tmp_path):
    mine = tmp_path / "mine"
    (mine / "memory").mkdir()
    (mine / "memory" / "shifted.yaml").write_text(
        "# @package _global_\ndefaults: [keep_warm, _self_]\nmemory: {name: shifted}\npatches:\n  shifted:\n"
        "    - {op: add, path: /shift, value: {class_type: ModelSamplingSD3, inputs: {shift: 8.0}}}\n"
        '    - {op: copy, from: "${port:model}", path: /shift/inputs/model}\n    - {op: replace, path: "${port:model}", value: [shift, 0]}\n')
    rows = {row.variant: row for row in check(["wan"], [mine])}
    assert (rows["memory shifted"].nodes, rows["memory shifted"].faults, rows["memory shifted"].note) == (11, (), "")


def test_a_lora_of_another_family_is_left_out_with_its_field(family, capsys):
    assert main(["plan", *family, *SMALL, "lora=[detailer]", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "detailer" not in told["fields"] and "detailer" not in told["prompt"]
    assert any("no use for ltx23's weight file" in warning for warning in told["warnings"])


def test_doctor_runs_each_lora_in_a_mode_that_it_is_made_for(family):
    found = [(case.config.mode, case.variant) for case in doctor.cases(["wan", "t2v"], [Path(family[2])])]
    assert ("wan", "memory tiled") in found and ("t2v", "lora detailer") in found
    assert not [variant for mode, variant in found if mode == "wan" and variant.startswith(("lora", "model", "memory chunked"))]


def test_a_lora_of_the_family_is_offered_there_alone(family, tmp_path, capsys):
    mine = tmp_path / "mine"
    (mine / "lora").mkdir()
    (mine / "lora" / "ink.yaml").write_text(
        "# @package _global_\nloras: {ink: {title: Ink, file: ink.safetensors}}\nfields: {ink: {type: FLOAT, default: 1.0, min: 0, max: 2}}\n")
    with (mine / "registry" / "wan21.yaml").open("a") as file:
        file.write("ink.safetensors: {repo: me/ink, path: ink.safetensors, folder: loras}\n")
    assert main(["plan", *family, *SMALL, "lora=[ink]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prompt"]["7"]["inputs"]["model"] == ["ink", 0]
    assert main(["plan", "mode=t2v", *family[1:], "prompt=A cat", "lora=[ink]"]) == 0
    assert "lora=[ink] is not offered by mode t2v, which has no use for wan21's weight file 'ink.safetensors'" in capsys.readouterr().out


def test_a_preset_of_another_family_is_refused_in_words(family, capsys):
    assert main(["plan", *family, *SMALL, "preset=fast"]) == 2
    assert "values.sigmas: it is said to be ${tables.sigmas.distilled}, which nothing that is chosen has." in capsys.readouterr().err


def test_a_patch_that_no_mode_can_take_is_a_fault(family, tmp_path):
    mine = tmp_path / "mine"
    (mine / "memory").mkdir()
    (mine / "memory" / "mine.yaml").write_text(
        "# @package _global_\ndefaults: [keep_warm, _self_]\nmemory: {name: mine}\n"
        'patches: {mine: [{op: replace, path: "/${node:decod}/class_type", value: VAEDecodeTiled}]}\n')
    assert faulty(mine, "wan") == {"patches: memory/mine.yaml: mine: no mode has a node 'decod', so none can take it. Did you mean 'decode'?"}


def test_the_preview_makes_a_clip_of_these_facts_and_its_recipe_replays(family, capsys):
    assert main([*family, *SMALL, "engine=preview"]) == 0
    first = Path(capsys.readouterr().out.splitlines()[-1])
    assert main(["replay", str(first), *family[1:]]) == 0
    told = capsys.readouterr()
    assert "not as it was then" not in told.err   # that there is no preset and no model is no difference
    second = Path(told.out.splitlines()[-1])
    assert first != second
    for file in (first, second):
        facts = probe(file, "video", "video")
        assert (facts.width, facts.height, facts.frames, facts.fps, facts.sample_rate) == (96, 64, 9, 16, 0)


@pytest.mark.comfyui
def test_the_real_comfyui_makes_a_clip_of_the_same_facts(family, comfy, capsys):  # noqa: F811
    assert main([*family, *SMALL, "engine=preview"]) == 0
    preview = probe(Path(capsys.readouterr().out.splitlines()[-1]), "video", "video")
    wan.weights(comfy.engine.models_dir)
    params, events, real = {"prompt": "A cat walks", "width": 96, "height": 64, "seconds": 0.7, "steps": 2}, [], []
    for words, more in ([], {}), ([], {"seed": 7}), ([], {"prompt": "Red sea"}), (["memory=tiled"], {"tile_size": 64, "tile_frames": 8}):
        with wan.narrow():
            config = configuration.compose(["mode=wan", "engine=comfyui", *words], [Path(family[2])])
            real.append(run.run(Job(config, params | more), comfy.engine, events.append).video)
    facts = [preview, *(probe(video, "video", "video") for video in real)]
    assert [(one.width, one.height, one.frames, one.fps, one.sample_rate) for one in facts] == [(96, 64, 9, 16, 0)] * 5
    assert len({hashlib.sha256(next(pictures(video)).tobytes()).digest() for video in real}) == 4   # seed, prompt and tiles all matter
    assert {"Loading the model", "Reading the prompt", "Sampling", "Decoding"} <= {event.stage for event in events}
