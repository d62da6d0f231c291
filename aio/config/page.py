"""The section `ui` of the configuration, declared (see sections.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from aio.fields.amounts import Amount, Count


@dataclass(frozen=True)
class Gallery:
    """`ui.gallery`."""

    show: Literal["folder", "session"]
    count: Count


@dataclass(frozen=True)
class Upload:
    """`ui.upload`."""

    mb: Amount
    seconds: Amount
    megapixels: Amount
    total_mb: Amount = 20_000
    fetch_seconds: Amount | None = None


@dataclass(frozen=True)
class Queue:
    """`ui.queue`."""

    parallel: Count
    waiting: Count


@dataclass(frozen=True)
class Message:
    """An entry of `ui.messages`."""

    match: str
    title: str
    text: str = ""

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it beyond its type)."""
        try:
            re.compile(self.match)
        except re.error as error:
            yield "match", f"{self.match!r} is no regular expression ({error})"


@dataclass(frozen=True)
class Call:
    """`ui.limits`."""

    characters: Count
    call_mb: Amount
    tool_mb: Amount


@dataclass(frozen=True)
class Visitor:
    """`ui.visitor`: null for any number."""

    running: Count | None = None
    waiting: Count | None = None
    runs_per_minute: Amount | None = None
    events_per_minute: Amount | None = None
    uploads_per_minute: Amount | None = None
    upload_mb_per_minute: Amount | None = None
    connections: Count | None = None


@dataclass(frozen=True)
class Ui:
    """`ui` (conf/ui)."""

    title: str
    tagline: str
    gallery: Gallery
    upload: Upload
    keep: Amount
    queue: Queue
    messages: list[Message]
    limits: Call
    hosts: list[str] = field(default_factory=list)
    proxies: list[str] = field(default_factory=list)
    sessions: Count = 50
    visitor: Visitor = field(default_factory=Visitor)
    auth: Any = None

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it beyond its type)."""
        if self.auth is not None:   # `--cfg job` prints the configuration, and every job carries it
            yield "auth", ("a password does not belong in a configuration file, which other commands print; "
                           "set AIO_UI_AUTH=name:password, or write it behind `python -m aio ui`")
