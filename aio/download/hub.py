"""One file from the Hugging Face Hub into its cache: resumed after a kill or a cut, sha256-checked, one writer at a time.

huggingface_hub 2.4 does neither: after an exception it starts over, and it accepts damaged bytes of the right size. So the
transfer is ours, while address, token, headers and metadata are the hub's, and the result lies in its own layout:
blobs/<etag>, snapshots/<commit>/<path> -> blob, refs/<revision>. A transfer under way is blobs/aio-<etag>.part.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio.download.remedies import by_hand, explained, offline
from aio.errors import ModelMissing
from aio.registry import RegistryEntry
from aio.registry import cache as disk

METADATA_SECONDS = 5.0
"""How long a silent Hub is waited for; huggingface_hub itself retries a refused connection for 23 s."""
STALL_SECONDS = 15.0
RETRIES, RETRY_SECONDS = 5, 1.0
"""Attempts in a row that bring no byte, and the pause before the first of them, which then doubles."""
_HASH_CHUNK = 1 << 20


class Stopped(Exception):
    """Another transfer failed or the user stopped; the part stays for the next time."""


@dataclass(slots=True)
class Transfer:
    """A file to fetch, as the Hub describes it.

    Attributes:
        entry: registry entry. url: to request, always the Hub's own, since redirects to its storage expire.
        etag: blob name. commit: of the revision. size: bytes. sha256: what the bytes must be.
        folder: cache folder of the repository. done: bytes on disk so far, digest: of them.
    """

    entry: RegistryEntry
    url: str
    etag: str
    commit: str
    size: int
    sha256: str
    folder: Path
    done: int = 0
    digest: Any = None

    @property
    def blob(self) -> Path:
        """Where the finished file lies."""
        return self.folder / "blobs" / self.etag

    @property
    def part(self) -> Path:
        """Where the unfinished file lies."""
        return self.folder / "blobs" / f"aio-{self.etag}.part"


def look_up(entry: RegistryEntry, cache: Path) -> Transfer:
    """Ask the Hub about a file (one HEAD request).

    Raises:
        ModelMissing: gated, unauthorised, not there, offline, or not what the registry records. The message says what to do.
    """
    endpoint = os.environ.get("HF_ENDPOINT")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise offline(entry)
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(entry.repo, entry.path, revision=entry.revision, endpoint=endpoint)
    try:
        meta = get_hf_file_metadata(url, timeout=METADATA_SECONDS, endpoint=endpoint, library_name="aio")
    except Exception as error:
        raise explained(error, entry) from None
    name, etag = entry.name, meta.etag or ""
    sha256 = entry.sha256 or (etag if len(etag) == 64 else None)
    if meta.size is None or not all(re.fullmatch(r"[\w-]+", word or "") for word in (etag, meta.commit_hash)):   # they name files
        raise ModelMissing(f"{name}: {url} answered without size, ETag or commit: is HF_ENDPOINT a Hub?")
    if sha256 is None:
        raise ModelMissing(f"{name}: the Hub gives no sha256 for it; write one into its registry entry")
    if len(etag) == 64 and etag != sha256:
        raise ModelMissing(
            f"{name}: {entry.repo} now holds another file there (sha256 {etag}, the registry says {sha256}); "
            "if you trust it, change sha256 and size in the registry"
        )
    url = hf_hub_url(entry.repo, entry.path, revision=meta.commit_hash, endpoint=endpoint)   # main may move meanwhile
    transfer = Transfer(entry, url, etag, meta.commit_hash, meta.size, sha256, disk.repo_folder(entry, cache))
    transfer.done = transfer.part.stat().st_size if transfer.part.is_file() else 0
    return transfer


def fetch(transfer: Transfer, stop: threading.Event) -> Path:
    """Bring a file into the cache and return its blob. Safe with other processes; resumes what is there.

    Raises:
        ModelMissing, OutputError: with the remedy. Stopped: `stop` was set.
    """
    try:
        transfer.part.parent.mkdir(parents=True, exist_ok=True)
        with _lock(transfer, stop):
            if not transfer.blob.is_file():   # else another process was faster
                _download(transfer, stop)
        transfer.done = transfer.size
        _show(transfer)
        return transfer.blob
    except Stopped:
        raise
    except Exception as error:
        raise explained(error, transfer.entry) from None


@contextmanager
def _lock(transfer: Transfer, stop: threading.Event) -> Iterator[None]:
    # The lock file of huggingface_hub itself, so that its own downloads of the same blob wait too.
    from filelock import FileLock, Timeout

    path = transfer.folder.parent / ".locks" / transfer.folder.name / f"{transfer.etag}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, mode=0o664)
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:   # another process is at it: show how far
            transfer.done = transfer.part.stat().st_size if transfer.part.is_file() else transfer.done
            if stop.is_set():
                raise Stopped from None
    try:
        yield
    finally:
        lock.release()


def _download(transfer: Transfer, stop: threading.Event) -> None:
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    failures = 0
    with transfer.part.open("a+b") as part:
        part.seek(0)
        transfer.digest = hashlib.sha256()
        while chunk := part.read(_HASH_CHUNK):
            transfer.digest.update(chunk)
            if stop.is_set():
                raise Stopped
        transfer.done = part.tell()
        while transfer.done < transfer.size:
            before, cause = transfer.done, None
            try:
                _stream(transfer, part, stop)
            except HfHubHTTPError as error:
                if error.response.status_code < 500 and error.response.status_code != 429:
                    raise
                cause = error
            except HTTPError as error:
                cause = error
            failures = 0 if transfer.done > before else failures + 1
            if failures > RETRIES:
                raise cause or ConnectionError("the connection closes without data")
            if transfer.done < transfer.size and stop.wait(RETRY_SECONDS * 2 ** max(failures - 1, 0)):
                raise Stopped
        part.flush()
        os.fsync(part.fileno())
    sha256 = transfer.digest.hexdigest()
    if sha256 != transfer.sha256:
        transfer.part.unlink()
        raise ModelMissing(
            f"{transfer.entry.name}: what came from {transfer.entry.repo} is damaged (sha256 {sha256}, expected "
            f"{transfer.sha256}) and was removed; run again, and if it repeats {by_hand(transfer.entry)}"
        )
    os.replace(transfer.part, transfer.blob)


def _stream(transfer: Transfer, part: Any, stop: threading.Event) -> None:
    """Append what one request brings; start over where the server does."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    headers = {**build_hf_headers(library_name="aio"), "Accept-Encoding": "identity"}
    if transfer.done:
        headers["Range"] = f"bytes={transfer.done}-"
    with get_session().stream("GET", transfer.url, headers=headers, timeout=STALL_SECONDS) as response:
        if response.status_code >= 400:
            response.read()
            hf_raise_for_status(response)
        if transfer.done and response.status_code != 206:
            part.truncate(0)
            transfer.done, transfer.digest = 0, hashlib.sha256()
        for chunk in response.iter_bytes():
            part.write(chunk)
            transfer.digest.update(chunk)
            transfer.done += len(chunk)
            if stop.is_set():
                part.flush()
                raise Stopped
            if transfer.done > transfer.size:   # too much: not the file, the digest will say so
                break


def _show(transfer: Transfer) -> None:
    """Make the blob visible to huggingface_hub and every tool on it; aio itself finds it by its name."""
    pointer = transfer.folder / "snapshots" / transfer.commit / transfer.entry.path
    if not pointer.exists():
        pointer.parent.mkdir(parents=True, exist_ok=True)
        disk.link(os.path.relpath(transfer.blob, pointer.parent), pointer)
    if transfer.entry.revision != transfer.commit:
        ref = transfer.folder / "refs" / transfer.entry.revision
        disk.write(ref, transfer.commit)
