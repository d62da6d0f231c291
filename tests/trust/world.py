"""A small world for commands: a home, a temporary and an output folder of their own; what a command left and said there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ROOT
from .tally import Work

HANG = 10.0
"""Seconds beyond what a command usually takes, after which it hangs."""

START = 2.0
"""Seconds that a command may usually take where nobody measured it."""

HOOK = Path(__file__).parent / "hook"
SMALL = ("engine=preview", "seconds=0.4", "width=256", "height=256")
"""The shortest and smallest clip."""

CODES = (0, 1, 2, 130)
"""Exit codes that a command has: all good, a job failed, bad input, cancelled."""

_CLASS = re.compile(r"\b[A-Z][A-Za-z]*(?:Error|Exception|Warning)\b")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended. code: negative for a signal. hung: it was killed after its time. words: what was typed."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float
    hung: bool = False

    @property
    def last(self) -> Path:
        """The file that the last line of stdout names."""
        return Path((self.out.strip().splitlines() or [""])[-1])


def unkind(text: str, given: str = "") -> str:
    """What is wrong with a message for a user, empty when it is words: no traceback, no class name, no control character.

    Args:
        given: what the user typed or the file held: its words may be said again.
    """
    if not text.strip():
        return "it failed without a word"
    if "Traceback (most recent call last)" in text:
        return f"traceback: {text.strip().splitlines()[-1]}"
    if "fault of aio" in text:
        return f"only the last net caught it, at {_origin(text)}: {text.strip()}"
    if found := _CONTROL.search(text):
        return f"the control character {found[0]!r} reaches the terminal: {text!r}"
    if found := re.search(r"\[type=\w+|Original error:|errors\.pydantic\.dev", text):
        return f"a library's own words, {found[0]!r}: {text.strip()}"
    names = [name for name in _CLASS.findall(text) if name not in given]
    return f"a bare class name, {names[0]}: {text.strip()}" if names else ""


def _origin(text: str) -> str:
    """Where in aio the exception arose whose details a message names a file for."""
    named = re.search(r"the details are in (.*?\.txt)", text, re.DOTALL)
    try:
        places = re.findall(r'File ".*?([^/"]+\.py)", line (\d+)', Path(named[1]).read_text(encoding="utf-8")) if named else []
    except OSError:
        places = []
    return ":".join(places[-1]) if places else "?"


class World:
    """Folders of its own for a row of commands."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.home, self.tmp, self.out = (folder / name for name in ("home", "tmp", "out"))
        for place in (self.home, self.tmp, self.out):
            place.mkdir(parents=True, exist_ok=True)

    def environment(self, hook: Mapping[str, Any] | None = None, **more: str) -> dict[str, str]:
        """What a command sees. hook: for hook/sitecustomize.py; its root is this world."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIO_", "HF_", "GRADIO_", "PYTEST_", "XDG_"))}
        path = [str(HOOK), str(ROOT)] if hook is not None else [str(ROOT)]
        ours = {"HOME": str(self.home), "TMPDIR": str(self.tmp), "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1",
                "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        if hook is not None:
            ours["AIO_TRUST_HOOK"] = json.dumps({"root": str(self.folder), "log": str(self.log), **hook})
        return {**kept, **ours, **more}

    @property
    def log(self) -> Path:
        """Where the hook writes: beside the world, not in it."""
        return self.folder.with_name(f"{self.folder.name}.calls")

    def aio(
        self, *words: str, usual: float = START, after: float = 0.0, signals: Sequence[int] = (signal.SIGKILL,),
        hook: Mapping[str, Any] | None = None, program: Sequence[str] = ("-m", "aio"), wrap: Sequence[str] = (), group: bool = True, **env: str,
    ) -> Ended:
        """Run a command to its end, or kill it `after` so many seconds.

        Args:
            usual: seconds that it takes undisturbed. wrap: words before the interpreter (a shell with limits).
            signals: what it gets then, a tenth of a second apart; after any but SIGKILL it has its usual time to end.
            group: whether a kill takes the command's own children along.
        """
        self.log.unlink(missing_ok=True)
        began, hung = time.monotonic(), False
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [*wrap, sys.executable, *program, *words], **pipes, text=True, errors="replace", cwd=self.folder,
            env=self.environment(hook, **env), start_new_session=True)
        limit = max(usual + HANG, 3 * usual)
        try:
            if after and signal.SIGKILL not in signals:
                _send(process, signals, after)
                after = 0.0
            out, err = process.communicate(timeout=after or limit)
        except subprocess.TimeoutExpired:
            hung = not after
            os.killpg(process.pid, signal.SIGKILL) if group or hung else process.kill()
            try:
                out, err = process.communicate(timeout=HANG)
            except subprocess.TimeoutExpired:   # an orphan holds the pipes
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
        return Ended(words, process.returncode, out, err, time.monotonic() - began, hung)

    def calls(self) -> list[tuple[int, str, str]]:
        """The disk calls of the last command with a hook: number, name, path."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        found = [line.split(" ", 2) for line in lines if line[:1].isdigit()]
        return [(int(number), name, path) for number, name, path in found]

    def clips_then(self) -> set[str]:
        """Contents of the clips that were finished when the hook let a call fail."""
        return {line.split()[1] for line in self.log.read_text().splitlines() if line.startswith("clip ")} if self.log.exists() else set()


def _send(process: Any, signals: Sequence[int], after: float) -> None:
    """Signals to a process group, the first `after` so many seconds."""
    for one in signals:
        time.sleep(after)
        after = 0.1
        if process.poll() is None:
            os.killpg(process.pid, one)


def judged(work: Work, ended: Ended, label: str, *, fails: bool = False) -> bool:
    """Whether a command ended as one should; what it did wrong is counted. fails: it may fail, in words."""
    shown = f"`aio {shlex.join(ended.words)}`"
    if ended.hung:
        work.failed("hangs", f"{shown} was still running after {ended.seconds:.0f} s: {ended.err[-200:]}", label)
        return False
    if ended.code not in CODES or "Traceback (most recent call last)" in ended.err or (ended.code and unkind(ended.err, str(ended.words))):
        work.failed("tracebacks", f"{shown} ended with {ended.code}: {unkind(ended.err, str(ended.words)) or ended.err[-300:]}", label)
        return False
    if ended.code and not fails:
        work.failed("losses", f"{shown} must succeed and ended with {ended.code}: {ended.err[-300:]}", label)
        return False
    return True


def digest(path: Path) -> str:
    """sha256 of a file, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def broken(clip: Path) -> str:
    """What is wrong with an mp4 of aio, empty when it is whole: every frame can be decoded, and the recipe is inside."""
    import av

    try:
        with av.open(str(clip)) as container:
            frames = sum(1 for _ in container.decode(video=0))
            if frames != container.streams.video[0].frames:
                return f"{frames} of {container.streams.video[0].frames} frames"
            return "" if json.loads(container.metadata.get("aio", "null")) else "without a recipe"
    except (OSError, ValueError, av.error.FFmpegError) as error:
        return str(error)


def clips(folder: Path) -> Iterator[Path]:
    """Every finished clip under a folder, hidden or not, whatever it is called: an mp4 that has its index and a recipe."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if content[4:8] == b"ftyp" and b"moov" in content and b'"recipe"' in content:
                yield path
