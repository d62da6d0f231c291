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
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aio.config.download import Download
from aio.config.registry import RegistryEntry
from aio.errors import ModelMissing
from aio.machine import links, whole
from aio.weights.download import remedies
from aio.weights.download.answers import Refused, Unfit, start_of
from aio.weights.download.transfer import Transfer
from aio.weights.download.watch import Line, Stopped, TooSlow
from aio.weights.registry import cache as disk

_HASH_CHUNK = 1 << 20


def described(entry: RegistryEntry, cache: Path, path: str, revision: str, rules: Download) -> Transfer:
    """What the Hub says about a file (one HEAD request).

    Raises:
        ModelMissing: it is not described as a Hub describes files. Else whatever huggingface_hub raises.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT")
    url = hf_hub_url(entry.repo, path, revision=revision, endpoint=endpoint)
    meta = get_hf_file_metadata(url, timeout=rules.answer_s, endpoint=endpoint, library_name="aio")
    etag = meta.etag or ""
    sha256 = etag if len(etag) == 64 else entry.sha256
    commit = meta.commit_hash or ""
    if meta.size is None or not all(re.fullmatch(r"[\w-]+", word) for word in (etag, commit)):   # they name files
        raise ModelMissing(f"{entry.name}: {remedies.no_hub(url)}")
    if sha256 is None:
        raise ModelMissing(f"{entry.name}: the Hub gives no sha256 for it; write one into its registry entry")
    url = hf_hub_url(entry.repo, path, revision=commit, endpoint=endpoint)   # main may move meanwhile
    found = Transfer(entry, path, url, etag, commit, meta.size, sha256, disk.repo_folder(entry, cache))
    found.done = found.part.stat().st_size if found.part.is_file() else 0
    return found


def fetch(transfer: Transfer, stop: threading.Event, rules: Download) -> Path:
    """Bring a file into the cache and return where it lies. Safe with other processes; resumes what is there.

    Raises:
        ModelMissing, OutputError: with the remedy. Stopped: `stop` was set.
    """
    try:
        transfer.part.parent.mkdir(parents=True, exist_ok=True)
        with _alone(transfer, stop):
            if not transfer.blob.is_file():   # else another process was faster
                _download(transfer, stop, rules)
        transfer.done = transfer.size
        return _show(transfer)
    except Stopped:
        raise
    except Exception as error:
        raise remedies.explained(error, transfer.entry, transfer, rules) from None


def _alone(transfer: Transfer, stop: threading.Event) -> Any:
    # The lock file of huggingface_hub itself, so that its own downloads of the same blob wait too.
    def waiting() -> None:   # another process is at it: show how far
        transfer.done = transfer.part.stat().st_size if transfer.part.is_file() else transfer.done

    path = transfer.folder.parent / ".locks" / transfer.folder.name / f"{transfer.etag}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return locked(path, stop, waiting)


@contextmanager
def locked(path: Path, stop: threading.Event, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock file. `waiting` is called now and then while another process holds it. Raises Stopped."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=0o664)
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            waiting()
            if stop.is_set():
                raise Stopped from None
    try:
        yield
    finally:
        lock.release()


def _download(transfer: Transfer, stop: threading.Event, rules: Download) -> None:
    with transfer.part.open("a+b") as part:
        part.seek(0)
        transfer.digest = hashlib.sha256()
        while chunk := part.read(_HASH_CHUNK):
            transfer.digest.update(chunk)
            if stop.is_set():
                raise Stopped
        transfer.done, transfer.answers = part.tell(), bool(part.tell())
        if transfer.done > transfer.size:   # nothing of ours
            part.truncate(0)
            transfer.done, transfer.digest = 0, hashlib.sha256()
        line = Line(rules, stop)
        try:
            _all(transfer, part, line, stop, rules)
        finally:
            line.close()
        whole.sync(part)
    sha256 = transfer.digest.hexdigest()
    if sha256 != transfer.sha256:
        transfer.part.unlink()
        raise ModelMissing(remedies.damaged(transfer, sha256))
    os.replace(transfer.part, transfer.blob)


def _all(transfer: Transfer, part: Any, line: Line, stop: threading.Event, rules: Download) -> None:
    """Ask until everything came. An attempt that, its pause included, keeps up the slowest pace is none too many."""
    from huggingface_hub.errors import HTTPError

    failures = 0
    while transfer.done < transfer.size:
        before, started, pause = transfer.done, time.monotonic(), 0.0
        cause: Exception | None = None
        try:
            _stream(transfer, part, line)
        except Refused as error:
            if not error.passing or error.wait > rules.wait_s:
                raise
            pause, cause = error.wait, error
        except Unfit as error:
            if transfer.whole or not error.ranged:
                raise
            transfer.whole, cause = True, error
        except (HTTPError, TooSlow) as error:
            cause = error
        if transfer.done >= transfer.size:
            return
        came = transfer.done - before
        steady = came > 0 and came >= rules.slowest * (time.monotonic() - started + rules.pause_s)
        failures = 1 if steady else failures + 1
        if failures > rules.retries:
            raise cause or ConnectionError(f"the connection closed after {came} bytes, {failures} times")
        if stop.wait(max(pause, rules.pause_s * 2 ** (failures - 1))):
            raise Stopped


def _stream(transfer: Transfer, part: Any, line: Line) -> None:
    """Append what one request brings."""
    from huggingface_hub.utils import build_hf_headers

    headers = {**build_hf_headers(library_name="aio"), "Accept-Encoding": "identity"}
    if transfer.done and not transfer.whole:
        headers["Range"] = f"bytes={transfer.done}-"
    with line.get(transfer.url, headers) as response:
        if response.status_code >= 400 and response.status_code != 416:
            raise Refused(response)
        skip = start_of(response, transfer)
        for chunk in response.iter_raw():
            line.received += len(chunk)
            chunk, skip = chunk[skip:], max(0, skip - len(chunk))
            chunk = chunk[: transfer.size - transfer.done]   # of what is too long the sha256 will say whether it is the file
            if chunk:
                part.write(chunk)
                transfer.digest.update(chunk)
                transfer.done += len(chunk)
            if line.stop.is_set():
                part.flush()
                raise Stopped
            if transfer.done >= transfer.size:
                break
        transfer.answers += 1


def _show(transfer: Transfer) -> Path:
    """Make the blob visible to huggingface_hub and every tool on it; return where it lies. aio finds it by its name."""
    pointer, place = transfer.folder / "snapshots" / transfer.commit / transfer.path, transfer.blob
    if not pointer.exists():
        pointer.parent.mkdir(parents=True, exist_ok=True)
        try:
            links.link(os.path.relpath(place, pointer.parent), pointer)
        except OSError:   # no links here: huggingface_hub puts the file itself there, which by its sha256 alone aio would not find
            if not transfer.entry.sha256:
                os.replace(place, pointer)
                place = pointer
    if transfer.current and transfer.entry.revision != transfer.commit:
        ref = transfer.folder / "refs" / transfer.entry.revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        whole.write(ref, transfer.commit)
    return place
