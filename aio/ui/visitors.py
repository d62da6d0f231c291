"""Who asks, and for how much: rates and counts of each visitor, bounded in memory."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping

from aio.config.page import Ui
from aio.errors import AioError

KNOWN_MAX = 10_000
"""Visitors whose rates are remembered; who was not heard of for longest is forgotten first."""

Who = frozenset[str]
"""What a visitor is known by, his address and his session. New sessions are free to make, so a limit that either has reached counts."""


class TooMany(AioError):
    """A visitor asks for more than one visitor may have; says how much that is, and when to try again."""


def who(address: str | None, session: str | None = None) -> Who:
    """A visitor's names.

    Args:
        address: of the other end; an IPv6 one counts with its whole /64, which one customer has. None: a proxy hides it.
        session: hash of the page's or the client's session.
    """
    names = set()
    if address:
        try:
            found = ipaddress.ip_address(address.strip("[]").split("%")[0])
            found = getattr(found, "ipv4_mapped", None) or found
            address = str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
        except ValueError:
            pass   # a test client's name, or a Unix socket's
        names.add(f"address {address[:64]}")
    if session:
        names.add(f"session {session[:64]}")
    return frozenset(names)


class Rates:
    """How much of each kind a visitor may use a minute: a bucket that holds a minute's worth and fills evenly.

    Args:
        limits: kind -> amount a minute, None for any. clock: seconds.
    """

    def __init__(self, limits: Mapping[str, float | None], clock: Callable[[], float] = time.monotonic):
        self.limits, self.clock, self._lock = limits, clock, threading.Lock()
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()   # visitor, kind -> amount left, at that time

    def wait(self, visitor: Who, kind: str, amount: float = 1, take: bool = True) -> float:
        """Take `amount`, and return 0; or take nothing, and return the seconds until there is enough. Without `take` just ask."""
        limit = self.limits.get(kind)
        if limit is None:
            return 0
        now, wanted = self.clock(), min(amount, limit)   # more than a minute's worth at once empties the bucket
        with self._lock:
            left = {}
            for name in visitor:
                amount_left, then = self._left.get((name, kind), (limit, now))
                left[name] = min(limit, amount_left + (now - then) * limit / 60)
            lacking = max((wanted - one for one in left.values()), default=0)
            if lacking > 0:
                return max(1.0, lacking * 60 / limit)
            for name, one in left.items() if take else ():
                self._left[name, kind] = (one - wanted, now)
                self._left.move_to_end((name, kind))
            while len(self._left) > KNOWN_MAX:
                self._left.popitem(last=False)
        return 0


class Held:
    """What each visitor holds now, e.g. open connections; nothing is remembered of who holds nothing."""

    def __init__(self, limit: int | None):
        self.limit, self._count = limit, Counter[str]()

    def take(self, visitor: Who) -> bool:
        """Count one more, unless the limit is reached."""
        if self.limit is not None and any(self._count[name] >= self.limit for name in visitor):
            return False
        self._count.update(visitor)
        return True

    def give(self, visitor: Who) -> None:
        """Count one less."""
        self._count.subtract(visitor)
        for name in visitor:
            if self._count[name] <= 0:
                del self._count[name]


class Line:
    """Who may use the engine: in the order in which they came, whatever their mode.

    Args:
        parallel: runs at the same time. each, waiting: of one visitor, at the same time and further in line; None for any number.
    """

    def __init__(self, parallel: int = 1, each: int | None = None, waiting: int | None = None):
        self.parallel, self.each, self.waiting = max(parallel, 1), each, waiting
        self._tickets, self._lock = list[tuple[object, Who]](), threading.Lock()

    def join(self, visitor: Who = frozenset()) -> object:
        """A ticket at the end of the line.

        Raises:
            TooMany: the visitor has as many runs here as he may have.
        """
        ticket = object()
        with self._lock:
            counted = Counter(name for _, names in self._tickets for name in names)
            here = max((counted[name] for name in visitor), default=0)
            if self.each is not None and self.waiting is not None and here >= self.each + self.waiting:
                raise TooMany(f"You have {_runs(here)} here already: {self.each} may run at the same time, and {self.waiting} more stand in line. "
                              "Run again when one of them has ended.")
            self._tickets.append((ticket, visitor))
        return ticket

    def ahead(self, ticket: object) -> int:
        """How many must begin or finish first: 0 when it is this ticket's turn."""
        with self._lock:
            running, own, before = 0, Counter[str](), 0
            for one, names in self._tickets:
                turn = running < self.parallel and all(self.each is None or own[name] < self.each for name in names)
                if one is ticket:
                    return 0 if turn else before + 1
                running, before = running + turn, before + (not turn)
                own.update(names if turn else ())
        return 0

    def leave(self, ticket: object) -> None:
        """Give the place away."""
        with self._lock:
            self._tickets = [one for one in self._tickets if one[0] is not ticket]

    def __len__(self) -> int:
        return len(self._tickets)


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def slower(seconds: float, what: str) -> str:
    """The sentence for a visitor who is too fast."""
    return f"That was {what} in one minute than one visitor may ask for; try again in {seconds:.0f} s."


def limits(page: Ui, kinds: Iterable[str] = ("runs", "events", "uploads", "upload_mb")) -> dict[str, float | None]:
    """Kind -> amount a minute, of the configuration's `ui.visitor`."""
    return {kind: getattr(page.visitor, f"{kind}_per_minute") for kind in kinds}
