"""Text in pictures: the font that comes with Pillow, and text that fits what it can draw and the room there is."""

from __future__ import annotations

import bisect
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

TEXT_MAX = 1000
"""Characters of a text that are looked at; no frame has room for more."""

SIZE_MIN = 9
"""Pixels; smaller letters cannot be read."""


SLATE, AMBER = (15, 23, 42), (245, 158, 11)
"""The ground and the accent of what is drawn here, as on the page: #0f172a and #f59e0b."""


def font(size: float) -> Any:
    """Pillow's bundled font, `size` pixels high."""
    return _font(max(SIZE_MIN, round(size)))


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


class Face:
    """The bundled font, `size` pixels high, with a memory of its letters: a thousand captions cost one drawing of each.

    Letters are set one beside the other, without kerning.
    """

    def __init__(self, size: int):
        self.size, self._font, self._known = size, _font(size), dict[str, tuple[float, Any]]()

    def getlength(self, text: str) -> float:
        """Width of a text, pixels."""
        return sum(self._letter(char)[0] for char in text)

    def write(self, pen: Any, at: tuple[int, int], text: str, color: Any) -> None:
        """Draw a text with a PIL.ImageDraw, its top left corner at `at`."""
        x, y = float(at[0]), at[1]
        for char in text:
            width, mask = self._letter(char)
            pen.bitmap((round(x), y), mask, color)
            x += width

    def _letter(self, char: str) -> tuple[float, Any]:
        if char not in self._known:
            from PIL import Image, ImageDraw

            width = self._font.getlength(char)
            mask = Image.new("L", (max(1, round(width) + 2), sum(self._font.getmetrics())))
            ImageDraw.Draw(mask).text((0, 0), char, 255, self._font)
            self._known[char] = width, mask
        return self._known[char]


def plain(text: str) -> str:
    """The text in one line of characters that the bundled font can draw: accents, other symbols and emoji are left out.

    Letters of scripts that it lacks stay and show as boxes, so that a prompt never looks empty.
    """
    words = unicodedata.normalize("NFKD", text[:TEXT_MAX]).split()
    return " ".join(filter(None, ("".join(filter(_drawable, word)) for word in words)))


@lru_cache(maxsize=4096)
def _drawable(char: str) -> bool:
    if unicodedata.category(char)[0] in "CM":  # control characters, surrogates, combining marks
        return False
    return char.isalnum() or bytes(font(20).getmask(char)) != bytes(font(20).getmask("\uffff"))


def wrap(text: str, face: Any, width: int, most: int) -> list[str]:
    """Lines of at most `width` pixels; what does not fit into `most` of them ends in dots."""
    words, lines = plain(text).split(" "), [""]
    for word in words:
        while word and len(lines) <= most:
            trial = f"{lines[-1]} {word}".strip()
            if face.getlength(trial) <= width:
                lines[-1], word = trial, ""
            elif lines[-1]:
                lines.append("")
            else:  # a single word that is wider than the line
                head = _head(word, face, width) or word[0]
                lines[-1], word = head, word[len(head):]
                lines += [""] if word else []
    if len(lines) > most:
        lines = [*lines[: most - 1], fit(f"{lines[most - 1]} {lines[most]}", face, width, "...")]
    return [line for line in lines if line]


def fit(text: str, face: Any, width: int, ending: str = "") -> str:
    """The text, or as much of its beginning as fits into `width` pixels, and then `ending`."""
    text = plain(text)
    head = _head(text, face, width - round(face.getlength(ending))).rstrip()
    return head + ending if head else ""


def _head(text: str, face: Any, width: int) -> str:
    """The longest beginning of the text that is at most `width` pixels wide."""
    return text[: bisect.bisect_right(range(1, len(text) + 1), width, key=lambda end: face.getlength(text[:end]))]


def rows(items: Sequence[str], face: Any, width: int, gap: int) -> list[list[str]]:
    """The items in rows of at most `width` pixels, `gap` pixels apart."""
    made: list[list[str]] = [[]]
    for item in items:
        if made[-1] and sum(face.getlength(other) + gap for other in made[-1]) + face.getlength(item) > width:
            made.append([])
        made[-1].append(item)
    return [row for row in made if row]
