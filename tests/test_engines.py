"""Engines are declared in the configuration, say what they are, and end by the stop of their run. The further one here is fakeengine.py."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fakeengine import ENDLESS

from aio import engines
from aio import run as chain
from aio.cli import main
from aio.config import compose
from aio.errors import Cancelled, ConfigError, EngineError
from aio.graph.draw import Drawn
from aio.job import Job
from aio.machine import folders
from aio.recipe import sidecar
from aio.spaces import worker
from aio.spaces.engine import ZeroGPUEngine, create
from aio.stop import Stop
from aio.ui import catalogue, forms, recipes
from aio.ui.running import Run
from aio.values import Event

LINE = "+engines.fake.class_path=fakeengine.Fake"
SMALL = ("width=256", "height=256", "seconds=0.4", "preset=fast")
HERE = Path(__file__).parent


def job(tmp_path, *words, prompt="x", **params):
    config = compose([LINE, "engine=fake", "preset=fast", f"output.dir={tmp_path}", *words])
    return Job(config, {"prompt": prompt, "width": 256, "height": 256, "seconds": 0.4, **params})


def wait_for(condition, seconds=30.0):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


# -- one module and one line


def test_a_further_engine_runs_a_job_and_its_clip_can_be_replayed(tmp_path, capsys):
    assert main([LINE, "engine=fake", "prompt=x", *SMALL, f"output.dir={tmp_path}"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 't2v-0001.mp4'}\n" and "engine: fake (chosen by engine=)" in shown.err
    assert sidecar.read(tmp_path / "t2v-0001.mp4").data["engine"] == "fake 1"
    assert main(["replay", str(tmp_path / "t2v-0001.mp4"), LINE, f"output.dir={tmp_path}"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 't2v-0002.mp4'}\n"


def test_a_clip_of_an_engine_that_is_not_here_is_replayed_by_another_or_says_what_is_missing(tmp_path, capsys):
    main([LINE, "engine=fake", "prompt=x", *SMALL, f"output.dir={tmp_path}"])
    capsys.readouterr()
    assert main(["replay", str(tmp_path / "t2v-0001.mp4")]) == 2
    assert "aio: engine: 'fake' is unknown. Known: auto, comfyui, preview\naio: The recipe needs it" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "t2v-0001.mp4"), "engine=preview", f"output.dir={tmp_path}"]) == 0
    assert capsys.readouterr().out.endswith(".preview.mp4\n")


def test_a_further_engine_runs_a_sweep(tmp_path, capsys):
    assert main(["-m", LINE, "engine=fake", "prompt=x", *SMALL, "seed=1,2", f"output.dir={tmp_path}"]) == 0
    assert len(list(tmp_path.glob("sweeps/*/?/t2v-0001.mp4"))) == 2
    assert main(["-m", LINE, "engine=fake,preview", "prompt=x", *SMALL, f"output.dir={tmp_path / 'two'}"]) == 0
    assert sorted(path.name for path in tmp_path.glob("two/sweeps/*/?/*.mp4")) == ["t2v-0001.mp4", "t2v-0001.preview.mp4"]


def test_a_further_engine_is_on_the_page_and_the_pages_command_line_names_it(tmp_path):
    offered, faults = catalogue.read([LINE, "engine=fake", f"output.dir={tmp_path}"], [])
    assert faults == []
    task = Run(forms.form(offered, "t2v").job({"prompt": "x", "width": 256, "height": 256, "seconds": 0.4}), chain.run).start()
    assert task.done.wait(60) and task.error is None and task.artifacts.video.name == "t2v-0001.mp4"
    assert not any("engine" in warning for warning in task.warnings)   # it has no note
    _, command, _ = recipes.told(task.artifacts.video, offered, tmp_path / "recipes")
    assert LINE in command and "engine=fake" in command


def test_help_completion_and_errors_know_a_further_engine(capsys, monkeypatch):
    assert main(["--help", LINE]) == 0
    assert "auto | comfyui | preview | fake" in capsys.readouterr().out
    assert main(["plan", LINE, "engine=fkae", "prompt=x"]) == 2
    assert capsys.readouterr().err == "aio: engine: 'fkae' is unknown. Did you mean 'fake'? Known: auto, comfyui, preview, fake\n"
    monkeypatch.setenv("COMP_LINE", f"aio {LINE} engine=")
    assert main(["-sc", "query=bash"]) == 0
    assert capsys.readouterr().out == "engine=auto engine=comfyui engine=preview engine=fake\n"


def test_auto_takes_the_first_whose_needs_are_met(monkeypatch):
    late = compose([LINE, "engine=auto"])
    assert engines.choose(late)[0] == "preview"
    alone = compose([LINE, "engine=auto", "engines.preview.device=true"])
    assert engines.choose(alone) == ("fake", "no CUDA or MPS device here")
    monkeypatch.setattr("aio.comfyui.location.find", lambda data: None)
    with pytest.raises(EngineError, match="a cuda device is here, but ComfyUI is not set up"):
        engines.choose(late, "cuda")
    nowhere = compose(["engine=auto", "engines.preview.device=true"])
    with pytest.raises(ConfigError, match="comfyui, preview need a CUDA or MPS device, and none is here"):
        engines.choose(nowhere)


def test_on_zerogpu_only_an_engine_that_computes_on_a_gpu_asks_for_one(tmp_path, monkeypatch):
    monkeypatch.setattr("aio.spaces.engine.on_zerogpu", lambda: True)
    assert not isinstance(create("fake", job(tmp_path, "platform=zerogpu").config), ZeroGPUEngine)
    asking = create("fake", job(tmp_path, "platform=zerogpu", "+engines.fake.device=true").config)
    assert isinstance(asking, ZeroGPUEngine) and asking.real and asking.output_dir


@pytest.mark.parametrize(("line", "said"), [
    ("+engines.odd.class_path=nosuch.Odd", "engines.odd.class_path: 'nosuch.Odd' cannot be imported (ModuleNotFoundError: No module named 'nosuch')"),
    ("+engines.odd.class_path=fakeengine.Nope", "engines.odd.class_path: 'fakeengine.Nope' cannot be imported (AttributeError: "),
    ("+engines.odd.class_path=plain", "engines.odd.class_path: 'plain' cannot be imported ("),
    ("+engines.odd.class_path=fakeengine.Fake", "engines.odd: the class fakeengine.Fake calls itself 'fake'; give both one name"),
    ("+engines.odd.class_path=os.system", "engines.odd.class_path: 'os.system' is no engine; name a class with execute and lacking"),
    ("+engines.odd.class_path=pathlib.Path", "engines.odd.class_path: 'pathlib.Path' is no engine; name a class with execute and lacking"),
    ("+engines.odd.device=true", "engines.odd: missing class_path"),
    ("+engines.odd.class_pat=x", "engines.odd.class_pat: unknown key. Did you mean 'class_path'?"),
])
def test_a_fault_in_the_line_is_one_sentence(line, said, tmp_path, capsys):
    assert main([line, "engine=odd", "prompt=x", *SMALL, f"output.dir={tmp_path}"]) == 2
    err = capsys.readouterr().err
    assert f"aio: {said}" in err and "Traceback" not in err


@pytest.mark.parametrize(("name", "head", "text"), [
    ("mode/own", "_global_", "engines: {odd: {class_path: os.system}}"),
    ("mode/own", "_global_", "engines: {preview: {class_path: os.system}}"),
    ("memory/own", "engines", "odd: {class_path: os.system}"),
    ("memory/own", "engines.odd", "class_path: os.system"),
    ("memory/engines", "_name_", "odd: {class_path: os.system}"),
])
def test_no_file_of_config_dir_makes_aio_import_anything(name, head, text, tmp_path):
    file = tmp_path / f"{name}.yaml"
    file.parent.mkdir()
    base = "defaults: [t2v]\n" if name.startswith("mode") else ""
    file.write_text(f"# @package {head}\n{base}{text}\n")
    for more in ((), ("++engines.odd.note=x", "++engines.preview.note=x")):   # a line for another setting lets nothing in
        try:
            made = compose([name.replace("/", "="), "engine=preview", *more], [tmp_path])
        except ConfigError as error:
            assert any(why in str(error) for why in (
                "engines.odd.class_path: 'os.system' comes from a file of --config-dir", "engines.odd: missing class_path", "_name_: unknown key"))
        else:   # what aio's own file says came later
            assert "os.system" not in str(made.engines) and "odd" not in made.engines


# -- one stop for each run


def started(tmp_path, *words):
    """An `aio` of its own whose engine streams steps."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folders.PACKAGE.parent), str(HERE)])}
    command = [sys.executable, "-m", "aio", *words, LINE, "engine=fake", f"prompt={ENDLESS}", *SMALL, f"output.dir={tmp_path / 'out'}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=tmp_path)


@pytest.mark.parametrize("words", [(), ("-m", "seed=1,2"), ("-m", "seed=1,2", "hydra/launcher=basic")], ids=["run", "sweep", "launcher"])
def test_ctrl_c_ends_a_streaming_run_and_a_sweep_within_a_second(words, tmp_path):
    process = started(tmp_path, *words)
    for line in process.stderr:
        if "Painting" in line:
            break
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    took = time.monotonic() - began
    assert process.wait(10) == 130 and "aio: cancelled" in said and "Traceback" not in said
    assert took < (1 if not words else 2)   # a sweep draws its sheet
    states = [json.loads(path.read_text())["state"] for path in tmp_path.glob("out/sweeps/*/?/job.json")]
    assert states == (["stopped"] if words else [])   # the second never begins


def test_the_pages_stop_ends_a_streaming_run_within_a_second_and_touches_no_other(tmp_path):
    first, other = (Run(job(tmp_path / name, prompt=ENDLESS), chain.run).start() for name in "ab")
    wait_for(lambda: first.event.step and other.event.step)
    began = time.monotonic()
    first.stop()
    assert first.done.wait(5) and time.monotonic() - began < 1 and isinstance(first.error, Cancelled)
    assert not other.done.wait(0.3)   # on the very same engine
    other.stop()
    assert other.done.wait(5)


def test_zerogpus_flag_ends_the_run_of_another_process_within_a_second(tmp_path):
    asked = job(tmp_path, prompt=ENDLESS)
    here = Stop.shared()
    request = chain.stage(chain.validate(asked), create("fake", asked.config).input_dir)
    items = worker.work(worker.Call("fake", Drawn(request), {}, 60, str(here.file)))
    assert next(items)[0] == "event"
    here.set("the page was closed")
    began = time.monotonic()
    last = list(items)[-1]
    assert time.monotonic() - began < 1
    assert (last[0], last[1][:2]) == ("failed", ("Cancelled", "the page was closed"))
    here.remove()
    assert not here.file.exists() and here.is_set()


@pytest.mark.parametrize("name", ["fake", "preview"])
def test_a_stop_after_its_run_touches_none_of_the_next_hundred(name, tmp_path):
    engine = engines.create(name, job(tmp_path).config)
    request = chain.stage(chain.validate(job(tmp_path)), engine.input_dir)
    drawn = chain.draw(request)
    late = Stop()
    for _ in range(100):
        stop = Stop()
        late.set()   # the one of the run before
        threading.Thread(target=late.set).start()
        made = engine.execute(drawn, lambda event: None, stop)
        assert made.frames == 9 and not stop.is_set()
        made.video.unlink()
        late = stop


def test_a_stop_before_the_engine_begins_ends_the_run_and_the_next_one_is_made(tmp_path):
    stop = Stop()
    stop.set("the visitor left")
    config = job(tmp_path).config
    with pytest.raises(Cancelled, match="the visitor left"):
        chain.run(job(tmp_path), engines.create("fake", config), stop=stop)
    assert chain.run(job(tmp_path), engines.create("fake", config)).video.is_file()


def test_a_stop_while_weights_are_fetched_ends_the_run_there(tmp_path, monkeypatch):
    stop, told = Stop(), []

    def fetching(refs, entries, folder, on_event, rules=None):
        for share in range(100):
            on_event(Event("download", "Fetching", fraction=share / 100))
            stop.set()

    monkeypatch.setattr(chain, "ensure", fetching)
    engine = engines.make("fake", job(tmp_path).config)
    engine.models_dir = tmp_path
    with pytest.raises(Cancelled):
        chain.run(job(tmp_path), engine, told.append, stop)
    assert [event.fraction for event in told if event.kind == "download"] == [0.0]


# -- the stop itself


def test_the_first_reason_counts_and_calls_end_with_their_scope():
    stop, called = Stop(), []
    with stop.calling(lambda: called.append(1)):
        pass
    with stop.calling(lambda: called.append(2)):
        stop.set("one")
        stop.set("two")
    with stop.calling(lambda: called.append(3)):
        assert called == [2, 3]
    with pytest.raises(Cancelled, match=r"^one$"):
        stop.check()
    with pytest.raises(Cancelled, match=r"^one$"):
        stop.around(called.append)("event")


def test_another_process_sets_a_shared_stop_with_its_reason(tmp_path):
    here = Stop(tmp_path / "flag")
    assert not here.is_set()
    script = f"from aio.stop import Stop; Stop({str(here.file)!r}).set('from afar')"
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent)})
    called = []
    with contextlib.suppress(Cancelled), here.calling(lambda: called.append(here.reason)):
        here.check()
    assert called == ["from afar"] and os.stat(here.file).st_mode & 0o077 == 0


def test_work_that_does_not_end_is_left_behind_after_its_grace():
    from concurrent.futures import Future

    stop, never, done = Stop(), Future(), Future()
    threading.Timer(0.05, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled, match="stopped; what was running ends by itself and leaves nothing"):
        stop.result(never, grace=0.2)
    assert time.monotonic() - began < 1
    done.set_result("clip")
    assert stop.result(done) == "clip"   # what is made is made
