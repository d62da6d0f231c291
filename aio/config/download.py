"""The section `download` of the configuration, declared: how patient a download is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from aio.fields.amounts import Amount, Count, Least, Whole

Wait = Annotated[float, Least(0.01)]


@dataclass(frozen=True, slots=True)
class Download:
    """Limits of a transfer; what each is for stands beside it in conf/config.yaml, whose values these are.

    Attributes:
        slowest_kb_s: kB/s, 0 for no limit. for_s, silent_s, answer_s, pause_s, wait_s: seconds.
        retries, history, parallel: counts.
    """

    slowest_kb_s: Amount = 4.0
    for_s: Wait = 60.0
    silent_s: Wait = 15.0
    answer_s: Wait = 5.0
    retries: Whole = 5
    pause_s: Amount = 1.0
    wait_s: Amount = 300.0
    history: Whole = 100
    parallel: Count = 3

    @property
    def slowest(self) -> float:
        """Bytes a second."""
        return self.slowest_kb_s * 1000
