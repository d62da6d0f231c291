"""Pictures of a sweep: a thumbnail of a clip, and the one picture that holds them all."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aio.errors import MediaError
from aio.machine import whole
from aio.media import still
from aio.media.lettering import AMBER, SLATE, Face, fit, wrap
from aio.media.pictures import header, picture
from aio.recipe import outputs
from aio.sweep.folder import Cell

CARD, TEXT, DIM, RED = "#1e293b", "#e2e8f0", "#94a3b8", "#f87171"
THUMB_SIZE = 400
"""Pixels of a thumbnail's longer side."""
PIXELS = 12e6
"""Of the whole picture, so that a thousand jobs take no more memory than a hundred."""
CELL = (64, 320)
"""Least and greatest width of a cell."""
GAP = 8


def thumbnail(video: Path, target: Path) -> bool:
    """Write the middle frame of `video` as a small JPEG; False where it cannot be read, which is no reason to stop.

    Raises:
        OutputError: it cannot be written.
    """
    content = still.middle(video, THUMB_SIZE)
    if content is not None:
        _write(target, content)
    return content is not None


def draw(folder: Path, cells: Sequence[Cell], captions: Sequence[str], thumb: str, target: Path, title: str) -> None:
    """Draw all cells into one PNG.

    Args:
        folder: of the sweep. captions: one a cell. thumb: name of the thumbnails. title: the line above.

    Raises:
        OutputError: it cannot be written.
    """
    from PIL import Image, ImageDraw

    shape = _shape(folder, cells, thumb)
    columns, width = _grid(len(cells), shape)
    height, size = round(width / shape), max(8, min(15, width // 12))
    line = round(size * 1.4)
    lines = 2 if width >= 150 else 1
    rows, head = math.ceil(len(cells) / columns), round(line * 1.6)
    outer = (GAP + columns * (width + GAP), head + GAP + rows * (height + lines * line + GAP))
    image = Image.new("RGB", outer, SLATE)
    pen, face = ImageDraw.Draw(image), Face(size)
    head_face = Face(min(15, size + 3))
    head_face.write(pen, (GAP, GAP), fit(title, head_face, outer[0] - 2 * GAP), AMBER)
    for index, (cell, caption) in enumerate(zip(cells, captions)):
        x, y = GAP + index % columns * (width + GAP), head + GAP + index // columns * (height + lines * line + GAP)
        pen.rectangle((x, y, x + width - 1, y + height + lines * line - 1), CARD)
        pen.rectangle((x, y, x + width - 1, y + height - 1), "#020617")
        _shot(image, pen, face, cell, folder / str(cell.number) / thumb, (x, y, width, height))
        for number, part in enumerate(wrap(caption, face, width - 8, lines)):
            face.write(pen, (x + 4, y + height + 1 + number * line), part, TEXT)
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=3)
    _write(target, content.getvalue())


def _shot(image: Any, pen: Any, face: Face, cell: Cell, thumb: Path, box: tuple[int, int, int, int]) -> None:
    x, y, width, height = box
    color: Any = DIM
    words = cell.state
    if cell.state == "done":
        try:
            small = picture(thumb, draft=(width, height))
            small.thumbnail((width, height))
            image.paste(small, (x + (width - small.width) // 2, y + (height - small.height) // 2))
            return
        except (MediaError, OSError):
            words = "no picture"
    elif cell.state == "failed":
        pen.rectangle((x, y, x + width - 1, y + height - 1), "#2a1320", RED, 2)
        words, color = f"failed: {cell.reason}", RED
    elif cell.state == "running":
        pen.rectangle((x, y, x + width - 1, y + height - 1), None, AMBER, 2)
        color = AMBER
    step = round(face.size * 1.3)
    for number, part in enumerate(wrap(words, face, width - 12, max(1, (height - 8) // step))):
        face.write(pen, (x + 6, y + 5 + number * step), part, color)


def _shape(folder: Path, cells: Sequence[Cell], thumb: str) -> float:
    """Width by height of the first picture."""
    for cell in cells:
        try:
            found = header(folder / str(cell.number) / thumb)
            return min(max(found.width / found.height, 0.6), 2.4)
        except (MediaError, OSError):
            continue
    return 16 / 9


def _grid(count: int, shape: float) -> tuple[int, int]:
    """Columns and cell width: about as wide as high, within PIXELS."""
    width = int(min(max(math.sqrt(PIXELS / max(count, 1) / (1 / shape + 0.25)), CELL[0]), CELL[1]))
    columns = max(1, min(count, math.ceil(math.sqrt(count * (1 / shape + 0.25) * 1.4))))
    return columns, width


def _write(target: Path, content: bytes) -> None:
    try:
        whole.write(target, content)
    except OSError as error:
        raise outputs.failure(error, target) from None
