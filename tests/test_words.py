"""Overrides as people type them: paths and texts are data, a choice names a choice and nothing else, and faults are told in words."""

import dataclasses
import os
import shutil
import string
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aio import config
from aio.cli import main
from aio.command import parse
from aio.config import Config
from aio.errors import ConfigError, InputError
from aio.machine import paths
from aio.sweep import plan
from aio.sweep.axes import axes

SMALL = ["mode=t2v", "prompt=x", "width=256", "height=256", "seconds=0.4", "engine=preview"]
ODD = ["Bob's été (2), x=1", "my clip, take 2", "2024", "true", "null", "[x]", "{a:1}", "a=b", "${oc.env:HOME}", "${", "\\${x}", "???", '"q"', "🙂"]
ODD += ["trail ", " lead", "a,b", "range(3)", "-x", "#h", "%s", "*", "a\nb", "\u2028", "$x", "\\", "'", "@x", "=x", "+x"]
LEGAL = st.characters(exclude_characters="\x00/", exclude_categories=["Cs"])
names = st.text(LEGAL, min_size=1, max_size=20).filter(lambda text: text not in (".", "..") and len(text.encode()) < 120)


def said(*words):
    with pytest.raises(ConfigError) as caught:
        config.compose(words)
    return str(caught.value)


# -- texts and paths are data --------------------------------------------------------------------------------------------------------

@given(names)
@example("~nobody-here")
@settings(max_examples=20)
def test_any_text_is_the_output_folder_and_name_that_was_typed(text):
    made = config.compose([f"output.dir=./{text}", f"output.name={text}", f"platform.timings={text}", f"comfyui.mirror={text}"])
    assert made.output_dir == Path(text) and made.output_name == text
    assert (made.platform.timings, made.comfyui.mirror) == (text, text)


@pytest.mark.parametrize("text", ODD)
def test_an_odd_name_is_no_grammar(text):
    made = config.compose([f"output.dir={text}", f"output.name={text}", f"mode.title={text}", f"stages.save={text}"])
    assert (str(made.output_dir), made.output_name, made.title, made.stages["43"]) == (text, text, text, text)


def test_a_clip_lies_where_it_was_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main([*SMALL, "output.dir=~/my clips, ${x} [2]", "output.name=it's ??? (1), x=1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{tmp_path}/home/my clips, ${{x}} [2]/it's ??? (1), x=1.preview.mp4"


def test_a_home_that_is_not_known_is_said_before_anything_runs():
    with pytest.raises(InputError, match=r"output\.dir: '~nobody-here/x' begins with a home folder that is not known"):
        config.compose(["output.dir=~nobody-here/x"])


MINE = "# @package _global_\ndefaults: [t2v, _self_]\nmode: {name: mine, title: Mine, workflow: mine.json}\n"


def own_mode(folder, text=MINE, group="mode", name="mine"):
    (folder / group).mkdir(parents=True, exist_ok=True)
    (folder / group / f"{name}.yaml").write_text(text, encoding="utf-8")
    shutil.copy(config.WORKFLOWS / "t2v.json", folder / "mine.json")
    return folder


@given(names)
@example("dépôt mit (Leer), x=1")
@example("my modes, v2")
@example("${oc.env:HOME}")
@example("${")
@example("a:")
@settings(max_examples=6)
def test_a_folder_of_modes_may_be_called_anything(tmp_path_factory, text):
    folder = own_mode(tmp_path_factory.mktemp("x") / text / "mine")
    command = parse(["--config-dir", str(folder), "mode=mine"], ("run",))
    assert command.compose().workflow == folder / "mine.json"
    assert command.compose().title == "Mine"


def test_a_folder_whose_name_is_no_unicode_is_read_too(tmp_path):
    folder = own_mode(tmp_path / os.fsdecode(b"d\xe9p"))
    assert config.compose(["mode=mine"], [folder]).mode == "mine"


@pytest.mark.parametrize("kind", ["", "hydra/launcher=basic", "hydra/sweeper=basic"])
def test_a_sweep_takes_paths_and_names_as_data(kind, tmp_path, monkeypatch, capfd):
    folder = own_mode(tmp_path / "it's (2), ${x}")
    monkeypatch.chdir(tmp_path)
    words = ["-m", "--config-dir", str(folder), "mode=mine", *SMALL[1:], "seed=1,2", "output.dir=a,b ${now:x}", "output.name=c,d ???"]
    assert main([*words, *([kind] if kind else [])]) == 0
    *clips, page = (Path(line) for line in capfd.readouterr().out.splitlines())
    assert page.parents[2] == tmp_path / "a,b ${now:x}" and page.is_file()
    assert {clip.name for clip in clips if clip.suffix == ".mp4"} == {"c,d ???.preview.mp4"}


def test_a_sweep_never_splits_a_path():
    found = axes(parse(["-m", "output.dir=a,b", "output.name=[x],y", "seed=1,2", "mode.workflow=c,d"], ("run",)))
    assert (found["output.dir"], found["output.name"], found["mode.workflow"]) == (["output.dir=a,b"], ["output.name=[x],y"], ["mode.workflow=c,d"])


def test_what_nobody_declared_is_text_where_a_text_stands(tmp_path):
    file = "my model (1), v2.gguf"
    assert config.compose([f"tables.checkpoint.distilled={file}"]).tables["checkpoint"]["distilled"] == file
    assert config.compose(["fields.seed.default=7"]).fields["seed"].default == 7   # a number stands there: it is one
    assert config.compose(["++values.stages=3"]).values["stages"] == 3             # a plus asks for Hydra's grammar


def test_nothing_is_null_where_null_is_legal_and_words_where_it_is_not():
    made = config.compose(["output.name=", "platform.timings="])
    assert made.output_name is None and made.platform.timings is None
    assert said("output.dir=") == "output.dir: nothing is given; write output.dir=… or leave it out"


@pytest.mark.parametrize(("word", "words"), [
    ("output.name=a\0b", "holds a NUL character"), ("output.name=\udc80", "not valid Unicode"),
    ("output=clips", "output is a section; give one of its settings: output.dir="), ("hydra=1.5", "cannot be given"),
    ("params.seed=1", "write FIELD="), ("hydra.searchpath=[/x]", "use --config-dir"), ("outpt.dir=x", "Did you mean 'output.dir'?"),
])
def test_a_key_that_takes_no_text_says_what_to_type(word, words):
    assert words in said(word)


# -- a choice is one of its group's --------------------------------------------------------------------------------------------------

def known(group):
    return f"Known: {', '.join(config.choices(group))}"


@pytest.mark.parametrize(("word", "words"), [
    ("duration=5", f"'5' is unknown. For the length of the clip write seconds=5. {known('duration')}"),
    ("guidance=3.5", "For the guidance scale write cfg=3.5."),
    ("mode=3", f"'3' is unknown. {known('mode')}"),
    ("preset=null", f"'null' is unknown. {known('preset')}"),
    ("memory=true", f"'true' is unknown. {known('memory')}"),
    ("lora=", f"nothing is given. For none write lora=[]. {known('lora')}"),
    ("preset=", f"nothing is given. {known('preset')}"),
    ("lora=[1]", "'1' is unknown."),
    ("preset={a:1}", "'{a:1}' is unknown."),
    ("mode=t2v,i2v", "more than one choice; give one of them, or sweep over all with -m"),
    ("mode=[t2v,i2v]", "more than one choice"),
    ("model=8", "'8' is unknown"),
    ("mode=t3v", "Did you mean 't2v'?"),
    ("mode=base/ltx23", "'base/ltx23' is unknown"),
    ("mode=../../x", "'../../x' is unknown"),
    ("mode=/etc/passwd", "'/etc/passwd' is unknown"),
    ("mode=t2v\0", "is unknown"),
    ("lora=[../detailer]", "'../detailer' is unknown"),
    ("+mode=t2v", "mode has a choice already"),
    ("++preset=fast", "preset has a choice already"),
    ("mode@x=t2v", "has no place of its own"),
    ("~guidance=../x", "'../x' is unknown"),
    ("~lora", "write lora=[]"),
    ("~platform", "no run does without platform; choose one of local, zerogpu"),
    ("space=hub", "write +space=…"),
    ("hydra/launcher=../../x", "is not a name"),
])
def test_a_group_answers_whatever_it_is_given(word, words):
    assert words in said(word)


def test_every_fault_of_the_choices_is_told_at_once():
    assert said("mode=lipsinc", "preset=fats", "lora=x").count("Known:") == 3


def test_a_name_from_anywhere_is_checked_by_one_function(tmp_path):
    own_mode(tmp_path)
    assert config.choice("mode", "mine", [tmp_path]) == "mine"
    names = [("mode", name) for name in ("../mode/mine", "mine.yaml", "base/ltx23", 5, None, ["mine"])]
    for group, name in (*names, ("../conf/mode", "t2v"), ("/mode", "t2v"), ("", "config")):
        with pytest.raises(ConfigError):
            config.choice(group, name, [tmp_path])
    assert config.choices("../conf/mode") == config.choices(str(config.CONF / "mode")) == ()


def test_files_that_a_mac_leaves_are_no_choices(tmp_path):
    own_mode(tmp_path, "\0", name="._mine")
    assert config.choices("mode", [tmp_path]) == config.choices("mode")


def test_a_choice_may_be_left_out():
    assert config.compose(["~guidance"]).choices.get("guidance") is None


def test_what_is_given_twice_is_refused_and_both_are_named():
    with pytest.raises(ConfigError, match=r"seed is given twice, seed=1 and seed=2; give it once$"):
        parse(["seed=1", "seed=2"], ("run",))
    with pytest.raises(ConfigError, match="and in a sweep as preset=A,B"):
        parse(["-m", "preset=fast", "preset=quality"], ("run",))
    with pytest.raises(ConfigError, match=r"give it once, as lora=\[A,B\]"):
        parse(["lora=a", "+lora=b"], ("run",))
    with pytest.raises(ConfigError, match=r"output\.dir is given twice"):
        parse(["output.dir=a", "output.dir=b"], ("run",))


# -- whatever is typed ends as a configuration or in words ---------------------------------------------------------------------------

def _keys(data, above=""):
    for name, value in data.items():
        yield above + name
        if isinstance(value, dict):
            yield from _keys(value, f"{above}{name}.")


KEYS = [*_keys(dataclasses.asdict(config.compose())), *config.groups(), "hydra.sweep.dir", "hydra/launcher", "hydra.job.name", "params.seed", "x.y"]
VALUES = [*ODD, "", "1", "-1", "nan", "1e999", "9" * 400, "9" * 5000, "[1]", "[[", "((", "{a:{b:c}}", "[{op: add}]", "../../x", "~", "\x1b[31m"]
hostile = st.builds(
    lambda prefix, key, value: f"{prefix}{key}={value}",
    st.sampled_from(["", "", "", "+", "++", "~"]), st.sampled_from(KEYS) | st.text(string.ascii_letters + ".@/:-[]", min_size=1, max_size=12),
    st.sampled_from(VALUES) | st.text(max_size=12),
)


@given(st.lists(hostile, min_size=1, max_size=3))
@settings(max_examples=25)
def test_any_override_gives_a_configuration_or_words(words):
    try:
        assert isinstance(config.compose(words), Config)
    except InputError as error:
        assert str(error).strip() and len(str(error)) < 6000


@pytest.mark.parametrize("words", [
    ["duration.step_ms=foo"], ["platform.duration.max=abc"], ["memory.vram=lo"], ["duration.card_factor=fast"], ["output.dir=[a,b]", "output.name=["],
    ["input.keep_days=never"], ["ui.gallery.count=many"], ["nodes.save=5"], ["~output"], ["~platform"], ["platform.runs=0"],
    ["fields.width.min=abc"], ["patches.base=[5]"], ["ports.vae.decode=[1]"], ["stages.save=[x]"], ["tables=3"], ["examples=foo"],
    ["fields.cfg.when=3"], ["duration.card_factor=" + "9" * 400], ["sweep=1"], ["engine=5"], ["+fields.[0]x.type=INT"], ["fields..type=INT"],
])
def test_plan_answers_odd_settings_in_words(words, capsys):
    code = main(["plan", *SMALL, *words])
    said = capsys.readouterr().err
    assert "Traceback" not in said and (code == 0 or (code == 2 and said))


# -- a sweep is checked before it starts ---------------------------------------------------------------------------------------------

def refused(*words):
    with pytest.raises(InputError) as caught:
        plan.plan(parse(["-m", "prompt=x", "engine=preview", *words], ("run",)))
    return str(caught.value)


def test_a_choice_with_which_nothing_can_run_stops_the_sweep_before_it_starts():
    assert refused("mode=t2v,i2v") == "mode=i2v: image: is required: give image=… (a picture file)"
    assert refused("preset=fast,foo,bar").count("is unknown") == 2
    said = refused("mode=t2v,i2v,lipsync", "preset=fast,balanced,quality")
    assert "mode=i2v preset=fast, mode=i2v preset=balanced, mode=i2v preset=quality and 3 more: image: is required" in said
    assert refused("model=gguf", "preset=fast,quality").startswith("preset=quality: variant: ")


def test_a_value_that_cannot_run_leaves_the_others_to_run():
    jobs = plan.plan(parse(["-m", "prompt=x", "engine=preview", "mode=t2v", "preset=fast,balanced", "width=256,300"], ("run",)))
    assert [bool(job.error) for job in jobs] == [False, True, False, True]


@pytest.mark.parametrize("words", [
    ["seed=range(99999999999)"], ["seed=shuffle(range(9999999999))"], ["seed=range(200)", "steps=range(1,99)"], ["seed=" + "9" * 5000],
])
def test_a_sweep_without_end_is_refused_at_once(words):
    assert "sweep" in refused("mode=t2v", *words)


def test_the_limit_of_a_sweep_is_configuration():
    assert "more than 3 values" in refused("mode=t2v", "seed=1,2,3,4", "sweep.jobs=3")


def test_expanding_leaves_everything_else_as_typed(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config.compose(["output.dir=~/$HOME/%TEMP%"]).output_dir == paths.expanded("~") / "$HOME" / "%TEMP%"
