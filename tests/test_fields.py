"""Fields: one schema checks every value, all faults at once, in ComfyUI's words."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aio.errors import InvalidParams
from aio.fields import Field, check, unused
from aio.fields.conditions import holds

WIDTH = Field("width", "INT", default=768, min=256, max=1920, step=64)
CFG = Field("cfg", "FLOAT", default=1.0, min=1.0, max=20.0, step=0.1)
PROMPT = Field("prompt", "STRING")
CONTROL = Field("control", "COMBO", default="canny", options=("canny", "depth"))
LOOP = Field("loop", "BOOLEAN", default=False)
IMAGE = Field("image", "IMAGE", optional=True)
FIELDS = {field.name: field for field in (WIDTH, CFG, PROMPT, CONTROL, LOOP, IMAGE)}


def faults(**params):
    with pytest.raises(InvalidParams) as caught:
        check(FIELDS, {"prompt": "x", **params}, {})
    return {problem.field: problem for problem in caught.value.problems}


def test_a_value_comes_from_the_default_then_the_preset_then_the_user():
    assert check(FIELDS, {"prompt": "x"}, {})["width"] == 768
    assert check(FIELDS, {"prompt": "x"}, {"width": 512})["width"] == 512
    assert check(FIELDS, {"prompt": "x", "width": 640}, {"width": 512})["width"] == 640


def test_a_preset_may_name_values_that_a_mode_does_not_have():
    assert "stage_2_sigmas" not in check(FIELDS, {"prompt": "x"}, {"stage_2_sigmas": "1, 0"})


def test_all_param_errors_are_reported_together():
    found = faults(width=700, cfg=99, control="cany", loop="maybe", prompt=None)
    assert set(found) == {"width", "cfg", "control", "loop", "prompt"}


@pytest.mark.parametrize(
    ("params", "kind", "words"),
    [
        ({"width": 700}, "value_not_multiple", "700 is not a multiple of 64; use 640 or 704"),
        ({"width": 100}, "value_smaller_than_min", "100 is below 256"),
        ({"width": 4096}, "value_bigger_than_max", "4096 is above 1920"),
        ({"width": "wide"}, "invalid_input_type", "'wide' is not a whole number"),
        ({"width": 512.5}, "invalid_input_type", "512.5 is not a whole number"),
        ({"width": True}, "invalid_input_type", "True is not a whole number"),
        ({"cfg": "nan"}, "invalid_input_type", "'nan' is not a number"),
        ({"cfg": "inf"}, "invalid_input_type", "'inf' is not a number"),
        ({"control": "cany"}, "value_not_in_list", "Did you mean 'canny'?"),
        ({"prompt": None}, "required_input_missing", "give prompt="),
        ({"prompt": "a\x00b"}, "invalid_input_type", "NUL"),
        ({"prompt": "a\udc80"}, "invalid_input_type", "not valid Unicode"),
        ({"widht": 512}, "unknown_field", "Did you mean 'width'?"),
    ],
)
def test_a_bad_value_is_named_with_its_remedy(params, kind, words):
    problem = faults(**params)[next(iter(params))]
    assert problem.type == kind
    assert words in problem.message


@pytest.mark.parametrize(("typed", "value"), [("512", 512), ("512.0", 512), (512.0, 512), (" 512 ", 512)])
def test_a_number_may_arrive_as_text_or_as_a_float(typed, value):
    assert check(FIELDS, {"prompt": "x", "width": typed}, {})["width"] == value


SEED = Field("seed", "INT", default=42, min=0, max=2**64 - 1, control_after_generate="randomize")


@pytest.mark.parametrize("number", [2**64 - 1, 2**53 + 1, 2**63])
def test_a_large_seed_keeps_every_digit(number):
    for typed in (number, str(number), f"{number}.0", f" {number} "):
        assert check({"seed": SEED}, {"seed": typed}, {})["seed"] == number


@pytest.mark.parametrize(("typed", "words"), [
    (float(2**53 + 2), "9007199254740994.0 has lost its last digits; give all of them, as text"), (1e19, "1e+19 has lost its last digits"),
    (1e20, "100000000000000000000 is above 18446744073709551615"), (-1e300, "-100000000… (302 digits) is below 0"),
    ("1e999999999", "is not a whole number"), ("9" * 5000, "is not a whole number"), (float("inf"), "inf is not a whole number"),
])
def test_a_number_that_has_lost_digits_or_has_too_many_is_no_seed(typed, words):
    with pytest.raises(InvalidParams, match=re.escape(words)):
        check({"seed": SEED}, {"seed": typed}, {})


def test_a_size_far_beyond_the_range_is_told_the_range_however_it_is_written():
    for typed in (1e308, 1e17, 10**17, "1e17"):
        with pytest.raises(InvalidParams, match=r"width: 10000000.* is above 1920; legal: 256 to 1920, step 64"):
            check(FIELDS, {"prompt": "x", "width": typed}, {})


def refused(field, **params):
    with pytest.raises(InvalidParams) as caught:
        check({field.name: field}, params, {})
    return str(caught.value)


def test_a_message_shows_a_number_as_it_was_typed():
    assert refused(SEED, seed=2**64) == "seed: 18446744073709551616 is above 18446744073709551615; legal: 0 to 18446744073709551615"
    assert refused(CFG, cfg=156680208700286) == "cfg: 156680208700286 is above 20; legal: 1 to 20"
    assert refused(CFG, cfg="0.00000012").startswith("cfg: 0.00000012 is below 1;")
    assert "1000000000… (301 digits) is above 20" in refused(CFG, cfg=1e300)


def test_a_seed_may_be_drawn_and_each_draw_is_its_own():
    found = {check({"seed": SEED}, {"seed": word}, {})["seed"] for word in ("random", "Random ", "random", "random")}
    assert len(found) == 4 and all(0 <= number < 2**50 for number in found)
    assert check({"seed": SEED}, {}, {"seed": "random"})["seed"] > 1000   # a preset may have it drawn, too


@given(st.integers(0, 9), st.integers(0, 3))
def test_a_drawn_number_is_within_the_bounds(low, more):
    few = Field("seed", "INT", min=low, max=low + more, control_after_generate="fixed")
    assert low <= check({"seed": few}, {"seed": "random"}, {})["seed"] <= low + more


def test_a_negative_seed_is_told_the_word_for_a_drawn_one():
    assert refused(SEED, seed=-1) == "seed: -1 is below 0; legal: 0 to 18446744073709551615; to have it drawn, write seed=random"
    assert "random" not in refused(WIDTH, width=-64)
    assert "'random' is not a whole number" in refused(WIDTH, width="random")


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0\u3000", "\u200b\u200d\ufeff", "\u2800\u3164", "\u202e \x1b"])
def test_a_blank_text_is_refused_unless_it_may_be_left_out(blank):
    assert refused(PROMPT, prompt=blank) == "prompt: is blank; write a few words: prompt=…"
    negative = Field("negative_prompt", "STRING", default="ugly", optional=True)
    assert check({"negative_prompt": negative}, {"negative_prompt": blank}, {}) == {"negative_prompt": blank}
    plain = Field("note", "STRING", default="")
    assert check({"note": plain}, {"note": blank}, {}) == {"note": blank}


@pytest.mark.parametrize("text", [".", "雨", "\u200b.", "🌧", "é"])
def test_one_character_that_is_seen_is_a_text(text):
    assert check(FIELDS, {"prompt": text}, {})["prompt"] == text


LOW = Field("low", "FLOAT", default=0.2, min=0, max=1, below="high", when={"control": "canny"})
HIGH = Field("high", "FLOAT", default=0.6, min=0, max=1)
PAIR = {field.name: field for field in (LOW, HIGH, CONTROL)}


@pytest.mark.parametrize(("given", "field", "words"), [
    ({"low": 0.7}, "low", "0.7 is not below high, which is 0.6; give less than 0.6, or high above 0.7"),
    ({"high": 0.1}, "high", "0.1 is not above low, which is 0.2; give more than 0.2, or low below 0.1"),
    ({"low": 0.5, "high": 0.5}, "low", "0.5 is not below high, which is 0.5"),
])
def test_of_a_pair_the_lower_must_be_below_the_other(given, field, words):
    with pytest.raises(InvalidParams) as caught:
        check(PAIR, given, {})
    (problem,) = caught.value.problems
    assert problem.field == field and words in problem.message


def test_a_pair_without_effect_or_with_a_faulty_half_is_not_compared():
    assert check(PAIR, {"low": 0.7, "control": "depth"}, {})["low"] == 0.7
    with pytest.raises(InvalidParams) as caught:
        check(PAIR, {"low": 7}, {})
    assert [problem.type for problem in caught.value.problems] == ["value_bigger_than_max"]


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_text_is_only_text(text):
    assert check(FIELDS, {"prompt": f"x{text}"}, {})["prompt"] == f"x{text}"


@given(st.integers(-5000, 5000))
def test_an_integer_passes_exactly_when_it_is_in_range_and_on_the_step(number):
    try:
        check(FIELDS, {"prompt": "x", "width": number}, {})
        passed = True
    except InvalidParams:
        passed = False
    assert passed == (256 <= number <= 1920 and number % 64 == 0)


@given(st.text(string.printable, max_size=20) | st.floats() | st.none() | st.booleans() | st.lists(st.integers()))
def test_nothing_but_a_problem_comes_out_of_a_bad_value(value):
    try:
        check(FIELDS, {"prompt": "x", "width": value, "cfg": value, "loop": value, "control": value}, {})
    except InvalidParams as error:
        assert error.problems


@pytest.mark.parametrize(
    ("condition", "true", "false"),
    [
        ({"a": 1}, {"a": 1}, {"a": 2}),
        ({"a": [1, 2]}, {"a": 2}, {"a": 3}),
        ({"a": {"not": None}}, {"a": 0}, {"a": None}),
        ({"a": {"above": 1}}, {"a": 1.5}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": 3}),
    ],
)
def test_a_condition_compares_values(condition, true, false):
    assert holds(condition, true)
    assert not holds(condition, false)
    assert holds(None, false)


def test_a_field_without_effect_is_named_with_what_it_needs():
    negative = Field("negative_prompt", "STRING", default="", when={"cfg": {"above": 1}})
    assert unused({"negative_prompt": negative}, ["negative_prompt"], {"cfg": 1.0}) == (
        "negative_prompt has no effect here: it needs cfg above 1",
    )
    assert unused({"negative_prompt": negative}, ["negative_prompt"], {"cfg": 3.0}) == ()


@pytest.mark.parametrize(("value", "words"), [
    ("0,5", r"write seconds=0\.5"),
    ("9" * 400, "is not a number"), ("9" * 5000, "is not a number"), ([1], "is not a number"), (10**400, "is not a number"),
])
def test_an_odd_number_is_told_shortly(value, words):
    field = Field("seconds", "FLOAT", min=0.4, max=20.0)
    with pytest.raises(InvalidParams, match=words) as caught:
        check({"seconds": field}, {"seconds": value}, {})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [10**300, -(10**300), "9" * 200])
def test_a_number_of_hundreds_of_digits_is_out_of_range_in_words(value):
    with pytest.raises(InvalidParams, match=r"digits\) is (above|below)"):
        check({"seed": Field("seed", "INT", min=0, max=2**32, step=1)}, {"seed": value}, {})
