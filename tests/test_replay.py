"""A replay is the same clip, or says why not. The command line of a clip makes the same graph, wherever it is shown."""

import json
import re
import shutil
from pathlib import Path

import pytest
import uisite
from recipes_made import SMALL, hash_of, job_of, recipe_of, typed

from aio import config, replay
from aio.cli import main
from aio.command import parse
from aio.errors import ConfigError, InvalidParams, MediaError
from aio.machine import shell
from aio.recipe import provenance

ROOT = Path(__file__).resolve().parent.parent
TEXTS = [
    "it's \"quoted\"", "line one\nline two\n", "@home", "@@home", "${oc.env:HOME} ${value:x}", "🙂 été", "a\\b \\${x} \\", "null", "  ", "",
    "\x1b[2J\x1b]0;title\x07", "a\rb", "\u202eturned", "-x --y", "a=b,c", "[1,2]", "{a: b}", "`id` $(id) $HOME !x", "~", "%s %n", "\t", "~/x*?",
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own to work in, without what other tests have staged."""
    monkeypatch.setattr("aio.replay.inputs.staging", lambda: [tmp_path / "staging"])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def made(tmp_path):
    """The recipe of a command line, in a file."""

    def make(*words, name="clip.json", change=lambda recipe: None):
        recipe = recipe_of(job_of(*words), tmp_path / "staging")
        change(recipe)
        recipe["hash"] = provenance.fingerprint(recipe)
        Path(name).write_text(json.dumps({"prompt": {}, "aio": recipe}))
        return recipe

    return make


def again(*words):
    return replay.replay(parse(["replay", *map(str, words)], ("replay",)))


def drifted(found):
    return [note for note in found.notes if "not as it was then" in note]


def given(mode, inputs, folder=None):
    """Words for the inputs of a mode, copied to `folder` if there is one."""
    names = [name for name, field in config.compose([f"mode={mode}"]).fields.items() if name in inputs and field.required]
    return [f"{name}={shutil.copy(inputs[name], folder) if folder else inputs[name]}" for name in names]


@pytest.mark.parametrize("preset", config.choices("preset"))
@pytest.mark.parametrize("mode", config.choices("mode"))
def test_the_command_of_every_mode_and_preset_makes_the_same_graph(mode, preset, inputs, tmp_path):
    recipe = recipe_of(job_of(f"mode={mode}", f"preset={preset}", "prompt=x", *SMALL, *given(mode, inputs)), tmp_path / "staging")
    assert hash_of(replay.line(recipe, near=[ROOT / "samples"])) == recipe["hash"]


@pytest.mark.parametrize("words", [
    ["memory=tiled"], ["memory=tiled", "tile_size=256", "tile_frames=32"], ["memory=chunked", "chunks=7"], ["memory=low"], ["memory=unload"],
    ["model=bf16"], ["model=gguf", "preset=fast"], ["lora=[detailer]"], ["lora=[camera_static,detailer]", "detailer=0.3"], ["++values.stages=3"],
    ["values.stages=3", "memory=tiled"], ["~guidance"], ["fields.width.default=512", "fields.fps.default=12"], ["platform=zerogpu"],
    ["memory.reserve_gb=4"], ["seed=18446744073709551615", "cfg=2.5", "sigmas=1.0, 0.5, 0.0"], ["ui=shared"], ["output.name=mine"],
], ids=" ".join)
def test_the_command_of_every_choice_makes_the_same_graph(words, tmp_path):
    small = [word for word in SMALL if not word.startswith("width")] if "fields.width.default=512" in words else SMALL
    recipe = recipe_of(job_of("mode=t2v", "prompt=x", *small, *words), tmp_path / "staging")
    line = replay.line(recipe)
    assert hash_of(line) == recipe["hash"]
    for shy in ("platform", "ui=", "output", "memory.reserve_gb", "memory=unload"):   # they change nothing in the clip
        assert shy not in line


def test_a_seed_that_is_drawn_again_stands_in_the_command_line_as_its_number(made):
    first = made("mode=t2v", "prompt=x", "seed=random", *SMALL)["values"]["seed"]
    assert f"seed={first}" in again("clip.json").command_line()
    line = again("clip.json", "seed=random").command_line()
    assert re.search(r"seed=\d+", line) and f"seed={first}" not in line


def test_a_recipe_with_a_blank_prompt_is_refused_unless_another_is_given(made):
    made("mode=t2v", "prompt=x", *SMALL, change=lambda recipe: [recipe[part].update(prompt="\u200b ") for part in ("values", "params")])
    with pytest.raises(InvalidParams, match="prompt: the recipe's value cannot be used: is blank"):
        again("clip.json")
    assert again("clip.json", "prompt=rain").job.params["prompt"] == "rain"


def test_a_large_seed_of_a_recipe_is_the_same_as_text_and_as_a_number(made):
    recipe = made("mode=t2v", "prompt=x", f"seed={2**64 - 1}", *SMALL)
    assert recipe["values"]["seed"] == str(2**64 - 1)
    made("mode=t2v", "prompt=x", f"seed={2**64 - 1}", *SMALL, change=lambda other: other["values"].update(seed=2**64 - 1))
    assert provenance.fingerprint(json.loads(Path("clip.json").read_text())["aio"]) == recipe["hash"]
    assert again("clip.json").job.params["seed"] == 2**64 - 1


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_back_out_of_the_shell_as_it_was(text, tmp_path):
    job = job_of("mode=t2v", *SMALL)
    recipe = recipe_of(type(job)(job.config, {**job.params, "prompt": f"{text}.", "negative_prompt": text}), tmp_path / "staging")
    line = replay.line(recipe)
    assert hash_of(line) == recipe["hash"]
    assert not any(char in line for char in "\x1b\x07\r\u202e")   # the line is safe to look at


def test_a_line_holds_every_byte_of_a_files_name(tmp_path):
    words = ["a b", "", "\x1b[1m", "é\udcff\udc80", "x\x7fy", "\u2066"]
    assert typed(shell.line(["python", "-m", "aio", *words])) == words


def test_files_and_folders_with_odd_names_are_found_and_typed(inputs, tmp_path):
    for name in ("Bob's été (2), x=1.png", "~tilde.png", "${x}.png", "-dash.png", "@at.png", "a\nb.png"):
        folder = Path("it's é ${x}")
        folder.mkdir(exist_ok=True)
        shutil.copy(inputs["image"], folder / name)
        recipe = recipe_of(job_of("mode=i2v", "prompt=x", f"image={folder / name}", *SMALL), tmp_path / "staging")
        shutil.rmtree(tmp_path / "staging")
        assert hash_of(replay.line(recipe, near=[folder])) == recipe["hash"]
        assert f"image={name}" in typed(replay.line(recipe, near=[folder], bare=True))


def test_a_mode_of_ones_own_is_named_with_its_folder(tmp_path):
    mine = uisite.seventh(tmp_path / "my modes")
    recipe = recipe_of(job_of("--config-dir", str(mine), "mode=loop", "bit_depth=10", "prompt=x", *SMALL), tmp_path / "staging")
    line = replay.line(recipe, [mine])
    assert hash_of(line) == recipe["hash"] and str(mine) in line
    assert str(tmp_path) not in replay.line(recipe, [mine], bare=True)
    with pytest.raises(ConfigError, match=r"mode: 'loop' is unknown.*\n.*needs its --config-dir"):
        replay.line(recipe)


def test_what_the_page_was_started_with_is_named_where_the_clip_is_not_the_same_without_it(tmp_path):
    base = ["engine=preview", "output.dir=/secret/clips", "fields.width.max=4096", "fields.seconds.default=0.4", "comfyui.mirror=https://me:token@x.org"]
    wide = recipe_of(job_of(*base, "mode=t2v", "prompt=x", "width=2048", "height=256"), tmp_path / "staging")
    line = replay.line(wide, base=base)
    assert "fields.width.max=4096" in line and hash_of(line) == wide["hash"]
    assert "secret" not in line and "token" not in line
    plain = recipe_of(job_of(*base, "mode=t2v", "prompt=x", "width=256", "height=256"), tmp_path / "staging")
    line = replay.line(plain, base=base)
    assert "fields." not in line and "seconds=0.4" in line and hash_of(line) == plain["hash"]


@pytest.mark.parametrize("memory", ["tiled", "chunked"])
def test_what_patches_the_graph_is_replayed_and_what_suits_a_machine_is_not(memory, made):
    recipe = made("mode=t2v", "prompt=x", f"memory={memory}", "platform=zerogpu", *SMALL)
    assert recipe["machine"]["memory"] == memory and "memory" not in recipe["choices"]
    found = again("clip.json")
    assert found.notes == () and found.job.config.choices["memory"] == memory and found.job.config.choices["platform"] == "local"
    assert recipe_of(found.job, Path("s"))["operations"] == recipe["operations"]
    unloaded = made("mode=t2v", "prompt=x", "memory=unload", *SMALL)
    assert again("clip.json").job.config.choices["memory"] == "keep_warm"
    assert unloaded["hash"] == made("mode=t2v", "prompt=x", *SMALL)["hash"] != recipe["hash"]


def test_a_group_of_ones_own_that_suits_a_machine_and_sets_values_is_replayed(made, tmp_path):
    mine = tmp_path / "mine"
    (mine / "memory").mkdir(parents=True)
    (mine / "memory" / "mine.yaml").write_text("# @package _global_\ndefaults: [keep_warm, _self_]\nvalues: {crf: 23}\n")
    (mine / "speed").mkdir()
    (mine / "speed" / "turbo.yaml").write_text("# @package _global_\nfields: {seed: {default: 3}}\n")
    recipe = made("--config-dir", str(mine), "memory=mine", "+speed=turbo", "mode=t2v", "prompt=x", *SMALL)
    found = again("clip.json", "--config-dir", mine)
    assert found.notes == () and {"memory=mine", "+speed=turbo"} <= set(found.overrides)
    assert hash_of(found.command_line()) == recipe["hash"]
    assert "groups that are not here: speed; that is left out" in again("clip.json", "memory=keep_warm").notes[0]


def test_an_old_recipe_that_does_not_know_its_memory_is_read_and_the_other_graph_said(made):
    made("mode=t2v", "prompt=x", "memory=tiled", *SMALL, change=lambda recipe: recipe.pop("machine"))
    (note,) = again("clip.json").notes
    assert "tile_size was 512, is not there now" in note and "node 40: class_type was 'VAEDecodeTiled'" in note and "memory=…" in note
    assert again("clip.json", "memory=tiled").notes == ()
    made("mode=t2v", "prompt=x", *SMALL, change=lambda recipe: recipe.pop("machine"))
    assert again("clip.json").notes == ()


def other_weights(recipe):
    name = next(iter(recipe["models"]))
    recipe["models"][name] = "0" * 64


@pytest.mark.parametrize(("change", "said"), [
    (other_weights, "the weights ltx-2.3-22b-dev-fp8.safetensors were '00000000000000…, are"),
    (lambda recipe: recipe["pins"].update(comfyui="f" * 40), "the revision of comfyui was 'ffff"),
    (lambda recipe: recipe["workflow"].update(sha256="0" * 64), "the mode's workflow file has changed"),
    (lambda recipe: recipe["operations"][-1].update(value=0.125), "in the graph node"),
    (lambda recipe: recipe["operations"].pop(), "was not there, is"),
    (lambda recipe: recipe["operations"].append({"op": "add", "path": "/9/inputs/x", "value": 1}), "in the graph node 9: x was 1, is not there now"),
    (lambda recipe: recipe["values"].update(gone=5), "gone was 5, is not there now"),
    (lambda recipe: recipe["settings"].update(gone=5), "gone was 5, is not there now"),
], ids=range(8))
def test_what_is_not_as_it_was_is_said_with_and_without_variations(change, said, made):
    made("mode=t2v", "prompt=x", *SMALL, change=change)
    for words in ((), ("output.dir=rec2",), ("seed=9",), ("prompt=y", "memory=unload")):
        (note,) = drifted(again("clip.json", *words))
        assert said in note and note.endswith("; the clip may differ")


def test_what_the_user_varies_and_what_follows_from_it_is_no_difference(made, inputs):
    image = shutil.copy(inputs["image"], "face.png")
    made("mode=i2v", "prompt=x", "preset=fast", f"image={image}", *SMALL)
    for words in ([], ["seed=9"], ["preset=quality"], ["model=bf16"], ["memory=tiled"], ["width=320", "lora=[detailer]"], ["values.stages=3"],
                  [f"image={image}"], ["mode=t2v"], ["engine=auto"], ["comfyui.revision=" + "f" * 40]):
        assert again("clip.json", *words).notes == (), words
    made("mode=i2v", "prompt=x", f"image={image}", *SMALL, change=other_weights)
    assert drifted(again("clip.json", "seed=9")) and not drifted(again("clip.json", "model=bf16"))   # other weights than those are used then


def test_a_choice_that_is_gone_is_needed_unless_another_is_made(made):
    made("mode=t2v", "prompt=x", *SMALL, change=lambda recipe: recipe["choices"].update(preset="mine"))
    with pytest.raises(ConfigError, match="preset: 'mine' is unknown"):
        again("clip.json")
    assert "the recipe's preset 'mine' is not here, so whether the rest is as it was then cannot be told" in again("clip.json", "preset=fast").notes


@pytest.mark.parametrize("mode", config.choices("mode"))
def test_a_replay_right_after_the_run_needs_no_input_wherever_that_was(mode, made, inputs, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    recipe = made(f"mode={mode}", "prompt=x", *SMALL, *given(mode, inputs, elsewhere))
    shutil.rmtree(elsewhere)
    found = again("clip.json")
    assert recipe_of(found.job, Path("staged anew"))["hash"] == recipe["hash"]
    assert hash_of(found.command_line()) == hash_of(again("clip.json", "--command").command_line()) == recipe["hash"]
    assert len(found.notes) == len(recipe["inputs"]) and all("the very same file is taken from aio's own copies" in note for note in found.notes)
    assert not drifted(again("clip.json", "width=320"))


def test_an_input_that_was_converted_is_found_as_it_was_up_to_a_size(made, tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.tiff")
    words = ("mode=i2v", "prompt=x", f"image={tmp_path / 'red.tiff'}", *SMALL)
    for size, kept in ((100, True), ("null", False), (0.001, False)):
        shutil.rmtree(tmp_path / "staging", ignore_errors=True)
        made(*words, f"input.original_mb={size}")
        (tmp_path / "red.tiff").rename(tmp_path / "aside.tiff")
        if kept:
            assert Path(again("clip.json").job.params["image"]).read_bytes() == (tmp_path / "aside.tiff").read_bytes()
        else:
            with pytest.raises(InvalidParams, match=r"image: red.tiff \(sha256 .* nor among the inputs that aio has kept; put it there, or give"):
                again("clip.json")
        (tmp_path / "aside.tiff").rename(tmp_path / "red.tiff")


def test_a_changed_copy_is_not_taken_for_the_original(made, inputs, tmp_path):
    image = shutil.copy(inputs["image"], tmp_path / "face.png")
    made("mode=i2v", "prompt=x", f"image={image}", *SMALL)
    Path(image).unlink()
    (copy,) = (tmp_path / "staging" / "aio").iterdir()
    copy.write_bytes(copy.read_bytes() + b"\0")
    with pytest.raises(InvalidParams, match=r"image: face\.png"):
        again("clip.json")


def test_a_value_that_its_field_cannot_have_is_named(made):
    made("mode=t2v", "prompt=x", *SMALL, change=lambda recipe: recipe["values"].update(seed=2**70))
    with pytest.raises(InvalidParams, match=r"seed: the recipe's value cannot be used: .*18446744073709551615"):
        again("clip.json")
    assert again("clip.json", "seed=1").job.params["seed"] == "1"


def test_a_path_in_a_recipe_is_no_input(made, inputs, tmp_path):
    """Only a file whose content is known by its hash becomes an input."""
    made("mode=i2v", "prompt=x", f"image={inputs['image']}", *SMALL,
         change=lambda recipe: (recipe["values"].update(image="/etc/hostname"), recipe["params"].update(image="/etc/hostname")))
    assert again("clip.json").job.params["image"] != "/etc/hostname"
    words = ["mode=i2v", "prompt=x", f"image={inputs['image']}", *SMALL]
    made(*words, change=lambda recipe: recipe["inputs"]["image"].update(name="../../etc/hostname"))
    assert "etc" not in again("clip.json").command_line()


@pytest.mark.parametrize(("given", "said"), [
    ("outputs/t2v-0001.mp4", "no such file. Did you mean 't2v-0001.preview.mp4'?"),
    ("outputs/t2v-0002.preview.mp4", "no such file. Did you mean 't2v-0001.preview.mp4'?"),
    ("outputs", "outputs is a folder; give one of the mp4 files in it"),
    ("nowhere/x.mp4", "nowhere/x.mp4: no such file."),
    ("x" * 5000, "too long"), ("a\x1b[2J.mp4", r"a\x1b[2J.mp4: no such file."),
])
def test_a_file_that_is_not_there_is_named_with_the_one_that_was_meant(given, said, capsys):
    Path("outputs").mkdir()
    Path("outputs/t2v-0001.preview.mp4").touch()
    assert main(["replay", given]) == 2
    assert said in capsys.readouterr().err


def test_a_replay_says_truly_who_chose_the_engine(made, capsys, monkeypatch):
    made("mode=t2v", "prompt=x", *SMALL)
    assert main(["replay", "clip.json"]) == 0
    assert "engine: preview (the recipe's engine)" in capsys.readouterr().err
    assert main(["replay", "clip.json", "engine=preview"]) == 0
    assert "engine: preview (chosen by engine=)" in capsys.readouterr().err
    monkeypatch.setattr("aio.replay.device", lambda: "cuda")
    assert "engine=auto makes the real one here" in again("clip.json").notes[0] and again("clip.json", "engine=preview").notes == ()


def test_a_broken_part_of_a_recipe_is_named_and_a_damaged_file_is_no_traceback(made):
    for part, value, said in [
        ("engine", 5, "engine: 5 is not the name of an engine"), ("choices", {"mode": ["t2v"]}, "mode"),
        ("choices", {"preset": 5}, "choices.preset: 5"),
        ("inputs", {"image": 5}, "inputs.image: 5 is no file"), ("inputs", {"image": {"name": "x", "sha256": "y"}}, "inputs.image.sha256: 'y'"),
        ("settings", [1], "settings: a list is no mapping"), ("machine", "x", "machine: 'x' is no mapping"),
    ]:
        made("mode=t2v", "prompt=x", *SMALL, change=lambda recipe, part=part, value=value: recipe.update({part: value}))
        with pytest.raises(MediaError, match=f"the recipe is damaged: .*{said}"):
            again("clip.json")
