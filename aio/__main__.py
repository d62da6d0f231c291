"""`python -m aio`, and the command `aio`: see aio.cli. An old Python reads this file too, so it holds nothing that such a one does not know."""

import atexit
import os
import sys

LEAST = (3, 11)
"""The Python that aio needs, as in pyproject.toml."""


def main():
    """Run the command line of this process and return its exit code."""

    def work():
        from aio import cli

        return cli.main()

    return started(work)


def started(work):
    """Run `work` so that from here on neither a signal nor a missing package ends in a traceback.

    Args:
        work: imports what it needs by itself, and returns an exit code.
    """
    if sys.version_info < LEAST:
        words = "aio: this is Python {}, and aio needs {}.{} or newer: run `make demo` once, then use .venv/bin/python\n"
        sys.stderr.write(words.format(sys.version.split()[0], *LEAST))
        return 1
    _quit_quietly()
    _fill()
    from aio.machine import faults, signals, terminal

    signals.begin()
    atexit.register(signals.ignore)   # registered first, it is called last
    with terminal.opened(), faults.watched():
        try:
            code = work()
        except BaseException as error:
            code = faults.report(error)
        return signals.over(code)


def _quit_quietly():
    """Until aio.machine.signals is there, a signal ends the process with a word."""
    import _signal as signal  # built in; importing `signal` takes 6 ms, in which Ctrl-C would still end in a traceback

    def leave(number, frame):
        try:
            os.write(2, b"aio: cancelled\n")
        finally:
            os._exit(130)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, leave)


def _fill():
    """Open stdin, stdout and stderr where they are closed: a clip opened later would get their number, and be written into."""
    for _ in range(3):
        handle = os.open(os.devnull, os.O_RDWR)   # the lowest number that is free
        if handle > 2:
            os.close(handle)
            return
        os.set_inheritable(handle, True)


if __name__ == "__main__":
    sys.exit(main())
