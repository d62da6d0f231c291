"""Kinds of numbers that a declaration asks for, and what else it says of itself: read by aio.config.typed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated


@dataclasses.dataclass(frozen=True, slots=True)
class Least:
    """With Annotated: the smallest legal number."""

    number: float


Count = Annotated[int, Least(1)]
Whole = Annotated[int, Least(0)]
Amount = Annotated[float, Least(0)]
Factor = Annotated[float, Least(1e-6)]

KEY: Mapping[str, bool] = MappingProxyType({"key": True})
"""Metadata of a field that is not written: it holds the key that its section stands under."""
