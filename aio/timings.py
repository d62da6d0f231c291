"""What runs on a GPU really took: one line of JSON a run, and the constants of conf/duration that follow from them.

python -m aio.timings [FILE]        prints, for every card, what to write into conf/duration
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aio import __version__
from aio.config.platform import Duration
from aio.graph import duration
from aio.graph.draw import Drawn
from aio.graph.shapes import SamplerFacts
from aio.machine import paths, terminal
from aio.machine.outside import json_of
from aio.values import Artifacts

LINE_MAX = 100_000
"""Characters of a line of the log; ours have 1,000."""

FITTED = 3
"""Different numbers of tokens that a fit of two constants needs at least."""


def note(drawn: Drawn, made: Artifacts) -> None:
    """Append a run's stage times to the log that `platform.timings` names, null for none. A run without a GPU says nothing of its seconds.

    Several processes may write at the same time. Whatever goes wrong is said on stderr: the clip is made, and that counts.
    """
    try:
        place = drawn.request.config.platform.timings
        if not place or not made.card:
            return
        path = paths.expanded(place, "platform.timings")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(line(drawn, made), ensure_ascii=False) + "\n"
        # One write to a file opened for appending is not mixed with another's (POSIX, on a local disk).
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)
    except Exception as error:
        terminal.say(f"aio: the run's times are not logged: {type(error).__name__}: {error}")


def line(drawn: Drawn, made: Artifacts) -> dict[str, Any]:
    """One run as plain values: nothing of its text, its files or its visitor."""
    config, work, guess = drawn.request.config, drawn.work, drawn.estimate
    chosen = {group: config.choices.get(group) for group, facts in config.groups.items() if facts.log}
    samplers = [
        {"stage": config.stages.get(one.node, ""), "title": one.title, "steps": one.steps, "passes": one.passes, "tokens": one.tokens,
         "guides": one.guides}
        for one in work.samplers
    ]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "aio": __version__, "engine": made.engine, "card": made.card, "size": guess.size,
        "mode": config.mode, **chosen, "width": made.width, "height": made.height, "frames": made.frames, "pixels": work.pixels,
        "steps": sum(one.steps for one in work.samplers), "tokens": max((one.tokens for one in work.samplers), default=0),
        "samplers": samplers, "stages": {title: round(seconds, 3) for title, seconds in made.timings.items()},
        "estimate": {"total": guess.total, "load": guess.load, "request": guess.request},
    }


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log; one that a crash cut short is left out."""
    with path.open(encoding="utf-8", errors="replace") as file:
        whole = True
        while text := file.readline(LINE_MAX):
            begun, whole = whole, text.endswith("\n")
            try:
                found: Any = json_of(text) if begun else None   # not the rest of a line that is too long
            except ValueError:
                continue
            if _sound(found):
                yield found


def _sound(line: Any) -> bool:
    """Whether a line says what `fit` reads; anybody may have written into the log."""
    if not isinstance(line, dict) or not all(isinstance(line.get(key) or "", str) for key in ("card", "size")):
        return False
    stages, samplers = line.get("stages"), line.get("samplers")
    return (
        isinstance(stages, dict) and all(map(_number, stages.values()))
        and isinstance(samplers, list) and all(
            isinstance(one, dict) and isinstance(one.get("stage"), str)
            and all(_number(one.get(key)) for key in ("steps", "passes", "tokens", "guides"))
            and (not one["steps"] or (one["passes"] and one["tokens"]))
            for one in samplers)
    )


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9


def fit(lines: Iterable[Mapping[str, Any]], costs: Duration) -> dict[str, dict[str, Any]]:
    """Card -> {runs, card_factor, step_ms}, from the sampling stages of a log.

    Args:
        costs: the composed `duration`, whose card counts 1.

    `card_factor` is the median of measured over estimated seconds. `step_ms` is a least-squares fit of a pass without guides in thousands
    of tokens and their square, null where there are too few different sizes for it.
    """
    import numpy as np

    ratios: dict[str, list[float]] = {}
    passes: dict[str, list[tuple[float, float]]] = {}
    runs: dict[str, int] = {}
    for run in lines:
        card = " ".join(filter(None, (run.get("card"), run.get("size"))))
        runs[card] = runs.get(card, 0) + 1
        stages = [one["stage"] for one in run["samplers"]]
        for one in run["samplers"]:
            seconds = run["stages"].get(one["stage"], 0.0)
            if seconds <= 0 or stages.count(one["stage"]) > 1 or not one["steps"]:
                continue   # nothing measured, or not this sampler's alone
            facts = SamplerFacts("", "", one["steps"], one["passes"], one["tokens"], one["guides"])
            ratios.setdefault(card, []).append(seconds / duration.sampling(facts, costs))
            if not one["guides"]:
                passes.setdefault(card, []).append((one["tokens"] / 1000, 1000 * seconds / one["steps"] / one["passes"]))
    found: dict[str, dict[str, Any]] = {}
    for card, values in ratios.items():
        tokens, spent = np.array(passes.get(card) or [(0.0, 0.0)]).T
        fitted = None
        if len(set(tokens)) >= FITTED:
            fitted = [round(float(one), 2) for one in np.linalg.lstsq(np.stack([tokens, tokens**2], 1), spent, rcond=None)[0]]
        found[card] = {"runs": runs[card], "card_factor": round(statistics.median(values), 2), "step_ms": fitted}
    return found


def main(argv: list[str]) -> int:
    """Print what the log says of each card."""
    from aio.config import compose

    config = compose()
    path = paths.expanded(argv[0] if argv else str(config.platform.timings), "platform.timings")
    if not path.is_file():
        terminal.say(f"aio: {path}: no run on a GPU has been logged there yet")
        return 2
    for card, facts in fit(read(path), config.duration).items():
        fitted = f"; or, for this card alone, step_ms: {facts['step_ms']}" if facts["step_ms"] else ""
        terminal.answer(f"{card}: {facts['runs']} runs, card_factor: {facts['card_factor']}{fitted}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
