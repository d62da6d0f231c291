"""The areas of `make trust`, in the order of the table."""

from __future__ import annotations

from . import bounded, faults, files, kills, kills_more, kills_sweep, media, page, parsers, signals, soak, together, words
from .tally import Area

AREAS: tuple[Area, ...] = (
    *kills.AREAS, *kills_sweep.AREAS, *kills_more.AREAS, *signals.AREAS, *faults.AREAS, *parsers.AREAS, *words.AREAS, *files.AREAS, *media.AREAS,
    *bounded.AREAS,
    *soak.AREAS, *page.AREAS, *together.AREAS,
)


def named(names: list[str]) -> list[Area]:
    """The areas of these names, all of them for none.

    Raises:
        SystemExit: there is no such area.
    """
    known = {area.name: area for area in AREAS}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no area {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(AREAS)
