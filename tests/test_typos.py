"""A typo anywhere in the configuration is one message: its file, its key, the nearest key; all of them at once, before anything runs."""

import pytest

from aio import config
from aio.errors import ConfigError

MODE = "# @package _global_\ndefaults: [base/ltx23, base/two_stage, base/made_sound, base/sound_stage, _self_]\n"
NAMED = "mode: {name: mine, workflow: t2v.json}\n"


def said(words, dirs=()) -> list[str]:
    with pytest.raises(ConfigError) as error:
        config.compose(words, dirs)
    return str(error.value).splitlines()


@pytest.mark.parametrize(("word", "message"), [
    ("memory.vram=lo", "memory.vram: 'lo' is unknown. Did you mean 'low'?"),
    ("+memory.vrm=low", "memory.vrm: unknown key. Did you mean 'vram'?"),
    ("duration.card_factor=fast", "duration.card_factor: 'fast' is not a number"),
    ("+duration.stepms=3", "duration.stepms: unknown key. Did you mean 'step_ms'?"),
    ("platform.runs=many", "platform.runs: 'many' is not a whole number"),
    ("ui.gallery.show=flder", "ui.gallery.show: 'flder' is unknown. Did you mean 'folder'?"),
    ("++values.stpes=12", "values.stpes: no field, no condition and no template of any mode has it. Did you mean 'steps'?"),
    ("+patchs.mine=[]", "patchs: unknown key. Did you mean 'patches'?"),
    ("+stages.stge_1=x", "stages.stge_1: no node of the mode. Did you mean 'stage_1'?"),
    ("input.keep_days=never", "input.keep_days: 'never' is not a number"),
    ("+download.slowest_kb=1", "download.slowest_kb: unknown key. Did you mean 'slowest_kb_s'?"),
    ("+comfyui.mirrr=x", "comfyui.mirrr: unknown key. Did you mean 'mirror'?"),
])
def test_a_typo_on_the_command_line_is_told_by_its_key_and_the_nearest_one(word, message):
    line, *_ = said([word])   # others are interpolated from it
    assert line.startswith(message)


@pytest.mark.parametrize(("group", "text", "message"), [
    ("mode", MODE + "mode: {name: mine, titel: x, workflow: t2v.json}", "mode.titel: unknown key. Did you mean 'title'?"),
    ("mode", MODE + NAMED + "patchs: {}", "patchs: unknown key. Did you mean 'patches'?"),
    ("mode", MODE + NAMED + "port: {}", "port: unknown key. Did you mean 'ports'?"),
    ("mode", MODE + NAMED + "stages: {stge_1: x}", "stages.stge_1: no node of the mode. Did you mean 'stage_1'?"),
    ("mode", MODE + NAMED + "examples: [{promt: x}]", "examples[0].promt: no field of the mode. Did you mean 'prompt'?"),
    ("mode", MODE + NAMED + "platform: {runs: many}", "platform.runs: 'many' is not a whole number"),
    ("preset", "# @package _global_\npreset: {name: mine, sumary: x}", "preset.sumary: unknown key. Did you mean 'summary'?"),
    ("preset", "# @package _global_\nvalues: {schedul: x}", "values.schedul: no field, no condition"),
    ("model", "# @package _global_\ndefaults: [fp8, _self_]\nmodel: {name: mine, devices: [cude]}", "model.devices[0]: 'cude' is unknown"),
    ("registry", "a.safetensors: {repo: o/n, path: a, revison: x}", "registry.a.safetensors.revison: unknown key. Did you mean 'revision'?"),
])
def test_a_typo_in_a_file_is_told_with_the_file_that_holds_it(group, text, message, tmp_path):
    (tmp_path / group).mkdir()
    file = tmp_path / group / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    lines = said([f"{group}=mine"], [tmp_path])
    assert any(line.startswith(f"{file}: {message}") for line in lines), lines


def test_all_faults_come_at_once_each_with_its_own_file(tmp_path):
    for group, text in (("mode", MODE + NAMED + "stages: {stge_1: x}"), ("preset", "# @package _global_\nvalues: {schedul: x, sigmsa: y}")):
        (tmp_path / group).mkdir()
        (tmp_path / group / "mine.yaml").write_text(text, encoding="utf-8")
    lines = said(["mode=mine", "preset=mine", "++values.stpes=1"], [tmp_path])
    assert len(lines) == 4 and sum(str(tmp_path) in line for line in lines) == 3


def test_a_value_of_a_wrong_type_hides_no_name_that_nothing_has():
    lines = said(["+memory.vrm=lo", "++values.stpes=12", "duration.card_factor=fast"])
    assert {line.split(":")[0] for line in lines} == {"memory.vrm", "values.stpes", "duration.card_factor"}


@pytest.mark.parametrize("mode", config.choices("mode"))
@pytest.mark.parametrize("preset", config.choices("preset"))
def test_a_value_that_only_other_modes_have_is_legal(mode, preset):
    config.compose([f"mode={mode}", f"preset={preset}"])
