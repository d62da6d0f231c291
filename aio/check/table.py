"""The table that `check` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aio.check import Row


def table(rows: Iterable[Row], show: Callable[[str], None]) -> int:
    """Show the rows as a table and their faults below it. Returns the exit code: 1 with any fault."""
    show(f"{'mode':10} {'preset':9} {'model':6} {'variant':44} {'nodes':>5} {'ops':>4}  result")
    bad: list[Row] = []
    notes: dict[str, None] = {}
    count = 0
    for row in rows:
        count += 1
        notes |= {row.note: None} if row.note else {}
        faulty = f"{len(row.faults)} faults" if len(row.faults) > 1 else "1 fault" if row.faults else ""
        verdict = faulty or ("not offered" if row.note else "ok")
        sizes = f"{row.nodes or '':>5} {row.operations or '':>4}"
        show(f"{row.mode:10} {row.preset:9} {row.model:6} {row.variant:44} {sizes}  {verdict}")
        bad += [row] if row.faults else []
    for row in bad:
        show(f"\n{' '.join(filter(None, (row.mode, row.preset, row.model, row.variant)))}")
        for fault in row.faults:
            show(f"  {fault}")
    for note in notes:
        show(f"\nnot offered: {note}")
    show(f"\n{count} rows, {len(bad)} with faults" if bad else f"\n{count} rows, no fault")
    return 1 if bad else 0
