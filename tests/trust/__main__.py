"""Run areas, each in a process of its own, two at a time, and print one table."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from . import ROOT, table
from .areas import named
from .tally import Area, Finding, NotRun, Row, Tally, Work

LANES = 2
"""Areas at a time: the two cores that the time limit of half an hour is meant for."""

ROW = "row.json"
"""Name of the file in which an area's process leaves its row."""

SLOWEST = 6
"""An area that takes so many times its planned seconds, and a minute, is ended: it hangs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when everything held, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust", description="Whether aio keeps what docs/TRUST.md promises.")
    parser.add_argument("areas", nargs="*", help="all without any")
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases")
    parser.add_argument("--only", default="", help="one case of one area, by its label")
    parser.add_argument("--list", action="store_true", help="what there is")
    parser.add_argument("--in", dest="folder", help=argparse.SUPPRESS)   # this process is one area's: its folder, for its row too
    given = parser.parse_args(argv)
    areas, seed = named(given.areas), int(os.environ.get("AIO_TRUST_SEED", "1"))
    if given.folder:
        row = tried(areas[0], seed, given.quick, given.only, Path(given.folder) / "work")
        (Path(given.folder) / ROW).write_text(json.dumps(dataclasses.asdict(row)), encoding="utf-8")
        return 0
    part = 10 if given.quick else 1
    for area in areas:
        print(f"{area.name:18} {max(area.cases // part, 1):6} cases {max(area.seconds // part, 1):5} s  {area.what}")
    plan = sum(area.seconds for area in areas if not area.whole) / LANES + sum(area.seconds for area in areas if area.whole)
    print(f"seed {seed} (AIO_TRUST_SEED); about {plan / part / 60:.0f} min on {LANES} idle cores\n", flush=True)
    if given.list:
        return 0
    rows = run(areas, given.quick, given.only, seed)
    print(f"\n{table.text(rows)}\n\nseed {seed}: AIO_TRUST_SEED={seed} make trust repeats it")
    return table.exit_code(rows)


def run(areas: Sequence[Area], quick: bool, only: str, seed: int) -> list[Row]:
    """Every area's row: the longest first, two at a time; then those that need the machine alone."""
    rows: dict[str, Row] = {}
    queue = sorted((area for area in areas if not area.whole), key=lambda area: -area.seconds)
    lock = threading.Lock()

    def lane() -> None:
        while True:
            with lock:
                if not queue:
                    return
                area = queue.pop(0)
            rows[area.name] = apart(area, quick, only, seed)
            row = rows[area.name]
            print(f"{time.strftime('%H:%M:%S')} {row.area}: {row.cases} cases, {row.seconds:.0f} s, {row.verdict}", flush=True)

    lanes = [threading.Thread(target=lane) for _ in range(min(LANES, len(queue)))]
    for one in lanes:
        one.start()
    for one in lanes:
        one.join()
    for area in areas:
        if area.whole:
            rows[area.name] = apart(area, quick, only, seed)
    return [rows[area.name] for area in areas]


def apart(area: Area, quick: bool, only: str, seed: int) -> Row:
    """An area's row, made by a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix=f"aio-trust-{area.name}-")).resolve()
    began, limit = time.monotonic(), SLOWEST * area.seconds + 60
    words = [sys.executable, "-m", "tests.trust", area.name, "--in", str(folder)]
    words += [*(["--quick"] if quick else []), *(["--only", only] if only else [])]
    try:
        ended = subprocess.run(words, cwd=ROOT, env={**os.environ, "AIO_TRUST_SEED": str(seed)}, timeout=limit, stdin=subprocess.DEVNULL)
        if (folder / ROW).is_file():
            data = json.loads((folder / ROW).read_text(encoding="utf-8"))
            return Row(**{**data, "findings": [Finding(**one) for one in data["findings"]]})
        kind, why = "tracebacks", f"the area's own process ended with {ended.returncode}, see above"
    except subprocess.TimeoutExpired:
        kind, why = "hangs", f"it was ended after {limit:.0f} s"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Row(area.name, area.what, seconds=time.monotonic() - began, findings=[Finding(kind, why, f"python -m tests.trust {area.name}")])


def tried(area: Area, seed: int, quick: bool, only: str, folder: Path) -> Row:
    """Run an area in this process, in a folder of its own."""
    folder.mkdir()
    row = Row(area.name, area.what)
    tally = Tally(row, f"AIO_TRUST_SEED={seed} python -m tests.trust {area.name}")
    try:
        area.run(Work(seed, max(area.cases // 10, 1) if quick else area.cases, only, folder, tally))
    except NotRun as reason:
        row.not_run = str(reason)
    except Exception as error:   # a fault of the harness must not look like a pass
        traceback.print_exc()
        tally.failed("tracebacks", f"the harness itself: {type(error).__name__}: {error}")
    return tally.ended()


if __name__ == "__main__":
    sys.exit(main())
