"""Formats: what a text field may hold where its text is read by a program, e.g. numbers in a row or a colour.

A mode's file names one (`format: sigmas`); `min` and `max` of the field bound the numbers in it.
"""

from __future__ import annotations

import itertools
import re
import struct
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from aio.fields.numerals import digits

NUMBERS_MAX = 10_001
"""Noise levels of a schedule; ComfyUI's own schedulers make at most 10000 steps."""
LENGTH_MAX = 200_000
"""Characters; room for all of them."""

_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
"""A number as ComfyUI's ManualSigmas reads it: in 1e-3 it would see 1 and -3."""
_SCIENTIFIC = re.compile(_PLAIN.pattern + r"[eE][+-]?\d{1,2}", re.ASCII)
_HEX = re.compile(r"#[0-9a-f]{6}")
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Fillers and blanks that Unicode counts as letters, marks and symbols."""


def is_blank(text: str) -> bool:
    """Whether nothing of a text is seen: it is empty, or only blanks, control characters and what has no width."""
    return all(unicodedata.category(char) in ("Cc", "Cf", "Zs", "Zl", "Zp") or char in _UNSEEN for char in text)


def read(name: str, text: str, low: float | None = None, high: float | None = None) -> str:
    """A text as its readers take it.

    Args:
        name: one of FORMATS. low, high: inclusive bounds of the numbers in it.

    Raises:
        ValueError: its text says what is wrong, and what to write.
    """
    if len(text) > LENGTH_MAX:
        raise ValueError(f"is {len(text)} characters long; at most {LENGTH_MAX} can be read")
    return FORMATS[name].read(text.strip(), low, high)


def note(name: str, text: str) -> str:
    """What is to be said of a legal text, as `read` returned it; empty where there is nothing."""
    return FORMATS[name].note(text)


def _sigmas(text: str, low: float | None, high: float | None) -> str:
    """Noise levels: each below the one before, in the engine's 32 bit too."""
    words = _words(text, FORMATS["sigmas"].examples[0])
    levels = [_level(word, words) for word in words]
    if not 2 <= len(levels) <= NUMBERS_MAX:
        raise ValueError(f"holds {len(levels)} number{'s' * (len(levels) != 1)}; give 2 to {NUMBERS_MAX}, as in 0.9, 0.5, 0: one more than steps")
    _within(words, levels, low, high)
    for index, (first, second) in enumerate(itertools.pairwise(levels)):
        if not _single(second) < _single(first):
            raise ValueError(f"{words[index + 1]} comes after {words[index]}; each noise level is below the one before")
    return text


def _noise_left(text: str) -> str:
    """ComfyUI takes an end above 0, as the first part of a schedule has it; a whole clip is noisy then."""
    last = _words(text, "")[-1]
    return f"ends at {last}, above 0, so that some noise stays; end with 0 to take it all away" if float(last) else ""


def _level(word: str, words: list[str]) -> float:
    if _PLAIN.fullmatch(word):
        return float(word)
    if _SCIENTIFIC.fullmatch(word):
        raise ValueError(f"{word} is a number that ComfyUI misreads; write {Decimal(word):f}")
    raise ValueError(f"{_short(word)} is no number; give numbers with commas between, as in 0.9, 0.5, 0")


def _blocks(text: str, low: float | None, high: float | None) -> str:
    """Numbers of transformer blocks, each once."""
    words = _words(text, FORMATS["blocks"].examples[0])
    for word in words:
        if not re.fullmatch(r"\d+", word, re.ASCII) or len(word) > 9:
            raise ValueError(f"{_short(word)} is no number of a block; give whole numbers with commas between, as in 1, 2")
    numbers = [int(word) for word in words]
    _within(words, numbers, low, high)
    twice = next((number for number in numbers if numbers.count(number) > 1), None) if len(numbers) <= NUMBERS_MAX else numbers[0]
    if twice is not None:
        raise ValueError(f"names block {twice} more than once; name each once")
    return text


def _colour(text: str, low: float | None, high: float | None) -> str:
    """A colour as #rrggbb; a name that Pillow's ImageColor knows is taken, and comes back as #rrggbb."""
    from PIL import ImageColor

    how = "give # and six hexadecimal digits, as in #ffffff, or a name as in white"
    if _HEX.fullmatch(text.lower()):
        return text.lower()
    try:
        found = ImageColor.getrgb(text) if len(text) <= 40 else ()
    except ValueError:
        found = ()
    if len(found) == 4:
        raise ValueError(f"{_short(text)} is a colour with transparency; {how}")
    if len(found) != 3 or not all(0 <= part <= 255 for part in found):
        raise ValueError(f"{_short(text)} is no colour; {how}")
    return "#" + "".join(f"{part:02x}" for part in found)


@dataclass(frozen=True, slots=True)
class Format:
    """One format. read: see `read`, of a text without blanks around it. examples: two legal texts. note: see `note`."""

    read: Callable[[str, float | None, float | None], str]
    examples: tuple[str, str]
    note: Callable[[str], str] = lambda text: ""


FORMATS: Mapping[str, Format] = {
    "sigmas": Format(_sigmas, ("0.9, 0.5, 0", "0.9, 0.4, 0"), _noise_left),
    "blocks": Format(_blocks, ("1, 2", "1")),
    "colour": Format(_colour, ("#ffffff", "#000000")),
}


def _words(text: str, example: str) -> list[str]:
    """What stands between commas or blanks."""
    if not text:
        raise ValueError(f"is empty; give numbers with commas between, as in {example}")
    words = re.split(r"\s*,\s*|\s+", text)
    if "" in words:
        raise ValueError("has nothing beside one of its commas; take it out, or write the number that is missing")
    return words


def _within(words: list[str], numbers: list[float] | list[int], low: float | None, high: float | None) -> None:
    for word, number in zip(words, numbers):
        if (low is not None and number < low) or (high is not None and number > high):
            least, most = (digits(bound) if bound is not None else "" for bound in (low, high))
            legal = f"{least} to {most}" if least and most else f"from {least}" if least else f"up to {most}"
            raise ValueError(f"{_short(word)} is out of range; legal: {legal}")


def _single(number: float) -> float:
    """A number in 32 bit, as torch.FloatTensor holds it."""
    try:
        return struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return float("inf")


def _short(word: str) -> str:
    return repr(word if len(word) <= 40 else f"{word[:39]}…")
