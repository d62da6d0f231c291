"""How patient a download is: the config's `download`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from aio.errors import ConfigError, nearest

_WHOLE = ("retries", "history", "parallel")


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of a transfer; what each is for stands beside it in conf/config.yaml, whose values these are.

    Attributes:
        slowest_kb_s: kB/s, 0 for no limit. for_s, silent_s, answer_s, pause_s, wait_s: seconds.
        retries, history, parallel: counts.
    """

    slowest_kb_s: float = 4.0
    for_s: float = 60.0
    silent_s: float = 15.0
    answer_s: float = 5.0
    retries: int = 5
    pause_s: float = 1.0
    wait_s: float = 300.0
    history: int = 100
    parallel: int = 3

    @property
    def slowest(self) -> float:
        """Bytes a second."""
        return self.slowest_kb_s * 1000


def parse(given: Mapping[str, Any] | Rules | None) -> Rules:
    """Read the config's `download`; what it leaves out, or says null to, stays as it is.

    Raises:
        ConfigError: every unknown key (with the nearest known one) and every value that is no number.
    """
    if isinstance(given, Rules) or given is None:
        return given or Rules()
    if not isinstance(given, Mapping):
        raise ConfigError(f"download: {given!r} is not a mapping, such as download.slowest_kb_s=1")
    known = {field.name: getattr(Rules(), field.name) for field in fields(Rules)}
    faults, kept = [], {}
    for name, value in given.items():
        least = 1 if name == "parallel" else 0 if name in ("slowest_kb_s", "retries", "pause_s", "wait_s", "history") else 0.01
        if name not in known:
            faults.append(f"download: unknown key {name!r}.{nearest(str(name), known)}")
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < least:
            if value is not None:
                faults.append(f"download.{name}: {value!r} is not a number of at least {least}")
        elif name in _WHOLE and value != int(value):
            faults.append(f"download.{name}: {value!r} is not a whole number")
        else:
            kept[name] = int(value) if name in _WHOLE else float(value)
    if faults:
        raise ConfigError("\n".join(faults))
    return Rules(**dict[str, Any](kept))
