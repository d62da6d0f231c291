"""What an input file may be at most, and how it is opened: plain files only."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aio.errors import MediaError
from aio.fields.amounts import Factor

_KEY = "input.limits"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold at most: section `input.limits` of the config, which says what each means; these are its values. None: no limit."""

    megapixels: Factor | None = 100
    frame_megapixels: Factor | None = 36
    frames: Factor | None = 100_000
    gigapixels: Factor | None = 20
    seconds: Factor | None = 600
    channels: Factor | None = 16
    sample_rate: Factor | None = 768_000
    streams: Factor | None = 64

    def check(self, name: str, value: float, file: str, what: str, remedy: str) -> None:
        """Refuse what is above a limit.

        Args:
            name: of the limit. value: in its unit. file: name of the file. what: `{}` stands for the value: `has {} megapixels`.

        Raises:
            MediaError: names the file, its excess, the limit and its key.
        """
        limit = getattr(self, name)
        if limit is not None and value > limit:
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
