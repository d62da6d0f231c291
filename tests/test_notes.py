"""Notes of a mode: sentences that configuration has to say of some jobs, wherever somebody plans or runs one."""

import pytest

from aio import config, request
from aio.cli import main
from aio.job import Job

WORDS = "style at quality has no official reference"
SMALL = ("mode=style", "prompt=x", "width=256", "height=256", "seconds=0.4", "fps=8")


def test_a_plan_says_that_style_at_quality_has_no_official_reference(samples, capsys):
    for preset, times in (("quality", 1), ("balanced", 0), ("fast", 0)):
        assert main(["plan", *SMALL, f"preset={preset}", f"video={samples / 'bigbuckbunny.mp4'}"]) == 0
        assert capsys.readouterr().out.count(WORDS) == times


def test_a_run_says_it_once(samples, tmp_path, capsys):
    words = [*SMALL, "preset=quality", "engine=preview", f"video={samples / 'bigbuckbunny.mp4'}", f"output.dir={tmp_path}"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.err.count(WORDS) == 1 and WORDS not in said.out


def test_the_page_says_it_before_any_video_is_chosen():
    pytest.importorskip("gradio")
    from aio.ui import cards, catalogue, forms

    form = forms.form(catalogue.read()[0], "style")
    shown = {preset: cards.consequences(*form.outlook({"preset": preset, "prompt": "x"})) for preset in ("quality", "fast")}
    assert WORDS.capitalize() in shown["quality"] and WORDS.capitalize() not in shown["fast"]


def own(folder, notes):
    (folder / "mode").mkdir()
    text = "# @package _global_\ndefaults: [t2v, _self_]\nmode: {name: mine, workflow: t2v.json}\nnotes: "
    (folder / "mode" / "mine.yaml").write_text(text + notes)
    return config.compose(["mode=mine"], [folder])


@pytest.mark.parametrize(("when", "told"), [
    ("{cfg: {above: 2}}", {"cfg": 3}), ("{preset: balanced, model: fp8}", {}), ("{stages: 2, seed: [1, 2]}", {"seed": 2}),
])
def test_a_mode_of_ones_own_has_notes_over_fields_values_and_choices(when, told, tmp_path):
    made = own(tmp_path, f"{{hint: {{when: {when}, text: Mind the step}}, other: {{when: {{preset: fast}}, text: Never}}}}")
    assert "Mind the step" in request.validate(Job(made, {"prompt": "x", **told})).warnings
    assert "Never" not in request.validate(Job(made, {"prompt": "x", **told})).warnings


@pytest.mark.parametrize(("notes", "words"), [
    ("{hint: {text: x, when: {cfg: {over: 2}}}}", "notes.hint.when.cfg: unknown word 'over'"),
    ("{hint: {when: {cfg: 2}}}", "notes.hint: missing text"),
    ("{hint: [x]}", "notes.hint"), ("x", "notes: 'x' is not a mapping"),
])
def test_a_broken_note_is_refused_by_its_key(notes, words, tmp_path):
    with pytest.raises(config.ConfigError, match=words.split(":")[0]) as error:
        own(tmp_path, notes)
    assert words in str(error.value)
