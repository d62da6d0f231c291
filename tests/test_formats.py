"""Texts that a program reads: refused before a run where the program would misread them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aio import config, request
from aio.cli import main
from aio.errors import ConfigError, InvalidParams
from aio.fields import Field, check
from aio.fields.formats import FORMATS, NUMBERS_MAX, read
from aio.job import Job


def refusal(name, text, low=None, high=None):
    with pytest.raises(ValueError) as caught:
        read(name, text, low, high)
    return str(caught.value)


@pytest.mark.parametrize("text", ["1.0, 0.5, 0.0", "1 .5 0", "1.,0.5,0", " 1.0,0.5 ,\n0 ", "+0.9, 0", "1, 0.99375, 0.000001, -0", "1, 0.5"])
def test_noise_levels_fall_and_may_end_above_0(text):
    assert read("sigmas", text, 0, 1) == text.strip()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty; give numbers with commas between, as in 0.9, 0.5, 0"),
        ("   ", "is empty"),
        ("0", "holds 1 number; give 2 to"),
        ("abc", "'abc' is no number"),
        ("1, nan, 0", "'nan' is no number"),
        ("inf, 0", "'inf' is no number"),
        ("[1, 0]", "'[1' is no number"),
        ("1, 1e-3, 0", "1e-3 is a number that ComfyUI misreads; write 0.001"),
        ("١, 0", "is no number"),
        ("1,, 0", "has nothing beside one of its commas"),
        ("1, 0,", "has nothing beside one of its commas"),
        ("1, 0.5, 0.7, 0", "0.7 comes after 0.5; each noise level is below the one before"),
        ("1, 0.5, 0.5, 0", "0.5 comes after 0.5"),
        ("1, 0.5, 0.4999999999, 0", "0.4999999999 comes after 0.5"),
        ("2, 1, 0", "'2' is out of range; legal: 0 to 1"),
        ("1, 0, -1", "'-1' is out of range; legal: 0 to 1"),
        ("9" * 400 + ", 0", "is out of range"),
        ("0 " * (NUMBERS_MAX + 1), f"holds {NUMBERS_MAX + 1} numbers"),
        ("1" * 300_000, "is 300000 characters long"),
    ],
)
def test_noise_levels_that_make_no_clip_are_refused_with_a_remedy(text, words):
    assert words in refusal("sigmas", text, 0, 1)


def test_the_bounds_of_a_message_keep_their_digits():
    assert "legal: 0 to 156680208700286" in refusal("sigmas", "156680208700287, 0", 0, 156680208700286)
    assert "legal: from 0.5" in refusal("sigmas", "1, 0", 0.5) and "legal: up to 1" in refusal("sigmas", "2, 0", None, 1.0)


def test_noise_that_is_left_in_the_clip_is_said_and_not_refused():
    composed = config.compose(["mode=t2v", "preset=fast"])
    said = "sigmas: ends at 0.5, above 0, so that some noise stays; end with 0 to take it all away"
    assert said in request.validate(Job(composed, {"prompt": "x", "sigmas": "1, 0.5"})).warnings
    for quiet in ({"sigmas": "1, 0.5, 0"}, {"sigmas": "1, 0.5", "schedule": "ltxv"}, {"sigmas": "1, 0.5, -0.0"}):
        assert not any("noise stays" in warning for warning in request.validate(Job(composed, {"prompt": "x", **quiet})).warnings)


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_that_may_be_left_out_may_be_blank_whatever_its_format(name):
    loose, firm = Field("text", "STRING", format=name, optional=True), Field("text", "STRING", format=name)
    for blank in ("", "  ", "\u200b"):
        assert check({"text": loose}, {"text": blank}, {}) == {"text": None}
        with pytest.raises(InvalidParams):
            check({"text": firm}, {"text": blank}, {})


@given(st.lists(st.integers(1, 9999), min_size=1, max_size=40, unique=True))
def test_comfyui_reads_the_levels_that_pass_as_they_were_written(levels):
    text = ", ".join(f"{level / 10000}" for level in sorted(levels, reverse=True)) + ", 0"
    assert [float(word) for word in re.findall(r"[-+]?(?:\d*\.*\d+)", read("sigmas", text, 0, 1))] == [float(word) for word in text.split(",")]


@pytest.mark.parametrize("text", ["28", "0, 47", " 1 2 3 "])
def test_blocks_are_whole_numbers(text):
    assert read("blocks", text, 0, 47) == text.strip()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"), ("48", "'48' is out of range; legal: 0 to 47"), ("-1", "'-1' is no number of a block"), ("2.5", "'2.5' is no number"),
        ("all", "'all' is no number of a block"), ("28, 28", "names block 28 more than once"), ("9" * 5000, "is no number of a block"),
    ],
)
def test_blocks_that_the_model_lacks_are_refused(text, words):
    assert words in refusal("blocks", text, 0, 47)


@pytest.mark.parametrize(
    ("text", "colour"), [("#FFFFFF", "#ffffff"), ("white", "#ffffff"), ("Red", "#ff0000"), ("#0f0", "#00ff00"), ("rgb(1,2,3)", "#010203")]
)
def test_a_colour_comes_back_as_six_digits(text, colour):
    assert read("colour", text) == colour


@pytest.mark.parametrize("text", ["", "whit", "#12345", "rgb(300,0,0)", "ffffff", "x" * 10_000, "#١١١١١١"])
def test_what_is_no_colour_is_refused(text):
    assert "is no colour; give # and six hexadecimal digits" in refusal("colour", text)


def test_a_colour_with_transparency_is_refused():
    assert "'#ffffff80' is a colour with transparency" in refusal("colour", "#ffffff80")


@given(st.text(max_size=60), st.sampled_from(sorted(FORMATS)))
def test_a_text_passes_or_is_refused_in_words(text, name):
    try:
        assert read(name, read(name, text, 0, 47), 0, 47)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_the_examples_of_a_format_are_legal_and_differ(name):
    first, second = FORMATS[name].examples
    assert first != second and all(read(name, example, 0, 1 if name == "sigmas" else 47) for example in (first, second))


@pytest.mark.parametrize("mode", config.choices("mode"))
def test_every_mode_refuses_noise_levels_and_blocks_that_are_none(mode):
    composed = config.compose([f"mode={mode}"])
    with pytest.raises(InvalidParams) as caught:
        check(composed.fields, {"sigmas": "abc", "stg_blocks": "48", "prompt": "x"}, composed.values)
    assert {"sigmas", "stg_blocks"} <= {problem.field for problem in caught.value.problems}


def test_the_thresholds_of_canny_are_a_pair():
    composed = config.compose(["mode=style"])
    for pair in ({"canny_low": 0.9, "canny_high": 0.5}, {"canny_low": 0.99}, {"canny_high": 0.01}):
        with pytest.raises(InvalidParams, match=r"canny_(low|high): .* is not (below|above) canny_"):
            check(composed.fields, {"prompt": "x", "video": "v.mp4", "control": "canny", **pair}, composed.values)
    check(composed.fields, {"prompt": "x", "video": "v.mp4", "control": "depth", "canny_low": 0.9, "canny_high": 0.5}, composed.values)


def test_a_format_that_nobody_knows_is_a_fault_of_the_config():
    with pytest.raises(ConfigError, match=r"fields\.sigmas: STRING has no format 'sigma'\. Did you mean 'sigmas'"):
        config.compose(["mode=t2v", "fields.sigmas.format=sigma"])
    with pytest.raises(ConfigError, match=r"fields\.width: INT has no format 'sigmas'"):
        config.compose(["mode=t2v", "+fields.width.format=sigmas"])


def test_half_a_pair_is_a_fault_of_the_config():
    with pytest.raises(ConfigError, match=r"fields\.canny_low\.below: 'canny_hihg' and canny_low are no two number.*Did you mean 'canny_high'"):
        config.compose(["mode=style", "fields.canny_low.below=canny_hihg"])
    with pytest.raises(ConfigError, match=r"fields\.prompt\.below: 'width' and prompt are no two number fields"):
        config.compose(["mode=t2v", "+fields.prompt.below=width"])


def test_check_says_what_a_mode_of_ones_own_has_wrong(tmp_path, capfd):
    (tmp_path / "mode").mkdir()
    head = "# @package _global_\ndefaults: [t2v, _self_]\nmode: {name: NAME, title: X, workflow: t2v.json}\n"
    for name, field in (("unknown", "format: sigma"), ("broken", "default: '0.5, 1', format: sigmas")):
        (tmp_path / "mode" / f"{name}.yaml").write_text(f"{head.replace('NAME', name)}fields: {{sigmas: {{{field}}}}}\n")
        assert main(["check", f"mode={name}", f"--config-dir={tmp_path}"]) == 1
    said = capfd.readouterr().out
    assert "fields.sigmas: STRING has no format 'sigma'. Did you mean 'sigmas'" in said and "1 comes after 0.5" in said
