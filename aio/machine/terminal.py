"""stdout and stderr: all that aio writes goes through here, and nothing of it ends a run.

A stream that is closed, full or broken loses a line, not the work. Answers go to stdout, everything else to stderr; foreign text is shown
without what moves a cursor. What libraries print while a job runs goes to their log, not to the terminal.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import select
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from aio.errors import OutputError
from aio.machine.outside import shown

WAIT = 5.0
"""Seconds that a stream without room, which does not wait by itself, gets before a line is left out."""


class Stream(io.TextIOBase):
    """A text stream that never raises: what cannot be encoded stands there as its code, what cannot be written is lost.

    Args:
        inner: stdout, stderr or any text stream; None where the caller closed it.

    Attributes:
        failure: why the last text was not written, None where it was.
    """

    def __init__(self, inner: Any):
        self.inner, self.failure = inner, None if inner is not None else OSError(errno.EBADF, os.strerror(errno.EBADF))

    @property
    def encoding(self) -> str:   # type: ignore[override]
        """The inner stream's."""
        return getattr(self.inner, "encoding", None) or "utf-8"

    @property
    def buffer(self) -> Any:
        """The inner stream's, for those that write bytes."""
        return self.inner.buffer

    def fileno(self) -> int:
        """The inner stream's; raises OSError where it has none."""
        if self.inner is None:
            raise io.UnsupportedOperation("fileno")
        return self.inner.fileno()

    def isatty(self) -> bool:
        """Whether a person sees it."""
        try:
            return bool(self.inner.isatty())
        except (OSError, ValueError, AttributeError):
            return False

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str, exact: bool = False) -> int:
        """Write at once, past all buffers, in which a text that fails would stay and fail again.

        Args:
            exact: it is for programs: where the encoding lacks a character the file system's bytes are written.
        """
        try:
            self.inner.flush()
            data, buffer = _bytes(text, self.encoding, exact), getattr(self.inner, "buffer", None)
            raw = getattr(buffer, "raw", buffer)   # with `python -u` there is no buffer in between
            if isinstance(raw, io.RawIOBase):
                _send(raw, data, 0 if self.failure is not None else WAIT)   # nobody reads: do not wait for each line again
            else:   # no file: a test, a notebook
                self.inner.write(data.decode(self.encoding, "surrogateescape"))
                self.inner.flush()
            self.failure = None
        except (OSError, ValueError, AttributeError) as error:
            self.failure = error if isinstance(error, OSError) else OSError(errno.EBADF, os.strerror(errno.EBADF))
        return len(text)

    def flush(self) -> None:
        """Nothing waits here, but what others wrote into the inner stream may."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.inner.flush()


class _Unheard(io.TextIOBase):
    """Takes what libraries print, and hands whole lines to the log that they have, if any."""

    encoding = "utf-8"
    _busy = threading.local()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text.strip() and not getattr(self._busy, "now", False):   # a log that writes to this very stream
            self._busy.now = True
            try:
                logging.getLogger("aio.libraries").info("%s", text.strip())
            except Exception:   # a handler of somebody else's; nobody waits for the line
                pass
            finally:
                self._busy.now = False
        return len(text)


class _Warnings(logging.Handler):
    """What aio itself logs as a warning is meant for the user."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "aio":
            say(f"warning: {record.getMessage()}")


_UNHEARD = _Unheard()
_streams: tuple[Stream, Stream] | None = None
"""stdout and stderr of the command under way."""
above: Callable[[str], None] | None = None
"""Where a live bar is shown: puts a line above it."""


@contextlib.contextmanager
def opened() -> Iterator[None]:
    """Let nobody in this process fail at stdout or stderr, and keep the warnings and logs of libraries off them, but for AIO_DEBUG=1."""
    global _streams
    if _streams is not None:
        yield
        return
    before = sys.stdout, sys.stderr, logging.lastResort
    sys.stdout, sys.stderr = _streams = Stream(sys.stdout), Stream(sys.stderr)
    ours, handler = logging.getLogger("aio"), _Warnings()
    ours.addHandler(handler)
    quiet = os.environ.get("AIO_DEBUG") != "1"
    if quiet:
        logging.lastResort = logging.NullHandler()
    try:
        with warnings.catch_warnings():
            if quiet:
                warnings.simplefilter("ignore")
            yield
    finally:
        ours.removeHandler(handler)
        _streams = None
        sys.stdout, sys.stderr, logging.lastResort = before


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Keep what libraries print while a job runs (bars of a node pack, notes of a model) off stdout and stderr, but for AIO_DEBUG=1."""
    global _streams
    if os.environ.get("AIO_DEBUG") == "1" or sys.stdout is _UNHEARD:
        yield
        return
    before, ours = (sys.stdout, sys.stderr), _streams
    _streams = ours or (Stream(sys.stdout), Stream(sys.stderr))
    sys.stdout = sys.stderr = _UNHEARD
    try:
        yield
    finally:
        _streams = ours
        sys.stdout, sys.stderr = before


def say(text: str) -> None:
    """Write lines on stderr."""
    if above is not None:
        above(shown(text))
    else:
        stderr().write(shown(text) + "\n")


def answer(text: str, exact: bool = False) -> None:
    """Write what was asked for on stdout. Who reads no further (`| head`) has enough: that is no failure.

    Args:
        exact: a program reads it (a path, JSON, a command): as it is, but for a terminal.

    Raises:
        OutputError: stdout is closed or full, and nothing else came of the command.
    """
    failure = _result(text, exact)
    if failure is not None and failure.errno != errno.EPIPE:
        raise OutputError(f"stdout cannot be written ({failure.strerror or failure}), and the answer goes there: give another place for it")


def made(text: Any) -> None:
    """Write on stdout what was made, a path as a rule. Where that cannot be written it is said on stderr: the work is done all the same."""
    if _result(str(text), exact=True) is not None:
        say(str(text))


def _result(text: str, exact: bool) -> OSError | None:
    stream = _streams[0] if _streams else Stream(sys.stdout)
    exact = exact and not stream.isatty()
    stream.write((text if exact else shown(text)) + "\n", exact)
    return stream.failure


def stderr() -> Stream:
    """stderr as aio writes to it."""
    return _streams[1] if _streams else Stream(sys.stderr)


def _bytes(text: str, encoding: str, exact: bool) -> bytes:
    try:
        return text.encode(encoding, "surrogateescape" if exact else "strict")
    except UnicodeEncodeError:
        with contextlib.suppress(UnicodeEncodeError):
            if exact:
                return os.fsencode(text)
        return text.encode(encoding, "backslashreplace")


def _send(raw: Any, data: bytes, wait: float) -> None:
    while data:
        count = raw.write(data)
        if count is None:   # a stream that does not wait, and has no room
            if not select.select([], [raw], [], wait)[1]:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            continue
        data = data[count:]
