"""A Hugging Face Hub on loopback for tests: resolve with redirect to a storage host, Range, gated, private, cut, damaged, slow, lying.

    with FakeHub({("owner/repo", "model.safetensors"): b"..."}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)

As on the real Hub, large files answer with a redirect to another host, which must not see the token. The fixtures `cache` and `hub`
give a test a cache folder of its own and a Hub with one file.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest

from aio.config.download import Download
from aio.config.registry import RegistryEntry
from aio.graph.models import ModelRef
from aio.weights.ensure import ensure as real_ensure

COMMIT = "c0ffee" + "0" * 34
CHUNK = 1 << 14

REPO, NAME = "owner/weights", "model.safetensors"
KEY = (REPO, f"split/{NAME}")
DATA = random.Random(1).randbytes(400_000)
REF = ModelRef("loras", NAME, "7", "lora_name")
QUICK = {"pause_s": 0.01}
"""A download's rules for tests: nobody waits for a second attempt."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(**values: object) -> RegistryEntry:
    usual = {"name": NAME, "repo": REPO, "path": KEY[1], "folder": "loras", "size": len(DATA), "sha256": sha256(DATA)}
    return RegistryEntry(**{**usual, **values})


def ensure(*arguments: Any, rules: dict[str, float] = QUICK, **named: Any) -> Any:
    """aio.weights.ensure.ensure, which does not wait before another attempt."""
    return real_ensure(*arguments, rules=Download(**{**QUICK, **rules}), **named)


def part_of(cache: Path) -> Path:
    """Where a download of DATA under way lies."""
    return cache / "models--owner--weights" / "blobs" / f"aio-{sha256(DATA)}.part"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    import huggingface_hub.constants as constants
    import huggingface_hub.utils._detect_agent as agents

    folder = tmp_path / "hf" / "hub"
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(agents, "_registry", agents._EMPTY_REGISTRY)   # else the first request asks the real Hub for a list
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    return folder


@pytest.fixture
def hub(cache, monkeypatch):
    with FakeHub({KEY: DATA}) as fake:
        monkeypatch.setenv("HF_ENDPOINT", fake.url)
        yield fake


def child(models: Path, hub: FakeHub, cache: Path, script: str, *arguments: str, **env: str) -> dict[str, Any]:
    """Arguments of subprocess.Popen for a Python script that uses a FakeHub, as another process of the same user."""
    import sys

    root = Path(__file__).resolve().parents[1]
    places = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache), "HF_HOME": str(cache.parent), "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(root)}
    return {"args": [sys.executable, "-c", script, *arguments, str(models)], "env": {**os.environ, **places, **env}}


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
        ranges: False answers every Range with the whole file.
        broken: status codes, or (code, headers), for the coming GETs of the storage; hub_broken: for the coming questions to the Hub.
        lies: what the storage does instead of answering the coming GETs: functions of the handler, the file and the first byte asked for.
        older: repository -> [(commit, {path: data})], newest first, before COMMIT.
        slow_headers: seconds for each byte of an answer to a question to the Hub.
    """

    files: dict[tuple[str, str], bytes]
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    cut: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    damaged: set[tuple[str, str]] = field(default_factory=set)
    broken: list[Any] = field(default_factory=list)
    hub_broken: list[Any] = field(default_factory=list)
    lies: list[Callable[[Any, bytes, int], None]] = field(default_factory=list)
    older: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=dict)
    slow_headers: float = 0.0
    delay: float = 0.0
    ranges: bool = True
    log: list[Asked] = field(default_factory=list)

    def __enter__(self) -> FakeHub:
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = _Server(("127.0.0.1", 0), handler)
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


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that goes away is what most tests are about."""


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

    def _refuse(self, how: Any) -> None:
        code, headers = how if isinstance(how, tuple) else (how, {})
        self._reply(code, b"{}", **headers)

    def drip(self, data: bytes, seconds: float, size: int = 1) -> None:
        """Send slowly, until the other side has enough of it."""
        for at in range(0, len(data), size):
            try:
                self.wfile.write(data[at : at + size])
            except OSError:
                return
            time.sleep(seconds)

    def whole(self, code: int, body: bytes, **headers: object) -> None:
        """An answer of one's own, whose headers are all given."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def _file(self, repo: str, revision: str, name: str) -> tuple[str, bytes | None] | None:
        if revision in ("main", COMMIT):
            return COMMIT, self.hub.files.get((repo, name))
        return next(((commit, files.get(name)) for commit, files in self.hub.older.get(repo, ()) if commit == revision), None)

    def _api(self, parts: list[str]) -> None:
        """/api/models/OWNER/NAME/commits/REVISION and .../tree/REVISION."""
        repo, what = "/".join(parts[2:4]), parts[4]
        if parts[5] not in ("main", COMMIT, *(commit for commit, _ in self.hub.older.get(repo, ()))):
            return self._reply(404, b"{}", X_Error_Code="RevisionNotFound")
        if what == "commits":
            commits = [COMMIT, *(commit for commit, _ in self.hub.older.get(repo, ()))]
            date = "2026-01-02T03:04:05.000Z"
            listed = [{"id": commit, "authors": [{"user": "x"}], "date": date, "title": "t", "message": ""} for commit in commits]
        else:
            files = {name: data for (known, name), data in self.hub.files.items() if known == repo}
            listed = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40, "lfs": {"oid": sha256(data), "size": len(data), "pointerSize": 1}}
                for name, data in files.items()
            ]
        self._reply(200, json.dumps(listed).encode(), Content_Type="application/json")

    def _answer(self) -> None:
        hub, path = self.hub, unquote(urlparse(self.path).path).strip("/")
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        hub.log.append(Asked(self.command, path, self.headers["Host"], self.headers.get("Range"), token))
        parts = path.split("/")
        if parts[0] == "storage":
            return self._storage("/".join(parts[1:3]), parts[3], "/".join(parts[4:]))
        if hub.slow_headers:
            return self.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000, hub.slow_headers)
        if hub.hub_broken:
            return self._refuse(hub.hub_broken.pop(0))
        if parts[:2] == ["api", "models"] and len(parts) == 6:
            return self._api(parts)
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
        if (found := self._file(repo, revision, name)) is None:
            return self._reply(404, b"{}", X_Error_Code="RevisionNotFound")
        commit, data = found
        if data is None:
            return self._reply(404, b"{}", X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        etag = f'"{sha256(data)}"'
        place = f"http://localhost:{hub.port}/storage/{repo}/{commit}/{name}"
        self._reply(302, X_Repo_Commit=commit, X_Linked_Etag=etag, X_Linked_Size=len(data), ETag='"pointer"', Location=place)

    def _storage(self, repo: str, commit: str, name: str) -> None:
        hub, key, asked = self.hub, (repo, name), self.headers.get("Range")
        if self.command == "GET" and hub.broken:
            return self._refuse(hub.broken.pop(0))
        data = self._file(repo, commit, name)[1]
        if hub.lies:
            lie = hub.lies.pop(0)
            return lie(self, data, int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0)
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
                return None
            try:
                self.wfile.write(body[at : at + CHUNK])
            except OSError:
                return None
            if hub.delay:
                time.sleep(hub.delay)
