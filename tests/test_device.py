"""What a device changes: the precision that is chosen there, and what is refused there before anything is fetched."""

from __future__ import annotations

import itertools

import pytest
import yaml
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import check, engines
from aio import config as configuration
from aio.check import doctor, plan
from aio.errors import ConfigError, InputError
from aio.graph.draw import draw
from aio.graph.models import models_of
from aio.job import Job
from aio.machine import device

MODES = [f"mode={mode}" for mode in configuration.choices("mode")]


@pytest.fixture
def machine(monkeypatch):
    """Make this machine another one: `machine("mps", 128)`."""
    def become(kind, memory=0.0):
        configuration._compose.cache_clear()
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setattr("aio.machine.device.platform.system", lambda: "Darwin" if kind == "mps" else "Linux")
        monkeypatch.setattr("aio.machine.device.platform.machine", lambda: "arm64" if kind == "mps" else "x86_64")
        monkeypatch.setattr("aio.machine.device.shutil.which", lambda name: "/usr/bin/nvidia-smi" if kind == "cuda" else None)
        real = device.Path.exists
        monkeypatch.setattr("aio.machine.device.Path.exists", lambda path: kind == "cuda" if "nvidia" in str(path) else real(path))
        page = 16384
        monkeypatch.setattr("aio.machine.device.os.sysconf", lambda name: page if name == "SC_PAGE_SIZE" else int(memory * 1e9 / page))
        assert device.device() == kind

    yield become
    configuration._compose.cache_clear()


def choices(*overrides):
    found = configuration.compose(["mode=t2v", *overrides]).choices
    return found["model"], found["preset"]


@pytest.mark.parametrize("kind", ["cuda", None])
def test_elsewhere_the_defaults_stay(machine, kind):
    machine(kind, 512)
    assert choices() == ("fp8", "balanced") and engines.unfit(configuration.compose(["mode=t2v"]), kind) == ""


@pytest.mark.parametrize(("memory", "overrides", "chosen"), [
    (137, (), ("bf16", "balanced")),
    (137, ("preset=fast",), ("bf16", "fast")),
    (137, ("model=gguf", "preset=fast"), ("gguf", "fast")),
    (38, (), ("gguf", "fast")),
    (38, ("preset=fast",), ("gguf", "fast")),
    (38, ("model=gguf",), ("gguf", "fast")),
    (38, ("preset=quality",), ("bf16", "quality")),   # there is no GGUF of the dev variant
    (38, ("model=bf16",), ("bf16", "balanced")),
    (0, (), ("gguf", "fast")),                        # a system that does not tell its memory
    (137, ("model=fp8",), ("fp8", "balanced")),       # as typed; refused below
    (38, ("platform=zerogpu",), ("fp8", "balanced")), # a look at a Space from a Mac
])
def test_on_a_mac_what_is_left_open_is_what_its_gpu_and_its_memory_can_do(machine, memory, overrides, chosen):
    machine("mps", memory)
    assert choices(*overrides) == chosen


@pytest.mark.parametrize("memory", [16, 64, 96, 512])
@pytest.mark.parametrize("mode", MODES)
def test_every_default_of_a_mac_makes_a_graph_that_its_gpu_can_compute(machine, memory, mode):
    machine("mps", memory)
    config = configuration.compose([mode])
    assert "mps" in config.model.devices and engines.unfit(config, "mps") == ""
    from aio import check

    names = [ref.name for ref in models_of(draw(check.sample(config, {})).prompt)]
    assert not [name for name in names if "fp8" in name]


@pytest.mark.parametrize(("kind", "memory", "rows"), [(None, 0, ["gguf"]), ("mps", 128, ["gguf"]), ("mps", 36, [])])
def test_the_doctor_runs_no_model_twice_whatever_the_default_is(machine, kind, memory, rows):
    machine(kind, memory)
    cases = list(doctor.cases(["t2v"]))
    assert [case.config.choices["model"] for case in cases if case.variant.startswith("model")] == rows   # the others' weights are the same
    assert "gguf" in {case.config.choices["model"] for case in cases}


def test_model_fp8_is_refused_on_a_mac_before_anything_is_fetched_and_the_others_are_named(machine):
    machine("mps", 128)
    for engine in ("auto", "comfyui"):
        with pytest.raises(ConfigError) as error:
            engines.choose(configuration.compose(["mode=t2v", "model=fp8", f"engine={engine}"]))
        assert str(error.value) == "model: fp8 cannot run on this machine's mps device; choose model=bf16 or model=gguf"
    assert engines.choose(configuration.compose(["mode=t2v", "model=fp8", "engine=preview"]))[0] == "preview"


def test_plan_says_so_and_the_command_ends_with_it(machine, capsys, monkeypatch, tmp_path):
    from aio.cli import main

    machine("mps", 128)
    made = plan.plan(Job(configuration.compose(["mode=t2v", "model=fp8"]), {"prompt": "x"}))
    assert any("cannot run on this machine's mps" in text for text in made.request.warnings)
    assert "mps" not in " ".join(plan.plan(Job(configuration.compose(["mode=t2v"]), {"prompt": "x"})).request.warnings)
    monkeypatch.chdir(tmp_path)
    assert main(["mode=t2v", "model=fp8", "prompt=x"]) == InputError.exit_code
    assert "choose model=bf16 or model=gguf" in capsys.readouterr().err
    assert main(["models", "mode=t2v", "model=fp8", "--fetch"]) == InputError.exit_code
    assert "choose model=bf16 or model=gguf" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_models_and_the_page_see_the_same_precision(machine, capsys):
    from aio.cli import main
    from aio.ui import catalogue

    machine("mps", 128)
    main(["models", "mode=t2v"])
    shown = capsys.readouterr().out
    assert "model bf16" in shown and "ltx-2.3-22b-dev.safetensors" in shown and "fp8" not in shown
    found, faults = catalogue.read()
    assert not faults and {config.choices["model"] for config in found.modes.values()} == {"bf16"}


def test_a_command_line_that_was_made_on_a_mac_makes_the_same_elsewhere(machine):
    from aio.replay.remade import remake

    machine("mps", 128)
    config = configuration.compose(["mode=t2v"])
    recipe = {"engine": "comfyui", "mode": "t2v", "choices": dict(config.choices), "fields": {}, "params": {}}
    assert "model=bf16" in remake(recipe).words()
    machine("cuda", 128)
    assert "model=bf16" in remake(recipe).words()
    assert configuration.compose(remake(recipe).words()).choices["model"] == "bf16"


def test_the_memory_that_bf16_asks_for_follows_from_its_size():
    rules = yaml.safe_load((configuration.CONF / "platform" / "local.yaml").read_text(encoding="utf-8"))["usual"]["mps"]
    config = configuration.compose(["mode=t2v", "model=bf16"])
    largest = max(config.registry[name].size for name in config.tables["checkpoint"].values()) / 1e9
    assert rules[0]["model"] == "bf16" and (largest + 20) / 0.75 <= rules[0]["memory_gb"] < (largest + 30) / 0.75


@pytest.mark.parametrize("reason", [
    "Trying to convert Float8_e4m3fn to the MPS backend but it does not have support for that dtype.",
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use float32 instead.",
])
@pytest.mark.comfyui
def test_a_type_that_mps_lacks_is_told_in_words(reason, comfy, tmp_path):  # noqa: F811
    from aio.comfyui import failures

    error = failures.failed(TypeError(reason), "24", draw(check.sample(configuration.compose())), "Stage 1", {}, tmp_path)
    assert ("choose model=bf16" in str(error)) == ("Float8" in reason) and "choose" in str(error)


@pytest.mark.comfyui
def test_the_text_encoder_in_4_bits_is_computed_on_the_cpu_of_a_mac_which_reads_its_scales(comfy, monkeypatch):  # noqa: F811
    import comfy.model_management as management
    import torch
    from comfy.quant_ops import get_layout_class
    from safetensors.torch import load_file, save_file

    monkeypatch.setattr(management, "vram_state", management.VRAMState.SHARED)   # what ComfyUI sets where cpu_state is MPS
    assert management.text_encoder_device() == torch.device("cpu")

    path = comfy.engine.models_dir / "text_encoders" / "gemma_3_12B_it_fp4_mixed.safetensors"
    right, tensors = path.read_bytes(), load_file(path)
    layout, packed = get_layout_class("TensorCoreNVFP4Layout"), 0
    for name in [name for name in tensors if name.endswith("_proj.weight")]:
        numbers, facts = layout.quantize(tensors[name].float(), None)
        stem, packed = name.removesuffix(".weight"), packed + 1
        tensors |= {name: numbers, f"{stem}.weight_scale": facts.block_scale, f"{stem}.weight_scale_2": facts.scale}
        tensors[f"{stem}.comfy_quant"] = torch.tensor(list(b'{"format": "nvfp4"}'), dtype=torch.uint8)
    assert packed
    try:
        path.unlink()   # a link of the same bytes under another name stays as it is
        save_file(tensors, path)
        made = comfy.run("mode=t2v", "preset=fast")
        assert doctor.look(made.video).spread > doctor.FLAT
    finally:
        path.unlink()
        path.write_bytes(right)


@pytest.mark.comfyui
@pytest.mark.parametrize(("mode", "preset"), list(zip(MODES, itertools.cycle(configuration.choices("preset")))))
def test_a_run_in_16_bits_makes_no_number_of_a_type_that_mps_lacks(comfy, mode, preset):  # noqa: F811
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    types, executor = set(), comfy.engine._executor
    execute = executor.execute_async

    class Types(TorchDispatchMode):
        def __torch_dispatch__(self, func, _types, args=(), kwargs=None):
            made = func(*args, **(kwargs or {}))
            types.update(str(one.dtype) for one in (made if isinstance(made, tuple | list) else [made]) if isinstance(one, torch.Tensor))
            return made

    async def watched(*args, **kwargs):
        executor.reset()   # nothing from the runs before
        with Types():
            return await execute(*args, **kwargs)

    executor.execute_async = watched
    try:
        comfy.run(mode, f"preset={preset}", "model=bf16")
    finally:
        del executor.execute_async
    assert "torch.bfloat16" in types or "torch.float32" in types
    assert not {name for name in types if "float64" in name or "complex128" in name or "float8" in name}
