"""Run a command: its output, its progress as events, its failure as an error with the last lines."""

from __future__ import annotations

import os
import re
import subprocess
from collections import deque
from collections.abc import Sequence

from aio.errors import EngineError
from aio.machine.outside import shown
from aio.values import Event, OnEvent, ignore

_TAIL = 15


def environment() -> dict[str, str]:
    """This process's, without the variables by which a calling git (a hook) would redirect ours, and without questions."""
    ours = ("GIT_SSH", "GIT_SSL", "GIT_CONFIG")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key.startswith(ours)}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def run(command: Sequence[str], remedy: str, on_event: OnEvent = ignore, stage: str = "") -> str:
    """Run a command to its end and return its output, stdout and stderr together.

    Args:
        remedy: what the user can do when it fails. stage: title of `stage` events, whose fraction is the last NN% that
            the command printed. on_event: what it raises (Cancelled) kills the command.

    Raises:
        EngineError: not installed, or it failed: with the remedy and its last lines.
    """
    tail: deque[str] = deque(maxlen=_TAIL)
    kept: list[str] = []
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", env=environment())
    except FileNotFoundError:
        raise EngineError(f"{command[0]} is not installed: install it and run setup again") from None
    except OSError as error:
        raise EngineError(f"{command[0]} cannot be started ({error.strerror or error}): see to it and run setup again") from None
    try:
        assert process.stdout is not None
        if stage:
            on_event(Event("stage", stage=stage))
        for line in process.stdout:   # git ends a progress line with \r, which text mode makes a line
            tail.append(line.rstrip())
            kept.append(line)
            if stage and (share := re.search(r"(\d+)%", line)):
                on_event(Event("stage", stage=stage, fraction=int(share.group(1)) / 100))
    except BaseException:
        process.kill()
        raise
    finally:
        code = process.wait()
    if code:
        said = shown("\n".join(line for line in tail if line))   # a server's words are among them
        raise EngineError(f"`{' '.join(command)}` failed ({code}); {remedy}\n{said}")
    return "".join(kept)
