from __future__ import annotations
from . import faults, files, kills, kills_more, kills_sweep, media, page, parsers, soak, together, words
from .tally import Area
AREAS: tuple[Area, ...] = (*kills.AREAS, *faults.AREAS, *kills_sweep.AREAS, *kills_more.AREAS, *parsers.AREAS, *words.AREAS, *files.AREAS, *media.AREAS, *soak.AREAS, *page.AREAS, *together.AREAS)
def named(names):
    known = {area.name: area for area in AREAS}
    return [known[name] for name in names] or list(AREAS)
