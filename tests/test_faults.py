"""What nobody foresaw is a fault of aio, in one sentence, with a file of details that tells nothing of the user's texts."""

import ast
import errno
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from aio import cli, errors
from aio.machine import faults, folders, paths

SMALL = ["mode=t2v", "prompt=a secret wish", "width=256", "height=256", "seconds=0.4", "engine=preview"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of the test's own, where the details lie."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def kept(home):
    return sorted((home / ".cache" / "aio" / "faults").glob("*.txt"))


def failing(error):
    def verb(command):
        raise error

    return verb


class Odd(Exception):
    def __str__(self):
        raise ValueError("no text either")


@pytest.mark.parametrize(("error", "said"), [
    (TypeError("unsupported operand"), "this is a fault of aio: TypeError: unsupported operand; the details are in "),
    (Odd(), "this is a fault of aio: Odd; the details are in "),
    (RecursionError("maximum recursion depth exceeded"), "this is a fault of aio: RecursionError: maximum"),
    (SystemExit(3), "this is a fault of aio: SystemExit: 3; "),
    (GeneratorExit(), "this is a fault of aio: GeneratorExit; "),
    (AssertionError(), "this is a fault of aio: AssertionError; "),
    (KeyError("x" * 1000), "this is a fault of aio: KeyError: 'xxx"),
    (UnicodeEncodeError("ascii", "é", 0, 1, "no"), "this is a fault of aio: UnicodeEncodeError: "),
])
def test_what_nobody_foresaw_is_one_sentence_and_a_file(error, said, monkeypatch, capsys, home):
    monkeypatch.setitem(cli.VERBS, "plan", failing(error))
    assert cli.main(["plan"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"aio: {said}") and err.endswith("please report it with that file\n") and len(err.splitlines()) == 1
    (file,) = kept(home)
    assert str(file) in err and "in failing" not in err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    text = file.read_text()
    assert text.startswith("aio ") and "Traceback" in text and "test_faults.py" in text


@pytest.mark.parametrize(("error", "said", "code"), [
    (KeyboardInterrupt(), "cancelled", 130),
    (MemoryError(), "the memory is used up", 1),
    (OSError(errno.ENOSPC, "No space left on device", "/x/clip.mp4"), "the disk is full: /x/clip.mp4; free space", 1),
    (OSError(errno.EMFILE, "Too many open files"), "too many files are open: raise the limit, e.g. `ulimit -n 1024`", 1),
    (OSError(errno.EROFS, "Read-only file system", "/x"), "the file system is read-only: /x; write to another folder", 1),
    (PermissionError(errno.EACCES, "Permission denied", "/x"), "permission denied: /x; make it accessible", 1),
    (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 4000), "a file name is too long: aaa", 2),
    (RuntimeError("can't start new thread"), "no further process or thread can be started", 1),
    (ModuleNotFoundError("No module named 'hydra'", name="hydra"), "the package 'hydra' is missing in this Python (", 1),
    (ImportError("libGL.so.1: cannot open shared object file"), "a package does not load in this Python (", 1),
    (errors.ConfigError("mode: 'x' is unknown"), "mode: 'x' is unknown", 2),
])
def test_what_a_machine_lacks_is_said_in_words(error, said, code, monkeypatch, capsys, home):
    monkeypatch.setitem(cli.VERBS, "plan", failing(error))
    assert cli.main(["plan"]) == code
    err = capsys.readouterr().err
    assert err.startswith(f"aio: {said}") and len(err) < 500 and not kept(home)


def test_the_details_tell_neither_the_prompt_nor_the_home_folder(monkeypatch, capsys, home):
    monkeypatch.setitem(cli.VERBS, "plan", failing(ValueError(f"'a secret\\nwish' in {home}/clips: \x1b[2J")))
    cli.main(["plan", "prompt=a secret\nwish"])
    text = kept(home)[0].read_text()
    assert "secret" not in text and "[given]" in text and str(home) not in text and "\x1b" not in text


def test_the_files_of_details_are_few_and_small(home):
    for number in range(faults.KEPT + 5):
        faults.known(ValueError(f"{number} " + "x" * 10**6))
    files = kept(home)
    assert len(files) == faults.KEPT and all(file.stat().st_size < 2 * faults.LARGEST for file in files)
    assert f"{faults.KEPT + 4} xxx" in files[-1].read_text()   # the newest stay


def test_without_a_place_for_the_file_the_sentence_remains(monkeypatch, tmp_path):
    def nowhere():
        raise errors.OutputError("no folder")

    monkeypatch.setattr(paths, "cache", nowhere)
    monkeypatch.setattr(paths, "temporary", nowhere)
    found = faults.known(TypeError("x"))
    assert str(found) == ("this is a fault of aio: TypeError: x; no file could be written for the details, AIO_DEBUG=1 shows them: "
                          "please report it with them")


def test_a_fault_while_a_fault_is_told_leaves_a_sentence(monkeypatch):
    def broken(*rest):
        raise MemoryError

    monkeypatch.setattr(faults, "_details", broken)
    assert str(faults.known(TypeError("x"))) == "this is a fault of aio: TypeError; please report it"


def test_debug_shows_the_traceback_with_the_sentence(monkeypatch, capsys):
    monkeypatch.setenv("AIO_DEBUG", "1")
    monkeypatch.setitem(cli.VERBS, "plan", failing(TypeError("x")))
    assert cli.main(["plan"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err and err.splitlines()[-1].startswith("aio: this is a fault of aio: TypeError: x")


def test_a_thread_of_a_library_that_fails_is_told_in_words(monkeypatch, capsys):
    def verb(command):
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        return 0

    monkeypatch.setitem(cli.VERBS, "plan", verb)
    assert cli.main(["plan"]) == 0
    assert capsys.readouterr().err.startswith("aio: this is a fault of aio: ZeroDivisionError: division by zero; ")


def test_a_destructor_that_fails_is_not_for_the_user(monkeypatch, capsys):
    class Bad:
        def __del__(self):
            raise ValueError("in a destructor")

    def verb(command):
        Bad()
        return 0

    monkeypatch.setitem(cli.VERBS, "plan", verb)
    assert cli.main(["plan"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [RuntimeError("odd"), SystemExit(0), MemoryError()])
def test_a_job_of_a_sweep_ends_in_words_and_the_others_run(error, monkeypatch, tmp_path, capsys):
    from aio.preview.engine import PreviewEngine

    execute = PreviewEngine.execute

    def unlucky(self, drawn, on_event, stop, **rest):
        if drawn.request.values["seed"] == 1:
            raise error
        return execute(self, drawn, on_event, stop, **rest)

    monkeypatch.setattr(PreviewEngine, "execute", unlucky)
    for more in ([], ["hydra/launcher=basic"]):
        assert cli.main(["-m", *SMALL, "seed=1,2", f"output.dir={tmp_path / ('out' + str(len(more)))}", *more]) == 1
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err and "sweep: 1 of 2 jobs done" in shown.err
        assert ("aio: this is a fault of aio" in shown.err) != isinstance(error, MemoryError)


def test_what_fails_before_a_launchers_job_begins_is_told_in_words(monkeypatch, tmp_path, capsys):
    from aio.sweep import worker

    monkeypatch.setattr(worker, "work", lambda *rest: 1 / 0)
    assert cli.main(["-m", *SMALL, "seed=1,2", "hydra/launcher=basic", f"output.dir={tmp_path}"]) == 1
    err = capsys.readouterr().err
    assert "aio: this is a fault of aio: ZeroDivisionError" in err and "Traceback" not in err


@pytest.mark.parametrize("words", [["--cfg", "job", "mode=nope"], ["--cfg", "job", "prset.x=1"], ["--info", "nope"], ["--cfg", "nope"]])
def test_hydras_own_flags_fail_in_words(words, capsys):
    assert cli.main(words) != 0
    assert "Traceback" not in capsys.readouterr().err


def test_the_gpus_worker_hands_every_failure_over_in_words(monkeypatch, capsys):
    from aio.spaces import plain, worker

    def odd(*rest):
        raise KeyError("a surprise")

    monkeypatch.setattr(worker, "create", odd)
    (item,) = worker.work(worker.Call("preview", SimpleNamespace(request=SimpleNamespace(config=None)), {}, 60, "/nonexistent/flag"))
    error = plain.read_failed(item[1])
    assert type(error) is errors.InternalError and "the details are in the log of the Space" in str(error)
    assert "Traceback" in capsys.readouterr().err   # that log


def test_a_plain_python_is_told_which_package_is_missing(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-S", "-m", "aio", *SMALL], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("aio: the package 'jsonpatch' is missing in this Python (") and "`make demo`" in done.stderr


def test_an_old_python_is_told_which_one_is_needed(monkeypatch, capsys):
    from aio import __main__ as start

    ast.parse(Path(start.__file__).read_text(encoding="utf-8"), feature_version=(3, 4))   # it must be able to read that far
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert start.started(lambda: 0) == 1
    err = capsys.readouterr().err
    assert err.startswith("aio: this is Python ") and "aio needs 3.11 or newer" in err


def test_the_needed_python_is_the_one_of_the_package():
    from aio.__main__ import LEAST

    file = folders.PACKAGE.parent / "pyproject.toml"
    assert f'requires-python = ">={LEAST[0]}.{LEAST[1]}"' in file.read_text(encoding="utf-8")


def test_in_a_folder_that_was_removed_every_verb_says_so(tmp_path):
    (tmp_path / "gone").mkdir()
    script = "import os; os.rmdir(os.getcwd()); from aio.cli import VERBS, main; print([main([verb]) for verb in VERBS])"
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=tmp_path / "gone")
    assert done.stdout == f"{[2] * len(cli.VERBS)}\n"
    said = "aio: the current folder is not there any more, or not for this user: go to another one (cd) and start again\n"
    assert done.stderr == said * len(cli.VERBS)


@pytest.mark.parametrize("home", ["", "/dev/null/x"])
def test_a_user_without_a_home_makes_a_clip(home, tmp_path):
    (tmp_path / "tmp").mkdir()
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "HOME": home, "TMPDIR": str(tmp_path / "tmp")}
    for words, code in ((SMALL, 0), (["models", "mode=t2v"], 1), (["plan", *SMALL], 0)):
        done = subprocess.run([sys.executable, "-m", "aio", *words], capture_output=True, text=True, env=env, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


def test_a_user_that_the_system_does_not_know_gets_words(tmp_path):
    lines = [
        ["--version"], ["--help"], ["models", "mode=t2v"], ["plan", *SMALL], SMALL, ["-m", *SMALL, "seed=1,2"], ["replay", "~nouser/x.mp4"],
        ["sheet", "~x/y"],
        ["mode=t2v", "prompt=@~nouser/x"], [*SMALL, "--config-dir", "~nouser"], ["-m", "jobs=@~nouser/x.csv"], ["space"],
    ]
    script = """if True:
        import contextlib, io, json, os, pwd, sys
        def unknown(*rest):
            raise KeyError("getpwuid(): uid not found: 54321")
        pwd.getpwuid = pwd.getpwnam = unknown
        from aio.cli import main
        done = []
        for words in json.loads(sys.argv[1]):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
                done.append([main(words), said.getvalue()])
        print(json.dumps(done))
    """
    env = {name: value for name, value in os.environ.items() if name not in ("HOME", "USER", "LOGNAME")}
    env |= {"PYTHONPATH": str(folders.PACKAGE.parent), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script, json.dumps(lines)], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert "Traceback" not in done.stderr and done.returncode == 0, done.stderr
    for words, (code, said) in zip(lines, json.loads(done.stdout.splitlines()[-1]), strict=True):
        assert "Traceback" not in said and "fault of aio" not in said
        if any("~" in word for word in words):
            assert code == 2 and "begins with a home folder that is not known here" in said, words
        else:
            assert code == (1 if words[0] == "models" else 0), said


@pytest.mark.parametrize(("limit", "said"), [("ulimit -n 16", ""), ("ulimit -n 8", ""), ("umask 077", ""), ("ulimit -f 1", "aio: ")])
def test_limits_of_the_shell_end_in_a_clip_or_in_words(limit, said, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    line = f"{limit}; exec {sys.executable} -m aio mode=t2v prompt=x width=256 height=256 seconds=0.4 engine=preview"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert "Traceback" not in done.stderr and done.returncode == (1 if said else 0), done.stderr
    assert bool(list((tmp_path / "outputs").glob("*.mp4"))) != bool(said)
    assert not said or done.stderr.splitlines()[-1].startswith(said)


def test_faults_are_dated_in_their_order(home):
    faults.known(ValueError("first"))
    time.sleep(0.001)
    faults.known(ValueError("second"))
    assert ["first" in kept(home)[0].read_text(), "second" in kept(home)[1].read_text()] == [True, True]
