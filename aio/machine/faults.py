"""Every exception ends as an AioError: what a machine lacks is said in words, and what nobody foresaw is a fault of aio with a file of details.

The file lies in the folder `faults` of aio.machine.paths.cache(), readable by its owner only. It holds versions, the traceback without variables and
the exception's text, in which the values that were given on the command line are blotted out.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aio import __version__
from aio.errors import AioError, Cancelled, InputError, InternalError, OutputError, SystemFault
from aio.machine import folders, paths, signals, terminal
from aio.machine.outside import shown

KEPT = 20
"""Files of details that are kept: the newest."""

LARGEST = 64_000
"""Characters of one such file; the longest traceback of a run has 6,000."""

SAID = 200
"""Characters of an unforeseen exception's text that a message quotes."""

LONG = 120
"""Characters of a path that a message shows."""

GONE = "the current folder is not there any more, or not for this user: go to another one (cd) and start again"

SPACE = "the log of the Space"
"""Where the details of a fault are, where nobody but its owner can see them."""

_MACHINE: dict[int, tuple[type[AioError], str]] = {
    errno.ENOSPC: (OutputError, "the disk is full{at}; free space, or write to another one"),
    errno.EFBIG: (OutputError, "a file became larger than allowed{at}; raise the limit (`ulimit -f`), or make a smaller clip"),
    errno.EROFS: (OutputError, "the file system is read-only{at}; write to another folder"),
    errno.EACCES: (OutputError, "permission denied{at}; make it accessible, or name another one"),
    errno.EPERM: (OutputError, "the system does not permit it{at}; name another file or folder"),
    errno.EMFILE: (SystemFault, "too many files are open: raise the limit, e.g. `ulimit -n 1024`"),
    errno.ENFILE: (SystemFault, "too many files are open on this machine: end other programs"),
    errno.ENOMEM: (SystemFault, "the memory is used up: end other programs, or make a smaller clip"),
    errno.EAGAIN: (SystemFault, "no further process or thread can be started: raise the limit (`ulimit -u`), or end other programs"),
    errno.EIO: (SystemFault, "the disk does not answer as it should (Input/output error){at}; look at its health, or use another one"),
    errno.ENAMETOOLONG: (InputError, "a file name is too long{at}; give a shorter one"),
}
"""Error of the system -> what it is and what to say, wherever it comes up unforeseen. `at`: the file, where the system names one."""
if hasattr(errno, "EDQUOT"):
    _MACHINE[errno.EDQUOT] = _MACHINE[errno.ENOSPC]


def known(error: BaseException, hidden: Iterable[str] = (), log: str = "") -> AioError:
    """`error` as an AioError, itself where it is one.

    Args:
        hidden: texts that the user gave, which the details shall not show.
        log: where the details go instead of a file; they are said on stderr then, and the message names this place.
    """
    if isinstance(error, AioError):
        return error
    try:
        found = _foreseen(error)
        if found is None:
            found = InternalError(_fault(error, tuple(hidden), log))
    except BaseException:   # no memory, no stack, no disk: the sentence remains
        found = InternalError(f"this is a fault of aio: {type(error).__name__}; please report it")
    return found.with_traceback(error.__traceback__)


def report(error: BaseException, hidden: Iterable[str] = ()) -> int:
    """Say an error on stderr, each line with `aio: ` before it, and return its exit code. AIO_DEBUG=1 shows the traceback."""
    found = known(error, hidden)
    if debugging():
        terminal.say("".join(traceback.format_exception(error)).rstrip())
    for line in _text(found).splitlines() or [type(found).__name__]:
        terminal.say(f"aio: {line}")
    return found.exit_code


def debugging() -> bool:
    """Whether AIO_DEBUG=1 asks for everything: tracebacks, and what libraries print."""
    return os.environ.get("AIO_DEBUG") == "1"


@contextmanager
def watched() -> Iterator[None]:
    """What fails where nobody can catch it, in a destructor or in a library's thread, is told in words too."""

    def thread(args: Any) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            report(args.exc_value)

    def lost(args: Any) -> None:
        if isinstance(args.exc_value, KeyboardInterrupt):
            signals.again()
        elif debugging():
            terminal.say(f"aio: ignored in {type(args.object).__name__}: {args.exc_type.__name__}: {args.exc_value}")

    before = threading.excepthook, sys.unraisablehook
    threading.excepthook, sys.unraisablehook = thread, lost
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before


def _foreseen(error: BaseException) -> AioError | None:
    if isinstance(error, KeyboardInterrupt):
        return Cancelled("cancelled")
    if isinstance(error, MemoryError):
        return SystemFault("the memory is used up: end other programs, or make a smaller or shorter clip")
    if isinstance(error, ImportError) and not str(error.name or "").startswith("aio"):
        return SystemFault(_package(error))
    if isinstance(error, OSError) and paths.current() is None:
        return InputError(GONE)
    if isinstance(error, OSError) and error.errno in _MACHINE:
        kind, words = _MACHINE[error.errno]
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
        return kind(words.format(at=f": {name if len(name) < LONG else name[:LONG] + '…'}" if name else ""))
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return SystemFault(_MACHINE[errno.EAGAIN][1])
    return None


def _package(error: ImportError) -> str:
    name = str(error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError):
        first: BaseException = error
        while first.__cause__ or first.__context__:   # numpy wraps what happened in a page of advice
            first = first.__cause__ or first.__context__ or first
        return f"a package does not load in this Python ({sys.executable}): {_line(first)}; install it again, or give aio more memory (`ulimit -v`)"
    checkout = (folders.ROOT / "Makefile").is_file()
    remedy = "run `make demo` once, then use .venv/bin/python" if checkout else "install aio again with its extras (`pip install 'aio[ui]'`)"
    return f"the package {name!r} is missing in this Python ({sys.executable}); {remedy}"


def _fault(error: BaseException, hidden: tuple[str, ...], log: str) -> str:
    """The message of an error that nobody foresaw, after its details were kept."""
    head = f"this is a fault of aio: {_line(error)}"
    details = _details(error, hidden)
    if log:
        terminal.say(details)
        return f"{head}; the details are in {log}: please report it with them"
    file = _kept(details)
    if file is None:
        return f"{head}; no file could be written for the details, AIO_DEBUG=1 shows them: please report it with them"
    return f"{head}; the details are in {file}: please report it with that file"


def _details(error: BaseException, hidden: tuple[str, ...]) -> str:
    import platform

    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    home = paths.home()
    for text in sorted({one for given in hidden for one in (given, repr(given)[1:-1]) if len(one) > 3}, key=len, reverse=True):
        trace = trace.replace(text, "[given]")
    if home and len(str(home)) > 1:
        trace = trace.replace(str(home), "~")
    head = (
        f"aio {__version__}, Python {sys.version.split()[0]}, {platform.platform()}\n"
        "The values that were given are left out; look the rest through before you hand it on.\n\n"
    )
    if len(trace) > LARGEST:
        trace = f"{trace[: LARGEST // 2]}\n…\n{trace[-LARGEST // 2 :]}"
    return shown(head + trace)


def _kept(details: str) -> Path | None:
    """The file that holds the details now, None where none can be written."""
    for folder in (paths.cache, lambda: paths.temporary() / "cache"):
        file = _written(folder, details)
        if file is not None:
            return file
    return None


def _written(folder: Callable[[], Path], details: str) -> Path | None:
    try:
        place = folder() / "faults"
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = place / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{time.time_ns() % 10**9:09}-{os.getpid()}.txt"
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(details)
        for old in sorted(place.glob("*.txt"))[:-KEPT]:
            old.unlink(missing_ok=True)
        return file
    except (OSError, AioError):
        return None


def _line(error: BaseException) -> str:
    text = " ".join(_text(error).split())
    return f"{type(error).__name__}: {text[:SAID]}{'…' if len(text) > SAID else ''}" if text else type(error).__name__


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:   # its own __str__ fails
        return ""
