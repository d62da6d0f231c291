"""Completion of `engine=`: its choices are names of a section, which Hydra's own completion of files does not know."""

from __future__ import annotations

import os
from collections.abc import Sequence

from aio import config as configuration
from aio.errors import ConfigError


def engines(flags: Sequence[str]) -> str:
    """What the shell is told of an `engine=` that is being typed, empty where it asks for something else.

    Args:
        flags: of the command line; the shell asks with `-sc query=SHELL`, and its line is in COMP_LINE.
    """
    typed = os.environ.get("COMP_LINE", "").split(" ")
    if not any(flag.startswith("query=") for flag in flags) or not typed[-1].startswith("engine="):
        return ""
    try:
        known = configuration.compose([word for word in typed if word.lstrip("+").startswith("engines.")]).engines
    except ConfigError:   # half a word before it
        known = configuration.compose().engines
    found = [word for name in ("auto", *known) if (word := f"engine={name}").startswith(typed[-1])]
    return ("\n" if "query=fish" in flags else " ").join(found)
