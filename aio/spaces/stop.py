"""Stop, across processes: a file that stands or does not. Workers are forked before a run begins, so they share nothing else with it."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from pathlib import Path


class Flag:
    """One run's flag.

    Args:
        path: of its file; a new one where none is given.
    """

    def __init__(self, path: str | None = None):
        self.path = path or str(Path(tempfile.gettempdir()) / f"aio-stop-{uuid.uuid4().hex}")

    def set(self) -> None:
        """Ask the run to stop."""
        Path(self.path).touch(mode=0o600)

    def is_set(self) -> bool:
        """Whether the run is to stop; costs some microseconds."""
        return Path(self.path).exists()

    def remove(self) -> None:
        """Once nobody looks any more."""
        with contextlib.suppress(OSError):
            Path(self.path).unlink()
