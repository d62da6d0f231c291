"""The page's own folder of files: what visitors add and what they are shown. No other file of this machine is an input of the page."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from filelock import FileLock, Timeout

from aio.config.page import Upload
from aio.errors import MediaError, OutputError
from aio.machine import whole

ADDRESS = "/gradio_api/file="
"""What stands before a file's path in its address on this page."""

REDIRECTS = 5

SIZE_AGE = 10.0
"""Seconds for which the size of the folder is believed."""


class Foreign:
    """In place of a value that is no file of the inbox. One answer for all: a visitor does not learn which paths exist."""

    words = "this is no file that was added to this page, or it is not kept any more; add it again"

    def __init__(self, words: str = words):
        self.words = words


class Inbox:
    """The folder.

    Args:
        root: a folder of this server alone, for what it makes; `folder` in it is gradio's, whose files are served.
        upload: `mb` of one file, `total_mb` of all, `fetch_seconds` that fetching an address may take, null for never.
        keep: seconds after which a file goes.
    """

    def __init__(self, root: Path, upload: Upload, keep: float, clock: Callable[[], float] = time.time):
        self.root, self.folder = root, root / "cache"
        self.folder.mkdir(exist_ok=True)
        self.upload, self.keep, self.clock = upload, keep, clock
        self._secret, self._size, self._measured = secrets.token_urlsafe(16), 0, 0.0

    async def accept(self, value: Any) -> Path | Foreign | None:
        """The file that a call's value stands for; None for an empty value.

        Args:
            value: anything that JSON can hold: what gradio's upload gave, as text or as `path` of a mapping, or an address.
        """
        if isinstance(value, dict):
            value = value.get("path") or value.get("url") or (None if not value else "?")
        if value in (None, "", []):
            return None
        if not isinstance(value, str):
            return Foreign()
        if ADDRESS in value:
            value = unquote(value.split(ADDRESS, 1)[1])
        if value.startswith(("http://", "https://")):
            return await self._fetched(value)
        return self.find(value) or Foreign()

    def find(self, path: str) -> Path | None:
        """The plain file at `path`, if it lies in the folder and no link leads to it or out of it."""
        try:
            real = Path(os.path.realpath(path))
            inside = os.path.isabs(path) and real.is_relative_to(os.path.realpath(self.folder))
            return real if inside and stat.S_ISREG(os.lstat(path).st_mode) else None
        except (OSError, ValueError):   # too long a name, a NUL, half a character
            return None

    async def _fetched(self, url: str) -> Path | Foreign:
        seconds = self.upload.fetch_seconds
        if seconds is None:
            return Foreign("this page fetches no addresses; upload the file itself")
        try:
            async with asyncio.timeout(seconds):
                return await self._download(url)
        except MediaError as error:
            return Foreign(str(error))
        except Exception:   # a name that is none, an address of this network, a refusal, a time-out: who asks learns no more
            return Foreign("nothing could be fetched from this address; upload the file itself")

    async def _download(self, url: str) -> Path:
        """A file of the public internet, at most as large as an upload. Addresses of this machine and its networks are refused."""
        import hashlib

        import httpx
        import safehttpx

        name = "".join(char for char in Path(unquote(httpx.URL(url).path)).name if char.isalnum() or char in "._- ")[-100:].lstrip(". ")
        target = self.folder / hashlib.sha256(f"{self._secret}{url}".encode()).hexdigest() / (name or "file")
        if target.is_file():   # the check before the run has fetched it
            return target
        most = self.upload.mb * 1e6
        for _ in range(REDIRECTS):
            at = await safehttpx.async_validate_url(httpx.URL(url).host)
            async with (httpx.AsyncClient(transport=safehttpx.AsyncSecureTransport(at), timeout=self.upload.fetch_seconds) as client,
                        client.stream("GET", url) as answer):
                if answer.has_redirect_location:
                    url = urljoin(url, answer.headers["location"])
                    continue
                answer.raise_for_status()
                size = 0
                target.parent.mkdir(parents=True, exist_ok=True)
                with whole.filled(target) as (file, _):
                    async for chunk in answer.aiter_bytes():
                        size += len(chunk)
                        if size > most or self.full(0):
                            raise MediaError(f"the file has more than {self.upload.mb:g} MB, or there is no room for it; give a smaller one")
                        file.write(chunk)
                return target
        raise MediaError("this address leads on and on to others; upload the file itself")

    def full(self, more: float) -> bool:
        """Whether `more` bytes have no room. Looks anew every few seconds, and removes what is older than `keep` meanwhile."""
        if time.monotonic() - self._measured > SIZE_AGE:
            self._size, self._measured = self._tidied(), time.monotonic()
        if self._size + more > self.upload.total_mb * 1e6:
            return True
        self._size += int(more)
        return False

    def _tidied(self) -> int:
        size, before = 0, self.clock() - self.keep
        for place, _, names in os.walk(self.root, topdown=False):
            for name in names:
                path = os.path.join(place, name)
                try:
                    facts = os.lstat(path)
                    if facts.st_ctime < before:
                        os.unlink(path)
                    else:
                        size += facts.st_size
                except OSError:
                    continue   # gone meanwhile
            if Path(place) not in (self.root, self.folder):
                try:
                    if os.stat(place).st_ctime < before:
                        os.rmdir(place)
                except OSError:
                    continue   # not empty
        return size


def own_folder(parent: Path) -> Path:
    """A new folder below `parent` for this process alone, removed at its end; those that killed processes left go now.

    Raises:
        OutputError: it cannot be made.
    """
    folder = parent / secrets.token_hex(8)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.glob("*.lock"):
            _clear(left)
        lock = FileLock(folder.with_suffix(".lock"))
        lock.acquire(timeout=1)
        _LOCKS.append(lock)   # held as long as the process lives
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise OutputError(f"{parent} cannot be written ({error.strerror or error}); set GRADIO_TEMP_DIR to another folder") from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _clear(left: Path) -> None:
    with contextlib.suppress(Timeout, OSError), FileLock(left, timeout=0):   # not where its server lives
        shutil.rmtree(left.with_suffix(""), ignore_errors=True)
        left.unlink(missing_ok=True)


_LOCKS: list[FileLock] = []
