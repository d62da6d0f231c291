"""What an area found: the numbers of its line in the table, and every kind of failing case with what repeats it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

KINDS = ("losses", "hangs", "tracebacks", "growth")
"""losses: something destroyed, half, doubled, false or leaked. hangs: 10 s longer than usual. tracebacks: an error that is no plain
words of aio. growth: memory, descriptors, threads or files that only become more."""

SHOWN = 400
"""Characters of a reason that are shown."""


@dataclass(slots=True)
class Finding:
    """Failing cases of one kind and cause. why: of the first one. repeat: the command that shows it again. cause: what they share."""

    kind: str
    why: str
    repeat: str
    cause: str = ""
    count: int = 1


@dataclass(slots=True)
class Row:
    """One line of the table. grew: what was measured of growth, in words. not_run: why there is nothing to show."""

    area: str
    what: str
    cases: int = 0
    seconds: float = 0.0
    grew: str = ""
    not_run: str = ""
    findings: list[Finding] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """Failing cases of a kind."""
        return sum(one.count for one in self.findings if one.kind == kind)

    @property
    def verdict(self) -> str:
        """held, FAILED or not run."""
        return "not run" if self.not_run else "FAILED" if self.findings else "held"


class Tally:
    """Counts the cases of one area."""

    def __init__(self, row: Row, repeat: str):
        self.row, self.repeat, self.began = row, repeat, time.monotonic()

    def failed(self, kind: str, why: str, label: str = "", alike: str = "") -> None:
        """Count a failing case. alike: what cases of the same cause share; by default its reason without its numbers."""
        assert kind in KINDS, kind
        cause = alike or re.sub(r"\d+|'[^']*'|\"[^\"]*\"|/\S+", "~", why)[:160]
        for one in self.row.findings:
            if (one.kind, one.cause) == (kind, cause):
                one.count += 1
                return
        repeat = f"{self.repeat} --only {label}" if label else self.repeat
        self.row.findings.append(Finding(kind, " ".join(why.split())[:SHOWN], repeat, cause))

    def ended(self) -> Row:
        """The finished line."""
        self.row.seconds = time.monotonic() - self.began
        if not (self.row.cases or self.row.findings or self.row.not_run):
            self.failed("tracebacks", "no case was tried: there is none of this label")   # nothing tried must not look like all held
        return self.row


@dataclass(slots=True)
class Work:
    """What an area is given.

    Attributes:
        seed: of everything random. cases: how many to try. only: label of the one case to try, empty for all.
        folder: empty, the area's own. tally: where it counts.
    """

    seed: int
    cases: int
    only: str
    folder: Path
    tally: Tally

    def random(self, label: Any) -> Random:
        """The random numbers of one case: the same for the same seed, area and label, whatever ran before."""
        return Random(f"{self.seed}/{self.tally.row.area}/{label}")

    def chosen(self, labels: Sequence[str], share: float = 1.0) -> Iterator[str]:
        """The labels to try: `only`, or that share of `cases`, evenly spread; each is counted."""
        count = min(max(round(self.cases * share), 1), len(labels))
        wanted = [label for label in labels if label == self.only] if self.only else [labels[index * len(labels) // count] for index in range(count)]
        for label in wanted:
            self.tally.row.cases += 1
            yield label

    def failed(self, kind: str, why: str, label: str = "", alike: str = "") -> None:
        """Count a failing case (see Tally.failed)."""
        self.tally.failed(kind, why, label, alike)


@dataclass(frozen=True, slots=True)
class Area:
    """One line of the table. cases: of a full run. seconds: it takes on an idle core. whole: it needs the machine alone."""

    name: str
    what: str
    run: Any
    cases: int
    seconds: int
    whole: bool = False


class NotRun(Exception):
    """The area cannot be tried here; says why."""
