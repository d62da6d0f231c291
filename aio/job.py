"""What a user asks for: a Job as it was given, a Request once it is checked. Both carry the configuration that they were composed with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aio.config import Config
from aio.values import Media


@dataclass(frozen=True, slots=True)
class Job:
    """What the user asked for, unchecked.

    Attributes:
        config: the composed configuration.
        params: field name -> value as given; text stays literal.
    """

    config: Config
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A checked job: every field has a legal value, every input file was probed.

    Attributes:
        config: the composed configuration.
        values: field name -> value; an input field holds the name under which the engine loads it
            once staged, before that its path.
        given: names that the user gave.
        media: input field name, in an item of a list its flat key (`keyframes[0].image`) -> facts of the file (of the staged copy once staged).
        hashes: the same names -> sha256 of the user's file, hex.
        prefix: ComfyUI `filename_prefix` of this job, unique to it.
        warnings: sentences for the user.
        origins: field -> what its value was taken from, where it follows an input.
    """

    config: Config
    values: Mapping[str, Any]
    given: frozenset[str] = frozenset()
    media: Mapping[str, Media] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    prefix: str = "aio/job"
    warnings: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
