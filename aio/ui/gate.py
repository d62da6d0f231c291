"""What stands before gradio's server: a password, only the ways that the page needs, bounded calls, and rates for each visitor.

An ASGI application around gradio's. It refuses with a status and a sentence, and what fails behind it ends as words too.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aio.config.page import Ui
from aio.machine.here import on_space
from aio.ui import visitors
from aio.ui.calls import API, NAME, WAYS, Calls, Refused
from aio.ui.door import Door
from aio.ui.inbox import Inbox
from aio.ui.words import explain

VISITOR = "aio.visitor"
"""Key of the ASGI scope: the Who behind a request."""

_FREE = (f"{API}/startup-events", "/login", "/favicon.ico")
"""Ways without a password: gradio's own start asks for the first."""

PATIENCE = 20.0
"""Seconds that the rest of a refused call may take to come."""

_FOR, INNER = b"x-aio-visitor", b"x-aio-inner"
"""Headers of what gradio's MCP server asks of this very server: for which visitor, and that it is that server."""


class Gate:
    """The gate.

    Args:
        app: gradio's. page: the `ui` section of the configuration. door: who may come in. inbox: where uploads go.
        calls: what may be called.
        hosts: names under which the page answers; None for any. tunnel: others come through a program of this machine.
    """

    def __init__(self, app: Any, page: Ui, door: Door, inbox: Inbox, calls: Calls, hosts: tuple[str, ...] | None,
                 tunnel: bool = False):
        self.app, self.page, self.door, self.inbox, self.calls, self.hosts, self.tunnel = app, page, door, inbox, calls, hosts, tunnel
        self.rates = visitors.Rates(visitors.limits(page))
        self.open = visitors.Held(page.visitor.connections)
        self.inner = door.inner.encode()

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        begun, held, cookie, heard = False, visitors.Who(), "", False

        async def hearing() -> dict[str, Any]:
            nonlocal heard
            message = await receive()
            heard = not message.get("more_body")
            return message

        async def telling(message: dict[str, Any]) -> None:
            nonlocal begun
            begun = True
            if cookie and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"set-cookie", cookie.encode())]
            await send(message)

        try:
            scope, body, visitor, cookie = await self._examined(scope, hearing)
            if not self.open.take(visitor):
                raise Refused(429, "You have more open connections to this page than one visitor may have; close some of its tabs.")
            held = visitor
            await self.app(scope, body, telling)
        except Refused as error:
            with contextlib.suppress(TimeoutError):   # who still sends would not hear the answer
                async with asyncio.timeout(PATIENCE):
                    while not heard and scope["method"] == "POST":
                        await hearing()
            await _answer(send, error.status, str(error), error.headers, plain=scope["path"].rstrip("/").endswith("/upload"))
        except Exception as error:
            told = begun and 400 <= getattr(error.__cause__ or error, "status_code", 500) < 500   # by gradio: there is no such session
            title, text = ("", "") if told else explain(error, self.page.messages)
            if begun:
                await send({"type": "http.response.body", "body": b""})
            else:
                await _answer(send, 500, f"{title}: {text}", {})
        finally:
            self.open.give(held)

    async def _examined(self, scope: dict[str, Any], receive: Callable[..., Any]) -> tuple[dict[str, Any], Callable[..., Any], visitors.Who, str]:
        """What goes on to gradio: scope, body, the visitor, and a cookie for him."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"].removeprefix(scope.get("root_path") or "").rstrip("/") or "/"
        method = "GET" if scope["method"] in ("HEAD", "OPTIONS") else scope["method"]
        self._known_place(headers)
        inner, address = self._inner(headers, _address(scope, headers, self.tunnel))
        visitor = visitors.who(address)
        if not inner and path not in _FREE and not self.door.opens(headers, address):
            raise Refused(401, "This page asks for a name and a password.", **{"WWW-Authenticate": 'Basic realm="aio", charset="UTF-8"'})
        if method not in WAYS or not WAYS[method].fullmatch(path):
            raise Refused(404, "This page has nothing here.")
        if path == "/login" and method == "POST":
            await self._log_in(receive, address)
        elif path == f"{API}/upload":
            self._upload(scope, headers, visitor)
        elif method == "POST":
            receive = await self._called(path, headers, receive, visitor)
        elif path.startswith(f"{API}/file=") and "://" in path[:40]:
            raise Refused(403, "This page fetches no addresses for others.")
        scope = {**scope, VISITOR: visitor, "headers": [one for one in scope["headers"] if one[0] not in (_FOR, INNER)]}
        if path.startswith(f"{API}/mcp"):
            scope["headers"].append((_FOR, self.inner + b" " + (address or "").encode()))
        return scope, receive, visitor, self.door.cookie(headers, address) if path == "/" else ""

    def _inner(self, headers: Mapping[bytes, str], address: str | None) -> tuple[bool, str | None]:
        """Whether this server itself asks, and the address of the visitor for whom."""
        if secrets.compare_digest(headers.get(_FOR, "").split(" ")[0].encode(), self.inner):
            return True, headers[_FOR].partition(" ")[2] or None
        inner = secrets.compare_digest(headers.get(INNER, "").encode(), self.inner)
        return inner, None if inner else address

    def _known_place(self, headers: Mapping[bytes, str]) -> None:
        """A page of this machine alone answers to its own names: another site's name that leads here is that site's script."""
        try:
            host = urlsplit(f"//{headers.get(b'host', '')}").hostname or ""
        except ValueError:
            host = ""
        if self.hosts is not None and host not in self.hosts:
            raise Refused(403, f"This page does not answer under the name {host[:100]}; its owner may add it: ui.hosts=[{host[:100]}]")
        origin = headers.get(b"origin")
        if origin and (self.hosts is not None or self.door.locked) and origin.partition("://")[2] != headers.get(b"host", ""):
            raise Refused(403, "Another site's page has no business here.")

    async def _log_in(self, receive: Callable[..., Any], address: str | None) -> None:
        given = parse_qs((await self._body(receive, {}, 0.01)).decode("latin-1"))
        name, word = (given.get(key, [""])[0] for key in ("username", "password"))
        cookie = self.door.enter(name, word, address)
        raise Refused(200, "Welcome.", **{"Set-Cookie": cookie}) if cookie else Refused(401, "This name and password are not known here.")

    def _upload(self, scope: dict[str, Any], headers: Mapping[bytes, str], visitor: visitors.Who) -> None:
        """Refuse an upload before it comes; gradio holds each file to `upload.mb` as it comes."""
        size, most = headers.get(b"content-length", ""), self.page.upload.mb * 1e6 * 4
        if not re.fullmatch(r"\d{1,15}", size):
            raise Refused(411, "An upload says how long it is; this one does not.")
        if int(size) > most:
            raise Refused(413, f"This upload has {int(size) / 1e6:.0f} MB; the limit is {self.page.upload.mb:g} MB a file.")
        if any(not NAME.fullmatch(one) for one in parse_qs(scope["query_string"].decode("latin-1")).get("upload_id", [])):
            raise Refused(400, "upload_id: give at most 64 letters and digits.")
        self._paced(visitor, "uploads", "more uploads")
        self._paced(visitor, "upload_mb", "more megabytes", int(size) / 1e6)
        if self.inbox.full(int(size)):
            raise Refused(507, f"This page has no more room for uploads; room comes as old ones go, {self.page.keep / 3600:g} h after they came.")

    async def _called(self, path: str, headers: Mapping[bytes, str], receive: Callable[..., Any], visitor: visitors.Who) -> Callable[..., Any]:
        """Read a call, check it, and hand it on."""
        tool = path.startswith(f"{API}/mcp")
        body = await self._body(receive, headers, self.page.limits.tool_mb if tool else self.page.limits.call_mb)
        kind = self.calls.checked(path, body)
        self._paced(visitor, kind, "more runs" if kind == "runs" else "more")
        if tool:
            self._paced(visitor, "upload_mb", "more megabytes", len(body) / 1e6)   # files come within the call
        return _replayed(body, receive)

    async def _body(self, receive: Callable[..., Any], headers: Mapping[bytes, str], megabytes: float) -> bytes:
        """The whole body of a call."""
        most, parts, size = megabytes * 1e6, [], 0
        declared = headers.get(b"content-length", "")
        while True:
            if size > most or (declared.isdigit() and int(declared[:15]) > most):
                raise Refused(413, f"This call has more than {megabytes:g} MB; files are uploaded first, to {API}/upload.")
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "The connection ended before the call was complete.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if not message.get("more_body"):
                return b"".join(parts)

    def _paced(self, visitor: visitors.Who, kind: str, what: str, amount: float = 1) -> None:
        if wait := self.rates.wait(visitor, kind, amount):
            raise Refused(429, visitors.slower(wait, what), **{"Retry-After": f"{wait:.0f}"})


def _address(scope: Mapping[str, Any], headers: Mapping[bytes, str], tunnel: bool) -> str | None:
    """The other end's address; None where only that of a proxy or a tunnel is known: it would be everybody's."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host or None
    hidden = found.is_loopback and (tunnel or b"x-forwarded-for" in headers)
    return None if hidden or (on_space() and found.is_private) else host


def _replayed(body: bytes, receive: Callable[..., Any]) -> Callable[..., Any]:
    told = False

    async def again() -> dict[str, Any]:
        nonlocal told
        if told:
            return await receive()   # a disconnect, when it comes
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Callable[..., Any], status: int, text: str, headers: Mapping[str, str], plain: bool = False) -> None:
    """Answer as gradio would: a call's refusal in JSON, an upload's as the sentence itself, which the page shows."""
    body = text.encode() if plain else json.dumps({"detail": text} if status != 200 else {"success": True}).encode()
    told = {"content-type": "text/plain; charset=utf-8" if plain else "application/json", "content-length": str(len(body)), **headers}
    await send({"type": "http.response.start", "status": status, "headers": [(key.lower().encode(), value.encode()) for key, value in told.items()]})
    await send({"type": "http.response.body", "body": body})
