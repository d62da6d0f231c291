"""Tries hostile inputs in a worker process that is watched: none may take ten seconds or a gigabyte, start a program, or end in anything
but acceptance with the right meaning or an AioError in plain words."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import pickle
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from . import noise
from .entrances import Refused, Untold
from .tally import Work
from .world import HANG, unkind

GROWTH = 1_000_000_000
"""Bytes that one input may take (of 10 MB at most; ours are smaller)."""

POLL = 0.05
"""Seconds between two looks at the worker."""

SHOWN = 300
"""Characters of an exception that are shown."""

NOW, TRIED, NONE = 0, 1, -1
"""What worker and watcher share: the number of the input that is being read, NONE for none, and how many were begun."""

Try = Callable[[Random, Path], None]
"""Makes an input from random numbers and tries it. Its own folder is for files. Returns after acceptance with the right meaning."""


PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn"})
CONNECTIONS = frozenset({"socket.connect", "socket.getaddrinfo"})
"""Python's audit events of what no input may cause."""

QUOTED = 20_000
"""Characters of an input that `--only` shows."""

_given, _done, _loud = [""], list[str](), list[bool]()


def given(value: Any) -> None:
    """Say what the input is, or a part of it, before it is tried: a refusal may quote it, and `--only` shows it."""
    text = value if isinstance(value, str) else repr(value)
    _given[0] += text
    if _loud:
        print(f"the input: {text[:QUOTED]}", file=sys.stderr, flush=True)


def quoted() -> str:
    """What `given` was told of this input."""
    return _given[0]


class Wrong(Exception):
    """An input was accepted and means something else, or did something that no input may do."""


def inputs(work: Work, prepare: Callable[[Path], Try]) -> None:
    """Try `work.cases` inputs.

    Args:
        prepare: called in the worker with the area's folder; returns what tries one input.
    """
    context = multiprocessing.get_context("fork")
    pending, shared = [int(work.only)] if work.only else list(range(work.cases)), context.Array("q", [NONE, 0])
    while pending:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_worker, args=(work, prepare, pending, shared, theirs), daemon=True)
        process.start()
        theirs.close()
        killed = _watch(process, ours, shared, work)
        process.join()
        work.tally.row.cases = shared[TRIED]
        if not killed and process.exitcode == 0:
            break
        number = shared[NOW]
        if number == NONE:
            raise RuntimeError(f"the worker of {work.tally.row.area} could not begin, see above")
        if not killed:
            why = signal.Signals(-process.exitcode).name if process.exitcode < 0 else process.exitcode
            work.failed("tracebacks", f"the process died of input {number} ({why})", str(number))
        pending = pending[pending.index(number) + 1:]


def _watch(process: Any, pipe: Any, shared: Any, work: Work) -> bool:
    """Count what the worker says until it ends; kill it where an input takes too long or too much. Returns whether it was killed."""
    base, began, last = 0, time.monotonic(), NONE
    while True:
        try:
            while pipe.poll(POLL):
                kind, why, label, alike = pipe.recv()
                if kind == "warm":
                    base = _resident(process.pid)
                elif kind == "grew":
                    work.tally.row.grew = why
                else:
                    work.failed(kind, why, label, alike)
        except (EOFError, pickle.UnpicklingError):
            return False
        if shared[NOW] != last:
            last, began = shared[NOW], time.monotonic()
        label = str(last)
        if last != NONE and time.monotonic() - began > HANG:
            work.failed("hangs", f"input {label} is still being read after {HANG:g} s", label, "hang")
        elif base and _resident(process.pid) > base + GROWTH:
            work.failed("growth", f"input {label} takes {(_resident(process.pid) - base) / 1e6:.0f} MB", label)
        else:
            continue
        if work.only:   # show where it is
            os.kill(process.pid, signal.SIGUSR1)
            time.sleep(1)
        process.kill()
        return True


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _worker(work: Work, prepare: Callable[[Path], Try], numbers: list[int], shared: Any, pipe: Any) -> None:
    shared[NOW] = NONE
    folder = work.folder / f"from-{numbers[0]}"
    folder.mkdir()
    os.chdir(folder)
    os.environ.update(AIO_TRUST_CANARY=noise.CANARY, HOME=str(folder), TMPDIR=str(folder))
    tempfile.tempdir = None   # what it was is remembered
    attempt = prepare(folder)
    if work.only:
        _loud.append(True)
        faulthandler.register(signal.SIGUSR1)
    else:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)   # what C libraries and warnings say
    sys.addaudithook(_forbidden)
    pipe.send(("warm", "", "", ""))
    marks: list[tuple[int, int]] = []
    for place, number in enumerate(numbers):
        shared[NOW], shared[TRIED] = number, shared[TRIED] + 1
        found = _tried(attempt, work.random(number), folder, bool(work.only))
        if found:
            pipe.send((found[0], found[1], str(number), found[2]))
        if place in (len(numbers) // 2, len(numbers) - 1):
            marks.append((_resident(os.getpid()), len(os.listdir("/proc/self/fd"))))
    if len(marks) == 2 and len(numbers) > 100:
        more, files = (marks[1][0] - marks[0][0]) / 1e6, marks[1][1] - marks[0][1]
        pipe.send(("grew", f"{more:+.0f} MB", "", ""))
        if files > 5:
            pipe.send(("growth", f"{files} more files are open after half of the inputs", "", ""))


def _forbidden(event: str, args: tuple[Any, ...]) -> None:
    what = "another program was started" if event in PROGRAMS else "a connection was opened" if event in CONNECTIONS else ""
    if what:
        _done.append(f"{what}: {event} {str(args)[:200]}")
        raise Wrong(_done[-1])


def _tried(attempt: Try, random: Random, folder: Path, loud: bool) -> tuple[str, str, str] | None:
    """(kind, why, what is alike) of a failing input."""
    _done.clear()
    _given[0] = ""
    try:
        attempt(random, folder)
    except Refused as error:
        wrong = unkind(str(error), quoted())
        if loud:
            print(f"refused: {error}", file=sys.stderr)
        # Terminals are guarded where a message is printed, not where it is made.
        if wrong and "control character" not in wrong:
            return "tracebacks", wrong, ""
    except Wrong as error:
        return "losses", str(error), str(error)[:60]
    except Untold as error:
        return "tracebacks", str(error), re.sub(r"'[^']*'", "~", str(error).split(": ")[0])
    except MemoryError:
        return "growth", "MemoryError", ""
    except BaseException as error:
        place = next((f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(traceback.extract_tb(error.__traceback__))
                      if "/aio/" in frame.filename), "?")
        if loud:
            traceback.print_exc()
        return "tracebacks", f"{type(error).__name__} at {place}: {str(error)[:SHOWN]}", f"{type(error).__name__} {place}"
    return ("losses", _done[0], _done[0][:60]) if _done else None   # something caught what the audit hook raised

