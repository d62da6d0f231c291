"""Patches in the order of their phases; groups that a mode opts out of, and choices that it cannot take: left out, and said."""

import json

import pytest

from aio import config, request
from aio.cli import main
from aio.graph.draw import draw
from aio.job import Job

MODE = """# @package _global_
defaults: [t2v, _self_{}]
mode: {{name: mine, workflow: t2v.json}}
"""


@pytest.fixture
def mine(tmp_path):
    def write(*overrides: str, more: str = "", group: str = "mode", name: str = "mine") -> list:
        (tmp_path / group).mkdir(exist_ok=True)
        text = MODE.format("".join(f", {one}" for one in overrides)) if group == "mode" else "# @package _global_\n"
        (tmp_path / group / f"{name}.yaml").write_text(text + more)
        return [tmp_path]
    return write


def groups(composed):
    """The groups of the patches, each once for every run of it."""
    found = []
    for patch in composed.patches:
        found += [patch.group] if not found or found[-1] != patch.group else []
    return found


def test_patches_come_in_the_order_of_the_phases_whatever_the_order_of_the_defaults():
    composed = config.compose(["mode=i2v", "lora=[detailer]", "memory=tiled"])
    assert groups(composed) == list(composed.phases) == ["model", "mode", "lora", "memory", "guidance"]


def test_a_patch_may_stand_in_another_phase_than_its_group(mine):
    where = mine(more="patches: {late: {phase: guidance, operations: []}, early: {phase: model, operations: []}}\n")
    names = [patch.name for patch in config.compose(["mode=mine"], where).patches]
    assert names[-1] == "late" and names.index("early") == 1 + names.index("weights") < names.index("base")


def test_a_patch_of_the_command_line_comes_last():
    assert [patch.name for patch in config.compose(["mode=t2v", "+patches.own=[]"]).patches][-1] == "own"


def test_the_fields_of_a_mode_stand_before_those_that_other_groups_add():
    names = list(config.compose(["mode=t2v", "lora=[detailer]", "memory=tiled"]).fields)
    assert names[0] == "prompt" and names[-3:] == ["detailer", "tile_size", "tile_frames"]


@pytest.mark.parametrize("group", ["guidance", "model"])
def test_a_mode_opts_out_of_a_group_with_one_word_and_its_graph_keeps_its_own_values(group, mine):
    where = mine(f"override /{group}: null")
    composed, usual = (config.compose([f"mode={mode}"], where) for mode in ("mine", "t2v"))
    assert composed.choices[group] is None and usual.choices[group]
    assert not [patch for patch in composed.patches if patch.group == group] and not composed.missing


def test_the_command_line_beats_what_a_mode_opts_out_of(mine):
    assert config.compose(["mode=mine", "guidance=ltx23"], mine("override /guidance: null")).choices["guidance"] == "ltx23"


def test_a_mode_may_choose_for_the_groups_above_it(mine):
    assert config.compose(["mode=mine"], mine("override /model: bf16", "override /memory: tiled")).choices["model"] == "bf16"


def test_a_group_is_left_out_by_its_name_alone():
    assert config.compose(["~guidance"]).choices.get("guidance") is None


LACKING = "memory=tiled is not offered by mode t2v, which has no node 'decode'; its graph keeps its own values"


def test_a_choice_that_a_mode_cannot_take_is_left_out_and_said(tmp_path, capsys):
    words = ["mode=t2v", "memory=tiled", "~nodes.decode", "prompt=x"]
    composed = config.compose(words[:3])
    assert [patch.name for patch in composed.missing if patch.group == "memory"] == ["tiled"] and "tile_size" not in composed.fields
    assert LACKING in request.validate(Job(composed, {"prompt": "x"})).warnings
    assert main(["plan", *words]) == 0 and LACKING in capsys.readouterr().out
    small = ["width=256", "height=256", "seconds=0.4", "engine=preview", f"output.dir={tmp_path}"]
    assert main([*words, *small]) == 0 and LACKING in capsys.readouterr().err


def test_a_field_that_only_such_a_choice_reads_is_none(capsys):
    assert main(["plan", "mode=t2v", "memory=tiled", "~nodes.decode", "prompt=x", "tile_size=256"]) == 2
    assert "tile_size: no field of mode t2v" in capsys.readouterr().err


def test_each_choice_of_many_is_named(capsys):
    words = ["plan", "mode=t2v", "~ports.model", "lora=[detailer,camera_static]", "prompt=x"]
    assert main(words) == 0 and "lora=[detailer,camera_static] is not offered by mode t2v, which has no port 'model'" in capsys.readouterr().out


def test_what_is_not_offered_is_no_matter_where_it_would_not_apply():
    composed = config.compose(["mode=style"])   # which has no second stage for the LoRA of one
    assert [patch.name for patch in composed.missing] == ["distilled_lora_stage_2"]
    assert not request.not_offered(composed, composed.values)


def test_a_mode_is_taken_at_its_word(capsys):
    assert main(["plan", "mode=t2v", "prompt=x", "~nodes.noise"]) == 2
    assert "no node named 'noise'" in capsys.readouterr().err


def test_a_familys_own_weights_can_be_others():
    composed = config.compose(["mode=t2v", "tables.parts.text_encoder=mine.safetensors", "tables.parts.upscaler=x3.safetensors"])
    from aio import check

    prompt = draw(check.sample(composed)).prompt
    assert (prompt["2"]["inputs"]["text_encoder"], prompt["30"]["inputs"]["model_name"]) == ("mine.safetensors", "x3.safetensors")


def test_a_recipe_from_before_an_operation_that_changes_nothing_is_as_it_was():
    from aio import check
    from aio.graph import workflow
    from aio.recipe import provenance
    from aio.replay import drift

    drawn = draw(check.sample(config.compose(["mode=t2v"])))
    now = json.loads(json.dumps(provenance.foresee(drawn, "preview")))
    graph = workflow.load(drawn.request.config.workflow)
    old = {**now, "operations": [one for one in now["operations"] if not one["path"].startswith(("/30/", "/2/inputs/text_encoder"))]}
    assert len(old["operations"]) == len(now["operations"]) - 3
    assert drift.between(old, now, None, graph) == "" != drift.between(old, now)
    other = {**graph, "30": {**graph["30"], "inputs": {"model_name": "another"}}}
    assert "node 30: model_name was not there" in drift.between(old, now, None, other)
