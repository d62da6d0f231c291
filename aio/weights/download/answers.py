"""What the Hub or its storage answers to a request for a file, and whether it can be that file."""

from __future__ import annotations

import email.utils
import re
import time
from typing import Any

from aio.weights.download.transfer import Transfer

_AGAIN = frozenset({403, 408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524})
"""403 of the storage: its signed address has expired, the next attempt gets a new one. 52x: a proxy's words for a lost server."""


class Refused(Exception):
    """An answer of 400 and more. Its body is never read: headers say enough, and a body may be endless.

    Attributes:
        code: status. reason, message: what the Hub says in its headers, empty where it is another's.
        storage: it came from the place that the Hub sent us on to. passing: the next attempt may fare better.
        wait: seconds that a Retry-After asks for, a number or a date; 0 without one.
    """

    def __init__(self, response: Any):
        self.code = response.status_code
        self.storage = bool(response.history) and response.url.host != response.history[0].url.host
        self.reason = response.headers.get("X-Error-Code") or ""
        self.message = response.headers.get("X-Error-Message") or ""
        self.passing = self.code in _AGAIN and (self.code != 403 or self.storage)
        self.wait = _seconds((response.headers.get("Retry-After") or "").strip())
        super().__init__(f"{self.code} {self.reason}".strip())


def _seconds(text: str) -> float:
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


class Unfit(Exception):
    """An answer that is not the file: `str(error)` says why. `ranged`: it answered a Range, so asking for the whole may help."""

    def __init__(self, why: str, ranged: bool = False):
        self.ranged = ranged
        super().__init__(why)


def start_of(response: Any, transfer: Transfer) -> int:
    """How many bytes at the head of the body are here already.

    Raises:
        Unfit: by its own headers the body is not what was asked for. Nothing of it was used.
    """
    headers, code = response.headers, response.status_code
    ranged = "Range" in response.request.headers
    here = response.history[0].headers.get("X-Linked-ETag", "") if response.history else ""
    if here and here.removeprefix("W/").strip('"') != transfer.etag:
        raise Unfit(f"the Hub names another file there now (ETag {here})")
    if headers.get("Content-Encoding", "identity") not in ("", "identity"):
        raise Unfit(f"it came compressed ({headers['Content-Encoding']}), though that was refused; a proxy does this")
    length = headers.get("Content-Length", "")
    if code == 206:
        wanted = f"bytes {transfer.done}-"
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", headers.get("Content-Range", ""))
        total = found[3] if found else ""
        if not ranged or not found or int(found[1]) != transfer.done or int(found[2]) >= transfer.size or total not in ("*", str(transfer.size)):
            raise Unfit(f"asked for {wanted} of {transfer.size}, it sends {headers.get('Content-Range') or 'an unnamed part'!r}", ranged)
        return 0
    if code == 416:
        raise Unfit(f"it has no byte {transfer.done} of {transfer.size} ({headers.get('Content-Range') or 'it does not say how many'})", ranged)
    if code != 200:
        raise Unfit(f"it answers {code} instead of the file", ranged)
    if (length and length != str(transfer.size)) or (not length and "html" in headers.get("Content-Type", "")):
        what = headers.get("Content-Type", "").split(";")[0] or "unnamed data"
        raise Unfit(f"{length or 'some'} bytes of {what} came instead of {transfer.size}")
    return transfer.done
