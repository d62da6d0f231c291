"""`make trust`: whether aio keeps what docs/TRUST.md promises, tried with real kills, faults and hostile inputs.

    python -m tests.trust                  every area, then one table; exit code 1 on any loss, hang, traceback or growth
    python -m tests.trust fields media     these areas alone; --quick: a tenth of their cases; --list: what there is
    python -m tests.trust fields --only 71 one case again, with its input
    AIO_TRUST_SEED=7 python -m tests.trust other random inputs and moments

__main__.py runs areas, two at a time; areas.py lists them; tally.py counts and table.py prints. world.py runs commands, hook/ kills
or fails them at a chosen disk call, noise.py and hostile.py make and try hostile inputs, entrances.py names what of aio they call.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

sys.path[:0] = [str(path) for path in (ROOT / "tests", ROOT) if str(path) not in sys.path]   # fakehub.py, aio
