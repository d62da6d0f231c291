"""What killed runs leave goes by age and by the configuration; never what a living process works on, nor soon what may be the only copy."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aio import config, engines
from aio.cli import main
from aio.job import Job
from aio.machine import folders, whole
from aio.media import stale
from aio.recipe import leftovers
from aio.run import run

HOUR, DAY = 3600.0, 86_400.0
SMALL = ["mode=t2v", "prompt=x", "engine=preview", "width=256", "height=256", "seconds=0.4", "fps=8"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A temporary folder and a results' folder of one's own, and a process that has not looked yet."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("AIO_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setattr(engines, "_engines", {})
    monkeypatch.setattr(leftovers, "_looked", {})
    monkeypatch.setattr(stale, "_looked", {})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A finished clip."""
    from aio.preview.engine import PreviewEngine

    folder = tmp_path_factory.mktemp("made")
    job = Job(config.compose(["mode=t2v", "engine=preview", f"output.dir={folder}"]), {"prompt": "x", "width": 256, "height": 256, "seconds": 0.4})
    return run(job, PreviewEngine(work_dir=folder / "work")).video


def aged(path, hours, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - hours * HOUR,) * 2)
    return path


def working(home):
    return home / "tmp" / f"aio-{os.getuid()}" / "output" / "aio"


def test_half_files_go_at_the_next_run_and_young_ones_stay(home, capsys):
    out, work, staged = home / "outputs", working(home), working(home).parent.parent / "input" / "aio"
    half = b"\0\0\0\x20ftypisom" + bytes(20) + b"\0\0\0\x08free\0\0\0\0mdat"   # as ComfyUI leaves it: 48 bytes, no index
    old = [
        aged(out / ".aio-0123456789abcdef.part", 25), aged(out / "sweeps" / "a" / ".aio-1.part", 25),
        aged(out / "sweeps" / "a" / "7" / ".aio-2.part", 25), aged(work / "0123456789ab_00001_.mp4", 25, half),
        aged(work / ".0123456789ab_preview.mp4.part", 25), aged(work / ".0123456789ab.lock", 25),
        aged(staged / ".aio-a1b2c3d4.part", 25),
    ]
    young = [aged(out / ".aio-3.part", 23), aged(work / "fedcba987654_00001_.mp4", 23, half), aged(staged / ".aio-e5f6a7b8.part", 23),
             aged(staged / "0123456789abcdef.wav", 25)]
    others = [aged(out / "aio-4.part", 99), aged(out / ".aio-5.part.txt", 99), aged(work / "mine.mp4", 99), aged(work / "x_00001_.mp4", 99),
              aged(home / ".aio-6.part", 99), aged(out / "deep" / ".aio-7.part", 99)]
    assert main(SMALL) == 0, capsys.readouterr().err
    assert not [path for path in old if path.exists()]
    assert all(path.exists() for path in (*young, *others))


def test_a_finished_clip_is_kept_for_long_and_said_to_be_there_and_said_to_go(home, clip, capfd):
    places = working(home) / "0123456789ab_preview.mp4", home / "outputs" / ".aio-1.part"
    kept = [aged(place, 29 * 24, clip.read_bytes()) for place in places]
    gone = aged(working(home) / "0123456789ac_preview.mp4", 31 * 24, clip.read_bytes())
    assert main(SMALL) == 0
    said = capfd.readouterr().err
    assert all(path.exists() for path in kept) and not gone.exists()
    assert f"aio: {gone} was removed: a finished clip that nobody took in 30 days (output.keep_days)" in said
    assert f"aio: {kept[0]}: a finished clip that an earlier run left there; move it to where you want it, or remove it; it goes" in said


def test_one_process_looks_once_an_hour(home, clip, capfd):
    assert main(SMALL) == 0
    old = aged(home / "outputs" / ".aio-1.part", 25)
    assert main(SMALL) == 0 and old.exists()


def test_a_clip_that_has_another_name_too_is_published_and_its_leftover_goes_soon(home, clip):
    left = aged(working(home) / "0123456789ab_preview.mp4", 25, clip.read_bytes())
    os.link(left, home / "mine.mp4")
    assert main(SMALL) == 0
    assert not left.exists() and (home / "mine.mp4").exists()


@pytest.mark.parametrize(("words", "stays"), [
    (["output.part_hours=null"], {"part", "clip"}), (["output.keep_days=null", "output.part_hours=0"], {"clip", "young"}),
    (["output.keep_days=1"], {"young"}), (["~output.keep_days", "~output.part_hours"], {"part", "clip", "young"}), (["~input"], {"clip", "young"}),
])
def test_the_configuration_decides(words, stays, home, clip):
    files = {
        "part": aged(home / "outputs" / ".aio-1.part", 25), "young": aged(home / "outputs" / ".aio-2.part", 0.9),
        "clip": aged(working(home) / "0123456789ab_preview.mp4", 29 * 24, clip.read_bytes()),
    }
    assert main([*SMALL, *words]) == 0
    assert {name for name, path in files.items() if path.exists()} == stays | {"young"}


@pytest.mark.parametrize("word", [
    "output.part_hours=often", "output.keep_days=-1", "input.keep_days=true", "output.keep_days=[1]", "output.part_hours=.nan",
])
def test_an_age_that_is_no_number_is_refused_in_words(word, home, capsys):
    assert main([*SMALL, word]) == 2
    said = capsys.readouterr().err
    assert f"{word.split('=')[0]}: " in said and ("is not a number" in said or "is below 0" in said)


def test_a_sweep_with_an_age_that_is_no_number_does_not_begin(home):
    assert main(["-m", *SMALL, "output.part_hours=often", "seed=1,2", f"hydra.sweep.dir={home / 's'}"]) == 2 and not (home / "s").exists()


def test_nothing_goes_that_a_living_process_holds(home, clip):
    """Not even when it stood still for days: a machine sleeps, a container is frozen. Nor is it thought to be left."""
    script = f"""
import os, sys, time
from pathlib import Path
from aio.machine import whole
from aio.recipe import leftovers
work, out = Path({str(working(home).parent)!r}), Path({str(home)!r})
with leftovers.owned(work, "aio/0123456789ab"), whole.part(out) as (file, part):
    file.write(b"x"), file.flush()
    (work / "aio" / "0123456789ab_00001_.mp4").write_bytes(Path({str(clip)!r}).read_bytes())
    (work / "aio" / "0123456789ab_00002_.mp4").write_bytes(b"half")
    for path in (*(work / "aio").iterdir(), part):
        os.utime(path, (1e9, 1e9))
    print("ready", flush=True)
    time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent)})
    try:
        assert child.stdout.readline() == b"ready\n"
        paths = [*working(home).iterdir(), *home.glob(".aio-*.part")]
        assert len(paths) == 4
        assert leftovers.remove(paths, HOUR, HOUR) == [] and all(path.exists() for path in paths) and not list(leftovers.clips(working(home).parent))
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert [path.name for path in leftovers.clips(working(home).parent)] == ["0123456789ab_00001_.mp4"]
        assert [path.name for path in leftovers.remove(paths, HOUR, DAY)] == ["0123456789ab_00001_.mp4"]
        assert not any(path.exists() for path in paths)
    finally:
        child.kill()


def test_a_killed_run_leaves_nothing_for_ever(home):
    """At any moment: what is left bears names that the next run knows."""
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "TMPDIR": str(home / "tmp")}
    for delay in (0.0, 0.1, 0.3):
        words = [*SMALL[:-2], "seconds=4", "fps=8", "output.dir=outputs"]
        child = subprocess.Popen([sys.executable, "-m", "aio", *words], env=env, stderr=subprocess.PIPE, cwd=home)
        while b"Sampling" not in (line := child.stderr.readline()) and b"Stage 1" not in line:
            assert line
        time.sleep(delay)
        child.kill()
        child.wait()
    assert list(working(home).iterdir())
    for path in home.rglob("*"):
        if path.is_file():
            os.utime(path, (1e9, 1e9))
    assert main([*SMALL, "output.dir=outputs"]) == 0
    assert [path.name for path in working(home).iterdir()] == [] and not list(home.rglob(".aio-*"))


def test_a_sweeps_folder_elsewhere_is_tidied_when_it_goes_on(home, capsys):
    assert main(["-m", *SMALL, "seed=1", f"hydra.sweep.dir={home / 's'}"]) == 0
    old = [aged(home / "s" / ".aio-1.part", 25), aged(home / "s" / "0" / ".aio-2.part", 25)]
    leftovers._looked.clear()
    assert main(["-m", *SMALL, "seed=1", f"resume={home / 's'}"]) == 0
    assert not any(path.exists() for path in old)


@pytest.mark.parametrize(("content", "complete"), [
    (None, True), (b"", False), (b"\0\0\0\x08moov\0\0\0\0mdat", False),
    (b"\0\0\0\x08moov\0\0\0\x08mdat", True), (b"\0\0\0\x08moov\0\0\0\x09mdat", False),
    (b"\0\0\0\x08moov", False), (b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12xx\0\0\0\x08moov", True), (b"\0\0\0\x01mdat\0\0\0\0\0\0\0\0\0\0\0\x08moov", False),
    (b"\0\0\0\x07moov", False), (b"no video at all", False),
])
def test_a_complete_mp4_is_known_by_its_boxes(content, complete, clip, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(clip.read_bytes() if content is None else content)
    assert whole.mp4(path) is complete


def test_no_beginning_of_an_mp4_counts_as_one(clip, tmp_path):
    data, path = clip.read_bytes(), tmp_path / "x"
    for length in [*range(0, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        assert not whole.mp4(path)
    assert shutil.copyfile(clip, path) and whole.mp4(Path(path))


def test_an_engine_removes_what_it_left_half_written_and_a_stopped_one_all(clip, tmp_path):
    from aio.comfyui.output import JobFiles

    half, finished, others = (tmp_path / "aio" / name for name in ("0123456789ab_00001_.mp4", "0123456789ab_00002_.mp4", "0123456789ac_00001_.mp4"))
    half.parent.mkdir()
    half.write_bytes(clip.read_bytes()[:-1])
    for path in (finished, others):
        shutil.copyfile(clip, path)
    files = JobFiles(tmp_path, "aio/0123456789ab")
    files.remove()
    assert (half.exists(), finished.exists(), others.exists()) == (False, True, True)
    files.remove(finished=True)
    assert (finished.exists(), others.exists()) == (False, True)
