"""stdout and stderr may be closed, full or broken, or know few letters: a run goes on, and its exit code tells of the work alone."""

import errno
import io
import json
import os
import socket
import subprocess
import sys

import pytest

from aio.errors import OutputError
from aio.machine import folders, terminal

BARE = ["mode=t2v", "width=256", "height=256", "seconds=0.4", "engine=preview"]
SMALL = [*BARE, "prompt=x"]
AIO = f"exec {sys.executable} -m aio "


def shell(line, tmp_path, **env):
    """Run a line in a shell: exit code, stdout, stderr."""
    full = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PYTHONUNBUFFERED": "", **env}
    done = subprocess.run(["bash", "-c", line], capture_output=True, env=full, cwd=tmp_path, timeout=120)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def clips(tmp_path):
    return sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "outputs").rglob("*.mp4"))


@pytest.mark.parametrize("streams", [">/dev/full", ">&-", "2>/dev/full", "2>&-", "<&-", ">&- 2>&- <&-", ">/dev/full 2>/dev/full"])
def test_a_run_is_done_whatever_its_streams_are(streams, tmp_path):
    code, out, err = shell(AIO + " ".join(SMALL) + " " + streams, tmp_path)
    assert code == 0 and "Traceback" not in err
    assert clips(tmp_path) == ["outputs/t2v-0001.preview.mp4"]
    for path in (tmp_path / "outputs").iterdir():
        assert b"Reading the prompt" not in path.read_bytes()   # no progress line in a file that got the number of a closed stream
    heard = out if ">" not in streams.replace("2>", "") else err   # a path that stdout does not take is said on stderr
    if not ("2>" in streams and heard is err):
        assert heard.rstrip().endswith("outputs/t2v-0001.preview.mp4")


@pytest.mark.parametrize("streams", ["| true", ">/dev/full", ">&-", "2> >(true)", "2>/dev/full"])
def test_a_sweep_is_done_whatever_its_streams_are(streams, tmp_path):
    line = f"set -o pipefail; {AIO.removeprefix('exec ')} -m {' '.join(SMALL)} seed=1,2 {streams}"
    code, _, err = shell(line, tmp_path)
    assert code == 0 and "Traceback" not in err
    assert len(clips(tmp_path)) == 2
    if "2>" not in streams:
        assert "sweep: 2 of 2 jobs done" in err


def test_stdout_may_be_a_closed_socket(tmp_path):
    ours, theirs = socket.socketpair()
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-m", "aio", *SMALL], stdout=theirs, stderr=theirs, env=env, cwd=tmp_path)
    theirs.close()
    ours.close()
    assert process.wait(timeout=60) == 0 and clips(tmp_path)


@pytest.mark.parametrize("words", ["--help", "plan " + " ".join(SMALL), "models mode=t2v", "--cfg job mode=t2v"])
def test_who_has_read_enough_is_no_failure(words, tmp_path):
    line = f"{AIO.removeprefix('exec ')} {words} | head -1; echo ${{PIPESTATUS[0]}}"
    _, out, err = shell(line, tmp_path)
    assert len(out.splitlines()) == 2 and err == ""
    assert out.splitlines()[1] == ("1" if "models" in words else "0")   # weights are missing, and that is still what the code says


@pytest.mark.parametrize("stream", [">/dev/full", ">&-"])
def test_an_answer_that_cannot_be_written_is_a_failure(stream, tmp_path):
    code, _, err = shell(f"{AIO} plan {' '.join(SMALL)} {stream}", tmp_path)
    assert code == 1 and err.startswith("aio: stdout cannot be written (") and len(err.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_letter_that_the_terminal_lacks_stands_there_as_its_code(encoding, tmp_path):
    code, out, err = shell(f"{AIO} plan {' '.join(BARE)} 'prompt=ein Hündchen 🙂'", tmp_path, PYTHONIOENCODING=encoding)
    assert code == 0 and err == "" and "\\U0001f642" in out


def test_a_path_of_any_bytes_is_printed_as_it_is(tmp_path):
    code, out, err = shell(f"set -o pipefail; mkdir $'b\\xe9'; cd $'b\\xe9' && {AIO.removeprefix('exec ')} {' '.join(SMALL)} | od -c", tmp_path)
    assert code == 0 and "351" in out, err   # octal for E9, which is not UTF-8


@pytest.mark.parametrize(("line", "words"), [
    ("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0", "aio: Python reads the command line as ASCII here"),
    ("LC_ALL=C", ""),
])
def test_a_command_line_arrives_or_is_refused_in_words(line, words, tmp_path):
    code, out, err = shell(f"{line} {AIO.removeprefix('exec ')} plan --json {' '.join(BARE)} 'prompt=Schön 🙂'", tmp_path)
    if words:
        assert code == 2 and err.startswith(words) and len(err.splitlines()) == 1
    else:
        assert code == 0 and json.loads(out)["fields"]["prompt"] == "Schön 🙂"


def test_escape_sequences_never_reach_the_terminal(tmp_path):
    evil = "\x1b]0;owned\x07\x1b[2J\u202e"
    for words in (["plan", *BARE, f"prompt={evil}"], [f"mode={evil}"], [f"{evil}=1"], [*SMALL, f"output.{evil}=1"], ["replay", f"{evil}.mp4"],
                  ["sheet", f"{evil}=x"], [*SMALL, f"seed={evil}"], ["mode=i2v", "prompt=x", f"image={evil}"], ["--config-dir", evil], [f"--{evil}"]):
        env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "HOME": str(tmp_path)}
        done = subprocess.run([sys.executable, "-m", "aio", *words], capture_output=True, text=True, env=env, cwd=tmp_path)
        assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout + done.stderr), words


class Broken(io.StringIO):
    """Fails as the system does."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF, errno.ECONNRESET])
def test_what_was_made_is_said_where_it_can_be(number, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Broken(number))
    terminal.made("clip.mp4")
    assert capsys.readouterr().err == "clip.mp4\n"
    if number == errno.EPIPE:
        terminal.answer("text")
    else:
        with pytest.raises(OutputError, match="stdout cannot be written"):
            terminal.answer("text")


def test_a_stream_without_room_loses_the_line_and_not_the_run(monkeypatch):
    monkeypatch.setattr(terminal, "WAIT", 0.1)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(writing, "w", encoding="utf-8") as pipe, open(reading, "rb"):
        stream = terminal.Stream(pipe)
        stream.write("x" * 200_000)
        assert stream.failure.errno == errno.EAGAIN


def test_programs_get_a_text_as_it_is_and_a_terminal_gets_it_harmless(capsys, monkeypatch):
    terminal.made("a\x1bb")
    assert capsys.readouterr().out == "a\x1bb\n"
    monkeypatch.setattr(terminal.Stream, "isatty", lambda self: True)
    terminal.made("a\x1bb")
    assert capsys.readouterr().out == "a\\x1bb\n"


@pytest.mark.parametrize("debug", ["", "1"])
def test_what_libraries_say_while_a_job_runs_is_not_for_the_user(debug, monkeypatch, capsys):
    import logging
    import warnings

    monkeypatch.setenv("AIO_DEBUG", debug)
    with terminal.opened(), terminal.unheard():
        print("a bar: 50%")
        sys.stderr.write("a note")
        terminal.say("ours")
        terminal.made("clip.mp4")
        with terminal.unheard():
            print("again")
    shown = capsys.readouterr()
    assert ("a bar" in shown.out and "a note" in shown.err) == bool(debug)
    assert "ours" in shown.err and "clip.mp4" in shown.out
    if not debug:
        handlers, logging.root.handlers = logging.root.handlers, []   # pytest's own
        try:
            with terminal.opened():
                warnings.warn("deprecated", stacklevel=1)
                logging.getLogger("somebody").error("noise")
                logging.getLogger("aio").warning("for the user")
        finally:
            logging.root.handlers = handlers
        assert capsys.readouterr().err == "warning: for the user\n"


def test_the_streams_are_given_back(capsys):
    before = sys.stdout, sys.stderr
    with terminal.opened():
        assert isinstance(sys.stdout, terminal.Stream) and sys.stdout.inner is before[0]
    assert (sys.stdout, sys.stderr) == before


def test_a_stream_takes_what_programs_ask_of_one(tmp_path):
    with (tmp_path / "x").open("w+") as file:
        stream = terminal.Stream(file)
        print("ä", 1, file=stream, flush=True)
        stream.buffer.write(b"bytes\n")
        assert stream.fileno() == file.fileno() and not stream.isatty() and stream.writable()
        stream.flush()
    assert (tmp_path / "x").read_bytes() == "ä 1\nbytes\n".encode()
    assert terminal.Stream(None).failure.errno == errno.EBADF
    with pytest.raises(io.UnsupportedOperation):
        terminal.Stream(None).fileno()


def test_stdout_holds_the_path_alone_whatever_a_node_prints(monkeypatch, capsys, tmp_path):
    from aio.cli import main
    from aio.preview.engine import PreviewEngine

    execute = PreviewEngine.execute

    def chatty(self, *rest, **more):
        print("a node prints")
        sys.stderr.write("a bar: 100%\n")
        return execute(self, *rest, **more)

    monkeypatch.setattr(PreviewEngine, "execute", chatty)
    assert main([*SMALL, f"output.dir={tmp_path}"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 't2v-0001.preview.mp4'}\n" and "bar" not in shown.err
