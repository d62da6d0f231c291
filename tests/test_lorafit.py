"""LoRAs that do not fit: found in the headers of the files, before anything else happens."""

from __future__ import annotations

import json
import logging
import math
import os

import pytest

from aio import config as configuration
from aio.check import plan
from aio.comfyui.loaded import Weights
from aio.config.sections import LoraKeys
from aio.errors import ConfigError, WeightsMismatch
from aio.graph.models import models_of
from aio.job import Job
from aio.weights import lorafit, registry, tensorfile

LORA, MODEL = "ltx-2-19b-lora-camera-control-static.safetensors", "ltx-2.3-22b-distilled-fp8.safetensors"
T2V = ("mode=t2v", "preset=fast", "lora=[camera_static]")
MARK = "adaln_single.emb.timestep_embedder.linear_1.bias"
WEIGHTS = {
    MARK: [64],
    **{f"transformer_blocks.{block}.attn1.{name}.weight": [64, 48] for block in range(2) for name in ("to_q", "to_k", "to_v")},
    **{f"transformer_blocks.{block}.attn1.to_q.bias": [64] for block in range(2)},
    "patchify.weight": [64, 16, 3, 3],
}
LAYERS = [name.removesuffix(".weight") for name in WEIGHTS if name.endswith("weight") and "attn1" in name]
SIZES = {"BF16": 2, "F8_E4M3": 1, "U8": 1}


def file_of(tensors, metadata=None, kind="BF16"):
    """The bytes of a safetensors file of zeros: tensor name -> shape."""
    header, at = {"__metadata__": metadata or {}}, 0
    for name, shape in tensors.items():
        size = math.prod(shape) * SIZES[kind]
        header[name], at = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + size]}, at + size
    return with_header(json.dumps(header).encode(), at)


def with_header(header, room=0):
    return len(header).to_bytes(8, "little") + header + bytes(room)


def lora(layers=LAYERS, out=64, columns=48, form="diffusion_model.{}", up=".lora_B.weight", down=".lora_A.weight"):
    found = {}
    for layer in layers:
        name = form.replace("{_}", layer.replace(".", "_")).replace("{}", layer)
        found |= {f"{name}{down}": [2, columns], f"{name}{up}": [out, 2]}
    return found


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A models folder with a small checkpoint; `put` adds files."""
    monkeypatch.setattr("aio.weights.registry.disk.expected", lambda entry, path: None)

    class Models:
        folder = tmp_path / "models"

        def put(self, content, name=LORA, folder="loras"):
            path = self.folder / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            return path

        def warnings(self, *overrides, registry=None, **params):
            config = configuration.compose([*T2V, *overrides])
            config.registry.clear()   # files of any size
            made = plan.plan(Job(config, {"prompt": "x", **params}), self.folder)
            return [text for text in made.request.warnings if "its" in text and "weights" in text]

        def fit(self, *inputs):
            """How the LoRA fits by a loader with these inputs."""
            prompt = {
                "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": MODEL}},
                "2": {"class_type": "LoraLoader", "inputs": {"lora_name": LORA, "model": ["1", 0], **{name: ["1", 1] for name in inputs}}},
            }
            files = registry.status(models_of(prompt), {}, self.folder)
            return next(lorafit.fits(prompt, "2", files, configuration.compose(T2V).lora_keys, []))

    configuration._compose.cache_clear()
    found = Models()
    found.put(file_of({f"model.diffusion_model.{name}": shape for name, shape in WEIGHTS.items()}, kind="F8_E4M3"), MODEL, "checkpoints")
    yield found
    configuration._compose.cache_clear()


@pytest.mark.parametrize(("form", "up", "down"), [
    ("diffusion_model.{}", ".lora_B.weight", ".lora_A.weight"),
    ("{}", ".lora_B.weight", ".lora_A.weight"),
    ("lora_unet_{_}", ".lora_up.weight", ".lora_down.weight"),
    ("diffusion_model.{}", ".lora.up.weight", ".lora.down.weight"),
    ("diffusion_model.{}", "_lora.up.weight", "_lora.down.weight"),
    ("diffusion_model.{}", ".lora_B", ".lora_A"),
    ("diffusion_model.{}", ".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"),
    ("diffusion_model.{}", ".lora_B.default.weight", ".lora_A.default.weight"),
])
def test_a_lora_that_fits_is_nothing_to_speak_of_however_its_trainer_names_its_weights(models, form, up, down):
    models.put(file_of(lora(form=form, up=up, down=down)))
    assert models.warnings() == []


def test_a_lora_for_another_model_is_refused_with_what_it_was_made_for(models):
    metadata = {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}
    models.put(file_of(lora(["down_blocks.1.attentions.0.proj_in", "mid_block.attentions.0.proj_out"], form="lora_unet_{_}"), metadata))
    with pytest.raises(WeightsMismatch) as error:
        models.warnings()
    text = str(error.value)
    assert f"{LORA}: none of its 2 weights fits {MODEL}, so it would change nothing: 2 name no weight of it" in text
    assert "lora_unet_down_blocks_1_attentions_0_proj_in" in text and "made for stable-diffusion-xl-v1-base/lora" in text and "lora=[]" in text


def test_a_form_of_names_that_comfyui_does_not_take_for_this_model_is_foreign_too(models):
    models.put(file_of(lora(form="transformer.{}")))   # diffusers'
    with pytest.raises(WeightsMismatch, match=r"6 name no weight of it \(such as transformer\.transformer_blocks"):
        models.warnings()


@pytest.mark.parametrize(("out", "columns", "said"), [(96, 48, "96 x 48"), (64, 32, "64 x 32"), (48, 64, "48 x 64")])
def test_matrices_of_another_shape_are_refused_also_where_the_count_of_numbers_is_the_same(models, out, columns, said):
    models.put(file_of(lora(out=out, columns=columns)))
    with pytest.raises(WeightsMismatch, match=rf"6 have another shape \(diffusion_model\.{LAYERS[0]}: {said} where the model has 64 x 48\)"):
        models.warnings()


def test_a_lora_that_fits_in_part_warns_with_the_count(models):
    models.put(file_of(lora() | lora(["transformer_blocks.7.attn1.to_q", "transformer_blocks.8.attn1.to_q"])))
    assert models.warnings() == [f"{LORA}: 2 of its 8 weights fit no weight of {MODEL} and do nothing."]


def test_half_a_pair_and_a_wrong_bias_count_and_a_right_one_does_not(models):
    key = f"diffusion_model.{LAYERS[0]}"
    models.put(file_of(lora(LAYERS[1:]) | {f"{key}.lora_B.weight": [64, 2]}))
    assert "1 of its 6" in models.warnings()[0] and ".lora_A.weight is missing" in models.warnings()[0]
    models.put(file_of(lora() | {f"{key}.diff_b": [63]}))
    assert "1 of its 6" in models.warnings()[0] and "63 where the model has 64" in models.warnings()[0]
    models.put(file_of(lora() | {f"{key}.diff_b": [64], f"{key}.alpha": []}))
    assert models.warnings() == []


def test_a_convolution_counts_by_its_rows_and_all_its_columns(models):
    key = "diffusion_model.patchify"
    models.put(file_of(lora() | {f"{key}.lora_up.weight": [64, 2, 1, 1], f"{key}.lora_down.weight": [2, 16, 3, 3]}))
    assert models.warnings() == []
    models.put(file_of(lora() | {f"{key}.lora_up.weight": [64, 2, 1, 1], f"{key}.lora_down.weight": [2, 16, 1, 1]}))
    assert "64 x 16 where the model has 64 x 144" in models.warnings()[0]


@pytest.mark.parametrize("tensors", [
    {f"diffusion_model.{LAYERS[0]}.lokr_w1": [8, 8], f"diffusion_model.{LAYERS[0]}.lokr_w2": [8, 6]},     # shapes that only the loader works out
    {f"somebodys.own.{n}.format": [2, 2] for n in range(3)},                                             # no ending that is known
])
def test_what_the_header_cannot_decide_is_left_to_the_loader(models, tensors):
    models.put(file_of(tensors))
    assert models.warnings() == []


def test_a_lokr_for_another_model_is_refused_by_its_names(models):
    models.put(file_of({"lycoris_single_blocks_0_linear1.lokr_w1": [8, 8], "lycoris_single_blocks_0_linear1.lokr_w2": [8, 6]}))
    with pytest.raises(WeightsMismatch, match="none of its 1 weights"):
        models.warnings()


def test_a_model_whose_header_tells_nothing_leaves_it_to_the_loader(models):
    models.put(file_of(lora(form="foreign.{}")))
    for content in (b"", b"GGUF" + bytes(100), file_of({"another.network.weight": [2, 2]})):
        models.put(content, MODEL, "checkpoints")
        assert models.warnings() == []
    (models.folder / "checkpoints" / MODEL).unlink()
    assert models.warnings() == []


def test_another_network_with_a_weight_of_the_same_name_is_none_of_which_the_names_are_known(models):
    pixart = {f"model.diffusion_model.{name}": shape for name, shape in WEIGHTS.items()} | {"model.diffusion_model.pos_embed.proj.bias": [64]}
    models.put(file_of(pixart), MODEL, "checkpoints")
    models.put(file_of(lora(form="transformer.{}")))
    assert models.warnings() == []


def test_weights_of_a_text_encoder_are_foreign_where_only_a_model_is_loaded(models):
    text = lora(["text_encoders.gemma.layers.0.q_proj", "text_encoders.gemma.layers.1.q_proj"], form="{}")
    models.put(file_of(text))
    with pytest.raises(WeightsMismatch, match="none of its 2 weights"):
        models.warnings()
    models.put(file_of(lora() | text))
    assert "2 of its 8 weights fit no weight of" in models.warnings()[0]


def test_weights_of_a_text_encoder_are_left_to_the_loader_that_gets_one(models):
    models.put(file_of(lora(["text_encoders.gemma.layers.0.q_proj"], form="{}")))
    assert models.fit("clip").foreign == () and not models.fit("clip").decided
    assert models.fit().foreign == ("text_encoders.gemma.layers.0.q_proj",)


def test_a_scale_without_its_matrices_is_no_weight_that_fits(models):
    models.put(file_of({f"diffusion_model.{layer}.alpha": [] for layer in LAYERS}))
    with pytest.raises(WeightsMismatch, match=r"none of its 6 weights .* nothing is there but \.alpha"):
        models.warnings()


def test_packed_numbers_say_nothing_of_a_weights_columns(models):
    models.put(file_of({f"model.diffusion_model.{name}": shape for name, shape in WEIGHTS.items()}, kind="U8"), MODEL, "checkpoints")
    models.put(file_of(lora(columns=96)))
    assert models.warnings() == []


def test_a_lora_at_strength_0_is_not_loaded_and_so_not_judged(models):
    models.put(file_of(lora(form="foreign.{}")))
    assert models.warnings(camera_static=0.0) == []
    with pytest.raises(WeightsMismatch):
        models.warnings(camera_static=0.1)


HOSTILE = {
    "empty": (b"", "claims 0 bytes"),
    "a page of a web server": (b"<!DOCTYPE html><html>Not found</html>", "claims"),
    "a header longer than the file": ((10**18).to_bytes(8, "little") + b"{}", "claims"),
    "no JSON": (with_header(b"{{{{"), "not JSON"),
    "not UTF-8": (with_header(b'{"\xff": 1}'), "not JSON"),
    "a list": (with_header(b"[1, 2]"), "names no tensors"),
    "too deep": (with_header(b'{"a":' * 90 + b"1" + b"}" * 90), "nested"),
    "no entry": (with_header(b'{"a": 3}'), "no type, shape and place"),
    "an odd shape": (with_header(b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}', 4), "no type, shape and place"),
    "true for a number": (with_header(b'{"a": {"dtype": "F32", "shape": [true], "data_offsets": [0, 4]}}', 4), "no type, shape and place"),
    "outside the file": (with_header(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}', 4), "would lie at bytes 4 to 8 of 4"),
    "backwards": (with_header(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}', 4), "would lie at"),
    "another size": (with_header(b'{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}}', 4), "of 3 F32 numbers has 4 bytes"),
    "a number without end": (with_header(b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 4]}}', 4), "not JSON"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_or_hostile_header_is_told_in_a_sentence(models, case):
    content, said = HOSTILE[case]
    models.put(content)
    with pytest.raises(WeightsMismatch) as error:
        models.warnings()
    assert str(error.value).startswith(f"loras/{LORA} cannot be used: ") and said in str(error.value) and "\n" not in str(error.value)


def test_a_pipe_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="not a regular file"):
        tensorfile.header(tmp_path / "a.safetensors")


def test_what_a_file_says_about_itself_cannot_move_the_cursor(models):
    models.put(file_of(lora(form="\x1b[2J{}"), {"ss_base_model_version": "\x1b]0;owned\x07" + "x" * 500}))
    with pytest.raises(WeightsMismatch) as error:
        models.warnings()
    assert "\x1b" not in str(error.value) and len(str(error.value)) < 700


def test_a_file_that_was_exchanged_is_read_again(models):
    path = models.put(file_of(lora(form="foreign.{}")))
    with pytest.raises(WeightsMismatch):
        models.warnings()
    path.unlink()
    models.put(file_of(lora()))
    assert models.warnings() == []


def test_without_rules_nothing_is_judged(models):
    models.put(file_of(lora(form="foreign.{}")))
    prompt = {"1": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": LORA, "strength_model": 1.0}}}
    assert list(lorafit.fits(prompt, "1", [], LoraKeys(), [])) == []


@pytest.mark.parametrize(("given", "name"), [
    ("mine.safetensors", "mine"), ("/path/My style.safetensors", "My_style"), ("[detailer,C:\\x\\a.SFT]", "a"), ("./a.pt", "a"), ("mine", "mine"),
    ("['/path/my style.safetensors']", "my_style"), ("mine.safetensors:0.8", "mine"), ("~/detailer.safetensors", "detailer_own"),
    ("/path/mine", "mine"),
])
def test_a_file_for_a_choice_is_told_where_it_goes_and_what_names_it(given, name, monkeypatch, tmp_path):
    (tmp_path / "comfyui").mkdir()
    (tmp_path / "comfyui" / "nodes.py").touch()
    monkeypatch.setenv("AIO_COMFYUI_DIR", str(tmp_path / "comfyui"))
    monkeypatch.delenv("AIO_MODELS_DIR", raising=False)
    with pytest.raises(ConfigError) as error:
        configuration.compose([f"lora={given}"])
    text = str(error.value)
    assert f"into {tmp_path / 'comfyui' / 'models' / 'loras'}, " in text and f"MYCONF/lora/{name}.yaml" in text and f"lora=[{name}]" in text
    assert "camera_dolly_in.yaml" in text and "Known: camera_dolly_in" in text
    monkeypatch.setenv("AIO_MODELS_DIR", str(tmp_path / "other"))
    with pytest.raises(ConfigError, match=f"into {tmp_path / 'other' / 'loras'}, "):
        configuration.compose([f"lora={given}"])
    monkeypatch.setenv("AIO_COMFYUI_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="into models/loras of ComfyUI, which `python -m aio setup` fetches"):
        configuration.compose([f"lora={given}"])


@pytest.mark.parametrize(("given", "said"), [
    ("detailr", "Did you mean 'detailer'? Known"), ("null", "'null' is unknown. Known"), ("", "For none write lora=[]"),
    ("3", "'3' is unknown. Known"),
])
def test_what_can_be_no_file_is_told_of_the_names_alone(given, said):
    with pytest.raises(ConfigError) as error:
        configuration.compose([f"lora={given}"])
    assert said in str(error.value) and "of your own" not in str(error.value)


def test_a_copied_file_makes_a_lora_of_ones_own(models, tmp_path):
    text = (configuration.CONF / "lora" / "camera_static.yaml").read_text(encoding="utf-8")
    text = text.replace("camera_static", "mine").replace(LORA, "mine.safetensors")
    (tmp_path / "own" / "lora").mkdir(parents=True)
    (tmp_path / "own" / "lora" / "mine.yaml").write_text(text, encoding="utf-8")
    models.put(file_of(lora(form="foreign.{}")), "mine.safetensors")
    config = configuration.compose(["mode=t2v", "preset=fast", "lora=[mine]"], [tmp_path / "own"])
    config.registry.pop(MODEL)
    with pytest.raises(WeightsMismatch, match=r"mine\.safetensors: none of its 6 weights"):
        plan.plan(Job(config, {"prompt": "x"}), models.folder)


def test_a_file_that_is_still_to_be_fetched_anew_is_not_judged(models):
    models.put(b"half of it")
    config = configuration.compose(T2V)   # with the registry, whose size it has not
    made = plan.plan(Job(config, {"prompt": "x"}), models.folder)
    assert {one.name: one.state for one in made.models}[LORA] == "corrupt"


# -- what the loader logs, where the headers do not decide


class Heard:
    """A run of which only the log is there: `lines` are written while it lasts, and `warned` and `failed` hold what came of them."""

    def __init__(self, weights, prompt, *lines, node="camera_static"):
        self.warned, self.failed = [], []
        config = configuration.compose(T2V)
        with weights.watched(prompt, config, lambda: node, self.failed.append, self.warned.append):
            for line in lines:
                logging.getLogger("somebody").warning(*line) if isinstance(line, tuple) else logging.warning(line)


@pytest.fixture
def prompt(models):
    """A graph whose model comes from a loader that nobody knows, and its LoRA of two weights."""
    models.put(file_of(lora(LAYERS[:2])))
    made = plan.plan(Job(configuration.compose(T2V), {"prompt": "x"})).drawn.prompt
    for node in made.values():
        if node["class_type"] == "CheckpointLoaderSimple":
            node["class_type"] = "SomebodysLoader"
    return made


def missing(layers=LAYERS[:2]):
    return [f"lora key not loaded: diffusion_model.{layer}.lora_{side}.weight" for layer in layers for side in "AB"]


def test_lines_about_every_weight_end_the_run_and_about_some_warn_with_the_count(models, prompt):
    assert "none of its 2 weights fits the model" in str(Heard(Weights(models.folder), prompt, *missing()).failed[0])
    heard = Heard(Weights(models.folder), prompt, *missing(LAYERS[:1]))
    assert heard.failed == [] and heard.warned == [f"{LORA}: 1 of its 2 weights fit no weight of the model and do nothing."]
    heard = Heard(Weights(models.folder), prompt, f"ERROR lora diffusion_model.{LAYERS[1]}.weight shape '[64, 48]' is invalid for input of size 9")
    assert "1 of them because of their shape" in heard.warned[0] and "shape '[64, 48]' is invalid" in heard.warned[0]
    heard = Heard(Weights(models.folder), prompt, *(f"NOT LOADED diffusion_model.{layer}.weight" for layer in LAYERS[:2]))
    assert "2 name no weight of it" in str(heard.failed[0])


def test_a_line_that_cannot_be_formatted_is_somebody_elses_fault(models, prompt, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])   # pytest's own raise on such a line
    heard = Heard(Weights(models.folder), prompt, ("%d of %d", "x"), *missing(LAYERS[:1]))
    assert len(heard.warned) == 1 and heard.failed == []


def test_what_was_learnt_on_one_model_is_no_verdict_on_another_though_neither_is_known(models, prompt):
    weights = Weights(models.folder)
    assert Heard(weights, prompt, *missing()).failed
    with pytest.raises(WeightsMismatch):
        Heard(weights, prompt)   # warm: the node is cached and logs nothing
    other = {key: {**node, "inputs": dict(node["inputs"])} for key, node in prompt.items()}
    for node in other.values():
        if node["class_type"] == "SomebodysLoader":
            node["inputs"]["ckpt_name"] = "another.gguf"
    assert Heard(weights, other).failed == []
    models.put(b"GGUF" + bytes(100), MODEL, "checkpoints")   # another model under the same name
    assert Heard(weights, prompt).failed == []


def test_a_lora_that_two_nodes_load_is_told_of_once(models, prompt):
    prompt["again"] = {**prompt["camera_static"], "inputs": {**prompt["camera_static"]["inputs"], "model": ["camera_static", 0]}}
    for key, node in prompt.items():
        if key != "again" and node["inputs"].get("model") == ["camera_static", 0]:
            node["inputs"]["model"] = ["again", 0]
    lines = [*missing(LAYERS[:1]), f"ERROR lora diffusion_model.{LAYERS[1]}.weight no"]
    assert len(Heard(Weights(models.folder), prompt, *missing(LAYERS[:1])).warned) == 1
    assert len(Heard(Weights(models.folder), prompt, *lines).failed) == 1
