"""The whole command, as a user types it, on the preview engine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from aio import config
from aio.cli import main
from aio.machine import folders

README_PROMPT = "A cat, running: in {rain}, it's (wet) = fun 🙂"
SMALL = ["width=256", "height=256", "seconds=0.4", "fps=24", "engine=preview"]


def aio(*words, cwd=None, **kwargs):
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "PYTHONIOENCODING": "utf-8", **kwargs.pop("env", {})}
    return subprocess.run([sys.executable, "-m", "aio", *words], capture_output=True, text=True, cwd=cwd, env=env, timeout=120, **kwargs)


def needed(mode, inputs):
    return [f"{name}={inputs[name]}" for name, field in config.compose([f"mode={mode}"]).fields.items() if name in inputs and field.required]


def recipe(path):
    with av.open(str(path)) as container:
        return json.loads(container.metadata["aio"]), json.loads(container.metadata["prompt"])


@pytest.mark.parametrize("mode", config.choices("mode"))
def test_every_mode_makes_an_mp4(mode, inputs, tmp_path, capsys):
    words = [f"mode={mode}", "prompt=x", f"output.dir={tmp_path}", *SMALL, *needed(mode, inputs)]
    assert main(words) == 0
    path = Path(capsys.readouterr().out.splitlines()[-1])
    assert path == tmp_path / f"{mode}-0001.preview.mp4"
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video))
        assert (video.width, video.height, float(video.average_rate), frames) == (256, 256, 24.0, 9)
        assert video.codec_context.name == "h264" and container.streams.audio[0].codec_context.name == "aac"


def test_the_prompt_of_the_readme_arrives_as_typed(inputs, tmp_path):
    words = ["mode=lipsync", "preset=quality", f"image={inputs['image']}", f"audio={inputs['audio']}", f"prompt={README_PROMPT}"]
    done = aio(*words, *SMALL, f"output.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    made, graph = recipe(done.stdout.splitlines()[-1])
    assert made["params"]["prompt"] == README_PROMPT and graph["4"]["inputs"]["text"] == README_PROMPT
    assert made["choices"]["preset"] == "quality"


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "???", "null", "5", "a,b", "\"'", "two\nlines", "@@at"])
def test_a_prompt_is_only_text(text, tmp_path):
    done = aio("mode=t2v", f"prompt={text}", *SMALL, f"output.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert recipe(done.stdout.splitlines()[-1])[0]["params"]["prompt"] == text.removeprefix("@")


def test_a_sweep_runs_every_combination_and_keeps_text_whole(tmp_path):
    (tmp_path / "prompts.txt").write_text("Rain, at ${night}\n\n{sun} = 'fun'\n", encoding="utf-8")
    words = ["-m", "mode=t2v", f"prompt=@{tmp_path / 'prompts.txt'}", "seed=1,2", "preset=fast", *SMALL, f"output.dir={tmp_path}"]
    done = aio(*words)
    assert done.returncode == 0, done.stderr
    made = [recipe(line)[0]["params"] for line in done.stdout.splitlines()[:-1]]   # the last line is the sheet
    assert {(one["prompt"], one["seed"]) for one in made} == {(p, s) for p in ("Rain, at ${night}", "{sun} = 'fun'") for s in (1, 2)}


def test_a_sweep_over_modes_presets_models_and_loras(tmp_path):
    words = ["-m", "mode=t2v", "preset=fast,balanced", "model=fp8,bf16", "lora=[],[detailer,camera_static]", "prompt=a,b"]
    done = aio(*words, *SMALL, f"output.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    made = [recipe(line)[0] for line in done.stdout.splitlines()[:-1]]
    assert len(made) == 8 and {one["params"]["prompt"] for one in made} == {"a,b"}
    assert {len(one["choices"]["lora"]) for one in made} == {0, 2}


def test_a_failed_job_of_a_sweep_does_not_stop_the_others(tmp_path):
    done = aio("-m", "mode=t2v", "prompt=x", *SMALL[1:], "width=256,300,320", f"output.dir={tmp_path}")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 3 and done.stdout.splitlines()[-1].endswith("index.html")
    assert "width: 300 is not a multiple of 64; use 256 or 320" in done.stderr


def test_all_faults_are_said_at_once_without_a_traceback(tmp_path):
    done = aio("mode=i2v", "widht=3", "width=700", f"image={tmp_path}", "seconds=99")
    assert done.returncode == 2 and done.stdout == ""
    for words in ("widht: no field of mode i2v. Did you mean 'width'?", "prompt: is required", "width: 700", "seconds: 99 is above 20", "image: "):
        assert f"aio: {words}" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback():
    assert "Traceback" in aio("mode=t2v", "width=700", env={"AIO_DEBUG": "1"}).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mode=lipsinc"], "Did you mean 'lipsync'?"),
        (["preset=best", "prompt=x"], f"Known: {', '.join(config.choices('preset'))}"),
        (["engine=cuda", "prompt=x"], "Known: auto, comfyui, preview"),
        (["mode=i2v", "prompt=x", "image=no.png"], "image: "),
        (["face.png"], "write field=value"),
        (["plan", "--jsn"], "Did you mean 'json'?"),
        (["mode=t2v", "prompt=x", "output.nmae=y"], "output.nmae"),
    ],
)
def test_bad_input_is_one_clear_message(words, said, capsys):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert said in captured.err and "Traceback" not in captured.err and captured.out == ""


def test_an_editor_format_workflow_is_refused(tmp_path, capsys):
    (tmp_path / "editor.json").write_text(json.dumps({"nodes": [], "links": []}))
    assert main(["mode=t2v", "prompt=x", f"mode.workflow={tmp_path / 'editor.json'}", f"output.dir={tmp_path}", *SMALL]) == 2
    assert "Workflow > Export (API)" in capsys.readouterr().err


def test_a_warning_names_a_field_without_effect(tmp_path, capsys):
    assert main(["mode=t2v", "prompt=x", "negative_prompt=y", f"output.dir={tmp_path}", *SMALL]) == 0
    assert "warning: negative_prompt has no effect here: it needs cfg above 1" in capsys.readouterr().err


def test_ctrl_c_removes_the_partial_file(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    words = ["mode=t2v", "prompt=x", "width=1920", "height=1088", "seconds=20", "engine=preview", f"output.dir={tmp_path / 'out'}"]
    process = subprocess.Popen([sys.executable, "-m", "aio", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("tmp/*/output/aio/.*.part")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == "" and "cancelled" in err and "Traceback" not in err
    assert not list(tmp_path.glob("**/*.mp4*")) and not list(tmp_path.rglob("*.part")) and not list(tmp_path.glob("out/*"))


def test_help_shows_modes_fields_presets_loras_and_examples(capsys):
    assert main(["--help", "mode=style"]) == 0
    shown = capsys.readouterr().out
    for word in (*config.choices("mode"), *config.choices("preset"), *config.choices("lora")):
        assert word in shown
    assert "canny | depth | pose | none" in shown and "256 to 1920, step 64" in shown and "Examples" in shown


@pytest.mark.parametrize("mode", config.choices("mode"))
def test_plan_gives_the_numbers_of_the_mp4_for_people_and_for_programs(mode, inputs, tmp_path, capsys):
    words = [f"mode={mode}", "prompt=x", f"output.dir={tmp_path}", *SMALL, *needed(mode, inputs)]
    assert main(["plan", "--json", *words]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert not list(tmp_path.iterdir())   # a plan writes nothing
    assert main(words) == 0
    with av.open(capsys.readouterr().out.splitlines()[-1]) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (planned["result"]["width"], planned["result"]["frames"]) == (video.width, video.frames)
        assert planned["result"]["sample_rate"] == audio.rate
        assert planned["result"]["sound_seconds"] == pytest.approx(float(audio.duration * audio.time_base), abs=0.025)
    assert planned["gpu"]["total"] > 0 and planned["missing_bytes"] > 10e9
    assert main(["plan", *words]) == 0
    shown = capsys.readouterr().out
    assert all(title in shown for title in ("Fields", "Result", "Patch (", "Graph (", "Files", "GPU seconds"))


@pytest.mark.parametrize("words", [[], ["install=nosuch"], ["query=install"], ["install=bash", "install=zsh"], ["memory="], ["query=bash"]])
def test_shell_completion_by_hand_says_how_to_switch_it_on(words):
    done = aio("-sc", *words)
    assert done.returncode == 2 and 'eval "$(python -m aio -sc install=bash)"' in done.stderr and "fault" not in done.stderr


def test_hydras_shell_completion_works():
    done = aio("-sc", "query=bash", env={"COMP_LINE": "aio mode=li", "COMP_POINT": "11"})
    assert "mode=lipsync" in done.stdout


def test_hydras_own_flags_work():
    done = aio("--cfg", "job", "mode=t2v", "prompt=a ${b}")
    assert done.returncode == 0 and "name: t2v" in done.stdout
