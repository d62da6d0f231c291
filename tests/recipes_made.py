"""Recipes for tests, made as a run makes them, but without an engine; and the graph that a command line makes."""

import json
import subprocess
import sys
from pathlib import Path

from aio import request
from aio.command import parse
from aio.graph.draw import draw
from aio.job import Job
from aio.recipe import provenance

SMALL = ("width=256", "height=256", "seconds=0.4", "engine=preview")


def job_of(*words: str) -> Job:
    """The job of a command line."""
    command = parse(list(words), ())
    return Job(command.compose(), command.params)


def recipe_of(job: Job, staging: Path) -> dict:
    """The recipe that a run of the preview engine writes, as it is read back."""
    staged = request.stage(request.validate(job), staging)
    made = provenance.recipe(draw(staged), "preview 0.1.0", job.params)
    return json.loads(json.dumps(made))


def typed(line: str) -> list[str]:
    """What a POSIX shell makes of a command line: the words after `python -m aio`."""
    assert line.startswith("python -m aio ")
    show = f"{sys.executable} -c 'import sys, json; print(json.dumps(sys.argv[1:]))' "
    done = subprocess.run(["sh", "-c", line.replace("python -m aio ", show, 1)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def hash_of(line: str) -> str:
    """The recipe hash of the clip that a command line makes: its operations, values, choices, inputs, weights and pins."""
    checked = request.checked(job_of(*typed(line)))
    return provenance.foresee(checked, checked.request.config.engine)["hash"]
