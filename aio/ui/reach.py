"""Who reaches the page: where it listens, what follows from that, and the line that says so."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from aio.config.page import Ui
from aio.machine.here import on_space

OWN = ("localhost", "127.0.0.1", "::1")
"""Names of this machine for itself."""


def listening() -> str:
    """The name to listen at: GRADIO_SERVER_NAME, else this machine alone."""
    return os.environ.get("GRADIO_SERVER_NAME", "").strip().strip("[]") or "127.0.0.1"


def public(name: str, share: bool) -> bool:
    """Whether others than this machine's own programs and people reach a server that listens at `name`."""
    return share or not _loopback(name)


def _loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.split("%", maxsplit=1)[0]).is_loopback
    except ValueError:
        pass
    try:
        return all(ipaddress.ip_address(str(one[4][0]).split("%")[0]).is_loopback for one in socket.getaddrinfo(name, None))
    except (OSError, ValueError, UnicodeError):
        return False   # nobody knows the name


def settled(overrides: Sequence[str], share: bool) -> list[str]:
    """`overrides`, and `ui=shared` where others reach the page and they choose no `ui`: strangers see only their own results."""
    chosen = any(text.lstrip("+~").split("=")[0].split("@")[0] == "ui" for text in overrides)
    return [*overrides, *(["ui=shared"] if public(listening(), share) and not chosen else [])]


def hosts(name: str, share: bool, page: Ui) -> tuple[str, ...] | None:
    """Names under which a page of this machine alone answers; None where others reach it anyway."""
    return None if public(name, share) else (*OWN, name, *(page.hosts))


def address(name: str, port: int) -> str:
    """Where a browser finds the page; for a server that listens everywhere, from another machine of the network."""
    if on_space() and os.environ.get("SPACE_HOST"):
        return f"https://{os.environ['SPACE_HOST']}"
    try:
        everywhere = ipaddress.ip_address(name).is_unspecified
    except ValueError:
        everywhere = False
    shown = _outward() if everywhere else name
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def _outward() -> str:
    """This machine's address in its network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))   # sends nothing, just chooses the way out (an address for examples, RFC 5737)
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def line(where: str, name: str, shared: bool, page: Ui, locked: bool, outputs: Path) -> str:
    """The one line that says who sees what, and at which address.

    Args:
        where: address. name: that the server listens at. shared: through a public address of gradio's. locked: a password is asked for.
    """
    others = shared or on_space() or public(name, False)
    place = "may open this Space" if on_space() else "has this address" if shared else "is in this network"
    who = f"everybody who {place}{' and knows a password' if locked else ''} can run jobs here"
    who = who if others else f"this machine alone reaches it{', with a password' if locked else ''}"
    own = page.gallery.show == "session"
    sees = "nobody sees another visitor's results" if own else f"they all see every result in {outputs.name}/, with its prompt" if others else ""
    door = "" if locked or on_space() or not others else "no password (ui.auth=[name,password] asks for one)"
    return f"page: {where} : {'; '.join(filter(None, (who, sees, door)))}"
