"""A second name for a file, at once or not at all: links, and copies where links are refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from aio.machine import whole


def link(target: str | Path, place: Path, how: str = "") -> None:
    """Put a link at `place`, atomically, over another link but over nothing else.

    Args:
        target: absolute, or relative to `place`'s folder. how: "symlink", "hard link" (which needs the same disk), or either:
            Windows without its developer mode has only the latter.

    Raises:
        OSError: a file is in the way, or such links are not allowed there.
    """
    if place.exists() and not place.is_symlink():
        raise FileExistsError(errno.EEXIST, "a file of yours is in the way", str(place))
    fresh, tries = whole.hidden(place.parent), [how] if how else ["symlink", "hard link"]
    for kind in tries:
        try:
            if kind == "symlink":
                os.symlink(target, fresh)
            else:
                os.link(os.path.realpath(place.parent / target), fresh)
            os.replace(fresh, place)
            return
        except OSError:
            fresh.unlink(missing_ok=True)
            if kind == tries[-1]:
                raise


def twin(source: Path, target: Path) -> None:
    """Give a file a second name: by a hard link, or by a copy where there are none. Never over a file.

    Raises:
        FileExistsError: the name is taken. OSError: it cannot be done.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:   # another disk, or one without such links
        whole.copy(source, target, over=False)
