"""Calls of the page over HTTP: good ones and hostile ones, from a new visitor each time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from . import ROOT, noise
from .media import impostors
from .soak import state
from .tally import Area, Work
from .world import HANG, World, broken, unkind

SMALL = {"prompt": "A lighthouse", "preset": "fast", "width": 256, "height": 256, "seconds": 0.4}
INPUTS = {"i2v": ["image"], "keyframe": ["first_frame", "last_frame"], "a2v": ["audio"], "style": ["video"], "lipsync": ["image", "audio"]}
SETTLED, MEMORY = 0.5, 20.0
"""Share of the calls after which the page holds what it always holds, its 50 sessions among it (`ui.sessions`); MB that it may hold more at
the end. 100 visitors at 0.7 MB are 70."""

START = 60.0
"""Seconds that the page may take to serve."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. status: of HTTP. done: a result came. said: every sentence for the visitor. data: the result."""

    status: int
    done: bool
    said: str
    data: Any = None
    hung: bool = False


class Visitor:
    """Somebody who knows the page's address."""

    def __init__(self, url: str):
        self.url = url

    def ask(self, path: str, body: bytes | None = None, kind: str = "application/json", limit: float = 3 * HANG) -> tuple[int, bytes]:
        """Status and content of one request."""
        request = urllib.request.Request(f"{self.url}/{path}", body, {"Content-Type": kind} if body is not None else {})
        try:
            with urllib.request.urlopen(request, timeout=limit) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def call(self, mode: str, given: Mapping[str, Any]) -> Answer:
        """A mode's endpoint, by name."""
        try:
            status, content = self.ask(f"gradio_api/call/v2/{mode}", json.dumps(given).encode("utf-8", "surrogatepass"))
            if status != 200:
                return Answer(status, False, _sentences(content))
            status, content = self.ask(f"gradio_api/call/{mode}/{json.loads(content)['event_id']}")
        except TimeoutError:
            return Answer(0, False, "", hung=True)
        events = [(block.split("\n")[0].removeprefix("event: "), block.split("data: ", 1)[-1])
            for block in content.decode(errors="replace").split("\n\n") if block]
        last, data = next(((name, data) for name, data in reversed(events) if name in ("complete", "error")), ("", ""))
        if last == "complete":
            return Answer(status, True, "", json.loads(data))
        return Answer(status, False, _sentences(data.encode()))

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """A file as the page's own form sends it."""
        edge = b"----trust"
        head = f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        _, answer = self.ask("gradio_api/upload", b"--" + edge + b"\r\n" + head + content + b"\r\n--" + edge + b"--\r\n",
            f"multipart/form-data; boundary={edge.decode()}")
        return {"path": json.loads(answer)[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}


def _sentences(content: bytes) -> str:
    """What an error's JSON says to people."""
    try:
        found = json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
    texts, pending = [], [found]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += [value for key, value in one.items() if key in ("detail", "message", "error", "title", "msg")]
        elif isinstance(one, list):
            pending += one
        elif isinstance(one, str) and one:
            texts.append(one)
    return " ".join(texts)


@contextmanager
def served(world: World) -> Iterator[tuple[str, int, Path]]:
    """`aio ui` as its owner starts it, whose limits two calls a second do not reach: its address, its process, its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = world.folder / "page.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "aio", "ui", "engine=preview", f"output.dir={world.out}"], cwd=world.folder, stdin=subprocess.DEVNULL,
            stdout=file, stderr=file, env=world.environment(GRADIO_SERVER_PORT=str(port)), start_new_session=True)
    try:
        url, began = f"http://127.0.0.1:{port}", time.monotonic()
        while True:
            try:
                Visitor(url).ask("gradio_api/info", limit=START)
                break
            except OSError:
                assert process.poll() is None and time.monotonic() - began < START, log.read_text(errors="replace")[-2000:]
                time.sleep(0.2)
        yield url, process.pid, log
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(HANG)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def run(work: Work) -> None:
    """Calls, two of five good: each good one gives its clip, each hostile one words, in time; no file of the server comes out, nothing grows."""
    world = World(work.folder / "world")
    secret = world.folder / "secret" / "private.png"
    secret.parent.mkdir()
    shutil.copy(ROOT / "samples" / "astronaut.png", secret)
    fakes = dict(impostors(secret.parent))
    with served(world) as (url, pid, log):
        settled, seen = None, 0
        labels = [f"call-{number}" for number in range(work.cases)]
        for number, label in enumerate(work.chosen(labels)):
            visitor, random = Visitor(url), work.random(label)
            mode, given, good = _good(visitor, random) if random.random() < 0.4 else _hostile(visitor, random, secret, fakes)
            judge(work, visitor, label, mode, given, visitor.call(mode, given), good)
            text = log.read_text(errors="replace")
            if "Traceback" in text[seen:]:
                work.failed("tracebacks", f"in the page's log after {mode} {_short(given)}: {text.strip().splitlines()[-1]}", label)
            seen = len(text)
            if number == int(work.cases * SETTLED):
                settled = state(pid)
        if settled is not None:
            ended = state(pid)
            work.tally.row.grew = f"{ended.memory - settled.memory:+.0f} MB"
            if ended.memory > settled.memory + MEMORY or ended.files > settled.files + 20 or ended.threads > settled.threads + 8:
                work.failed("growth", f"{settled} became {ended} in {work.cases * (1 - SETTLED):.0f} calls")
        _doors(work, url, secret)


def _good(visitor: Visitor, random: Random) -> tuple[str, dict[str, Any], bool]:
    mode = random.choice(("t2v", "t2v", "i2v"))
    files = {"image": visitor.upload("face.png", (ROOT / "samples" / "astronaut.png").read_bytes())} if mode == "i2v" else {}
    return mode, {**SMALL, **files, "seed": random.randint(0, 999)}, True


def _hostile(visitor: Visitor, random: Random, secret: Path, fakes: Mapping[str, bytes]) -> tuple[str, dict[str, Any], bool]:
    pick = random.random()
    if pick < 0.35:   # a file of the server, in every shape that a client could send
        path = str(random.choice((secret, secret, secret.with_name("nothing.png"), "/etc/passwd", "/dev/zero", secret.parent, "pipe.mp4", "~/x.png")))
        shape = random.choice((
            {"path": path}, {"path": path, "meta": {"_type": "gradio.FileData"}}, {"path": path, "url": path, "orig_name": "a.png"}, path, [path],
            {"path": path, "meta": None}, {"path": None, "url": f"file://{path}"}, {"url": f"{visitor.url}/gradio_api/file={path}"},
            {"path": f"file://{path}"}, {"path": f"{visitor.url}/gradio_api/file={path}", "meta": {"_type": "gradio.FileData"}}))
        mode, fields = random.choice(list(INPUTS.items()))
        return mode, {**SMALL, **dict.fromkeys(fields, shape)}, False
    if pick < 0.6:   # a file that is no picture, sound or video
        name = random.choice(list(fakes))
        mode, field = random.choice((("i2v", "image"), ("a2v", "audio"), ("style", "video")))
        return mode, {**SMALL, field: visitor.upload(name, fakes[name])}, False
    fields = ("prompt", "preset", "model", "lora", "width", "seconds", "seed", "sigmas", "sampler", "cfg", "nosuchfield")
    name = random.choice((*fields, noise.text(random)))
    odd = {**SMALL, name: noise.value(random, 2)}
    if name not in ("nosuchfield",) and name not in SMALL:
        odd["width"] = 3   # so that what may be legal runs no long clip
    return "t2v", {**odd, "width": odd["width"] if name == "width" else 3}, False


def judge(work: Work, visitor: Visitor, label: str, mode: str, given: Mapping[str, Any], answer: Answer, good: bool) -> None:
    """Count what is wrong with an answer."""
    what = f"{mode} {_short(given)}"
    if answer.hung:
        work.failed("hangs", f"{what}: no answer within {3 * HANG:g} s", label)
    elif good and not answer.done:
        work.failed("losses", f"{what}: a good call failed: {answer.status} {answer.said}", label)
    elif good:
        clip = work.folder / "clip.mp4"
        clip.write_bytes(visitor.ask(f"gradio_api/file={answer.data[0]['path'] if 'path' in answer.data[0] else answer.data[0]['video']['path']}")[1])
        if wrong := broken(clip):
            work.failed("losses", f"{what}: its clip is not whole: {wrong}", label)
    elif answer.done:
        work.failed("losses", f"{what}: a hostile call was answered with a clip", label)
    elif answer.status >= 500 or unkind(answer.said, json.dumps(given)):
        work.failed("tracebacks", f"{what}: {answer.status} {unkind(answer.said, json.dumps(given)) or answer.said}", label)
    elif str(work.folder) in answer.said and str(work.folder) not in json.dumps(given):
        work.failed("losses", f"{what}: the answer tells where the server keeps its files: {answer.said}", label)
    elif "private.png" in json.dumps(given):
        other = visitor.call(mode, json.loads(json.dumps(given).replace("private.png", "nothing.png")))
        if (other.status, other.said.replace("nothing.png", "private.png").lower()) != (answer.status, answer.said.lower()):
            work.failed("losses", f"{what}: the answer tells whether a file is there: {answer.said} / {other.said}", label)


def _doors(work: Work, url: str, secret: Path) -> None:
    """Addresses that must stay shut."""
    for path in (secret, "/etc/passwd", ROOT / "README.md", f"{secret.parent}/../secret/private.png", "conf/config.yaml"):
        work.tally.row.cases += 1
        status, content = Visitor(url).ask(f"gradio_api/file={path}")
        if status == 200:
            work.failed("losses", f"gradio_api/file={path} is served: {content[:40]!r}")


def _short(given: Mapping[str, Any]) -> str:
    return repr({key: value for key, value in given.items() if SMALL.get(key) != value})[:200]


AREAS = (Area("page", "calls of the page over HTTP, new visitors", run, 200, 130),)
