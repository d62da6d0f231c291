"""What may be asked of the page over HTTP: its ways, and the shape of a call, looked at before gradio sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aio.errors import AioError
from aio.machine.outside import json_of

API = "/gradio_api"

WAYS = {
    "GET": re.compile(
        r"/|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|logout)|/(assets|static|svelte)/.*|/pwa_icon(/\w+)?"
        rf"|{API}/(info|openapi\.json|theme\.css|app_id|startup-events|upload_progress|queue/data|queue/status|login_check|user)"
        rf"|{API}/heartbeat/[\w-]+|{API}/file=.*|{API}/call/(v2/)?\w+/\w+|{API}/mcp(/(http|sse|schema))?", re.DOTALL),
    "POST": re.compile(rf"/login|{API}/(upload|cancel|reset|queue/join|run/\w+|call/(v2/)?\w+)|{API}/mcp(/(http|messages))?"),
    "DELETE": re.compile(rf"{API}/mcp(/http)?"),
}
"""Every way in that the page, gradio_client and MCP use. Gradio has more: deep links, a proxy, recordings, a code editor."""

NAME = re.compile(r"[\w-]{1,64}")
"""A session's hash, and the name of an upload."""


class Refused(AioError):
    """A request that goes no further: HTTP status and sentence."""

    def __init__(self, status: int, message: str, **headers: str):
        self.status, self.headers = status, headers
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Calls:
    """What can be called.

    Attributes:
        endpoints: name -> its inputs in their order, and whether each must be given; each call is a run.
        functions: gradio's index -> (endpoint, "" for what only the page itself uses; number of inputs).
    """

    endpoints: Mapping[str, Mapping[str, bool]]
    functions: Mapping[int, tuple[str, int]]

    def checked(self, path: str, body: bytes) -> str:
        """`runs` where a call starts one, else `events`.

        Raises:
            Refused: it cannot be one that this page answers.
        """
        try:
            given = json_of(body) if body.strip() else {}
        except ValueError as error:
            raise Refused(400, f"This call is not JSON that this page takes: {error}.") from None
        if path.startswith(f"{API}/mcp"):
            for one in given if isinstance(given, list) else [given]:
                _plain(one)
            return "events"   # the call that it makes counts for itself
        if not isinstance(given, dict):
            raise Refused(400, "A call is a JSON object.")
        session = given.get("session_hash")
        if session is not None and not (isinstance(session, str) and NAME.fullmatch(session)):
            raise Refused(400, "session_hash: give at most 64 letters and digits.")
        if path.startswith(f"{API}/call/"):
            return self._call(path.rsplit("/", maxsplit=1)[-1], given, "/v2/" in path)
        if path.endswith("/queue/join") or "/run/" in path:
            index = given.get("fn_index")
            if type(index) is not int or index not in self.functions:
                raise Refused(404, "fn_index: this page has no such function.")
            name, wanted = self.functions[index]
            self._counted(name, given.get("data"), wanted)
            return "runs" if name and path.endswith("/join") else "events"
        return "events"

    def _call(self, name: str, given: dict[str, Any], named: bool) -> str:
        if name not in self.endpoints:
            raise Refused(404, f"There is no endpoint {name[:40]}; there are {', '.join(self.endpoints)}.")
        if not named:
            self._counted(name, given.get("data"), len(self.endpoints[name]))
        elif unknown := [one for one in given if one not in self.endpoints[name]]:
            raise Refused(422, f"{', '.join(unknown)[:200]}: {name} takes no such value; it takes {', '.join(self.endpoints[name])}.")
        elif missing := [one for one, needed in self.endpoints[name].items() if needed and one not in given]:
            raise Refused(422, f"{', '.join(missing)}: {name} needs it.")
        return "runs"

    def _counted(self, name: str, data: Any, wanted: int) -> None:
        if isinstance(data, list) and len(data) == wanted:
            return
        got = f"{len(data)} values" if isinstance(data, list) else "no list of values"
        if not name:
            raise Refused(422, f"data: this function takes {wanted} values; the call gives {got}.")
        raise Refused(422, f"data: {name} takes {wanted} values in this order: {', '.join(self.endpoints[name])}; the call gives {got}. "
                           f"{API}/call/v2/{name} takes them by name, only those that differ from the defaults.")


def _plain(message: Any) -> None:
    """Refuse a tool's argument that is more than a value, a list of values or a list of items: gradio's own client would take a mapping that
    looks like a file for one of this server."""
    params = message.get("params") if isinstance(message, dict) else None
    given = params.get("arguments") if isinstance(params, dict) and message.get("method") == "tools/call" else None
    for name, value in given.items() if isinstance(given, dict) else ():
        if not all(_is_plain(one) for one in (value if isinstance(value, list) else [value])) or isinstance(value, dict):
            raise Refused(400, f"{name[:40]}: give a value, or a list of values or of items.")


def _is_plain(one: Any) -> bool:
    """Whether this is a value, or an item of values that is no file's description."""
    inside = one.values() if isinstance(one, dict) and not {"path", "url", "meta"} & one.keys() else [one]
    return not any(isinstance(value, (dict, list)) for value in inside)
