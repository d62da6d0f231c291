"""What a sweep costs besides its engine: time and memory a job, from 10 to 1,000 jobs.

    python bench/sweep.py

The engine is a stand-in that hands over one small clip, so everything measured is aio: composing, checking and rendering
before the first job; then checking, patching, recipe, files, thumbnail and sheet for each. Times are CPU seconds of this
process, so that a busy machine counts little. Limits: 1,000 jobs are composed and rendered in 5 s; running one costs at most
10 ms, its thumbnail (decoding the clip) apart; at 1,000 jobs at most 1.5 times what it costs at 100; the process
grows by no more than the one picture of the sheet takes. Exit 1 where one is exceeded.
"""

from __future__ import annotations

import contextlib
import io
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aio import config, engines
from aio.cli import VERBS, report
from aio.command import parse
from aio.job import Job
from aio.run import run as chain
from aio.sweep import plan, runner, sheet
from aio.values import Artifacts

COUNTS = (10, 100, 1000)
PICTURE_MIB = 80
"""The contact sheet of any number of jobs while it is drawn and packed (aio.sweep.contact.PIXELS)."""


class StandIn:
    """Hands over a copy of one clip at once."""

    name, revision, real, models_dir = "preview", "stand-in", False, None

    def __init__(self, folder: Path, clip: Path):
        self.input_dir, self.output_dir, self.folder, self.clip = folder / "input", folder, folder, clip

    def execute(self, drawn, on_event, stop, *, metadata):
        """The clip under this job's name."""
        video = self.folder / f"{drawn.request.prefix.replace('/', '-')}.mp4"
        shutil.copyfile(self.clip, video)
        return Artifacts(video, 256, 256, 9, 24.0, 0.375, 48000, "preview stand-in")


class Timed:
    """A function that adds up the CPU time it takes."""

    def __init__(self, function):
        self.function, self.spent = function, 0.0

    def __call__(self, *args):
        began = time.process_time()
        try:
            return self.function(*args)
        finally:
            self.spent += time.process_time() - began


def words(count: int, folder: Path) -> list[str]:
    """A sweep of `count` jobs: two presets, five seeds, and prompts."""
    prompts = folder / "prompts.txt"
    prompts.write_text("".join(f"Prompt {number}: a lighthouse at dusk.\n" for number in range(count // 10)))
    rest = ["preset=fast,quality", "seed=range(5)", f"prompt=@{prompts}", "width=256", "height=256", "seconds=0.4"]
    return ["-m", "mode=t2v", *rest, "engine=preview", f"hydra.sweep.dir={folder / 'sweep'}"]


def measure(count: int, clip: Path) -> tuple[float, float, float, float]:
    """Seconds to plan all jobs, milliseconds to run one, milliseconds of its thumbnail, MiB of the process at its peak."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        command = parse(words(count, folder), VERBS)
        engine = StandIn(folder, clip)
        planning, pictures = Timed(PLAN), Timed(THUMBNAIL)
        plan.plan, sheet.thumbnail, runner.create = planning, pictures, lambda name, config: engine
        config._compose.cache_clear()
        began = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert runner.run(command, lambda work, _: work(), report, lambda command, words: 0) == 0
        spent = time.process_time() - began - planning.spent - pictures.spent
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        return planning.spent, spent / count * 1000, pictures.spent / count * 1000, peak


PLAN, THUMBNAIL = plan.plan, sheet.thumbnail


def main() -> int:
    """Print a table and the limits; 1 where one is exceeded."""
    with tempfile.TemporaryDirectory() as place:
        base = config.compose(["mode=t2v", "engine=preview", f"output.dir={place}"])
        clip = chain(Job(base, {"prompt": "x", "width": 256, "height": 256, "seconds": 0.4}), engines.create("preview", base)).video
        measure(10, clip)   # imports and first reads
        found = {count: measure(count, clip) for count in COUNTS}
    print("jobs   plan s   ms a job   ms thumbnail   MiB peak")
    for count, (planned, a_job, picture, peak) in found.items():
        print(f"{count:4}   {planned:6.2f}   {a_job:8.2f}   {picture:12.2f}   {peak:8.1f}")
    (_, _, _, small), (_, before, _, _), (planned, a_job, _, large) = (found[count] for count in COUNTS)
    checks = {
        f"1,000 jobs composed and rendered in {planned:.2f} s (at most 5)": planned <= 5,
        f"running a job costs {a_job:.2f} ms (at most 10)": a_job <= 10,
        f"at 1,000 jobs {a_job / before:.2f} times as much as at 100 (at most 1.5)": a_job <= 1.5 * before,
        f"at 1,000 jobs {large - small:.0f} MiB more than at 10 (at most {PICTURE_MIB})": large - small <= PICTURE_MIB,
    }
    for text, good in checks.items():
        print("ok  " if good else "OVER", text)
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
