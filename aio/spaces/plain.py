"""What crosses the border between the page's process and the GPU's: tuples of a kind and plain values, nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from aio import errors
from aio.errors import AioError, EngineError
from aio.values import Artifacts, Event

Item = tuple[str, Any]
"""`event`, `made` or `failed`, and its plain value."""

_PLAIN = (str, int, float, bool, type(None))


def event(event: Event) -> Item:
    """An event."""
    return "event", dataclasses.astuple(event)


def made(artifacts: Artifacts) -> Item:
    """A result: numbers and paths, read where it was made."""
    return "made", dataclasses.asdict(artifacts) | {"video": str(artifacts.video), "timings": dict(artifacts.timings)}


def failed(error: BaseException) -> Item:
    """An error by name, text and plain attributes: spaces itself would hand on nothing but its name."""
    facts = {name: value for name, value in vars(error).items() if isinstance(value, _PLAIN)}
    return "failed", (type(error).__name__, str(error), facts)


def read_event(value: Any) -> Event:
    """The event that `event` was made from."""
    return Event(*value)


def read_made(value: Any) -> Artifacts:
    """The artifacts that `made` was made from."""
    return Artifacts(**{**value, "video": Path(value["video"])})


def read_failed(value: Any) -> AioError:
    """The error that `failed` was made from; one that aio does not know as EngineError."""
    name, text, facts = value
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, AioError)):
        return EngineError(f"the GPU's process failed: {name}: {text}; the log of the Space has the details")
    error = kind.__new__(kind)   # its __init__ composes the text, which is here already
    Exception.__init__(error, text)
    vars(error).update(facts)
    return error
