"""Ctrl-C, twice, SIGTERM and SIGHUP at random moments of a run and of a sweep: stopped cleanly, in words, or done."""

from __future__ import annotations

import shutil
import signal

from .kills import COMMANDS
from .kills_sweep import words as sweep_words
from .tally import Area, Work
from .world import World, clips, unkind

SIGNALS = {
    "int": (signal.SIGINT,), "twice": (signal.SIGINT, signal.SIGINT), "often": (signal.SIGINT,) * 5,
    "term": (signal.SIGTERM,), "hup": (signal.SIGHUP,),
    "mixed": (signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
}
CANCELLED = 130


def run(work: Work) -> None:
    """Exit code 0 with the clip, or 130 with words; nothing half is left. Before aio's first line the signal is Python's own matter."""
    world = World(work.folder / "world")
    verbs = {"run": [*COMMANDS["t2v"], f"output.dir={world.out}"], "sweep": sweep_words(world, "now")}
    usual = {verb: world.aio(*words, usual=30).seconds for verb, words in verbs.items()}
    for label in work.chosen([f"{verb}-{name}-{number}" for number in range(work.cases) for name in SIGNALS for verb in verbs]):
        verb, name, _ = label.split("-")
        for place in (world.out, world.tmp):
            shutil.rmtree(place)
            place.mkdir()
        after = work.random(label).uniform(0.02, 1.05) * usual[verb]
        ended = world.aio(*verbs[verb], usual=usual[verb], after=after, signals=SIGNALS[name])
        what = f"{verb} with {name} after {after:.2f} s of {usual[verb]:.2f} s"
        if ended.hung:
            work.failed("hangs", f"{what} did not end", label)
        elif ended.code not in (0, CANCELLED) or (ended.code and unkind(ended.err, "KeyboardInterrupt")):
            if (ended.code < 0 and not ended.err) or ("Traceback" in ended.err and "/aio/" not in ended.err):
                continue   # it had not come to aio yet
            if ended.code < 0 and "Traceback" not in ended.err and ended.last.is_file():
                continue   # it was done, and Python about to end
            work.failed("tracebacks", f"{what} ended with {ended.code}: {ended.err[-300:]}", label)
        elif ended.code == 0 and not ended.last.exists():
            work.failed("losses", f"{what} ended with 0, and there is no {ended.last}", label)
        whole = set(clips(world.folder))
        left = [path for path in (*world.out.rglob(".*.part"), *world.tmp.glob("*/output/**/*")) if path.is_file() and path not in whole]
        if left:
            work.failed("losses", f"{what} left {left[0].relative_to(world.folder)} behind", label, f"left {left[0].suffix}")


AREAS = (Area("signals", "signals at random moments", run, 48, 90),)
