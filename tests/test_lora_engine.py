"""LoRAs that do not fit, on the real ComfyUI: what its loader makes of them, and what aio says."""

from __future__ import annotations

import hashlib
import logging
import os

import pytest
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import config as configuration
from aio import run
from aio.errors import WeightsMismatch
from aio.job import Job

pytestmark = pytest.mark.comfyui
LORA = "ltx-2-19b-lora-camera-control-static.safetensors"
T2V = ("mode=t2v", "preset=fast", "lora=[camera_static]")
PLAIN = ("mode=t2v", "preset=fast", "lora=[]")


def pixels(video):
    import av

    with av.open(str(video)) as container:
        return hashlib.sha256(b"".join(frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0))).hexdigest()


@pytest.fixture
def lora(comfy, caplog):  # noqa: F811
    """The file of the LoRA in the engine's models: `put(change)` writes it anew, changed; the right one comes back at the end."""
    from safetensors.torch import load_file, save_file

    caplog.handler.setLevel(logging.CRITICAL)
    logging.getLogger().setLevel(logging.WARNING)   # the lines must be written for anybody to hear them
    path = comfy.engine.models_dir / "loras" / LORA
    right = path.read_bytes()

    class File:
        tensors = load_file(path)

        def put(self, change):
            made = {}
            for key, tensor in self.tensors.items():
                new, value = change(key, tensor)
                made[new] = value.contiguous()
            save_file(made, path.with_suffix(".new"), metadata={"ss_base_model_version": "ltx-2-19b"})
            os.replace(path.with_suffix(".new"), path)

    yield File()
    path.with_suffix(".right").write_bytes(right)
    os.replace(path.with_suffix(".right"), path)


def same(key, tensor):
    return key, tensor


def foreign(key, tensor):
    return f"somebody.{key}", tensor


def half(key, tensor):
    return (f"somebody.{key}" if ".attn1.to_q" in key else key), tensor


def larger(key, tensor):
    import torch

    return key, torch.nn.functional.pad(tensor, (0, 0, 0, 1) if "lora_B" in key else (0, 1))


def unknown_model(monkeypatch):
    """As for a network or a file whose header tells nothing: the log alone decides."""
    monkeypatch.setattr("aio.weights.lorafit._weights", lambda path, rules: None)


def warnings(comfy):  # noqa: F811
    return [event.message for event in comfy.events if event.kind == "warning"]


def test_a_lora_that_fits_changes_the_picture_and_says_nothing(comfy, lora):  # noqa: F811
    with_it = pixels(comfy.run(*T2V).video)
    assert warnings(comfy) == []
    assert with_it != pixels(comfy.run(*PLAIN).video)


@pytest.mark.parametrize(("change", "said"), [(foreign, "name no weight of it"), (larger, "have another shape")])
def test_a_lora_of_which_nothing_fits_ends_the_run_by_what_the_loader_logs(comfy, lora, monkeypatch, change, said):  # noqa: F811
    unknown_model(monkeypatch)
    lora.put(change)
    for _ in range(2):   # a second, warm run must not pass in silence
        with pytest.raises(WeightsMismatch) as error:
            comfy.run(*T2V)
        assert f"{LORA}: none of its" in str(error.value) and said in str(error.value) and "made for ltx-2-19b" in str(error.value)
    lora.put(same)   # and what was learnt is no judgement of the file that takes its place
    assert comfy.run(*T2V).frames == 9


def test_a_lora_that_fits_in_part_runs_with_a_warning_and_its_count_by_what_the_loader_logs(comfy, lora, monkeypatch):  # noqa: F811
    unknown_model(monkeypatch)
    lora.put(half)
    weights = len(lora.tensors) // 2
    lost = sum(".attn1.to_q" in key for key in lora.tensors) // 2
    for _ in range(2):
        comfy.run(*T2V)
        assert [text for text in warnings(comfy) if f"{LORA}: {lost} of its {weights} weights fit no weight of ltx-2.3" in text], warnings(comfy)


def test_a_weight_file_that_was_exchanged_under_its_name_is_read_again(comfy, lora):  # noqa: F811
    first = pixels(comfy.run(*T2V).video)
    lora.put(lambda key, tensor: (key, tensor * -3))
    second = pixels(comfy.run(*T2V).video)
    assert "LoraLoader" in str([comfy.case(*T2V)[1][node]["class_type"] for node in comfy.engine.executed]) and first != second
    assert pixels(comfy.run(*T2V).video) == second
    lora.put(same)
    assert pixels(comfy.run(*T2V).video) == first


@pytest.mark.parametrize(("change", "said"), [(foreign, "name no weight"), (larger, "another shape")])
def test_the_chain_refuses_it_before_the_engine_starts(comfy, lora, change, said, tmp_path, monkeypatch):  # noqa: F811
    lora.put(change)
    with pytest.raises(WeightsMismatch, match=said):
        chain(comfy, tmp_path, monkeypatch)


def test_the_chain_warns_of_a_part_once_and_runs(comfy, lora, tmp_path, monkeypatch):  # noqa: F811
    lora.put(half)
    events = chain(comfy, tmp_path, monkeypatch)
    assert sum("fit no weight of" in event.message for event in events if event.kind == "warning") == 1


def chain(comfy, folder, monkeypatch):  # noqa: F811
    """Run a job as a command does, with weights of other sizes than the registry's; its events."""
    from aio.comfyui import tinyweights

    monkeypatch.setattr("aio.run.ensure", lambda refs, registry, models_dir, on_event, rules: configured(refs, models_dir))
    events = []
    config = configuration.compose([*T2V, f"output.dir={folder}"])
    with tinyweights.narrow():
        run.run(Job(config, {"prompt": "A cat", "width": 256, "height": 256, "seconds": 0.4}), comfy.engine, events.append)
    return events


def configured(refs, models_dir):
    from aio.weights import registry

    return registry.status(refs, {}, models_dir)


LTX23 = {  # what the config in the checkpoint of LTX-2.3 22b says beyond the defaults of LTXAVModel, which are LTX-2 19b's
    "apply_gated_attention": True, "connector_apply_gated_attention": True, "cross_attention_adaln": True, "caption_proj_before_connector": True,
    "caption_projection_first_linear": False, "caption_projection_second_linear": False, "caption_proj_input_norm": False,
    "audio_connector_attention_head_dim": 64, "audio_connector_num_attention_heads": 32, "connector_attention_head_dim": 128,
    "connector_num_attention_heads": 32, "connector_num_layers": 8,
}


def test_every_matrix_in_a_block_of_ltx2_19b_is_in_a_block_of_ltx23_in_the_same_shape(comfy):  # noqa: F811
    import comfy.ops
    import torch
    from comfy.ldm.lightricks.av_model import LTXAVModel

    def matrices(**config):
        network = LTXAVModel(num_layers=1, dtype=torch.bfloat16, device="meta", operations=comfy.ops.disable_weight_init, **config)
        return {name: tuple(value.shape) for name, value in network.state_dict().items() if name.endswith(".weight") and value.ndim == 2}

    old, new = matrices(), matrices(**LTX23)
    block = [name for name in old if name.startswith("transformer_blocks.0.")]
    assert len(block) * 48 == 1344 and all(new.get(name) == old[name] for name in block)
    rest = [name for name in old if name not in block]
    assert sum(name not in new for name in rest) == 4 and sum(name in new and new[name] != old[name] for name in rest) == 26
