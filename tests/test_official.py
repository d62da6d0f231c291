"""The record of official values: every constant of aio's modes and presets is in it once, and an official one is what the source has."""

import dataclasses
import json

import pytest
import yaml

from aio import config
from aio.check import constants, fidelity, fidelity_table
from aio.cli import main
from aio.errors import ConfigError

RECORD = fidelity.FOLDER / "ltx23.yaml"


def told(mode="t2v", preset="fast", **changes):
    return list(constants.of(dataclasses.replace(config.compose([f"mode={mode}", f"preset={preset}"]), **changes)))


def names(ones):
    return {one.name for one in ones}


def judged(ones, record=None):
    return list(fidelity.judge(record or fidelity.load("ltx23"), ones, config.compose().official))


def without(name):
    """The record without what it says of a constant."""
    record = fidelity.load("ltx23")
    rest = {heading: [line for line in lines if name not in line.of] for heading, lines in record.entries.items()}
    return dataclasses.replace(record, entries=rest)


def plus(line):
    record = fidelity.load("ltx23")
    return dataclasses.replace(record, entries={**record.entries, "Mine": [fidelity.Entry(**line)]})


# What counts as a constant

def test_a_constant_is_what_a_preset_sets_what_a_field_is_and_what_no_field_drives_in_a_node():
    ones = {one.name: one for one in told("i2v", "quality")}
    assert (ones["cfg"].value, ones["cfg"].where) == (3.0, ("LTXVDualCFGGuider.video_cfg",))
    assert ones["image_strength"].value == 0.7 and ones["stages"].value == 2
    assert ones["image_fit.upscale_method"].value == "lanczos" and ones["sigmas.terminal"].value == 0.1
    assert ones["checkpoint.ckpt_name"].value == "ltx-2.3-22b-dev-fp8.safetensors"
    assert not {"prompt", "image", "prompt.text", "image_1.strength", "save.filename_prefix", "video_latent.width"} & set(ones)


def test_what_only_an_option_or_an_optional_picture_brings_is_a_constant_too():
    assert {"depth.resolution_level", "pose_image.stick_width", "canny_low", "style_image_fit.crop", "image_strength"} <= names(told("style"))


@pytest.mark.parametrize(("change", "name"), [
    ({"fields": {"mood": config.Field("mood", "FLOAT", default=0.3)}}, "mood"),
    ({"values": {"distilled_lora": 0.0, "cfg": 1.0, "hidden": 3}, "patches": {"when": {"hidden": {"above": 1}}, "operations": ()}}, "hidden"),
    ({"patches": {"operations": ({"op": "add", "path": "/extra", "value": {"class_type": "EmptyImage", "inputs": {"width": 5}}},)}}, "extra.width"),
    ({"patches": {"operations": ({"op": "replace", "path": "${pointer:video_latent,length}", "value": 9},)}}, "video_latent.length"),
])
def test_a_new_field_value_or_input_asks_for_an_entry(change, name):
    base = config.compose(["mode=t2v", "preset=fast"])
    more = {
        "fields": {**base.fields, **change.get("fields", {})}, "values": {**base.values, **change.get("values", {})},
        "patches": (*base.patches, *([config.Patch("mine", source="mode/x.yaml", **change["patches"])] if "patches" in change else [])),
    }
    faults = judged(told(**more))
    assert [fault for fault in faults if fault.startswith(f"{name} is ")] and len(faults) == 1
    assert "no entry of conf/official/record/ltx23.yaml speaks of it; add one, with its source and verdict" in faults[0]


def test_a_new_input_of_a_committed_workflow_asks_for_an_entry(tmp_path):
    base = config.compose(["mode=t2v", "preset=fast"])
    graph = json.loads(base.workflow.read_text(encoding="utf-8"))
    graph["40"]["inputs"]["tile_size"] = 512
    (tmp_path / "t2v.json").write_text(json.dumps(graph))
    assert [fault.partition(":")[0] for fault in judged(told(workflow=tmp_path / "t2v.json"))] == ["decode.tile_size is 512"]


# What an entry says, and whether it is so

@pytest.mark.parametrize(("one", "other", "alike"), [
    (3, 3.0, True), ("1.0, 0.5", [1, 0.5], True), ("0.85, 0.7250", [0.85, 0.725], True), ("28", [28], True), ("euler", "euler", True),
    (True, True, True),
    ([0.5, 1.0], [1.0, 0.5], False), ("1.0, 0.5", [1.0, 0.5, 0.0], False), (1, True, False), (0, False, False), ("euler", "eulr", False),
    (None, 0, False), ("", [], False),
])
def test_numbers_are_compared_as_numbers_and_texts_as_texts(one, other, alike):
    assert fidelity.same(one, other) is fidelity.same(other, one) is alike


def test_a_preset_that_leaves_its_official_value_is_named_with_the_source():
    values = {**config.compose(["mode=t2v", "preset=fast"]).values, "stage_2_sigmas": "0.85, 0.725, 0.0", "rescale": 0.2}
    first, second = sorted(judged(told(values=values)))
    assert first.startswith("rescale is 0.2: official is 0 (L distilled.py: SimpleDenoiser, one pass); correct it, or call it deliberate or open in")
    assert "stage_2_sigmas is '0.85, 0.725, 0.0': official is [0.909375, 0.725, 0.421875, 0.0] (L utils/constants.py: STAGE_2" in second


def test_another_negative_prompt_than_lightricks_is_named():
    values = {**config.compose(["mode=t2v", "preset=quality"]).values, "negative_prompt": "rain"}
    assert "negative_prompt is 'rain': official is 'has_subtitles, has_blurbox," in judged(told("t2v", "quality", values=values))[0]


def test_a_deliberate_value_that_has_become_the_official_one_is_told():
    base = config.compose(["mode=style", "preset=fast"])
    fields = {**base.fields, "control": dataclasses.replace(base.fields["control"], default="depth")}
    assert judged(told("style", fields=fields)) == [
        "control is 'depth': that is the official value (T video_ltx2_3_ic_lora.json), so call it official in conf/official/record/ltx23.yaml"]


def test_an_entry_taken_out_is_missed_and_a_second_one_is_too_many():
    assert [fault.partition(":")[0] for fault in judged(told(), without("crf"))] == ["crf is 19"]
    more = plus({"of": ["c*f"], "verdict": "open", "why": "x"})
    assert judged(told(), more) == ["crf is 19: 2 entries of conf/official/record/ltx23.yaml speak of it; leave it to one"]


@pytest.mark.parametrize(("line", "words"), [
    ({"of": ["crff"]}, ": no constant is called crff; take it out. Did you mean 'crf'?"),
    ({"of": ["crf", "steps"], "presets": ["fast"]}, ": no constant of these modes, presets and models is called steps; take it out"),
    ({"of": ["gone.*"]}, ": no constant is called gone.*; take it out"),
])
def test_an_entry_about_what_is_not_there_is_told(line, words):
    faults = fidelity.idle(plus({"verdict": "open", "why": "x", **line}), [*told(), *told("t2v", "quality")])
    found = [fault for fault in faults if ": Mine, entry 1" in fault]
    assert len(found) == 1 and words in found[0]


@pytest.mark.parametrize(("line", "words"), [
    ("{of: [cfg]}", "official needs value and at"), ("{of: [cfg], value: 1}", "official needs value and at"),
    ("{of: [cfg], verdict: open}", "open needs why"), ("{of: [cfg], verdict: fine, why: x}", "'fine' is unknown. Known: official, deliberate, open"),
    ("{of: [cfg], value: 1, at: 'X file'}", "begins with no source; write one of L, T, V, C"),
    ("{of: [], verdict: open, why: x}", "of: name a constant"),
    ("{of: [cfg], verdict: open, why: x, presets: [fst]}", "presets: 'fst' is unknown. Did you mean 'fast'?"), ("{of: cfg}", "'cfg' is not a list"),
    ("{whose: [cfg]}", "whose: unknown key"), ("{of: [cfg], when: {preset: fast}}", "when: unknown key"),
])
def test_a_broken_entry_is_named_by_file_and_place_and_ends_no_table(line, words, tmp_path, monkeypatch, capsys):
    (tmp_path / "ltx23.yaml").write_text(RECORD.read_text(encoding="utf-8") + f'\n  Mine:\n  - {line}\n', encoding="utf-8")
    monkeypatch.setattr(fidelity, "FOLDER", tmp_path)
    with pytest.raises(ConfigError, match=r"conf/official/record/ltx23\.yaml: ") as error:
        fidelity.load("ltx23")
    assert words in str(error.value)
    rows = list(fidelity.rows(["t2v"], overrides=["preset=fast", "model=fp8"]))
    assert len(rows) == 1 and words in rows[0].faults[0]


# What is checked, and what is not

def test_check_shows_a_row_for_the_record_of_each_mode(capsys):
    assert main(["check", "mode=t2v", "preset=fast", "model=fp8"]) == 0
    out = capsys.readouterr().out
    assert out.count("official record") == 1 and out.splitlines()[-1].endswith("rows, no fault")


def test_check_fails_where_a_constant_has_no_entry(tmp_path, monkeypatch, capsys):
    text = RECORD.read_text(encoding="utf-8")
    (tmp_path / "ltx23.yaml").write_text("\n".join(line for line in text.splitlines() if "{of: [crf]" not in line), encoding="utf-8")
    monkeypatch.setattr(fidelity, "FOLDER", tmp_path)
    assert main(["check", "mode=t2v", "preset=fast", "model=fp8"]) == 1
    assert "  crf is 19: no entry of conf/official/record/ltx23.yaml speaks of it" in capsys.readouterr().out


@pytest.mark.slow   # .ci/run runs `aio check`, which does the same
def test_every_mode_and_preset_of_aio_has_a_record_and_the_whole_of_it_holds():
    rows = list(fidelity.rows(config.choices("mode")))
    assert [row.mode for row in rows] == [*config.choices("mode"), "all"]
    assert not [fault for row in rows for fault in row.faults]


@pytest.mark.parametrize("group", ["mode", "preset"])
def test_a_mode_or_preset_of_ones_own_needs_no_entry(group, tmp_path, capsys):
    (tmp_path / group).mkdir()
    text = {"mode": "defaults: [t2v, _self_]\nmode: {name: mine, workflow: t2v.json}\nfields: {crf: {default: 30}}\n",
            "preset": "defaults: [fast, _self_]\npreset: {name: mine}\nvalues: {cfg: 4}\n"}
    (tmp_path / group / "mine.yaml").write_text(f"# @package _global_\n{text[group]}")
    words = ["mode=mine", "preset=fast"] if group == "mode" else ["mode=t2v", "preset=mine"]
    assert main(["check", "--config-dir", str(tmp_path), *words, "model=fp8"]) == 0
    assert " is 4" not in (out := capsys.readouterr().out) and "crf is" not in out


def test_what_somebody_changes_for_himself_is_not_held_against_the_record():
    assert not list(fidelity.rows(["t2v"], overrides=["values.cfg=2"])) and not list(fidelity.rows(["mine"]))


# The document

def test_the_committed_document_is_what_the_record_and_the_configuration_give():
    assert fidelity_table.FILE.read_text(encoding="utf-8") == fidelity_table.document(), "write it anew: python -m aio check --fidelity"


def test_the_document_names_every_constant_every_source_and_all_that_is_open():
    text = fidelity_table.FILE.read_text(encoding="utf-8")
    for mode in config.choices("mode"):
        for preset in config.choices("preset"):
            assert not [name for name in names(told(mode, preset)) if f"`{name}`" not in text]
    record, end = fidelity.load("ltx23"), text.partition("## Open")[2]
    assert all(source.url in text for source in record.sources.values())
    assert all(line.why in end for line in record.all if line.verdict == "open")
    assert "style at quality has no official reference" in end


def test_every_line_of_its_tables_has_as_many_cells_as_its_head():
    lines = [line for line in fidelity_table.FILE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {7}


@pytest.mark.parametrize("word", ["mode=t2v", "preset=fast", "seed=3"])
def test_the_document_is_about_everything(word, capsys):
    assert main(["check", "--fidelity", word]) == 2
    assert "give no other words" in capsys.readouterr().err


def test_a_checkout_alone_has_the_document(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(fidelity_table, "FILE", tmp_path / "docs" / "FIDELITY.md")
    assert main(["check", "--fidelity"]) == 2
    assert "which only a checkout of aio has" in capsys.readouterr().err


def test_the_record_is_plain_yaml_of_which_each_entry_is_a_line():
    lines = RECORD.read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if line.startswith("  - {")]
    assert len(entries) == sum(len(part) for part in yaml.safe_load("\n".join(lines))["entries"].values()) == len(fidelity.load("ltx23").all)
