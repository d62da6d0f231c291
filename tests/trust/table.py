"""The table that `make trust` prints, and its exit code."""

from __future__ import annotations

from collections.abc import Sequence

from .tally import KINDS, Row

_HEAD = ("area", "what", "cases", *KINDS, "seconds", "verdict")


def text(rows: Sequence[Row]) -> str:
    """Every row, then every failing case with the command that repeats it."""
    cells = [_HEAD, *(_cells(row) for row in rows), _cells(_total(rows))]
    wide = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    sides = [str.ljust if name in ("area", "what", "verdict") else str.rjust for name in _HEAD]
    lines = ["  ".join(side(cell, width) for side, cell, width in zip(sides, line, wide)).rstrip() for line in cells]
    lines[1:1] = lines[-1:-1] = ["-" * len(lines[0])]
    for row in rows:
        if row.not_run:
            lines.append(f"\nnot run: {row.area}: {row.not_run}")
        for one in row.findings:
            lines += [f"\n{row.area}: {one.kind}, {one.count} of {row.cases}: {one.why}", f"    {one.repeat}"]
    return "\n".join(lines)


def exit_code(rows: Sequence[Row]) -> int:
    """1 with any failing case; an area that could not run is seen in the table and fails nothing."""
    return int(any(row.findings for row in rows))


def _cells(row: Row) -> tuple[str, ...]:
    counts = [str(row.count(kind)) for kind in KINDS]
    if row.grew:
        counts[3] = f"{row.grew}{' !' if row.count('growth') else ''}"
    return (row.area, row.what, str(row.cases), *counts, f"{row.seconds:.0f}", row.verdict)


def _total(rows: Sequence[Row]) -> Row:
    every = [one for row in rows for one in row.findings]
    return Row("all", f"{len(rows)} areas", sum(row.cases for row in rows), sum(row.seconds for row in rows), findings=every)
