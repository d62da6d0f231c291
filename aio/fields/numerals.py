"""Numbers as people type and read them: every digit kept on the way in, none lost on the way out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

EXACT_MAX = 2**53
"""Whole numbers beyond it lose digits in JavaScript and in every JSON reader that knows only doubles."""

DRAWN_MAX = 2**50
"""A drawn number stays below: ComfyUI's own page draws no larger seed, so that every reader of a workflow keeps it."""

DIGITS_MAX = 24
"""Digits of a number that are shown, and of a whole number that are read."""


def rounded(value: Any) -> bool:
    """Whether a number is a whole one that may have lost its last digits."""
    return isinstance(value, float) and value.is_integer() and abs(value) > EXACT_MAX


def whole(value: Any) -> int:
    """A whole number, from a number or a text. A text keeps every digit: a float would round a seed of more than 15.

    Raises:
        ValueError, TypeError, OverflowError: it is none.
    """
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError
        return int(value)
    try:
        return int(value)
    except ValueError:
        number = _decimal(str(value).strip())
        if number != number.to_integral_value():
            raise
        return int(number)


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite() or (number and abs(number.adjusted()) > DIGITS_MAX):   # 1e999999999 would be written out
        raise ValueError
    return number


def digits(number: float) -> str:
    """A number in the form that people type, shortened where it is endless: 156680208700286, never 1.56e+14."""
    text = str(number) if isinstance(number, int) else f"{Decimal(repr(number)):f}"
    text = text.removesuffix(".0")
    return text if len(text) <= DIGITS_MAX else f"{text[:10]}… ({len(text)} digits)"


def exact(data: Any) -> Any:
    """JSON's containers, with whole numbers that a reader of doubles would round as text."""
    if isinstance(data, Mapping):
        return {key: exact(item) for key, item in data.items()}
    if isinstance(data, (list, tuple)):
        return [exact(item) for item in data]
    return str(data) if isinstance(data, int) and abs(data) > EXACT_MAX else data


def draw(low: float | None, high: float | None) -> int:
    """A whole number by chance, from `low` to `high`, both included."""
    least = int(low or 0)
    most = min(DRAWN_MAX - 1 + least, int(high)) if high is not None else DRAWN_MAX - 1 + least
    return least + secrets.randbelow(max(most - least, 0) + 1)


def comma(name: str, value: Any) -> str:
    """What to type where a decimal comma stands, as spreadsheets in much of Europe write it; empty elsewhere."""
    text = str(value).strip()
    return f"; write {name}={text.replace(',', '.')}" if re.fullmatch(r"-?\d+,\d+", text) else ""
