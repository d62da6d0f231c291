"""Completion in a shell: the word that asks for it, and `engine=`, whose choices are names of a section, which Hydra's own does not know."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from aio import config as configuration
from aio.errors import ConfigError

SWITCH = 'eval "$(python -m aio -sc install=bash)"'
"""What switches it on."""
_ASKS = re.compile(r"(install|uninstall|query)=(bash|zsh|fish)")


def asked(words: Sequence[str]) -> str:
    """The one word that Hydra's shell completion takes. What is typed so far comes from the shell in COMP_LINE."""
    if len(words) != 1 or not _ASKS.fullmatch(words[0]):
        raise ConfigError("-sc takes one of install=, uninstall= or query= with bash, zsh or fish: " + SWITCH)
    if words[0].startswith("query=") and "COMP_LINE" not in os.environ:
        raise ConfigError(f"-sc {words[0]} is asked by the shell while you type; to switch it on: {SWITCH}")
    return words[0]


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
