"""A stand-in for ZeroGPU's device API, as `spaces` 0.51.3 speaks to it (its zero/api.py): grants a card, refuses it, or lets wait."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlparse

REFUSALS: dict[str, tuple[int, dict[str, object], dict[str, str]]] = {   # answer -> status, body, headers
    "quota": (429, {"left": 3, "wait": "01:02:03"}, {"X-Authenticated": "regular"}),
    "quota of a stranger": (429, {"left": 3, "wait": "01:02:03"}, {}),
    "runs": (429, {"left": 3, "wait": 0}, {"X-Authenticated": "pro"}),
    "illegal": (429, {"left": 3, "wait": -1}, {"X-Authenticated": "regular"}),
    "expired": (401, {}, {}),
    "none": (503, {}, {}),
    "broken": (500, {}, {}),
}


class Device(ThreadingHTTPServer):
    """The API on a free port of this machine.

    Attributes:
        answer: what /schedule says: `ok`, a key of REFUSALS, `queue` (a card after `waits` seconds), `queue failed`.
        allows: seconds above which a request is illegal, None for any.
        log: (path, parameters) of every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.waits, self.allows, self.log = "ok", 0.5, None, list[tuple[str, dict[str, str]]]()
        self.busy: set[str] = set()
        self.granted = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """For SPACES_ZERO_DEVICE_API_URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self) -> list[dict[str, str]]:
        """Parameters of every request for a card."""
        return [parameters for path, parameters in self.log if path == "/schedule"]

    def grant(self) -> dict[str, object]:
        """A card: the same one for one run after the other, another one while that is busy."""
        with self.lock:
            index = next(number for number in range(100) if not any(token.startswith(f"{number}-") for token in self.busy))
            self.granted += 1
            token = f"{index}-{self.granted}"
            self.busy.add(token)
        return {"idle": True, "nvidiaIndex": index, "nvidiaUUID": f"GPU-{index}", "allowToken": token}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Device

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        """Every request of the API is a POST without a body."""
        url = urlparse(self.path)
        parameters = dict(parse_qsl(url.query))
        self.server.log.append((url.path, parameters))
        if url.path == "/release":
            self.server.busy.discard(parameters["allowToken"])
        if url.path != "/schedule":
            return self._send(200, {})
        answer, allows = self.server.answer, self.server.allows
        if allows is not None and int(parameters["durationSeconds"]) > allows:
            answer = "illegal"
        if answer.startswith("queue"):
            return self._queue(granted=answer == "queue")
        self._send(*REFUSALS[answer]) if answer in REFUSALS else self._send(200, self.server.grant())

    def _send(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _queue(self, granted: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        until = time.monotonic() + self.server.waits
        while time.monotonic() < until:
            self._event("event: ping\n\n")
            time.sleep(0.1)
        self._event(f"event: succeeded\ndata: {json.dumps(self.server.grant())}\n\n" if granted else "event: failed\n\n")

    def _event(self, text: str) -> None:
        self.wfile.write(text.encode())
        self.wfile.flush()
