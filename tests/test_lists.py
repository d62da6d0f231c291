"""List fields and `each`: from the command line, a file or a table through graph, preview, recipe and replay."""

import dataclasses
import json
import shlex
import subprocess
import sys

import pytest
from PIL import Image
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures
from story import STORY, written

from aio import check, cli, fields
from aio import config as configuration
from aio.check import doctor
from aio.errors import ConfigError, InvalidParams
from aio.fields import Field, lists, templates
from aio.graph import each
from aio.graph.draw import draw
from aio.job import Job
from aio.request import checked

ITEMS = {
    "image": Field("image", "IMAGE"), "at": Field("at", "FLOAT", default=0, min=0, at_most="seconds"), "text": Field("text", "STRING", optional=True),
}
FIELDS = {"seconds": Field("seconds", "FLOAT", default=5.0), "shots": Field("shots", "LIST", items=ITEMS, min_items=1, max_items=3)}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder with three pictures and the mode `story`, as the current folder."""
    for name, colour in (("a", "red"), ("b", "lime"), ("c", "blue")):
        Image.new("RGB", (640, 352), colour).save(tmp_path / f"{name}.png")
    written(tmp_path / "my")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("given", [
    "[{image: a.png, at: 1, text: yes}, {image: b c.png}]",
    '[{"image": "a.png", "at": 1, "text": "yes"}, {"image": "b c.png"}]',
    [{"image": "a.png", "at": "1", "text": "yes"}, {"image": "b c.png", "at": None}],
    "- image: a.png\n  at: 1.0\n  text: yes\n- image: b c.png\n",
])
def test_a_list_is_given_as_yaml_as_json_or_as_a_list_and_its_texts_are_data(given):
    values = fields.check(FIELDS, {"shots": given}, {})
    assert values["shots"] == [{"image": "a.png", "at": 1.0, "text": "yes"}, {"image": "b c.png", "at": 0.0, "text": None}]


def test_every_fault_of_every_item_is_said_at_once_with_key_value_and_remedy():
    with pytest.raises(InvalidParams) as caught:
        fields.check(FIELDS, {"shots": "[{image: a, att: 1}, {at: -1}, 7]"}, {})
    assert str(caught.value).splitlines() == [
        "shots[0].att: no key of an item. Did you mean 'at'? Keys: image, at, text",
        "shots[1].image: is required: give image: … (a picture file)",
        "shots[1].at: -1 is below 0; legal: 0 or more",
        "shots[2]: '7' is no item; write {image: …, at: …, text: …}",
    ]


@pytest.mark.parametrize(("given", "said"), [
    ("[]", "shots: has 0 items; give at least 1"),
    ("[1, 2, 3, 4]", "shots: has 4 items; give at most 3"),
    ("{image: a}", "shots: is one item; put brackets around it, [{…}]"),
    ("a.png", "shots: 'a.png' is not a list of items, as in [{…}, {…}]"),
    ("[{image: a, at: 6}]", "shots[0].at: 6 is above seconds, which is 5; give at most 5, or more seconds"),
    ("[" * 100 + "]" * 100, "shots: line 1: nested more than 32 levels deep"),
    ("[{image: !!python/name:os.system x}]", "shots: line 1: the tag 'tag:yaml.org,2002:python/name:os.system' is not allowed"),
    ("[" + "{image: a}, " * 20_000 + "]", "shots: line 1: more than 20,000 keys and values"),
    ("", "shots: is required: give shots=… (1 to 3 items of image, at, text)"),
])
def test_what_is_no_list_within_bounds_is_refused_in_a_sentence(given, said):
    with pytest.raises(InvalidParams) as caught:
        fields.check(FIELDS, {"shots": given}, {})
    assert str(caught.value).startswith(said)


def test_a_flat_key_names_a_value_in_an_item():
    values = {"shots": [{"image": "a", "at": 1}], "seconds": 5}
    assert lists.at(values, "shots[0].at") == 1
    assert lists.at(values, "shots[1].at") is None
    assert lists.put(values, {"shots[0].image": "b", "shots[7].image": "c", "seconds": 6}) == {"shots": [{"image": "b", "at": 1}], "seconds": 6}
    assert values["shots"][0]["image"] == "a"
    assert [key for key, _, _ in lists.files(FIELDS, values)] == ["shots[0].image"]


@pytest.mark.parametrize(("change", "said"), [
    ("type: LIST|type: STRING", "fields.keyframes.items: only a LIST has items; keyframes is of type STRING"),
    ("at_most: seconds|at_most: secnds", "fields.keyframes.items.at.at_most: 'secnds' is no number field"),
    ("image: {type: IMAGE}|image: {type: LIST}", "fields.keyframes.items.image: unknown type 'LIST'"),
    ("image: {type: IMAGE}|image: {typ: IMAGE}", "fields.keyframes.items.image.typ: unknown key. Did you mean 'type'?"),
    ("at: {type: FLOAT,|at: {type: FLOAT, below: fps,", "fields.keyframes.items.at.below: a field in an item has no below"),
    ("each: keyframes|each: keyframs", "patches.pictures.each: 'keyframs' is no LIST field of the mode"),
    ("value:item.strength|value:item.strengh", "no field named 'keyframes[0].strengh'. Did you mean 'keyframes[0].strength'?"),
    ("min_items: 1|min_items: 9", "min_items, 9, is above max_items, 8"),
])
def test_a_faulty_list_field_or_patch_is_said_with_the_file_that_declares_it(mine, change, said):
    old, new = change.split("|")
    (mine / "my" / "mode" / "story.yaml").write_text(STORY.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        draw(check.sample(configuration.compose(["mode=story"], [mine / "my"])))
    assert said in str(caught.value)
    assert "mode/story.yaml" in str(caught.value)


def test_the_mode_is_sound_in_every_preset_and_each_key_of_an_item_has_an_effect(mine):
    assert [(row.variant, row.faults) for row in check.check(["story"], [mine / "my"]) if row.faults] == []


def test_a_key_of_an_item_that_no_operation_reads_is_found(mine):
    text = STORY.replace("at: {type: FLOAT", "mood: {type: STRING, default: calm}\n      at: {type: FLOAT")
    (mine / "my" / "mode" / "story.yaml").write_text(text, encoding="utf-8")
    found = [fault for row in check.check(["story"], [mine / "my"]) for fault in row.faults]
    assert found == ["field keyframes[].mood is read by no operation", "field keyframes[].mood changes nothing in any preset"]


def job(mine, keyframes, *words, **params):
    config = configuration.compose(["mode=story", "preset=fast", "engine=preview", *words], [mine / "my"])
    return Job(config, {"prompt": "Three rooms", "keyframes": keyframes, **params})


def test_the_operations_are_repeated_for_each_item_and_chained_in_order(mine):
    prompt = checked(job(mine, "[{image: a.png}, {image: b.png, at: 2}, {image: c.png, at: 5}]")).prompt
    guides = [prompt[f"guide_1_{index}"]["inputs"] for index in range(3)]
    assert [guide["frame_idx"] for guide in guides] == [0, 48, 120]
    assert [guide["positive"] for guide in guides] == [["6", 0], ["guide_1_0", 0], ["guide_1_1", 0]]
    assert prompt["23"]["inputs"]["positive"] == ["guide_1_2", 0]


def test_a_condition_may_look_at_the_item(mine):
    config = configuration.compose(["mode=story"], [mine / "my"])
    values = {"shots": 1, "keyframes": [{"at": 0, "image": "a"}, {"at": 2, "image": "b"}]}
    operations = ({"op": "add", "path": "/x_${key:}", "value": "${value:item.at}"},)
    patch = configuration.Patch("late", operations, {"item.at": {"above": 0}}, "keyframes", "f")
    found = list(each.chosen(dataclasses.replace(config, patches=(patch,)), values))
    assert found == [("f: late[1]", ({"op": "add", "path": "/x_1", "value": "${value:keyframes[1].at}"},))]


def test_a_value_that_comfyui_refuses_is_said_with_its_place_in_the_list(mine):
    text = STORY.replace("strength: {type: FLOAT, default: 0.7, min: 0, max: 1, step: 0.05}", "strength: {type: FLOAT, default: 0.7}")
    (mine / "my" / "mode" / "story.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidParams, match=r"^keyframes\[1\]\.strength: 30 is above the 10 that .*; give keyframes\[1\]\.strength=10"):
        checked(job(mine, "[{image: a.png}, {image: b.png, strength: 30}]"))


def colours(clip):
    """The colour of the middle of the frames at 0, 2 and 4 seconds, by its strongest part."""
    import av

    with av.open(str(clip)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return ["rgb"[int(frames[index][100, 200].argmax())] for index in (0, 48, 96)]


def test_the_storyboard_shows_each_picture_at_its_time_and_the_recipe_makes_it_again(mine, capfd):
    (mine / "shots").mkdir()
    (mine / "b.png").rename(mine / "shots" / "b.png")   # beside the list
    (mine / "shots" / "list.yaml").write_text("- {image: a.png}\n- image: b.png\n  at: 2\n- {image: c.png, at: 4, strength: 1}\n", encoding="utf-8")
    words = ["--config-dir=my", "mode=story", "preset=fast", "engine=preview", "width=512", "height=320", "prompt=hi"]
    assert cli.main([*words, "keyframes=@shots/list.yaml", "output.name=one"]) == 0
    clip = mine / "outputs" / "one.preview.mp4"
    assert colours(clip) == ["r", "g", "b"]
    recipe = json.loads(clip.with_suffix(".json").read_text())["aio"]
    assert list(recipe["inputs"]) == ["keyframes[0].image", "keyframes[1].image", "keyframes[2].image"]
    assert recipe["params"]["keyframes"] == [{"at": 0.0, "strength": 0.7}, {"at": 2.0, "strength": 0.7}, {"at": 4.0, "strength": 1.0}]
    capfd.readouterr()
    (mine / "shots" / "b.png").rename(mine / "other name.png")   # found by its content
    assert cli.main(["replay", str(clip), "--config-dir=my", "--command"]) == 0
    line = capfd.readouterr().out.strip()
    again = subprocess.run([sys.executable, *shlex.split(line)[1:], "output.name=two"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    second = json.loads((mine / "outputs" / "two.preview.json").read_text())["aio"]
    assert second["hash"] == recipe["hash"]
    capfd.readouterr()
    assert cli.main(["replay", str(clip), "--config-dir=my", "keyframes=[{image: c.png, at: 1}]", "output.name=three"]) == 0
    assert "not as it was then" not in capfd.readouterr().err


TABLES = {
    "csv": 'mode,seed,keyframes\nstory,1,"[{image: a.png}]"\nstory,2,"[{image: b.png, at: 1}, {image: c.png}]"\n',
    "jsonl": '{"mode": "story", "seed": 1, "keyframes": [{"image": "a.png"}]}\n'
             '{"mode": "story", "seed": 2, "keyframes": [{"image": "b.png", "at": 1}, {"image": "c.png"}]}\n',
    "yaml": "- {mode: story, seed: 1, keyframes: [{image: a.png}]}\n"
            "- mode: story\n  seed: 2\n  keyframes:\n    - {image: b.png, at: 1}\n    - {image: c.png}\n",
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_list_stands_in_a_table_of_any_kind_and_its_files_may_lie_beside_that(mine, kind):
    (mine / "jobs").mkdir()
    (mine / "jobs" / f"table.{kind}").write_text(TABLES[kind], encoding="utf-8")
    (mine / "c.png").rename(mine / "jobs" / "c.png")
    words = ["-m", "--config-dir=my", "preset=fast", "engine=preview", "width=512", "height=320", "seconds=2", "prompt=hi"]
    assert cli.main([*words, f"jobs=@jobs/table.{kind}", "hydra.sweep.dir=swept"]) == 0
    recipes = [json.loads(file.read_text())["aio"] for file in mine.glob("swept/*/*.preview.json")]
    assert {recipe["seed"]: [item["name"] for item in recipe["inputs"].values()] for recipe in recipes} == {1: ["a.png"], 2: ["b.png", "c.png"]}


@pytest.mark.parametrize(("text", "said"), [
    ("- {mode: story, keyframes: [{image: a.png, att: 1}]}\n", "row 1: keyframes[0].att: no key of an item. Did you mean 'at'?"),
    ("mode: story\n", "the table is no list"),
    ("- story\n", "row 1: expected keys and values"),
    ("- {mode: [story\n", "is not understood"),
])
def test_a_faulty_table_in_yaml_is_said_with_the_row(mine, text, said, capfd):
    (mine / "table.yaml").write_text(text, encoding="utf-8")
    assert cli.main(["-m", "--config-dir=my", "engine=preview", "prompt=hi", "jobs=@table.yaml", "hydra.sweep.dir=swept"]) == 2
    assert said in capfd.readouterr().err


def test_a_sweep_keeps_a_list_whole_and_varies_over_the_lists_of_a_file(mine):
    from aio.command import parse
    from aio.sweep.axes import axes

    (mine / "lists.json").write_text('[[{"image": "a.png"}], [{"image": "b.png", "at": 1}, {"image": "c.png"}]]', encoding="utf-8")
    words = ["-m", "--config-dir=my", "mode=story", "seed=1,2"]
    assert axes(parse([*words, "keyframes=[{image: a.png, at: 1}, {image: b.png}]"], ()))["params.keyframes"] == [
        "[{image: a.png, at: 1}, {image: b.png}]"]
    found = axes(parse([*words, "keyframes=@lists.json"], ()))
    assert [len(lists.read(text)) for text in found["params.keyframes"]] == [1, 2]
    assert found["params.seed"] == [1, 2]


def test_every_word_of_a_template_is_let_through_by_the_configuration():
    from aio.config import foreign

    assert all(foreign.illegal(f"${{{word}:a}}") == "" for word in templates.ALL)


def test_help_shows_what_an_item_holds(mine, capfd):
    assert cli.main(["--help", "mode=story", "--config-dir=my"]) == 0
    said = capfd.readouterr().out
    assert "list of 1 to 8 items of image, at, strength, required: Pictures, and when each of them is seen; image: picture file, required" in said
    assert """keyframes='[{"image": "samples/astronaut.png"}""" in said


OLD = """\
# @package _global_
loras:
  mine: {title: Mine, base: ltx-2.3, note: ""}
fields:
  mine: {type: FLOAT, default: 0.5, min: 0, max: 1}
patches:
  mine:
    - {op: add, path: /mine, value: {class_type: LoraLoaderModelOnly, inputs: {lora_name: mine.safetensors, strength_model: "${value:mine}"}}}
    - {op: copy, from: "${port:model}", path: /mine/inputs/model}
    - {op: replace, path: "${port:model}", value: [mine, 0]}
"""


def test_one_patch_adds_every_chosen_lora_beside_one_with_a_patch_of_its_own(mine):
    (mine / "my" / "lora").mkdir()
    (mine / "my" / "lora" / "mine.yaml").write_text(OLD, encoding="utf-8")
    config = configuration.compose(["mode=t2v", "preset=fast", "lora=[mine,detailer,camera_static]"], [mine / "my"])
    prompt = draw(check.sample(config, {"detailer": 0.3})).prompt
    assert prompt["detailer"]["inputs"] == {"lora_name": "ltx-2-19b-ic-lora-detailer.safetensors", "strength_model": 0.3, "model": ["1", 0]}
    assert prompt["detailer"]["_meta"] == {"title": "LoRA: Finer detail"}
    assert (prompt["camera_static"]["inputs"]["model"], prompt["mine"]["inputs"]["model"]) == (["detailer", 0], ["camera_static", 0])
    faulty = {row.variant: row.faults for row in check.check(["t2v"], [mine / "my"]) if row.faults}
    (fault,) = faulty.pop("lora mine")
    assert "mine.safetensors is not in conf/registry" in fault and not faulty   # its weights are its owner's


@pytest.mark.comfyui
def test_the_real_comfyui_executes_every_guide_of_the_list(mine, comfy):  # noqa: F811
    keyframes = [{"image": str(mine / f"{name}.png"), "at": at} for name, at in (("a", 0), ("b", 0.5), ("c", 1))]
    case = doctor.Case(configuration.compose(["mode=story", "preset=fast"], [mine / "my"]), params={"keyframes": keyframes, "seconds": 1.05})
    drawn = doctor.prepared(case, comfy.engine.input_dir)
    assert [drawn.prompt[f"guide_1_{index}"]["inputs"]["frame_idx"] for index in range(3)] == [0, 12, 24]
    made = comfy.execute(drawn.request, drawn.prompt)
    assert made.frames == 25
    assert {f"guide_{stage}_{index}" for stage in (1, 2) for index in range(3)} <= {*comfy.engine.executed}
    by_itself = doctor.prepared(doctor.Case(case.config), comfy.engine.input_dir)   # as `doctor` runs it
    assert comfy.execute(by_itself.request, by_itself.prompt).frames == 9
