"""How long the mirror of a Hugging Face cache takes: `python bench/mirror.py [FILES] [FOLDER] [TARGET-FOLDER]`.

Makes a cache of FILES entries (100,000: half of them blobs, half snapshot links), mirrors it into a second folder, then once more.
A TARGET-FOLDER on another device shows the symbolic links.

Measured with 100,000 entries on two cores that three other programs kept busy: ext4 6.2 and 7.2 s (again: 1.6 to 1.8 s), memory
1.4 to 2.5 s, ext4 to memory 2.9 s. Four threads instead of one made no difference: the file system's journal sets the pace.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from aio.spaces.mirror import mirror

REPOS = 10


def make(cache: Path, entries: int) -> None:
    """A cache of `entries` files and links in ten repositories."""
    for repo in range(REPOS):
        folder = cache / f"models--owner--name-{repo}"
        snapshot = folder / "snapshots" / f"{repo:040x}"
        for place in (folder / "blobs", folder / "refs", snapshot):
            place.mkdir(parents=True)
        (folder / "refs" / "main").write_text(snapshot.name)
        for number in range(entries // REPOS // 2):
            (folder / "blobs" / f"{number:064x}").write_bytes(b"x")
            (snapshot / f"{number}.safetensors").symlink_to(f"../../blobs/{number:064x}")


def main() -> None:
    """Print the seconds of the first and of the second pass."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        target = Path(tempfile.mkdtemp(dir=sys.argv[3] if len(sys.argv) > 3 else folder))
        try:
            make(Path(folder, "hub"), entries)
            os.sync()   # else the time is that of writing what was just made
            for title in ("first", "again"):
                print(f"{title}: {mirror(Path(folder, 'hub'), target / 'hub').lines()[0]}", flush=True)
        finally:
            shutil.rmtree(target)


if __name__ == "__main__":
    main()
