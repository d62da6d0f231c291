"""The command line: text arrives exactly as typed, in a single run and in a sweep."""

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aio import config
from aio.command import parse
from aio.config.grammar import literal
from aio.errors import ConfigError, InvalidParams
from aio.sweep.axes import axes

VERBS = ("run", "check", "plan")
TEXTS = ["${oc.env:HOME}", "???", "null", "5", "a,b", "'", '"', "a\nb", "\\${x}", "\\\\${x}"]
TEXTS += ["[1]", "{a: b}", "=", "x=y", "🙂", " lead ", "#", "~", "!", "\\'"]
any_text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)


def test_the_prompt_of_the_readme_works_as_typed():
    text = "A cat, running: in {rain}, it's (wet) = fun 🙂"
    command = parse(["mode=lipsync", "preset=quality", "image=face.png", "audio=speech.wav", f"prompt={text}"], VERBS)
    assert command.overrides == ["mode=lipsync", "preset=quality"]
    assert command.params == {"image": "face.png", "audio": "speech.wav", "prompt": text}


@given(any_text.filter(lambda text: not text.startswith("@")))
def test_single_run_text_is_never_parsed(text):
    assert parse([f"prompt={text}"], VERBS).params["prompt"] == text


def through_hydra(words):
    config.register()
    with initialize_config_dir(str(config.CONF), version_base="1.3"):
        return config.params_of(compose("config", overrides=words))


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_hydras_grammar_and_interpolation(text):
    assert through_hydra([f"++params.prompt={literal(text)}"])["prompt"] == text


@given(any_text)
@example("\\")
@settings(max_examples=25)
def test_any_text_survives_hydra(text):
    assert through_hydra([f"++params.prompt={literal(text)}"])["prompt"] == text


def test_a_file_of_text_is_read(tmp_path):
    (tmp_path / "p.txt").write_text("Rain, at ${night}\n")
    assert parse([f"prompt=@{tmp_path / 'p.txt'}"], VERBS).params["prompt"] == "Rain, at ${night}"


def test_two_ats_are_one_literal_at():
    assert parse(["prompt=@@home"], VERBS).params["prompt"] == "@home"


def test_a_missing_text_file_is_named():
    with pytest.raises(InvalidParams, match=r"prompt: cannot read the file 'none.txt' \(No such file"):
        parse(["prompt=@none.txt"], VERBS)


def test_a_multirun_sweeps_the_lines_of_a_file(tmp_path):
    (tmp_path / "p.txt").write_text("one, two\n\n  three  \n")
    words = parse(["-m", f"prompt=@{tmp_path / 'p.txt'}", "seed=1,2"], VERBS).swept()
    assert words == ["++params.prompt='=one, two','=three'", "++params.seed=1,2"]


def test_a_line_holds_whatever_a_word_processor_put_into_it(tmp_path):
    (tmp_path / "p.txt").write_bytes("one\u2028still\x0b\x85\x1cone\r\ntwo\x0c.\rthree\n \t\n".encode())
    assert axes(parse(["-m", f"prompt=@{tmp_path / 'p.txt'}"], VERBS))["params.prompt"] == ["one\u2028still\x0b\x85\x1cone", "two\x0c.", "three"]


@pytest.mark.parametrize("content", [b"caf\xe9", "x".encode("utf-16"), "x".encode("utf-16-le")])
def test_a_file_of_another_encoding_says_how_to_save_it(content, tmp_path):
    (tmp_path / "p.txt").write_bytes(content)
    for words in ([], ["-m"]):
        with pytest.raises(InvalidParams, match=r"; save it as UTF-8$"):
            command = parse([*words, f"prompt=@{tmp_path / 'p.txt'}"], VERBS)
            axes(command)


def test_a_multirun_never_splits_text_or_file_names():
    words = parse(["-m", "mode=i2v", "prompt=a,b", "image=x, y.png", "seed=range(3)"], VERBS).swept()
    assert words == ["mode=i2v", "++params.prompt='=a,b'", "++params.image='=x, y.png'", "++params.seed=range(3)"]


def test_a_multirun_knows_the_fields_of_every_swept_mode():
    words = parse(["-m", "mode=t2v,keyframe", "first_frame=a,b.png", "lora=[detailer],[]"], VERBS).swept()
    assert "++params.first_frame='=a,b.png'" in words


def test_several_loras_need_no_brackets_in_a_single_run():
    assert parse(["lora=detailer,camera_static"], VERBS).compose().choices["lora"] == ["detailer", "camera_static"]


def test_a_plus_is_allowed_before_a_field():
    assert parse(["+steps=12", "++cfg=2"], VERBS).params == {"steps": "12", "cfg": "2"}


@pytest.mark.parametrize("word", ["face.png", "--config-dir"])
def test_a_word_without_meaning_is_refused_with_the_remedy(word):
    with pytest.raises(ConfigError):
        parse([word], VERBS)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [(["mode=lipsinc"], "Did you mean 'lipsync'"), (["preset=fats"], "Did you mean 'fast'"), (["lora=[detialer]"], "Did you mean 'detailer'")],
)
def test_an_unknown_choice_is_named_with_the_nearest(overrides, words):
    with pytest.raises(ConfigError, match=words):
        config.compose(overrides)
