"""The ComfyUI engine, on the real ComfyUI."""

import asyncio
import concurrent.futures
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import config as configuration
from aio.check import doctor
from aio.errors import Cancelled, EngineError, OutputError, WorkflowError
from aio.graph import schema
from aio.graph.draw import draw
from aio.recipe import provenance
from aio.stop import Stop

pytestmark = pytest.mark.comfyui
ROOT = Path(__file__).resolve().parent.parent
T2V = ("mode=t2v", "preset=fast")


def titles(request, prompt, ids):
    return {prompt[node]["_meta"]["title"] for node in ids}


def files(comfy, prefix):  # noqa: F811
    return [path for path in comfy.engine.folders.output.rglob("*") if str(path).startswith(str(comfy.engine.folders.output / prefix))]


# -- starting


START = """
import sys
{before}
sys.path.insert(1, {root!r})
from pathlib import Path
from aio import config
from aio.comfyui.engine import ComfyUIEngine
library = ComfyUIEngine(config.compose(), work_dir=Path({work!r}), models_dir=Path({work!r}), cpu=True).start()
import app.logger, nodes, utils.extra_config
print(library.device, len(nodes.NODE_CLASS_MAPPINGS), Path(utils.__path__[0]).name, sorted(library.packs))
"""


def test_it_starts_where_files_and_loaded_modules_bear_the_names_of_comfyuis(tmp_path):
    for name in ("app", "utils", "nodes", "server"):
        (tmp_path / f"{name}.py").write_text("value = 1\n")
    script = START.format(before="import app, utils", root=str(ROOT), work=str(tmp_path / "work"))
    process = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    device, classes, utils, packs = process.stdout.split()
    assert (device, utils, packs) == ("cpu", "utils", "[]")
    assert int(classes) > 500
    assert process.stderr == ""   # its log goes to a file


def test_it_starts_from_the_repository_whose_app_is_another_one(comfy):  # noqa: F811
    for name in ("app.logger", "utils.extra_config", "server", "nodes"):   # pytest's own folder, the repository, is on the path too
        assert Path(sys.modules[name].__file__).is_relative_to(comfy.engine.folders.comfyui)


def test_it_says_which_comfyui_it_is(comfy):  # noqa: F811
    pins = configuration.compose().comfyui
    assert comfy.engine.revision == f"v{pins.version} {pins.comfyui.revision[:8]}"
    assert comfy.run(*T2V).engine == f"comfyui {comfy.engine.revision}"


def test_the_committed_schema_is_the_one_of_this_comfyui():
    script = """if True:
        from aio import config
        from aio.comfyui import describe, location
        from aio.machine import folders
        print(describe.regenerate(location.find(config.compose().comfyui).path, folders.ROOT / 'nodes'), end="")"""
    made = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert made[made.index("{"):] == (ROOT / "aio" / "data" / "node_schema.json").read_text(encoding="utf-8")
    assert schema.load()


# -- warm runs


def test_seven_jobs_in_one_process_execute_only_what_changed(comfy):  # noqa: F811
    jobs = [
        ("first", T2V, {}),
        ("new seed", T2V, {"seed": 7}),
        ("new prompt", T2V, {"prompt": "A dog sleeps"}),
        ("other mode", ("mode=i2v", "preset=fast"), {"prompt": "A dog sleeps"}),
        ("new seed there", ("mode=i2v", "preset=fast"), {"prompt": "A dog sleeps", "seed": 7}),
        ("other preset", ("mode=i2v", "preset=balanced"), {"prompt": "A dog sleeps"}),
        ("first again", T2V, {}),
    ]
    comfy.engine.start()
    comfy.engine._executor.reset()   # whatever other tests left
    seen = {}
    for name, overrides, params in jobs:
        request, prompt = comfy.case(*overrides, params=params)
        assert comfy.execute(request, prompt).frames == 9
        executed, cached = comfy.engine.executed, comfy.engine.cached
        assert set(executed) | set(cached) == set(prompt) and not set(executed) & set(cached)
        seen[name] = (len(executed), len(cached), titles(request, prompt, executed))
    loading = {"Load checkpoint", "Load text encoder", "Load audio VAE"}
    assert seen["first"][:2] == (26, 1)   # both stages draw their noise from one seed
    assert seen["new seed"][:2] == (11, 16)
    assert not seen["new seed"][2] & (loading | {"Prompt", "Negative prompt"})
    assert "Prompt" in seen["new prompt"][2] and not seen["new prompt"][2] & (loading | {"Negative prompt"})
    assert not seen["other mode"][2] & (loading | {"Prompt"})
    assert not seen["new seed there"][2] & (loading | {"Prompt", "Load image"})
    assert loading <= seen["other preset"][2]   # another checkpoint
    assert seen["first again"][0] < 26   # what its mode shares with the last jobs was kept


def test_stages_open_in_order_and_steps_lie_within_them(comfy):  # noqa: F811
    request, prompt = comfy.case(*T2V, params={"seed": 11})
    made = comfy.execute(request, prompt)
    stages = [event.stage for event in comfy.events if event.kind == "stage"]
    assert [title for title in stages if title in ("Stage 1", "Upscaling", "Stage 2", "Decoding", "Writing the video")] == [
        "Stage 1", "Upscaling", "Stage 2", "Decoding", "Writing the video"]
    steps = [(event.stage, event.step, event.steps) for event in comfy.events if event.kind == "step" and event.steps]
    assert ("Stage 1", 8, 8) in steps and ("Stage 2", 3, 3) in steps
    fractions = [event.fraction for event in comfy.events]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    assert all(event.seconds_left >= 0 for event in comfy.events if event.seconds_left is not None)
    assert set(made.timings) == set(stages)


# -- what comes out


def test_the_file_carries_its_recipe(comfy):  # noqa: F811
    import av

    case = doctor.Case(configuration.compose(T2V))
    drawn = doctor.prepared(case, comfy.engine.input_dir)
    recipe = provenance.metadata(drawn, "comfyui")
    made = comfy.execute(drawn.request, drawn.prompt, metadata=recipe)
    with av.open(str(made.video)) as container:
        tags = dict(container.metadata)
    assert json.loads(tags["aio"]) == json.loads(recipe["aio"])
    assert json.loads(tags["prompt"]).keys() == drawn.prompt.keys()


def test_the_result_is_the_file_that_the_output_node_names(comfy):  # noqa: F811
    request, prompt = comfy.case(*T2V)
    folder = comfy.engine.folders.output / "aio"
    folder.mkdir(exist_ok=True)
    newest = folder / "zzz_99999_.mp4"
    newest.write_bytes(b"")
    os.utime(newest, (time.time() + 1000,) * 2)
    made = comfy.execute(request, prompt)
    assert made.video.name.startswith(request.prefix.removeprefix("aio/"))
    newest.unlink()


def test_a_result_that_is_gone_is_said_to_be(comfy):  # noqa: F811
    request, prompt = comfy.case(*T2V)
    comfy.execute(request, prompt).video.unlink()
    with pytest.raises(EngineError, match="names no file"):
        comfy.execute(request, prompt)   # ComfyUI answers from its cache, with the old name


def test_a_prefix_cannot_lead_out_of_the_output_folder(comfy):  # noqa: F811
    with pytest.raises(OutputError, match="leads out"):
        comfy.execute(*comfy.again(*comfy.case(*T2V), "../out"))


# -- refusals and failures


def test_an_unknown_class_is_named(comfy):  # noqa: F811
    request, prompt = comfy.case(*T2V)
    prompt["40"]["class_type"] = "VAEDecodeOfTomorrow"
    with pytest.raises(WorkflowError, match="ComfyUI has no node class VAEDecodeOfTomorrow"):
        comfy.execute(request, prompt)


def test_a_refused_value_is_led_back_to_its_field(comfy):  # noqa: F811
    request, prompt = comfy.case("mode=t2v", "preset=balanced")
    prompt["20"]["inputs"]["noise_seed"] = -1
    prompt["distilled_lora"]["inputs"]["strength_model"] = 1000.0
    prompt["1"]["inputs"]["ckpt_name"] = "nowhere.safetensors"
    with pytest.raises(WorkflowError) as caught:
        comfy.execute(request, prompt)
    lines = sorted(str(caught.value).splitlines())
    assert any("noise_seed (from seed): Value -1 smaller than min of 0" in line for line in lines)
    assert any("strength_model (from distilled_lora): Value 1000.0 bigger than max" in line for line in lines)
    assert any("ckpt_name (from variant): Value not in list" in line for line in lines)


class Trouble:
    """A node that passes latents on after some trouble."""

    CATEGORY, FUNCTION, RETURN_TYPES = "test", "go", ("LATENT",)
    held = threading.Event()

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"samples": ("LATENT",), "kind": ("STRING", {})}}

    def go(self, samples, kind):
        import torch

        if kind == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB")
        if kind == "fault":
            raise ValueError("the cat\nwalked off")
        self.held.set()
        time.sleep(2.5)   # nothing that ComfyUI could interrupt
        return (samples,)


@pytest.fixture
def troubled(comfy):  # noqa: F811
    import nodes

    nodes.NODE_CLASS_MAPPINGS["AioTrouble"] = Trouble
    Trouble.held.clear()

    def case(kind):
        request, prompt = comfy.case(*T2V)
        node = {"class_type": "AioTrouble", "inputs": {"samples": prompt["40"]["inputs"]["samples"], "kind": kind}, "_meta": {"title": "Trouble"}}
        prompt["40"]["inputs"]["samples"] = ["trouble", 0]
        return request, {**prompt, "trouble": node}

    yield case
    del nodes.NODE_CLASS_MAPPINGS["AioTrouble"]


@pytest.mark.parametrize("kind, name, words", [
    ("memory", "OutOfMemory", "Stage 2: trouble Trouble (AioTrouble) ran out of memory. Choose a smaller width"),
    ("fault", "NodeError", "Stage 2: trouble Trouble (AioTrouble) failed: ValueError: the cat walked off."),
])
def test_a_failing_node_is_named_with_its_stage_and_the_next_run_is_healthy(comfy, troubled, kind, name, words):  # noqa: F811
    request, prompt = troubled(kind)
    with pytest.raises(EngineError) as caught:
        comfy.execute(request, prompt)
    assert (type(caught.value).__name__, caught.value.stage, caught.value.node) == (name, "Stage 2", "trouble")
    assert str(caught.value).startswith(words)
    assert not files(comfy, request.prefix)
    assert comfy.run(*T2V).frames == 9


def test_what_on_event_raises_ends_the_run(comfy):  # noqa: F811
    class Enough(Exception):
        pass

    def on_event(event):
        if event.stage == "Stage 1":
            raise Enough

    with pytest.raises(Enough):
        comfy.execute(*comfy.case(*T2V, params={"seed": 12}), on_event)
    assert "40" not in comfy.engine.executed
    assert comfy.run(*T2V).frames == 9


# -- stopping


def test_a_stop_before_a_run_ends_it_and_only_it(comfy):  # noqa: F811
    request, prompt = comfy.case(*T2V)
    stop = Stop()
    stop.set()
    with pytest.raises(Cancelled):
        comfy.execute(request, prompt, stop=stop)
    assert comfy.events == []
    assert comfy.execute(request, prompt).frames == 9


@pytest.mark.parametrize("runs", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_a_stop_after_its_run_touches_none_of_the_next_ones(comfy, runs):  # noqa: F811
    request, prompt = comfy.case(*T2V)
    late = Stop()
    for number in range(runs):
        stop = Stop()
        threading.Thread(target=late.set).start()   # the one of the run before
        made = comfy.execute(*comfy.again(request, prompt, f"aio/late{number}"), stop=stop)
        assert made.frames == 9 and not stop.is_set()
        made.video.unlink()
        late = stop


@pytest.mark.parametrize("kind, stage", [("step", "Stage 1"), ("stage", "Decoding")], ids=["within a node", "between nodes"])
def test_a_stop_ends_the_run_within_a_second_and_the_next_one_is_healthy(comfy, kind, stage):  # noqa: F811
    request, prompt = comfy.case("mode=t2v", "preset=quality", params={"seed": 13})
    asked, stop = [], Stop()

    def on_event(event):
        if (event.kind, event.stage) == (kind, stage) and not asked:
            asked.append(time.monotonic())
            threading.Thread(target=stop.set).start()
            time.sleep(0.05)   # the other thread comes first

    with pytest.raises(Cancelled):
        comfy.execute(request, prompt, on_event, stop)
    assert time.monotonic() - asked[0] < 1
    assert "43" not in comfy.engine.executed
    assert not files(comfy, request.prefix)
    assert comfy.run("mode=t2v", "preset=quality", params={"seed": 13, "steps": 2}).frames == 9


def test_a_stop_does_not_wait_for_a_node_that_cannot_be_interrupted(comfy, troubled):  # noqa: F811
    request, prompt = troubled("sleep")
    stop = Stop()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(comfy.execute, request, prompt, stop=stop)
        assert Trouble.held.wait(20)
        began = time.monotonic()
        stop.set()
        with pytest.raises(Cancelled):
            running.result()
        assert time.monotonic() - began < 1
    assert comfy.run(*T2V).frames == 9   # after the other has ended
    assert not files(comfy, request.prefix)


# -- where it is called


def test_it_runs_inside_an_event_loop_and_from_threads_one_job_after_the_other(comfy):  # noqa: F811
    jobs = [comfy.case(*T2V, params={"seed": seed}) for seed in (21, 22, 23)]

    async def main():
        first = comfy.execute(*jobs[0])
        return [first, *await asyncio.gather(*(asyncio.to_thread(comfy.execute, *job) for job in jobs[1:]))]

    made = asyncio.run(main())
    assert len({artifacts.video for artifacts in made}) == 3
    assert [artifacts.frames for artifacts in made] == [9, 9, 9]


# -- memory


def test_the_memory_policy_decides_what_stays_loaded(comfy):  # noqa: F811
    import comfy.model_management as management

    comfy_ = comfy
    comfy_.run(*T2V)
    assert management.current_loaded_models
    comfy_.run(*T2V, "memory=unload", params={"seed": 31})
    assert not management.current_loaded_models
    comfy_.run(*T2V, params={"seed": 31})
    assert "1" in comfy_.engine.executed   # results were freed too


# -- the doctor


def test_the_doctor_runs_a_mode_with_every_preset_and_lora_and_shows_a_table(comfy, monkeypatch):  # noqa: F811
    import comfy.sd as loaders

    kept, original = doctor.cases, loaders.load_text_encoder_state_dicts
    # Two LoRAs stand for all; the full table takes a minute.
    few = [case for case in kept(["t2v"]) if case.variant in ("", "lora detailer", "lora camera_static")]
    monkeypatch.setattr(doctor, "cases", lambda modes, config_dirs: few)
    lines = []
    assert doctor.doctor(modes=["t2v"], show=lines.append) == 0
    assert comfy.engine.revision in lines[0]
    presets = [*configuration.choices("preset"), "balanced", "balanced"]
    assert [line.split()[:2] for line in lines if " ok " in line] == [["t2v", preset] for preset in presets]
    assert f"{len(presets)} runs, 0 with faults, 0 schema only" in lines[-1]
    assert loaders.load_text_encoder_state_dicts is original   # tiny text encoders load nowhere else
    assert comfy.run(*T2V).frames == 9   # in its own folders again


def test_the_doctor_sees_a_choice_that_changes_nothing(comfy):  # noqa: F811
    case = doctor.Case(configuration.compose(T2V))
    first, second = (doctor.examine(case, comfy.engine) for _ in range(2))
    assert first.faults == ()
    assert "the same pixels as preset fast: it changes nothing" in doctor._differs(second, [first]).faults


def test_the_doctor_covers_every_mode_preset_lora_and_control():
    modes = ["i2v", "style"]   # as an example of all
    cases = list(doctor.cases(modes))
    assert {(case.config.mode, case.config.choices["preset"]) for case in cases if not case.variant} == {
        (mode, preset) for mode in modes for preset in configuration.choices("preset")}
    variants = {case.variant for case in cases}
    assert {f"lora {name}" for name in configuration.choices("lora")} <= variants
    assert {"control depth", "control pose", "control none", "with image", "model gguf"} <= variants
    assert any(variant.startswith("memory ") for variant in variants)


@pytest.mark.slow
def test_a_hundred_runs_do_not_grow(comfy):  # noqa: F811
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()

    def jobs(count, first):
        for seed in range(first, first + count):
            comfy.run(*T2V, params={"seed": seed, "prompt": f"A cat walks {seed % 5} times"}).video.unlink()

    jobs(15, 0)
    memory, opened = process.memory_info().rss, process.num_fds()
    jobs(100, 100)
    assert process.num_fds() <= opened + 2
    assert process.memory_info().rss - memory < 40e6


def test_chunked_memory_runs_through_the_pinned_node_pack(comfy):  # noqa: F811
    case = next(case for case in doctor.cases(["t2v"]) if case.variant == "memory chunked")
    with_pack = doctor.examine(case, comfy.engine)
    if with_pack.note:
        pytest.skip(f"the node pack is not installed: {with_pack.note}")
    assert with_pack.faults == () and "chunk_feed_forward" in comfy.engine.executed


@pytest.mark.parametrize("control", ["depth", "pose"])
def test_a_control_with_a_network_of_its_own_runs_for_real(comfy, control):  # noqa: F811
    row = doctor.examine(doctor.Case(configuration.compose(["mode=style", "preset=fast"]), params={"control": control}), comfy.engine)
    assert (row.note, row.faults) == ("", ())
    assert {control, f"{control}_model", f"{control}_image"} <= set(comfy.engine.executed)


def test_decoding_in_tiles_gives_a_clip_of_the_same_size_by_other_ways(comfy):  # noqa: F811
    tiles = {"tile_size": 64, "tile_frames": 8}
    rows = [doctor.examine(doctor.Case(configuration.compose([*T2V, f"memory={name}"]), params=params), comfy.engine)
            for name, params in (("keep_warm", {}), ("tiled", tiles))]
    assert [row.faults for row in rows] == [(), ()]
    assert rows[0].digest != rows[1].digest   # tiles meet in seams


def test_low_memory_decodes_in_tiles_and_the_default_keeps_comfyuis_own_second_chance():
    kinds = {name: draw(doctor.check.sample(configuration.compose([*T2V, f"memory={name}"]))).prompt["40"]["class_type"]
             for name in configuration.choices("memory")}
    assert {name for name, kind in kinds.items() if kind == "VAEDecodeTiled"} == {"low", "tiled"}
    assert set(kinds.values()) == {"VAEDecode", "VAEDecodeTiled"}   # VAEDecode tries again in tiles when memory runs out
