"""`check`: sound graphs pass, and each kind of fault is found and named by file, operation and pointer."""

import dataclasses
import json

import pytest

from aio import check, config
from aio.check import nodecheck
from aio.cli import main
from aio.graph import schema, workflow

MODES = config.choices("mode")


@pytest.mark.parametrize("mode", [MODES[0], *(pytest.param(mode, marks=pytest.mark.slow) for mode in MODES[1:])])   # .ci/run checks all
def test_every_graph_of_a_mode_is_sound(mode):
    rows = list(check.check([mode]))
    assert not [(row.variant, row.faults) for row in rows if row.faults]
    graphs = [row for row in rows if row.nodes]
    expected = len(config.choices("preset")) * len(config.choices("model")) + len(config.choices("lora")) + 1
    assert len(graphs) >= expected   # and every choice a patch depends on


def sound(capsys, *words):
    """The table's rows have no fault, but that the official record may not speak of a new file in conf/ yet."""
    code, lines = main(["check", *words]), capsys.readouterr().out.splitlines()
    asked = [line for line in lines if "no entry of conf/official/record/" in line]
    rows = {line for line in lines if "official record" in line} if asked else set()
    assert not [line for line in lines if line.endswith(("fault", "faults")) and line not in rows and line != lines[-1]]
    return code == bool(asked) and lines[-1].endswith("rows, 1 with faults" if asked else "rows, no fault")


def test_the_table_ends_with_a_count(capsys):
    assert sound(capsys, "mode=t2v")


def test_one_preset_is_checked_without_blaming_it_for_the_others(capsys):
    assert sound(capsys, "mode=t2v", "preset=fast")


def test_a_preset_of_ones_own_is_not_held_against_the_official_record(tmp_path, capsys):
    (tmp_path / "preset").mkdir()
    text = (config.CONF / "preset" / "fast.yaml").read_text(encoding="utf-8").replace("name: fast", "name: mine").replace("0.99375, ", "")
    (tmp_path / "preset" / "mine.yaml").write_text(text, encoding="utf-8")
    assert sound(capsys, "--config-dir", str(tmp_path), "mode=t2v", "preset=mine", "model=fp8")


def test_presets_that_are_not_there_are_bad_input(capsys):
    assert main(["check", "mode=t2v", "preset=fast,foo"]) == 2
    assert "preset: 'foo' is unknown" in capsys.readouterr().err


BROKEN = [
    "patches: {mine: [{op: replace, path: '${pointer:save,nope}', value: 1}]}",
    "patches: {mine: [{op: replace, path: '${pointer:nope,x}', value: 1}]}",
    "fields: {width: {default: 100000}}", "nodes: {save: {id: '1', class_type: X}}",
    "fields: {mine: {type: INT, optional: true}}", "nodes: {save: 5}", "values: {x: '${oc.env:HOME}'}",
]


def test_a_broken_mode_is_rows_of_the_table_and_never_its_end(tmp_path, capsys):
    (tmp_path / "mode").mkdir()
    for number, broken in enumerate(BROKEN):
        text = f"# @package _global_\ndefaults: [t2v, _self_]\nmode: {{name: mine{number}, workflow: t2v.json}}\n"
        (tmp_path / "mode" / f"mine{number}.yaml").write_text(text + broken)
    modes = [f"mine{number}" for number in range(len(BROKEN))]
    code = main(["check", "--config-dir", str(tmp_path), f"mode={','.join(modes)},t2v", "preset=fast", "model=fp8"])
    lines = capsys.readouterr().out.splitlines()
    assert code == 1 and "with faults" in lines[-1]
    assert sum(line.startswith("t2v ") for line in lines) > 10   # the whole one after them, as ever
    faulty = {mode for mode in modes if any(line.startswith(f"{mode} ") and "  ok" not in line for line in lines)}
    assert faulty == set(modes)


def test_an_unknown_mode_is_bad_input(capsys):
    assert main(["check", "mode=t3v"]) == 2
    assert "Did you mean 't2v'?" in capsys.readouterr().err


@pytest.mark.parametrize("mode", MODES)
def test_every_field_is_read_by_an_operation(mode):
    assert not list(check._unread(config.compose([f"mode={mode}"])))


def faults_after(change, mode="t2v"):
    prompt = workflow.load(config.compose([f"mode={mode}"]).workflow)
    change(prompt)
    return "\n".join([*workflow.faults(prompt, "43"), *nodecheck.faults(prompt, schema.load())])


def test_the_schema_holds_every_core_class_and_reads_each_when_it_is_asked_for():
    classes, written = schema.load.__wrapped__(), json.loads(schema.FILE.read_text(encoding="utf-8"))["nodes"]
    assert list(classes) == list(written) and len(classes) > 600
    assert {"EmptyHunyuanLatentVideo", "WanImageToVideo", "BasicGuider", "KSamplerAdvanced", "GetImageSize"} <= set(classes)
    assert not classes._read   # all of them at once would take 30 ms of every command
    assert {name: classes[name].outputs for name in classes} == {name: tuple(node["outputs"]) for name, node in written.items()}
    assert classes.get("VAEDecod") is None


def edit(node, key, value):
    return lambda prompt: prompt[node]["inputs"].update({key: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit("24", "noise", ["999", 0]), "24 Sample, stage 1 (SamplerCustomAdvanced): input noise links to node 999, which is not there"),
        (edit("10", "width", ["40", 0]), "cycle through"),
        (edit("42", "audio", ["40", 0]), "/42/inputs/audio: 42 Create video (CreateVideo): needs AUDIO"),
        (edit("40", "samples", ["38", 7]), "links to slot 7 of 38"),
        (edit("10", "width", 1), "/10/inputs/width: 10 Empty video latent (EmptyLTXVLatentVideo): 1 is below 64"),
        (edit("10", "width", "640"), "'640' is not a INT"),
        (edit("21", "sampler_name", "eulr"), "Did you mean 'euler'?"),
        (edit("4", "txt", "x"), "/4/inputs/txt: 4 Prompt (CLIPTextEncode) has no such input. Did you mean 'text'?"),
        (lambda prompt: prompt["4"]["inputs"].pop("clip"), "/4/inputs/clip: 4 Prompt (CLIPTextEncode): required input is missing"),
        (lambda prompt: prompt["40"].update(class_type="VAEDecod"), "class VAEDecod is not in the node schema. Did you mean 'VAEDecode'?"),
        (lambda prompt: prompt.update({"99": {"class_type": "EmptyImage", "inputs": {}}}), "dead node"),
        (lambda prompt: prompt.pop("43"), "the output node 43 is not in the graph"),
    ],
)
def test_a_fault_is_named(change, words):
    assert words in faults_after(change)


def broken(**changes):
    return dataclasses.replace(config.compose(["mode=t2v"]), **changes)


def test_an_add_onto_an_existing_input_is_refused():
    base = config.compose(["mode=t2v"])
    patch = config.Patch("x", ({"op": "add", "path": "${pointer:prompt,text}", "value": "y"},), source="mode/x.yaml")
    row = check._row(broken(patches=(*base.patches, patch)))
    assert "mode/x.yaml: x[0]: add /4/inputs/text: the input is there already; use replace" in row.faults


def test_a_file_that_the_registry_lacks_is_named_with_the_nearest():
    config_ = broken(tables={"checkpoint": {"dev": "ltx-2.3-22b-dev-fp9.safetensors"}})
    row = check._row(config_)
    assert any("/1/inputs/ckpt_name" in fault and "Did you mean 'ltx-2.3-22b-dev-fp8.safetensors'?" in fault for fault in row.faults)


def test_a_size_that_the_graph_does_not_give_is_named():
    base = config.compose(["mode=t2v"])
    less = tuple(patch for patch in base.patches if patch.name != "two_stage")
    row = check._row(broken(patches=less), "", {"width": 512})
    assert any("asked for width, height, frames, fps (512," in fault for fault in row.faults)


def test_a_class_of_a_pack_that_the_config_does_not_name_is_named():
    base = config.compose(["mode=t2v", "memory=chunked"])
    row = check._row(dataclasses.replace(base, packs={}))
    assert any("belongs to the pack ComfyUI-KJNodes; name it under `packs`" in fault for fault in row.faults)


def test_a_field_that_nothing_reads_is_named():
    base = config.compose(["mode=t2v"])
    extra = {**base.fields, "mood": config.Field("mood", "STRING", default="")}
    assert list(check._unread(dataclasses.replace(base, fields=extra))) == ["field mood is read by no operation"]


def test_a_lora_that_misses_a_sampler_is_named():
    config_ = config.compose(["mode=t2v", "lora=[detailer]"])
    ports = {**config_.ports, "model": config_.ports["stage_1_model"]}
    row = check._row(dataclasses.replace(config_, ports=ports), reach=["detailer"])
    assert row.faults == ("37 Sample, stage 2 (SamplerCustomAdvanced): detailer does not reach it",)
