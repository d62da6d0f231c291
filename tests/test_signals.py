"""Ctrl-C, SIGTERM and SIGHUP at any moment: one word, exit code 130, nothing half done; or the work is done, and the code says so."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aio.errors import Cancelled, EngineError
from aio.machine import folders, signals

SMALL = ["mode=t2v", "prompt=x", "width=256", "height=256", "seconds=0.4", "engine=preview"]
LONG = ["mode=t2v", "prompt=x", "width=1920", "height=1088", "seconds=20", "engine=preview"]


def begun(process):
    """Wait for aio's first line: how Python itself answers a signal before it is not in aio's hands."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return time.sleep(0.2)

    def taken():
        caught = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigCgt"))
        return int(caught, 16) >> (signal.SIGTERM - 1) & 1

    wait_for(taken, 20)


def started(tmp_path, *words, **options):
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    return subprocess.Popen(
        [sys.executable, "-m", "aio", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=tmp_path, **options)


def wait_for(ready, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.02)


def files(tmp_path, pattern):
    return sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob(pattern) if "/input/" not in path.as_posix())


@pytest.mark.parametrize("words", [SMALL, ["-m", *SMALL, "seed=1,2"]], ids=["run", "sweep"])
def test_a_signal_at_any_moment_stops_a_command_or_leaves_it_done(words, tmp_path):
    chance = random.Random(len(words))
    (tmp_path / "whole").mkdir()
    began = time.monotonic()
    started(tmp_path / "whole", *words).communicate(timeout=120)
    span = time.monotonic() - began
    for number in range(3):   # `make trust` sends them at hundreds
        place = tmp_path / str(number)
        place.mkdir()
        process = started(place, *words)
        begun(process)
        time.sleep(chance.uniform(0, span))
        for _ in range(chance.choice((1, 2, 3))):
            process.send_signal(chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)))
            time.sleep(chance.choice((0, 0.01)))
        out, err = process.communicate(timeout=60)
        clips = files(place, "outputs/**/*.mp4")
        assert process.returncode in (0, 130), err
        assert "Traceback" not in err and "Error" not in err
        assert [Path(line).name for line in out.splitlines() if line.endswith(".mp4")] == [Path(clip).name for clip in clips]
        assert not files(place, "*.part") and not files(place, "*_preview.mp4")
        assert files(place, "outputs/**/t2v-*.json") == [clip.replace(".mp4", ".json") for clip in clips]
        if process.returncode == 130:
            assert "aio: cancelled" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_under_way_stops_within_seconds_and_removes_what_it_wrote(number, tmp_path):
    process = started(tmp_path, *LONG)
    wait_for(lambda: files(tmp_path, "aio-*/output/aio/.*.part"))
    process.send_signal(number)
    process.send_signal(number)   # people press it twice
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and out == ""
    assert err.splitlines()[-1] == "aio: cancelled; nothing half done is left"
    assert not files(tmp_path, "*.mp4*") and not files(tmp_path, "*.part")


def test_while_aio_is_imported_a_signal_ends_it_with_one_word(tmp_path):
    script = "import sys, signal, aio.__main__ as start; start.started(lambda: (signal.raise_signal(signal.SIGTERM), print('never'))[1])"
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "aio: cancelled\n")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_the_caller_ignores_stays_ignored(number, tmp_path):
    process = started(tmp_path, *SMALL, preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))   # as nohup and `sh -c '… &'` do
    wait_for(lambda: files(tmp_path, "aio-*"))
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and out.endswith("t2v-0001.preview.mp4\n"), err


def test_a_broken_pipe_signal_changes_nothing(tmp_path):
    process = started(tmp_path, *SMALL)
    wait_for(lambda: files(tmp_path, "aio-*"))
    process.send_signal(signal.SIGPIPE)
    assert process.communicate(timeout=60)[0].endswith("t2v-0001.preview.mp4\n") and process.returncode == 0


def test_a_signal_after_the_work_does_not_change_its_exit_code(tmp_path):
    script = "import aio.__main__ as s, atexit, signal, sys; atexit.register(signal.raise_signal, signal.SIGINT); sys.exit(s.started(lambda: 0))"
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def raised():
    signal.raise_signal(signal.SIGINT)   # the main thread's handler runs, whichever thread this is


def test_guarded_work_is_asked_to_stop_and_never_interrupted():
    def work(stop):
        told = threading.Event()
        with stop.calling(told.set):
            raised()
            assert told.wait(5)
        stop.check()

    with signals.handled(), pytest.raises(Cancelled, match="nothing half done is left"):
        signals.guarded(work)


def test_guarded_work_that_ends_by_itself_is_done():
    with signals.handled():
        assert signals.guarded(lambda stop: (raised(), time.sleep(0.3), "clip")[2]) == "clip"
        raised()   # what is left is to say so
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_failure_of_guarded_work_keeps_its_own_words():
    def work(stop):
        raised()
        time.sleep(0.3)
        raise EngineError("no memory")

    with signals.handled(), pytest.raises(EngineError, match="no memory"):
        signals.guarded(work)


def test_what_is_held_is_done_to_its_end_and_stopped_then():
    done = []
    with signals.handled(), pytest.raises(KeyboardInterrupt), signals.held():
        raised()
        done.append(True)
    assert done


def test_an_error_that_a_library_makes_of_an_interruption_is_a_stop(monkeypatch, capsys):
    from aio import cli

    def swallowed(command):
        try:
            raised()
        except KeyboardInterrupt:
            raise RuntimeError("Error calling __set_name__") from None

    monkeypatch.setitem(cli.VERBS, "plan", swallowed)
    assert cli.main(["plan"]) == 130
    assert capsys.readouterr().err == "aio: cancelled\n"


def test_a_process_that_was_forked_answers_as_if_aio_had_never_taken_the_signals():
    with signals.handled():
        child = os.fork()
        if not child:
            signal.raise_signal(signal.SIGTERM)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_in_another_thread_than_the_main_one_nothing_is_touched():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(signals.guarded(lambda stop: threading.current_thread().name)), name="mine")
    thread.start()
    thread.join()
    assert seen == ["mine"]
