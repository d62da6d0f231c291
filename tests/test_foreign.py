"""Configuration from outside aio: bounded before it is read, and it reaches nothing of this machine."""

import os
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from aio import config
from aio.cli import main
from aio.config import files, foreign
from aio.errors import ConfigError, WorkflowError
from aio.graph import workflow

HEAD = "# @package _global_\n"
MODE = HEAD + "defaults: [t2v, _self_]\nmode: {name: mine, workflow: t2v.json}\n"
SECRET = "hf_0123456789"


@pytest.fixture
def said(tmp_path, monkeypatch):
    """What composing a mode with this text says."""
    monkeypatch.setenv("HF_TOKEN", SECRET)

    def compose(text, group="mode", name="mine", words=None):
        place = tmp_path / "mine" / group
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ConfigError) as caught:
            config.compose(words or [f"{group}={name}"], [tmp_path / "mine"])
        return str(caught.value)

    return compose


# -- what may be resolved ------------------------------------------------------------------------------------------------------------

SECRETIVE = [
    "${oc.env:HF_TOKEN}", "x${oc.env:HF_TOKEN}", "${ oc.env:HF_TOKEN}", '${oc.select:nope,"${oc.env:HF_TOKEN}"}', "${${values.y}:HF_TOKEN}",
    "${oc.decode:x}", "${oc.create:x}", "${oc.deprecated:x}", "${hydra:runtime.cwd}", "${hydra.runtime.cwd}", "${..hydra.runtime.cwd}",
    "${[hydra].runtime.cwd}", "${now:%Y}", "${custom:x}", "\\\\${oc.env:HF_TOKEN}", "${", "${value",
]


@pytest.mark.parametrize("text", SECRETIVE)
def test_what_would_bring_in_what_no_file_says_is_refused_with_file_and_key(text, said, tmp_path):
    quoted = text.replace("'", "''")
    where = f"{tmp_path}/mine/mode/mine.yaml: fields.note.default: "
    message = said(f"{MODE}fields: {{note: {{type: STRING, default: '{quoted}'}}}}\nvalues: {{y: oc.env}}")
    assert message.startswith(where) and "oc.select, oc.dict.keys, oc.dict.values" in message and SECRET not in message


@pytest.mark.parametrize("word", [f"{key}={text}" for key in ("++values.stg_blocks", "duration.card_factor") for text in SECRETIVE])
def test_nor_does_a_command_line_resolve_it(word, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", SECRET)
    if "\\" in word:   # where the grammar takes one backslash away, the other makes it text
        assert SECRET not in str(config.compose([word.replace("duration.card_factor", "++values.stg_blocks")]).values)
        return
    with pytest.raises(ConfigError) as caught:
        config.compose([word])
    assert SECRET not in str(caught.value)


PIECES = ["${", "}", "\\", "oc.env:", "oc.select:", "SECRET", "value:", "'", '"', " ", ",", "x", "${oc.env:SECRET}", "mode", ".", "$", "{", "\\${"]


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
@settings(max_examples=400)
def test_what_passes_the_check_never_resolves_to_the_environment(text):
    config.register()
    if not foreign.illegal(text):
        os.environ["SECRET"] = SECRET
        try:
            resolved = str(OmegaConf.create({"x": text, "mode": "m"}).x)
        except Exception:
            return   # not an interpolation that OmegaConf takes
        finally:
            del os.environ["SECRET"]
        assert SECRET not in resolved


def test_aios_words_and_keys_of_the_configuration_resolve(tmp_path):
    (tmp_path / "mode").mkdir()
    (tmp_path / "mode" / "mine.yaml").write_text(
        MODE + "values: {sampler: '${mode.name}', steps: '${oc.select:nope,5}', negative_prompt: '\\${oc.env:X}'}\n"
        "fields: {pick: {type: COMBO, options: '${oc.dict.keys:tables.mine}', default: x}}\ntables: {mine: {x: 1}}\n"
        "patches: {mine: [{op: replace, path: '${pointer:prompt,text}', value: '${value:prompt} ${value:seed}'}]}\n"
    )
    made = config.compose(["mode=mine"], [tmp_path])
    values = made.values
    assert (values["sampler"], values["steps"], values["negative_prompt"], made.fields["pick"].options) == ("mine", 5, "${oc.env:X}", ("x",))


# -- Hydra's own ---------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "key"), [
    (MODE + "hydra: {callbacks: {x: {_target_: os.system}}}", "hydra.callbacks: "),
    (MODE + "hydra: {run: {dir: /x}}", "hydra.run: "),
    (MODE + "hydra: {sweep: {dir: /x}}", "hydra.sweep: "),
    (MODE + "hydra: {searchpath: [/x]}", "hydra.searchpath: "),
    (MODE + "hydra: {job: {env_set: {A: b}}}", "hydra.job: "),
    (MODE + "hydra: {job_logging: null}", "hydra.job_logging: "),
    (MODE + "hydra: {launcher: {n_jobs: 9}}", "hydra.launcher: "),
    (HEAD + "defaults: [t2v, _self_, {override /hydra/job_logging: none}]\nmode: {name: mine}", "only launcher and sweeper"),
    (HEAD + "defaults: [t2v, i2v@hydra.job, _self_]\nmode: {name: mine}", "only launcher and sweeper"),
    ("# @package hydra\nrun: {dir: x}", "it sets hydra.*"),
    ("# @package _global_.hydra.job\nname: x", "it sets hydra.*"),
    ("# @package [hydra].job\nname: x", "it sets hydra.*"),
    (MODE + "values: {x: {_target_: os.system}}", "values.x: _target_"),
    (MODE + "patches: {x: [{op: add, path: /x, value: {_target_: a}}]}", "patches.x[0].value: _target_"),
])
def test_a_file_from_outside_sets_nothing_of_hydras_own(text, key, said):
    assert key in said(text)


def test_a_file_from_outside_may_choose_the_launcher(tmp_path):
    (tmp_path / "mode").mkdir()
    text = HEAD + "defaults: [t2v, _self_, {override /hydra/launcher: basic}]\nmode: {name: mine, workflow: t2v.json}"
    (tmp_path / "mode" / "mine.yaml").write_text(text)
    assert config.compose(["mode=mine"], [tmp_path]).mode == "mine"


def test_a_launcher_of_ones_own_is_no_way_in(said):
    assert "it sets hydra.*" in said("n_jobs: 2", group="hydra/launcher", name="evil", words=["hydra/launcher=evil"])


@pytest.mark.parametrize("entry", [
    "../../x", "/mode/../../x", "base/../../x", "{base: ../x}", "{/preset: ../x}", "{base: [a, ../x]}", "'${x}'", "'a\\b'", "5", ".x", "''",
])
def test_a_defaults_list_leads_nowhere_else(entry, said):
    assert "defaults: " in said(f"{HEAD}defaults: [t2v, {entry}, _self_]\nmode: {{name: mine}}")


def test_a_defaults_list_names_what_is_not_there(said):
    assert "mode/mine.yaml: its defaults name 'mode/i3v', which is not there. Did you mean 'mode/i2v'?" in said(f"{HEAD}defaults: [i3v, _self_]\n")


def test_defaults_that_lead_back_or_double_and_double_are_refused_at_once(tmp_path):
    (tmp_path / "mode").mkdir()
    for n in range(30):
        (tmp_path / "mode" / f"d{n}.yaml").write_text(f"{HEAD}defaults: [d{n + 1}@x, {{/mode@y: d{n + 1}}}, _self_]\n")
    (tmp_path / "mode" / "d30.yaml").write_text("x: 1")
    (tmp_path / "mode" / "round.yaml").write_text(f"{HEAD}defaults: [about]")
    (tmp_path / "mode" / "about.yaml").write_text(f"{HEAD}defaults: [/mode/round]")
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"mode/d0\.yaml: its defaults bring in more than 200 files"):
        config.compose(["mode=d0"], [tmp_path])
    with pytest.raises(ConfigError, match=r"its defaults lead back to it: mode/round -> mode/about -> mode/round"):
        config.compose(["mode=round"], [tmp_path])
    assert time.monotonic() - began < 10


# -- YAML within bounds --------------------------------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 8))


@pytest.mark.parametrize(("text", "words"), [
    (LAUGHS, "line 5: more than 20,000 keys and values, aliases counted"),
    ("a: " + "[" * 40 + "]" * 40, "line 1: nested more than 32 levels deep"),
    ("a: " + "{x: " * 40 + "1" + "}" * 40, "nested more than 32 levels deep"),
    ("".join(f"{'  ' * n}a:\n" for n in range(40)), "nested more than 32 levels deep"),
    ("a0: &a0 [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\nb: [[[[[[[[[[[[[[[[[*a0]]]]]]]]]]]]]]]]]", "line 2: nested more than 32"),
    ("[" * 200_000, "line 1: not YAML"),
    ("a: &a [*a]", "line 1: *a stands for nothing, or for what holds it"),
    ("a: *b", "*b stands for nothing"),
    ("a: !!python/object/apply:os.system [x]", "the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed"),
    ("a: !mine x", "the tag '!mine' is not allowed"),
    ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands there twice"),
    ("? [a]\n: b", "a key must be a text"),
    ("a: 1\n---\nb: 2", "line 2: a second document begins"),
    ("\ta: 1", "line 1: not YAML"),
    ("a: 'b\0'", "not YAML"),
    ("a: " + "9" * 5000, "a number has thousands of digits"),
    ("- a", "expected keys and values"),
    ("x", "expected keys and values"),
    (b"a: \xe9", "not UTF-8 text (byte 3); save it as UTF-8"),
    ("a: x".encode("utf-16"), "save it as UTF-8"),
    ("a: " + "x" * 1_100_000, "more than 1 MB"),
    ("# @package a b c\n", "the first line of a mode is `# @package _global_`"),
])
def test_yaml_beyond_a_bound_is_refused_at_once_with_file_and_line(text, words, said, tmp_path):
    began = time.monotonic()
    message = said(text)
    assert message.startswith(f"{tmp_path}/mine/mode/mine.yaml") and words in message
    assert time.monotonic() - began < 5


def test_yaml_may_have_a_byte_order_mark_merges_and_anchors(tmp_path):
    (tmp_path / "a.yaml").write_text("\ufeffa: &a {x: 1}\nb: {<<: *a, y: 2e3}\nc: 2024-01-01\n", encoding="utf-8")
    assert files.load(tmp_path / "a.yaml") == {"a": {"x": 1}, "b": {"x": 1, "y": 2000.0}, "c": "2024-01-01"}


@pytest.mark.parametrize("place", sorted(path.relative_to(config.CONF) for path in config.CONF.rglob("*.yaml")), ids=str)
def test_aios_own_files_are_read_as_omegaconf_reads_them(place):
    assert files.load(config.CONF / place) == OmegaConf.to_container(OmegaConf.load(config.CONF / place))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match="not a regular file"):
        files.load(tmp_path / "a.yaml")


@pytest.mark.parametrize("text", [LAUGHS, "a: !x y", "model: 5", "values: [1]", "fields: {x: 5}", b"\xff"])
def test_help_and_lists_of_choices_survive_a_broken_file(text, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["--help", "--config-dir", str(tmp_path)]) == 0
    assert re.search(r"mine +\(broken: plan says why\)", capsys.readouterr().out)
    with pytest.raises(ConfigError, match=r"model/mine\.yaml"):
        config.facts("model", "mine", [tmp_path])


# -- faults of sections --------------------------------------------------------------------------------------------------------------

def test_all_faults_of_a_file_are_told_at_once_with_key_value_and_what_is_legal(said):
    message = said(MODE + (
        "comfyui: {mirrr: x}\nplatform: {runs: many}\nduration: {card_factor: fast, step_ms: [1]}\n"
        "fields: {crf: {type: FLOT, min: a}}\nnodes: {save: {id: 43}}\nvalues: {1: x}\n"
    )).splitlines()
    for words in (
        "comfyui.mirrr: unknown key. Did you mean 'mirror'?",
        "platform.runs: 'many' is not a whole number", "duration.card_factor: 'fast' is not a number", "duration.step_ms: expected 2 values, found 1",
        "fields.crf.min: 'a' is not a number", "nodes.save.id: 43 is not text; put it in quotes", "values: the key 1 is not text; put it in quotes",
    ):
        assert any(f": {words}" in f": {line}" for line in message), words


@pytest.mark.parametrize(("text", "words"), [
    ("fields: {crf: {type: FLOT}}", "fields.crf: unknown type 'FLOT'. Did you mean 'FLOAT'?"),
    ("patches: {mine: {when: {cfg: {abov: 1}}, operations: []}}", "mode/mine.yaml: patches.mine.when.cfg: unknown word 'abov'"),
    ("patches: {mine: {operatons: []}}", "mode/mine.yaml: patches.mine.operatons: unknown key. Did you mean 'operations'?"),
])
def test_a_fault_that_a_type_cannot_say(text, words, said):
    assert words in said(MODE + text)


def test_a_page_with_a_broken_pattern_says_which(said):
    text = "defaults: [page, _self_]\nmessages: [{match: '(', title: x}]"
    assert "ui.messages[0].match: '(' is no regular expression" in said(text, group="ui")


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "''", "a\\b"])
def test_a_modes_name_is_a_plain_name_for_results_are_called_after_it(name, said):
    assert "mode.name: " in said(MODE.replace("name: mine", f"name: {name}"))


def test_a_mode_without_its_header_says_what_a_mode_begins_with(said):
    assert "a mode's file begins with `# @package _global_`" in said("mode: {name: mine}")


@pytest.mark.parametrize(("operation", "words"), [
    ("{op: replace, path: '${pointer:save}', vlaue: 1}", "is no operation"),
    ("{op: replce, path: /x, value: 1}", "is no operation; write op (one of add, replace, test"),
    ("{op: add, path: [x], value: 1}", "is no operation"),
    ("{op: add, path: '/${node:save}/x', value: '${pick:checkpoint}'}", "${pick:…} takes 2 names"),
    ("{op: add, path: '/${node:save}/x', value: '${half:width,height}'}", "${half:…} takes 1 names"),
    ("{op: add, path: '/${node:save}/x', value: '${frames:prompt,fps}'}", "cannot be worked out of prompt='x'"),
    ("{op: add, path: '/${node:save}/x', value: '${port:vae}'}", "stands alone"),
    ("{op: replace, path: '/${node:save}/_meta', value: 5}", "it leaves no graph"),
])
def test_a_broken_operation_is_named_by_file_and_index(operation, words, tmp_path, capsys):
    (tmp_path / "mode").mkdir()
    (tmp_path / "mode" / "mine.yaml").write_text(f"{MODE}patches: {{mine: [{operation}]}}")
    assert main(["plan", "--config-dir", str(tmp_path), "mode=mine", "prompt=x"]) == 2
    said = capsys.readouterr().err
    assert "mode/mine.yaml: mine[0]" in said and words in said


def test_copies_of_copies_do_not_fill_the_memory(tmp_path, capsys):
    copies = ", ".join(f"{{op: copy, from: '/1', path: '/1/inputs/c{n}'}}" for n in range(60))
    (tmp_path / "mode").mkdir()
    (tmp_path / "mode" / "mine.yaml").write_text(f"{MODE}patches: {{mine: [{copies}]}}")
    assert main(["plan", "--config-dir", str(tmp_path), "mode=mine", "prompt=x"]) == 2
    assert "grown beyond" in capsys.readouterr().err


# -- which file it was ---------------------------------------------------------------------------------------------------------------

def test_a_patch_knows_the_file_that_defined_it_in_this_composition(capsys):
    for model, file in (("fp8", "model/base/checkpoint.yaml"), ("gguf", "model/gguf.yaml")):
        composed = config.compose(["mode=t2v", "preset=fast", f"model={model}"])
        assert {patch.name: patch.source for patch in composed.patches}["weights"] == file
    assert main(["plan", "mode=t2v", "prompt=x", "~nodes.noise"]) == 2
    assert "mode/base/ltx23.yaml: base[4]: no node named 'noise'" in capsys.readouterr().err


def test_a_patch_of_an_own_file_that_replaces_another_is_the_own_files(tmp_path):
    (tmp_path / "mode").mkdir()
    (tmp_path / "mode" / "mine.yaml").write_text(MODE + "patches: {two_stage: []}")
    sources = {patch.name: patch.source for patch in config.compose(["mode=mine"], [tmp_path]).patches}
    assert (sources["two_stage"], sources["base"]) == ("mode/mine.yaml", "mode/base/ltx23.yaml")


# -- workflows -----------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "words"), [
    ("[" * 200_000, "nested more than 64"),
    ('{"1": {"class_type": "X", "inputs": {}, "_meta": 5}}', "node '1' has a _meta without a title"),
    ('{"1": {"class_type": 5, "inputs": {}}}', "node '1' lacks class_type"),
    ('{"1": {"class_type": "X", "inputs": []}}', "node '1' lacks class_type"),
    ('{"1": 5}', "node '1' is no object"),
    ('{"1": NaN}', "not JSON"),
    (b"\xff", "not UTF-8"),
    ('{"nodes": []}', "editor format"),
    ("{" + ",".join(f'"{n}": {{"class_type": "X", "inputs": {{}}}}' for n in range(10_001)) + "}", "10,001 nodes"),
])
def test_a_file_that_is_no_graph_says_why(text, words, tmp_path):
    (tmp_path / "g.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(WorkflowError, match=re.escape(words)):
        workflow.load(tmp_path / "g.json")


@pytest.mark.parametrize("given", ["/dev/zero", "/tmp", "none.json", "a\nb", "x" * 5000])
def test_a_workflow_that_is_no_file_is_said(given, capsys):
    assert main(["plan", "mode=t2v", "prompt=x", f"mode.workflow={given}"]) == 2
    assert "workflow" in capsys.readouterr().err


def test_a_graph_that_loads_a_file_of_no_field_says_so(tmp_path, capsys):
    graph = workflow.load(config.WORKFLOWS / "i2v.json")
    graph["50"]["inputs"]["image"] = "example.png"
    (tmp_path / "g.json").write_text(workflow.json.dumps(graph))
    assert main(["plan", "mode=i2v", "prompt=x", "image=samples/astronaut.png", f"mode.workflow={tmp_path}/g.json", "~patches.image"]) == 2
    assert "the graph loads 'example.png', which no field gives" in capsys.readouterr().err


def test_a_long_chain_of_nodes_is_looked_through_in_time():
    chain = {str(n): {"class_type": "X", "inputs": {"x": [str(n + 1), 0]}} for n in range(9_999)} | {"9999": {"class_type": "X", "inputs": {}}}
    began = time.monotonic()
    assert not workflow.faults(chain, "0")
    assert time.monotonic() - began < 5
