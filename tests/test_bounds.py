"""What ComfyUI would refuse of a patched graph is refused before anything is fetched, in the words of the fields."""

import dataclasses
import json

import pytest

from aio import config, fields, request
from aio.cli import main
from aio.errors import InputError, InvalidParams
from aio.graph import bounds, schema
from aio.graph.draw import draw
from aio.graph.schema import Input, NodeClass
from aio.job import Job

LONG = "seconds=20 and fps=50 make 1001, above the 1000 that 11 Empty audio latent (LTXVEmptyLatentAudio) takes as frames_number"
TEXT = {"prompt": "x"}


def refusal(*words, folder=(), **params):
    composed = config.compose(words, folder)
    with pytest.raises(InvalidParams) as caught:
        request.validate(Job(composed, TEXT | params))
    (problem,) = caught.value.problems
    return problem


def test_a_length_that_a_node_refuses_names_both_fields_and_the_nearest_that_fit():
    problem = refusal("mode=t2v", seconds=20, fps=50)
    assert problem.field == "seconds" and problem.message == f"{LONG}; give seconds=19.9 or fps=49"
    assert refusal("mode=t2v", fps="50", seconds="20.0") == problem
    for fits in ({"seconds": 19.9, "fps": 50}, {"seconds": 20, "fps": 49}):
        request.validate(Job(config.compose(["mode=t2v"]), TEXT | fits))


@pytest.mark.parametrize("verb", [[], ["plan"], ["-m"]])
def test_every_command_says_it_before_it_starts(verb, capfd, tmp_path):
    assert main([*verb, "mode=t2v", "prompt=x", "seconds=20", "fps=50", f"output.dir={tmp_path}"]) == 2
    assert LONG in capfd.readouterr().err and not list(tmp_path.iterdir())


def test_one_job_of_many_that_is_refused_does_not_stop_the_others(tmp_path, capfd):
    rows = tmp_path / "jobs.csv"
    rows.write_text("prompt,seconds,fps\nx,0.4,24\nx,20,50\n")
    assert main(["-m", "mode=t2v", f"jobs=@{rows}", "width=256", "height=256", f"hydra.sweep.dir={tmp_path / 's'}"]) == 2
    assert f"row 2 (line 3): seconds: {LONG}" in capfd.readouterr().err


def own(tmp_path, body, workflow="t2v.json"):
    (tmp_path / "mode").mkdir()
    head = f"# @package _global_\ndefaults: [t2v, _self_]\nmode: {{name: own, title: Own, workflow: {workflow}}}\n"
    (tmp_path / "mode" / "own.yaml").write_text(head + body)
    return {"folder": [tmp_path]}


def test_a_mode_of_ones_own_is_checked_by_what_its_patches_set(tmp_path):
    given = own(tmp_path, """
fields:
  rate: {type: INT, default: 24, min: 0, max: 100000}
  rule: {type: STRING, default: euler}
patches:
  own:
    - {op: replace, path: "${pointer:rate,frame_rate}", value: "${value:rate}"}
    - {op: replace, path: "${pointer:sampler,sampler_name}", value: "${value:rule}"}
""")
    problem = refusal("mode=own", **given, rate=5000)
    assert problem.field == "rate"
    assert problem.message == "5000 is above the 1000 that 6 Frame rate (LTXVConditioning) takes as frame_rate; give rate=1000"
    problem = refusal("mode=own", **given, rule="eulr")
    assert problem.field == "rule"
    assert problem.message.startswith("'eulr' is none of the choices that 21 Sampler (KSamplerSelect) has for sampler_name. Did you mean 'euler'?")


def test_a_number_of_a_spliced_node_is_traced_to_its_field(tmp_path):
    given = own(tmp_path, """
fields: {loud: {type: FLOAT, default: 0, min: -1000, max: 1000, step: 0.5}}
patches:
  own:
    - op: add
      path: /quiet
      value: {class_type: AudioPinkNoise, inputs: {audio: ["1", 0], level: "${value:loud}", seed: 3}, _meta: {title: Noise}}
""")
    assert refusal("mode=own", **given, loud=-250.5).message.startswith("-250.5 is below the -100 that quiet Noise (AudioPinkNoise) takes as level")


def test_what_the_workflow_itself_holds_is_said_of_the_workflow(tmp_path):
    graph = json.loads((config.WORKFLOWS / "t2v.json").read_text())
    next(node for node in graph.values() if node["class_type"] == "LTXVEmptyLatentAudio")["inputs"]["batch_size"] = 5000
    (tmp_path / "mine.json").write_text(json.dumps(graph))
    problem = refusal("mode=own", **own(tmp_path, "", "mine.json"))
    assert problem.field == "mine.json" and "5000 is above the 4096 that" in problem.message and "correct it in the workflow" in problem.message


def test_a_class_that_the_schema_does_not_know_is_not_judged():
    checked = request.validate(Job(config.compose(["mode=t2v"]), TEXT))
    wild = dataclasses.replace(checked, values={**checked.values, "seconds": 20.0, "fps": 50.0})
    assert bounds.refused(draw(wild)) and not bounds.refused(draw(wild), {})


@pytest.mark.parametrize(
    ("wanted", "value", "taken"),
    [
        (Input("n", "INT", min=0, max=10), 10, True), (Input("n", "INT", min=0, max=10), 11, False),
        (Input("n", "INT", min=0, max=10), "11", False),
        (Input("n", "INT", min=0, max=10), 10.9, True), (Input("n", "INT", min=0, max=10, step=4), 5, True),
        (Input("n", "FLOAT", min=0.5), 0.4, False),
        (Input("n", "FLOAT"), 1e300, True), (Input("n", "INT", max=1), "x", True), (Input("n", "INT", max=1), None, True),
        (Input("n", "INT", max=2**64 - 1), 2**64 - 1, True), (Input("n", "INT", max=2**64 - 1), 2**64, False),
        (Input("c", "COMBO", options=("a", "b")), "a", True), (Input("c", "COMBO", options=("a", "b")), "c", False),
        (Input("c", "COMBO", options=("none",), files="loras"), "x.safetensors", True),
    ],
)
def test_a_value_fits_as_comfyui_compares_it(wanted, value, taken):
    assert bounds.fits(wanted, value) is taken


def test_the_choices_of_a_node_are_unknown_where_a_pack_may_add_to_them():
    checked = request.validate(Job(config.compose(["mode=t2v"]), TEXT))
    other = Input("sampler_name", "COMBO", options=("none",))
    nodes = {**schema.load(), "KSamplerSelect": NodeClass("KSamplerSelect", {"sampler_name": other}, ("SAMPLER",))}
    assert bounds.refused(draw(checked), nodes)
    foreign = dataclasses.replace(checked.config, packs={"RES4LYF": "x"})
    assert not bounds.refused(draw(dataclasses.replace(checked, config=foreign)), nodes)


@pytest.mark.parametrize("mode", config.choices("mode"))
def test_nothing_of_the_shipped_modes_is_refused_at_its_defaults(mode):
    from aio import check

    for preset in config.choices("preset"):
        assert not bounds.refused(draw(check.sample(config.compose([f"mode={mode}", f"preset={preset}"]))))


def test_the_seed_reaches_every_node_that_takes_one_at_its_largest():
    assert fields.check(config.compose(["mode=t2v"]).fields, TEXT | {"seed": str(2**64 - 1)}, {})["seed"] == 2**64 - 1
    assert schema.load()["RandomNoise"].inputs["noise_seed"].max == 2**64 - 1
    with pytest.raises(InputError, match="18446744073709551616 is above"):
        request.validate(Job(config.compose(["mode=t2v"]), TEXT | {"seed": 2**64}))
