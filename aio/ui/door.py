"""Who may come in: names and passwords of the page, from `ui.auth` or AIO_UI_AUTH. They never enter the configuration."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from aio.errors import ConfigError
from aio.ui.visitors import Rates, who

TRIES = 20
"""Wrong passwords a minute from one address, after which right ones are not heard either: 10,000 a day guess no good word."""

_HELP = "give name:password, [name,password] or [[name,password],[name,password]]"


def pairs(text: str, source: str) -> dict[str, str]:
    """Name -> password.

    Args:
        text: `name:password`, or a list in brackets. source: where it stands, for the message, which never repeats it.

    Raises:
        ConfigError: it is neither.
    """
    import yaml

    found: Any = [text.split(":", 1)]
    if text.lstrip().startswith("["):
        try:
            found = yaml.load(text, yaml.BaseLoader)   # every word stays the text that it is
        except (yaml.YAMLError, RecursionError):
            raise ConfigError(f"{source}: its brackets are not understood; {_HELP}") from None
    rows = found if isinstance(found, list) and found and all(isinstance(row, list) for row in found) else [found]
    if not all(isinstance(row, list) and len(row) == 2 and all(isinstance(one, str) and one for one in row) for row in rows):
        raise ConfigError(f"{source}: this is no name with a password; {_HELP}")
    if any(":" in name for name, _ in rows):
        raise ConfigError(f"{source}: a name holds no colon; {_HELP}")
    return dict(rows)


def known(given: str | None) -> dict[str, str]:
    """Name -> password, of the command line's `ui.auth`, else of the environment, from which it is taken away: other programs inherit that.

    Raises:
        ConfigError: it is not understood.
    """
    set_there = os.environ.pop("AIO_UI_AUTH", "")
    if given is not None:
        return pairs(given, "ui.auth")
    return pairs(set_there, "AIO_UI_AUTH") if set_there else {}


class Door:
    """Asks for a name and a password: HTTP's own way (RFC 7617), which browsers, curl and MCP clients know, or gradio_client's log-in.

    Args:
        known: name -> password; empty: the door is open.

    Attributes:
        inner: what this server's own calls to itself show instead.
    """

    def __init__(self, known: Mapping[str, str]):
        self._known = {_digest(name): _digest(word) for name, word in known.items()}
        self._tokens = {name: secrets.token_urlsafe(24) for name in self._known}
        self._tries, self.inner = Rates({"tries": TRIES}), secrets.token_urlsafe(24)

    def __repr__(self) -> str:
        return f"Door({len(self._known)} names)"

    @property
    def locked(self) -> bool:
        """Whether there is a password at all."""
        return bool(self._known)

    def opens(self, headers: Mapping[bytes, str], address: str | None) -> bool:
        """Whether a request's headers hold a name and its password, or the cookie of a log-in."""
        if not self._known or any(secrets.compare_digest(one.encode(), token.encode())
                                  for one in _cookies(headers.get(b"cookie", "")) for token in self._tokens.values()):
            return True
        return bool(self._named(headers, address))

    def cookie(self, headers: Mapping[bytes, str], address: str | None) -> str:
        """The cookie of whoever has just come in, so that others' wrong guesses from the same address never lock him out; empty without a name."""
        return self._cookie(self._named(headers, address))

    def enter(self, name: str, word: str, address: str | None) -> str:
        """The cookie of a log-in, empty where name or password is wrong."""
        return self._cookie(self._right(name, word, address))

    def _cookie(self, known: bytes) -> str:
        return f"aio={self._tokens[known]}; HttpOnly; SameSite=Strict; Path=/" if known else ""

    def _named(self, headers: Mapping[bytes, str], address: str | None) -> bytes:
        kind, _, text = headers.get(b"authorization", "").partition(" ")
        if kind.lower() != "basic":
            return b""
        try:
            name, _, word = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            return b""
        return self._right(name, word, address)

    def _right(self, name: str, word: str, address: str | None) -> bytes:
        """The digest of a name that comes with its password, empty else."""
        there, known = who(address or "unknown"), _digest(name)
        if self._tries.wait(there, "tries", take=False):   # used up by wrong ones
            return b""
        if secrets.compare_digest(self._known.get(known, b""), _digest(word)):
            return known
        self._tries.wait(there, "tries")
        return b""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _cookies(header: str) -> Iterable[str]:
    return [part.strip().removeprefix("aio=") for part in header.split(";") if part.strip().startswith("aio=")]
