"""The section `space` of the configuration, declared: a Hugging Face Space of aio (conf/space/hub.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aio.fields.amounts import Amount, Count


@dataclass(frozen=True, slots=True)
class Accepted:
    """`space.limits`: what the Hub accepts. length: key of the front matter -> characters. torch: first and last minor version."""

    required: tuple[str, ...]
    length: Mapping[str, Count]
    colors: tuple[str, ...]
    sdk: tuple[str, ...]
    python: tuple[str, ...]
    torch: tuple[str, str]
    preload_entries: Count
    preload_gb: Amount
    file_mb: Amount


@dataclass(frozen=True, slots=True)
class Space:
    """`space`. front_matter: of README.md, in the Hub's words. provided: packages that a Space brings itself."""

    front_matter: Mapping[str, Any]
    requirements: tuple[str, ...]
    provided: tuple[str, ...]
    limits: Accepted
