"""What an input file may be at most, and how it is opened: plain files only."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from aio.errors import ConfigError, MediaError

_KEY = "input.limits"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold at most: section `input.limits` of the config, which says what each means; these are its values."""

    megapixels: float = 100
    frame_megapixels: float = 36
    frames: float = 100_000
    gigapixels: float = 20
    seconds: float = 600
    channels: float = 16
    sample_rate: float = 768_000
    streams: float = 64

    @classmethod
    def of(cls, section: Mapping[str, Any] | None) -> Limits:
        """The limits of a config section. What it does not name has its usual value; null is no limit.

        Raises:
            ConfigError: a value is no number above 0.
        """
        found = {}
        for name in (field.name for field in fields(cls)):
            value = (section or {}).get(name, getattr(cls(), name))
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0):
                raise ConfigError(f"{_KEY}.{name}: {value!r} is no limit; give a number above 0, or null for none")
            found[name] = math.inf if value is None else value
        return cls(**found)

    def check(self, name: str, value: float, file: str, what: str, remedy: str) -> None:
        """Refuse what is above a limit.

        Args:
            name: of the limit. value: in its unit. file: name of the file. what: `{}` stands for the value: `has {} megapixels`.

        Raises:
            MediaError: names the file, its excess, the limit and its key.
        """
        limit = getattr(self, name)
        if value > limit:
            shown = f"{value:.0f}" if value >= 10 else f"{value:.3g}"
            raise MediaError(f"{file} {what.format(shown)}; the limit is {limit:g} ({_KEY}.{name}), {remedy}")


USUAL = Limits()


def regular(path: Path) -> BinaryIO:
    """Open a plain file for reading: a pipe would wait for a writer, a device might never end.

    Raises:
        OSError: it cannot be opened. MediaError: it is no plain file.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise MediaError(f"{path.name} is not a regular file; save it to one and give that")
    return file
