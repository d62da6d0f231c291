"""The contact sheet of a sweep: index.html, one offline page, and contact_sheet.png, made from the sweep's files.

The page stays true while a sweep runs: each change of a job is one short line appended to it, so that a job costs the
same among ten and among a thousand. The picture is drawn again as often as a twentieth of the time allows, and says when.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from aio import replay
from aio.errors import AioError, OutputError
from aio.machine import folders, paths, whole
from aio.recipe import outputs, sidecar
from aio.sweep import folder as store
from aio.sweep.contact import draw, thumbnail
from aio.sweep.folder import Cell

PAGE, PICTURE, THUMB = "index.html", "contact_sheet.png", "thumb.jpg"
SHARE = 20
"""The picture is drawn again once this many times its own cost has passed."""
SHOWN = 80
"""Characters of a value that the head of the page shows."""


class Sheet:
    """The two files of one sweep while it runs.

    Args:
        folder: the sweep's folder. cells: its jobs, in the order of their numbers.
        config_dirs: further folders of configuration, for the commands of its clips.

    Raises:
        OutputError: a file cannot be written.
    """

    def __init__(self, folder: Path, cells: Iterable[Cell], config_dirs: Sequence[Path] = ()):
        self.folder, self.cells, self.config_dirs = folder, {cell.number: cell for cell in cells}, config_dirs
        self.varied = varied(list(self.cells.values()))
        self.drawn = self.cost = 0.0
        for cell in self.cells.values():
            if cell.state == "done" and not (folder / str(cell.number) / THUMB).is_file():
                self._shoot(cell)
        self.write(live=True)

    def update(self, cell: Cell) -> None:
        """Show how a job stands now. What cannot be written is left out: the sheet only shows what the jobs' files say."""
        self.cells[cell.number] = cell
        with contextlib.suppress(OutputError):
            self._update(cell)

    def _update(self, cell: Cell) -> None:
        if cell.state == "done":
            self._shoot(cell)
        text = f"<script>set({cell.number}, {_script(_cell(self.folder, cell, self.varied, self.config_dirs))}, {_script(_now())})</script>\n"
        try:
            with open(self.folder / PAGE, "a", encoding="utf-8") as page:
                page.write(text)
        except OSError as error:
            raise outputs.failure(error, self.folder / PAGE) from None
        if time.monotonic() - self.drawn >= SHARE * self.cost:
            self._draw()

    def write(self, *, live: bool) -> Path:
        """Write both files anew. live: the sweep goes on, so the page looks for news."""
        target = self.folder / PAGE
        try:
            whole.write(target, _page(self.folder, list(self.cells.values()), self.varied, live, self.config_dirs).encode())
        except OSError as error:
            raise outputs.failure(error, target) from None
        self._draw()
        return target

    def _shoot(self, cell: Cell) -> None:
        place = self.folder / str(cell.number)
        thumbnail(place / cell.video, place / THUMB)

    def _draw(self) -> None:
        began = time.monotonic()
        cells = list(self.cells.values())
        # Long texts last: a caption is cut where its room ends.
        keys = sorted(self.varied, key=lambda key: max(len(cell.settings.get(key, "")) for cell in cells))
        captions = [f"{cell.number}  {_short(cell, keys)}" for cell in cells]
        draw(self.folder, cells, captions, THUMB, self.folder / PICTURE, f"{_counts(cells)} · {_now()}")
        self.drawn = time.monotonic()
        self.cost = self.drawn - began


def build(folder: Path, config_dirs: Sequence[Path] = ()) -> Path:
    """Make both files from what lies in the folder, and return the page's path. A sweep may be at work there.

    Args:
        config_dirs: further folders of configuration, for the commands of its clips.

    Raises:
        ConfigError: it is not a sweep's folder. OutputError: a file cannot be written.
    """
    folder = paths.expanded(folder, "sheet").resolve()
    live = store.busy(folder)
    shown = Sheet(folder, store.cells(folder, live=live), config_dirs)
    return folder / PAGE if live else shown.write(live=False)


def varied(cells: Sequence[Cell]) -> list[str]:
    """The settings that are not the same in all jobs, in the order they were given."""
    keys = dict.fromkeys(key for cell in cells for key in cell.settings)
    return [key for key in keys if len({cell.settings.get(key) for cell in cells}) > 1]


def _page(folder: Path, cells: Sequence[Cell], keys: Sequence[str], live: bool, config_dirs: Sequence[Path]) -> str:
    same = {key: value for cell in cells[:1] for key, value in cell.settings.items() if key not in keys}
    parts = [f"{html.escape(key)} <b>{html.escape(value[:SHOWN] + ('…' if len(value) > SHOWN else ''))}</b>" for key, value in same.items()]
    words = {
        "TITLE": html.escape(f"Sweep {folder.name}"),
        "COUNTS": html.escape(_counts(cells)),
        "CONSTANT": f"<p>All jobs: {' · '.join(parts)}</p>" if parts else "",
        "LIVE": "1" if live else "0",
        "MIN": "220" if len(cells) > 12 else "300",
        "ASPECT": _aspect(folder, cells),
        "CELLS": "".join(_cell(folder, cell, keys, config_dirs) + "\n" for cell in cells),
    }
    template = (folders.DATA / "sheet.html").read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda match: words[match[1]], template)   # in one pass: a prompt may hold @CELLS@


def _aspect(folder: Path, cells: Sequence[Cell]) -> str:
    """The shape of the first picture, for all: a grid of even rows."""
    from PIL import Image

    for cell in cells:
        try:
            with Image.open(folder / str(cell.number) / THUMB, formats=["JPEG"]) as image:
                return f"{image.width} / {image.height}" if image.width >= image.height else "1 / 1"
        except Exception:   # none there, or anything else under its name
            continue
    return "16 / 9"


def _cell(folder: Path, cell: Cell, keys: Sequence[str], config_dirs: Sequence[Path] = ()) -> str:
    label = html.escape(f"Job {cell.number}: {_short(cell, keys) or 'alone'}")
    link, attributes, command = "", "", ""
    if cell.state == "done":
        video = html.escape(f"{cell.number}/{cell.video}")
        attributes = f' data-video="{video}" tabindex="0" role="button" aria-label="Play {label.replace("Job", "job", 1)}"'
        shot = f'<img src="{cell.number}/{THUMB}" alt="{label}" loading="lazy">' if (folder / str(cell.number) / THUMB).is_file() else "no picture"
        link = f'<a href="{video}">open</a>'
        command = _command(folder / str(cell.number) / cell.video, config_dirs)
    elif cell.state == "failed":
        shot = html.escape(f"Failed\n{cell.reason}")
    else:
        shot = html.escape({"pending": "waiting", "running": "running …", "stopped": cell.reason or "stopped"}[cell.state])
    took = f"<span>{cell.seconds:.1f} s</span>" if cell.ended and cell.seconds else ""
    facts = "".join(f"<dt>{html.escape(key)}</dt><dd title=\"{html.escape(cell.settings[key])}\">{html.escape(cell.settings[key])}</dd>"
                    for key in keys if key in cell.settings)
    return (f'<figure id="j{cell.number}" data-state="{cell.state}"><div class="shot"{attributes}>{shot}</div>'
            f'<figcaption><div class="top"><b>{cell.number}</b>{took}{link}</div><dl>{facts}</dl>{command}</figcaption></figure>')


def _command(video: Path, config_dirs: Sequence[Path]) -> str:
    """The command line that makes a clip, folded away; nothing where its recipe cannot be read or made here. Its files are names alone."""
    try:
        line = replay.line(sidecar.read(video).data, config_dirs, bare=True)
    except AioError:
        return ""
    return f"<details><summary>command</summary><code>{html.escape(line)}</code></details>"


def _short(cell: Cell, keys: Sequence[str]) -> str:
    return "  ".join(f"{key}={' '.join(cell.settings[key].split())}" for key in keys if key in cell.settings)


def _counts(cells: Sequence[Cell]) -> str:
    found = {state: sum(cell.state == state for cell in cells) for state in store.STATES}
    words = ", ".join(f"{number} {state}" for state, number in found.items() if number)
    return f"{len(cells)} {'job' if len(cells) == 1 else 'jobs'}: {words}"


def _now() -> str:
    return datetime.now().strftime("%Y-%m-%d %H:%M:%S")


def _script(text: str) -> str:
    """A JavaScript string literal that cannot end the script element."""
    return json.dumps(text).replace("<", "\\u003c")
