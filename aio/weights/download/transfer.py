"""A file on its way from the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio.config.registry import RegistryEntry


@dataclass(slots=True)
class Transfer:
    """A file to fetch, as the Hub describes it.

    Attributes:
        entry: registry entry. path: in the repository, which may differ from the entry's where the file was found elsewhere.
        url: to request, always the Hub's own, since redirects to its storage expire.
        etag: blob name. commit: of the revision. size: bytes. sha256: what the bytes must be.
        folder: cache folder of the repository. current: whether `commit` is the entry's revision now. note: for the user.
        done: bytes on disk so far, digest: of them. answers: how many requests brought bytes.
        whole: Range answers of this file cannot be relied on, so the whole is asked for and what is here is skipped.
    """

    entry: RegistryEntry
    path: str
    url: str
    etag: str
    commit: str
    size: int
    sha256: str
    folder: Path
    current: bool = True
    note: str = ""
    done: int = 0
    digest: Any = None
    answers: int = 0
    whole: bool = False

    @property
    def blob(self) -> Path:
        """Where the finished file lies."""
        return self.folder / "blobs" / self.etag

    @property
    def part(self) -> Path:
        """Where the unfinished file lies."""
        return part_of(self.folder, self.etag)


def part_of(folder: Path, etag: str) -> Path:
    """Where the unfinished file of a blob lies in its repository's cache folder."""
    return folder / "blobs" / f"aio-{etag}.part"
