"""A Hugging Face Hub on loopback for tests: resolve with redirect to a storage host, Range, gated, private, cut, damaged, slow.

    with FakeHub({("owner/repo", "model.safetensors"): b"..."}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)

As on the real Hub, large files answer with a redirect to another host, which must not see the token.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

COMMIT = "c0ffee" + "0" * 34
CHUNK = 1 << 14


@dataclass(frozen=True)
class Asked:
    """One request: `range` and `token` as sent, `host` with port."""

    method: str
    path: str
    host: str
    range: str | None
    token: str | None


@dataclass
class FakeHub:
    """Files and faults, all keyed by (repo, path), and `log`, what was asked.

    Attributes:
        gated, private: repositories that need a token (any but `hf_bad`). cut: bytes after which the connection closes, one
            for each coming GET. damaged: zeros instead of the data. delay: seconds a chunk of 16 KiB.
        ranges: False answers every Range with the whole file. broken: status codes for the coming GETs.
    """

    files: dict[tuple[str, str], bytes]
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    cut: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    damaged: set[tuple[str, str]] = field(default_factory=set)
    broken: list[int] = field(default_factory=list)
    delay: float = 0.0
    ranges: bool = True
    log: list[Asked] = field(default_factory=list)

    def __enter__(self) -> FakeHub:
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    @property
    def url(self) -> str:
        """The Hub's host; its storage is the same port under the name localhost."""
        return f"http://127.0.0.1:{self.port}"

    def gets(self) -> list[Asked]:
        """Requests for data, as the storage host saw them."""
        return [asked for asked in self.log if asked.method == "GET" and asked.path.startswith("storage/")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _reply(self, code: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content_Length": len(body)}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer(self) -> None:
        hub, path = self.hub, unquote(urlparse(self.path).path).strip("/")
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        hub.log.append(Asked(self.command, path, self.headers["Host"], self.headers.get("Range"), token))
        parts = path.split("/")
        if parts[0] == "storage":
            return self._storage("/".join(parts[1:3]), "/".join(parts[3:]))
        if len(parts) < 5 or parts[2] != "resolve":   # /api/agent-harnesses among others
            return self._reply(404, b"{}")
        repo, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        error = {"X_Error_Code": "GatedRepo", "X_Error_Message": "Access to model is restricted"}
        if token == "hf_bad":
            return self._reply(401, b"{}", X_Error_Message="Invalid credentials in Authorization header")
        if repo in hub.gated and not token:
            return self._reply(401, b"{}", **error)
        if (repo in hub.private and not token) or not any(repo == known for known, _ in hub.files):
            return self._reply(401, json.dumps({"error": "Repository not found"}).encode(), X_Error_Code="RepoNotFound")
        if revision not in ("main", COMMIT):
            return self._reply(404, b"{}", X_Error_Code="RevisionNotFound")
        data = hub.files.get((repo, name))
        if data is None:
            return self._reply(404, b"{}", X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        place = f"http://localhost:{hub.port}/storage/{repo}/{name}"
        self._reply(302, X_Repo_Commit=COMMIT, X_Linked_Etag=etag, X_Linked_Size=len(data), ETag='"pointer"', Location=place)

    def _storage(self, repo: str, name: str) -> None:
        hub, key, asked = self.hub, (repo, name), self.headers.get("Range")
        if self.command == "GET" and hub.broken:
            return self._reply(hub.broken.pop(0), b"{}")
        data = hub.files[key]
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked and hub.ranges else 0
        if start >= len(data):
            return self._reply(416, b"", Content_Range=f"bytes */{len(data)}")
        body = (b"\0" * len(data) if key in hub.damaged else data)[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cuts = hub.cut.get(key)
        end = cuts.pop(0) if cuts else None
        for at in range(0, len(body), CHUNK):
            if end is not None and at >= end:
                self.close_connection = True
                return
            try:
                self.wfile.write(body[at : at + CHUNK])
            except OSError:
                return
            if hub.delay:
                time.sleep(hub.delay)
