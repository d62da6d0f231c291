"""The section `ui` of the configuration, declared (see sections.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aio.config.typed import Amount, Count


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
    first: dict[str, list[str]]
    gallery: Gallery
    upload: Upload
    keep: Amount
    queue: Queue
    messages: list[Message]
    hosts: list[str] = field(default_factory=list)
    proxies: list[str] = field(default_factory=list)
    limits: Call | None = None
    sessions: Count = 50
    visitor: Visitor = field(default_factory=Visitor)
