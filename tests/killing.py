"""Kills a sweep at each disk call between the end of a rendering and the end of the job, and resumes it. A process of its own: it forks.

    python killing.py FOLDER DISK       DISK: links, none (no hard links), bare (neither those nor renameat2) or far (the engine works on another)

Prints a line of JSON for each kill: how the folder of the job stands after the sweep was resumed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from aio import cli
from aio.machine import whole
from aio.preview.engine import PreviewEngine

CALLS = {"open", "os.link", "os.rename", "os.remove", "os.mkdir"}
"""What Python tells an audit hook of before it is done."""

JOB = ["mode=t2v", "prompt=x", "engine=preview", "width=256", "height=256", "seconds=0.4", "fps=8", "seed=7"]


def refuse(*args: object, **rest: object) -> None:
    """What a disk without such a call says."""
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def forked(work: Path, point: int, command: list[str]) -> int:
    """The command in a child, which dies before disk call number `point` after a rendering; the wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    log = os.open(work / "renders", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    quiet = os.open(work / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(quiet, 1), os.dup2(quiet, 2)
    seen, armed, execute = 0, False, PreviewEngine.execute

    def rendered(*args: object, **rest: object) -> object:
        nonlocal armed
        made = execute(*args, **rest)
        os.write(log, b"1\n")
        armed = True
        return made

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal seen
        if armed and event in CALLS and str(work) in str(args[0]):
            seen += 1
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)

    PreviewEngine.execute = rendered
    sys.addaudithook(hook)
    os._exit(cli.main(command))


def main(folder: Path, disk: str) -> None:
    """All points in turn, until one lies behind the recipe beside the clip."""
    if disk in ("none", "bare"):
        os.link = refuse
    if disk == "bare":
        whole._renamed = refuse
    over, point = False, 0
    while not over:
        point += 1
        work = folder / f"point-{point}"
        (work / "tmp").mkdir(parents=True)
        far = Path(tempfile.mkdtemp(dir="/dev/shm", prefix=work.name)) if disk == "far" else None
        tempfile.tempdir = str(far or work / "tmp")
        first = os.waitstatus_to_exitcode(forked(work, point, ["-m", *JOB, f"hydra.sweep.dir={work / 's'}"]))
        place, waiting = work / "s" / "0", Path(tempfile.tempdir)
        over = any(place.glob("t2v*.json"))
        code = os.waitstatus_to_exitcode(forked(work, 0, ["-m", *JOB, f"resume={work / 's'}"]))
        print(json.dumps({
            "point": point, "first": first, "code": code, "renders": (work / "renders").read_text().count("1"),
            "names": sorted(path.name for path in place.iterdir() if not path.name.startswith(".")),
            "waiting": [path.name for path in waiting.rglob("*_preview.mp4") if not path.name.startswith(".")],
            "said": (work / "said").read_text()[-600:],
        }), flush=True)
        if far:
            shutil.rmtree(far)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
