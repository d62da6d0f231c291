"""Mirror a read-only Hugging Face cache into a tree of one's own, without copying a weight.

What `preload_from_hub` fetched belongs to the build's user: huggingface_hub could neither add a file to it nor take its locks.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from aio.errors import ConfigError
from aio.machine import whole

SLOW_LINK = 1.0
"""Seconds after which a hard link is no mere link: an overlay file system copies the whole file. It takes microseconds elsewhere."""

SAMPLES = 5
"""Errors that are told one by one; the others are counted."""

LINKED = frozenset({"blobs", "snapshots"})
"""Folders of a repository whose files are weights (a snapshot holds files where its builder could make no links)."""

SKIPPED = frozenset({".locks"})
"""Locks of processes that are gone, of another user."""

UNDER_WAY = re.compile(r"\.?aio-.*\.part|.*\.incomplete", re.DOTALL)
"""What a download of aio or of huggingface_hub has begun and goes on appending to: through a link it would write into the source."""


@dataclass(slots=True)
class Mirrored:
    """What a mirror made.

    Attributes:
        folders: made. hard: hard links to blobs. symbolic: links to blobs that no hard link could reach (another device, or the
            system protects the files of other users). snapshots: symbolic links, as they were. copied: refs and other small files.
        there: entries that stood already. failed: entries that could not be mirrored; errors: the first few, in words.
        seconds: it took.
    """

    folders: int = 0
    hard: int = 0
    symbolic: int = 0
    snapshots: int = 0
    copied: int = 0
    there: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """The report for people."""
        parts = [(self.hard, "hard links"), (self.symbolic, "symbolic links to blobs"), (self.snapshots, "snapshot links"),
                 (self.copied, "copies"), (self.folders, "folders"), (self.there, "already there")]
        made = ", ".join(f"{count} {what}" for count, what in parts if count) or "nothing there"
        found = [f"cache: {made}; {self.seconds:.1f} s"]
        if self.failed:
            more = [f"and {self.failed - len(self.errors)} more"] if self.failed > len(self.errors) else []
            found.append(f"cache: {self.failed} not mirrored, to be fetched when needed: {'; '.join([*self.errors, *more])}")
        return found


def mirror(source: Path, target: Path) -> Mirrored:
    """Make every file of the cache `source` available in `target`, which is ours to write. Never changes `source`.

    Blobs are linked hard, or symbolically where that cannot be; links in snapshots stay what they are; refs and markers are
    copied; the beginnings of downloads are left out. May be interrupted and run again: every entry appears whole or not at all,
    and what stands is left as it is.

    Args:
        source: a Hub cache (the folder of models--OWNER--NAME). target: where the same layout is made.

    Returns:
        Counts, and the entries that could not be mirrored: those are no reason to stop.

    Raises:
        ConfigError: one folder lies within the other.
    """
    source, target = Path(os.path.abspath(source)), Path(os.path.abspath(target))
    if target.is_relative_to(source) or source.is_relative_to(target):
        raise ConfigError(f"the cache {source} cannot be mirrored into {target}: neither may lie within the other")
    began, work = time.perf_counter(), _Work(str(source), str(target))
    target.mkdir(parents=True, exist_ok=True)
    work.walk()
    work.done.seconds = time.perf_counter() - began
    return work.done


class _Work:
    """One pass over a cache. Strings, not Path: there may be 100,000 entries, and no stat for any of them."""

    def __init__(self, source: str, target: str):
        self.source, self.target, self.done, self.hard = source, target, Mirrored(), True

    def walk(self) -> None:
        folders = [(self.source, self.target, 0, False)]   # from, to, depth, whether its files are weights
        while folders:
            here, there, depth, weights = folders.pop()
            try:
                entries = os.scandir(here)
            except OSError as error:
                self._failed(error, here)
                continue
            with entries:
                for entry in entries:
                    place = f"{there}/{entry.name}"
                    if UNDER_WAY.fullmatch(entry.name):
                        continue
                    try:
                        if entry.is_symlink():
                            self._snapshot(entry.path, place)
                        elif entry.is_dir(follow_symlinks=False):
                            if depth == 0 and entry.name in SKIPPED:
                                continue
                            self._folder(place)
                            folders.append((entry.path, place, depth + 1, weights or (depth == 1 and entry.name in LINKED)))
                        elif not weights:
                            self._copy(entry.path, place)
                        else:
                            self._blob(entry.path, place)
                    except FileExistsError:
                        self.done.there += 1
                    except OSError as error:
                        self._failed(error, entry.path)

    def _folder(self, place: str) -> None:
        try:
            os.mkdir(place)
            self.done.folders += 1
        except FileExistsError:
            if not os.path.isdir(place):
                raise

    def _blob(self, path: str, place: str) -> None:
        if self.hard:
            began = time.perf_counter()
            try:
                os.link(path, place)
                self.done.hard += 1
                self.hard = time.perf_counter() - began < SLOW_LINK
                return
            except FileExistsError:
                raise
            except OSError:
                pass   # another device, another user's file, or no such links here
        os.symlink(path, place)
        self.done.symbolic += 1

    def _snapshot(self, path: str, place: str) -> None:
        to = os.readlink(path)
        if to.startswith(f"{self.source}/"):
            to = self.target + to[len(self.source):]
        os.symlink(to, place)
        self.done.snapshots += 1

    def _copy(self, path: str, place: str) -> None:
        if os.path.lexists(place):   # a ref may have moved on since
            raise FileExistsError
        whole.copy(Path(path), Path(place), over=False)
        self.done.copied += 1

    def _failed(self, error: OSError, path: str) -> None:
        self.done.failed += 1
        if len(self.done.errors) < SAMPLES:
            self.done.errors.append(f"{os.path.relpath(path, self.source)} ({error.strerror or error})")
