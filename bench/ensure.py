"""What it costs to ask for weights that are all in place: milliseconds, and requests to the Hub.

    python bench/ensure.py

Twelve files from a fake Hub on loopback, fetched once and then asked for again and again. At most 5 ms and no request.
"""

from __future__ import annotations

import hashlib
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fakehub import FakeHub

from aio.config.registry import RegistryEntry
from aio.graph.models import ModelRef
from aio.weights.ensure import ensure

FILES, ROUNDS, MOST_MS, REPO = 12, 50, 5.0, "owner/weights"


def main() -> int:
    """Print what was measured and the limits; 1 where one is exceeded."""
    data = {f"lora-{number}.safetensors": random.Random(number).randbytes(100_000) for number in range(FILES)}
    refs = [ModelRef("loras", name, "1", "lora_name") for name in data]
    entries = {
        name: RegistryEntry(name=name, repo=REPO, path=name, folder="loras", size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in data.items()
    }
    with tempfile.TemporaryDirectory() as place, FakeHub({(REPO, name): content for name, content in data.items()}) as hub:
        os.environ |= {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": f"{place}/hub", "HF_HUB_OFFLINE": "0"}
        began = time.perf_counter()
        ensure(refs, entries, Path(place) / "models")
        first, asked, spent = time.perf_counter() - began, len(hub.log), []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            ensure(refs, entries, Path(place) / "models")
            spent.append(1000 * (time.perf_counter() - began))
        more = len(hub.log) - asked
    again = statistics.median(spent)
    print(f"{FILES} files: {first:.2f} s and {asked} requests the first time; {again:.2f} ms and {more} requests in {ROUNDS} more rounds")
    checks = {
        f"a round with everything in place costs {again:.2f} ms (at most {MOST_MS:g})": again <= MOST_MS,
        "it asks the Hub for nothing": not more,
    }
    for text, good in checks.items():
        print("ok  " if good else "OVER", text)
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
