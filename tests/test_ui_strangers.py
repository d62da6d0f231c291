"""The page against strangers: what its API takes, what it says, who may come in, and how much one visitor gets. Over plain HTTP, as they would."""

import asyncio
import base64
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
import uisite

pytest.importorskip("gradio")

from aio.cli import main
from aio.command import parse
from aio.config import compose
from aio.config.page import Upload
from aio.errors import ConfigError
from aio.ui import door, inbox, reach, visitors

ROOT = Path(__file__).resolve().parent.parent
SMALL = {"prompt": "x", "width": 256, "height": 256, "seconds": 0.5}
META = {"meta": {"_type": "gradio.FileData"}}
NO_FILE = "no file that was added to this page"
SECRET = "the quiet word"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page for strangers, in whose folder lies a picture that is none of theirs."""
    folder = tmp_path_factory.mktemp("strangers")
    with uisite.site(folder, "ui=shared", "ui.visitor.runs_per_minute=10000", "ui.visitor.events_per_minute=10000") as served:
        (folder / "private.png").write_bytes((ROOT / "samples" / "astronaut.png").read_bytes())
        (served.inbox / "link.png").symlink_to(folder / "private.png")
        (served.inbox / "folder").mkdir()
        served.folder = folder
        yield served


def ask(page, way, body=None, **headers):
    """(status, text) of a GET, or of a POST with a body."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{page.url}{way}", data, {"Content-Type": "application/json", **given})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def call(page, mode, **values):
    """(status, text) of a refused call, or the last event of a run and its data."""
    status, text = ask(page, f"/gradio_api/call/v2/{mode}", values)
    if status != 200:
        return status, text
    _, events = ask(page, f"/gradio_api/call/{mode}/{json.loads(text)['event_id']}")
    return re.findall(r"event: (\w+)\ndata: (.*)", events)[-1]


def inner(page, index, data, event=None):
    """(status, text) of a call of what only the page itself uses, by its number."""
    body = {"data": data, "fn_index": index, "session_hash": "stranger", "event_data": event}
    if not page.blocks.fns[index].queue:
        return ask(page, "/gradio_api/run/predict", body)
    status, text = ask(page, "/gradio_api/queue/join", body)
    return ask(page, f"/gradio_api/call/inner/{json.loads(text)['event_id']}") if status == 200 else (status, text)


def named(page, name):
    """Numbers of the page's own functions of that name."""
    return [index for index, fn in page.blocks.fns.items() if getattr(fn.fn, "__name__", "") == name]


def said(text):
    """Field -> sentence, of a refused call."""
    return {one["parameter_name"]: one["message"] for one in json.loads(text)["detail"] if not one["is_valid"]}


def upload(page, file, **headers):
    edge = secrets.token_hex(8)
    head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{file.name}"\r\n\r\n'
    body = head.encode() + file.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    return ask(page, "/gradio_api/upload", body, Content_Type=f"multipart/form-data; boundary={edge}", **headers)


FORMS = [
    lambda path: {"path": path}, lambda path: {"path": path, **META}, lambda path: path, lambda path: [path], lambda path: {"url": path},
    lambda path: {"path": f"file://{path}", **META}, lambda path: {"path": path, "url": path, "is_stream": True, "orig_name": "a.png", **META},
    lambda path: {name: {"path": path, **META} for name in ("image", "video", "path")}, lambda path: {"path": f"/gradio_api/file={path}"},
]


@pytest.mark.parametrize(("mode", "name", "form"), [
    *(("i2v", "image", form) for form in FORMS), *((mode, name, FORMS[1]) for mode, name in (
        ("keyframe", "first_frame"), ("a2v", "audio"), ("style", "video")))])
def test_a_file_of_the_server_is_no_input_and_nobody_learns_whether_it_exists(page, mode, name, form):
    there, absent = page.folder / "private.png", page.folder / "absent.png"
    through = [page.inbox / "link.png", page.inbox / "folder", page.inbox / "absent.png", f"{page.inbox}/../../../private.png"]
    paths = (there, absent, *through, "/etc/passwd", "/proc/self/environ")
    other = {"last_frame": None} if mode == "keyframe" else {}
    words = {said(call(page, mode, **SMALL, **other, **{name: form(str(path))})[1])[name] for path in paths}
    assert len(words) == 1 and NO_FILE in words.pop()


@pytest.mark.parametrize("value", [
    5, True, "\ud800", {"path": "a" * 5000}, {"path": "x\0y"}, {"path": 5}, {"path": {"path": "/x"}}, "data:image/png;base64,AAAA",
])
def test_what_is_no_path_at_all_is_refused_in_the_same_words(page, value):
    assert NO_FILE in said(call(page, "i2v", **SMALL, image=value)[1])["image"]


def test_what_was_added_is_an_input_however_a_client_names_it(page, samples):
    path = json.loads(upload(page, samples / "astronaut.png")[1])[0]
    for image in (path, {"path": path}, {"path": path, **META}, {"path": f"{page.url}/gradio_api/file={path}", **META}):
        assert call(page, "i2v", **SMALL, image=image)[0] == "complete"


def test_an_address_within_this_network_is_not_fetched(page):
    for address in ("http://127.0.0.1:1/x.png", "http://169.254.169.254/latest", "http://localhost/x", "http://[::1]/x", "https://\ud800/"):
        words = said(call(page, "i2v", **SMALL, image={"path": address, **META})[1])["image"]
        assert words == "Nothing could be fetched from this address; upload the file itself"


def test_a_file_that_is_fetched_is_bounded_in_bytes(tmp_path, monkeypatch):
    import http.server
    import threading

    import safehttpx

    class Endless(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(20 if self.path == "/small.png" else 10_000):
                    self.wfile.write(b"x" * 10_000)
            except OSError:
                pass   # nobody listens any more

    async def anybody(host):
        return "127.0.0.1"

    monkeypatch.setattr(safehttpx, "async_validate_url", anybody)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    box = inbox.Inbox(tmp_path, Upload(seconds=1, megapixels=1, mb=1, total_mb=10, fetch_seconds=20), 60)
    try:
        small, large = (asyncio.run(box.accept(f"http://files.example:{server.server_port}/{name}")) for name in ("small.png", "large.png"))
    finally:
        server.shutdown()
    assert small.name == "small.png" and small.stat().st_size == 200_000 and box.find(str(small)) == small
    assert "more than 1 MB" in large.words and sum(file.stat().st_size for file in tmp_path.rglob("*.*")) == 200_000


@pytest.mark.parametrize(("values", "name", "words"), [
    ({"prompt": ["a"]}, "prompt", "a list"),
    ({"prompt": {"a": 1}}, "prompt", "one value"),
    ({"prompt": "x" * 900_000}, "prompt", "900000 characters; the limit is 10000"),
    ({"prompt": "\ud800"}, "prompt", "Unicode"),
    ({"prompt": "a\0b"}, "prompt", "NUL"),
    ({"prompt": {"path": "/etc/passwd", **META}}, "prompt", "one value"),
    ({"width": [256]}, "width", "a list"),
    ({"width": "9" * 9000}, "width", "whole number"),
    ({"width": 1e308}, "width", "above 1920"),
    ({"cfg": {}}, "cfg", "one value"),
    ({"preset": ["fast"]}, "preset", "a list"),
    ({"preset": 5}, "preset", "5 is not one of "),
    ({"model": True}, "model", "True is not one of"),
    ({"lora": 5}, "lora", "5 is not one of"),
    ({"lora": {"detailer": 1}}, "lora", "one value"),
    ({"lora": [["detailer"]]}, "lora", "one value"),
    ({"lora": ["x" * 9000]}, "lora", "is not one of"),
    ({"lora": [{"path": "/etc/passwd", **META}]}, "lora", "one value"),
])
def test_a_value_of_any_kind_is_answered_in_a_sentence_beside_its_name(page, values, name, words):
    status, text = call(page, "t2v", **{**SMALL, **values})
    assert status == 422 and words in said(text)[name] and len(text) < 20_000


def test_a_value_that_may_well_be_meant_is_taken(page):
    assert call(page, "t2v", **{**SMALL, "width": "256", "lora": "detailer", "cfg": "", "negative_prompt": None})[0] == "complete"


@pytest.mark.parametrize(("way", "body", "status", "words"), [
    ("call/v2/t2v", {}, 422, "prompt: t2v needs it"),
    ("call/v2/t2v", {**SMALL, "patches": 1}, 422, "patches: t2v takes no such value; it takes prompt, preset"),
    ("call/v2/nowhere", {}, 404, "there are t2v, i2v"),
    ("call/t2v", {"data": ["x"]}, 422, "in this order: prompt, preset, model"),
    ("call/t2v", {"data": "x"}, 422, "no list of values"),
    ("call/t2v", {}, 422, "by name"),
    ("call/t2v", [], 400, "a JSON object"),
    ("call/t2v", b"{", 400, "not JSON"),
    ("call/t2v", b'{"data": [NaN]}', 400, "NaN is no number"),
    ("call/t2v", b"[" * 100_000, 400, "64 levels"),
    ("call/t2v", b"x" * 2_000_000, 413, "more than 1 MB"),
    ("queue/join", {"data": [], "fn_index": 9999, "session_hash": "a"}, 404, "no such function"),
    ("queue/join", {"data": [], "fn_index": True, "session_hash": "a"}, 404, "no such function"),
    ("queue/join", {"data": [1] * 40, "fn_index": 1, "session_hash": "a"}, 422, "this order"),
    ("queue/join", {"data": [], "fn_index": 0, "session_hash": ["a"]}, 400, "session_hash"),
    ("queue/join", {"data": [], "fn_index": 0, "session_hash": "a" * 65}, 400, "session_hash"),
    ("upload?upload_id=" + "a" * 99, b"", 400, "upload_id"),
    ("mcp/", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "i2v", "arguments": {"image": {"path": "/etc/passwd", **META}}}},
     400, "image: give a value"),
])
def test_a_call_of_the_wrong_shape_is_answered_in_a_sentence(page, way, body, status, words):
    assert (answer := ask(page, f"/gradio_api/{way}", body))[0] == status and words in answer[1]
    assert "<" not in answer[1] and "Traceback" not in answer[1]


@pytest.mark.parametrize("way", [
    "/gradio_api/deep_link?session_hash=a", "/gradio_api/proxy=http://example.com", "/gradio_api/file=http://example.com/x", "/gradio_api/dev/reload",
    "/gradio_api/vibe-code", "/gradio_api/runs", "/monitoring", "/docs", "/openapi.json", "/gradio_api/token", "/gradio_api/file=/etc/passwd",
])
def test_a_way_that_the_page_does_not_need_is_closed(page, way):
    assert ask(page, way)[0] in (403, 404)


@pytest.mark.parametrize("way", ["component_server", "process_recording", "vibe-edit", "stream/a", "stream/a/close", "run/t2v", "api/t2v"])
def test_a_call_that_the_page_does_not_need_is_closed(page, way):
    index = next(index for index, fn in page.blocks.fns.items() if fn.api_name == "t2v")
    data = [None] * len(page.blocks.fns[index].inputs)
    assert ask(page, f"/gradio_api/{way}", {"data": data, "fn_index": index, "session_hash": "a"})[0] == 404


def test_what_only_the_page_itself_calls_answers_anything_in_words_and_shows_no_file(page, capfd):
    made = [{"path": str(page.folder / "private.png"), **META}, ["x", {}], "x", 1e300, None]
    events = [None, {"index": 0, "value": "x"}, {"index": "x", "value": 1}, {"index": -1, "value": 1}, [1]]
    for index, fn in page.blocks.fns.items():
        for junk, event in zip(made, events, strict=True):
            status, text = inner(page, index, [junk] * len(fn.inputs), event)
            assert status in (200, 404, 422, 500) and "private.png" not in text and "Traceback" not in text
            refusal = json.loads(text).get("error") if status == 500 else None
            assert refusal is None or refusal.startswith(("Please check the call", "Something went wrong"))
    assert "InvalidPathError" not in capfd.readouterr().err


@pytest.mark.parametrize("more", [{}, META])
def test_a_recipe_of_the_server_fills_no_form(page, more):
    private = page.outputs / "private.json"
    private.write_text(json.dumps({"mode": "t2v", "params": {"prompt": "a private prompt"}}))
    fillers = [index for index in named(page, "fill") if len(page.blocks.fns[index].inputs) == 1]
    for index in fillers:   # an mp4 that is dropped, and the recipe of the result
        text = inner(page, index, [{"path": str(private), **more}])[1]
        assert NO_FILE in text and "private" not in text
    assert len(fillers) == 2


def test_another_visitors_result_is_out_of_reach(page):
    mine = json.loads(call(page, "t2v", **{**SMALL, "prompt": "my own words"})[1])
    made = Path(mine[0]["path"]).name
    answers = [inner(page, index, [[made]], {"index": 0, "value": "x"})[1] for index in named(page, "pick")]
    assert "Reload this page" in answers[0]
    guesses = (page.outputs / made, page.inbox / made, page.inbox, f"{page.inbox}/*/{made}", page.inbox.parent / made)
    answers += [ask(page, f"/gradio_api/file={guess}")[1] for guess in guesses]
    assert not any("my own words" in answer or '"path"' in answer for answer in answers)
    assert ask(page, f"/gradio_api/file={page.outputs / made}")[0] == 403


def test_what_nobody_foresaw_is_a_fault_of_aio_with_a_mark_that_leads_to_the_log(page, capfd):
    page.floor.failure = RuntimeError("/srv/secret/x")
    try:
        kind, text = call(page, "t2v", **SMALL)
    finally:
        page.floor.failure = None
    told = json.loads(text)["error"]
    mark = re.search(r"at fault (\w{6})", told)[1]
    assert kind == "error" and "a fault of aio, not of what you gave" in told and "/srv" not in told
    log = capfd.readouterr().err
    assert f"aio: fault {mark}" in log and "RuntimeError: /srv/secret/x" in log


def test_a_fault_of_the_forms_and_of_the_server_itself_is_told_in_words(page, monkeypatch):
    def broken(*_, **__):
        raise RecursionError("/srv/secret")

    monkeypatch.setattr("aio.ui.forms.Form.compose", broken)
    kind, text = call(page, "t2v", **SMALL)
    assert kind == "error" and "a fault of aio" in text and "/srv" not in text
    outlook = named(page, "consequences")[0]
    assert "at fault" in inner(page, outlook, [None] * len(page.blocks.fns[outlook].inputs))[1]
    monkeypatch.setattr("aio.ui.calls.Calls.checked", broken)
    status, text = ask(page, "/gradio_api/call/v2/t2v", SMALL)
    assert status == 500 and "a fault of aio" in text and "/srv" not in text


def test_sessions_are_kept_up_to_a_number(tmp_path):
    with uisite.site(tmp_path, "ui.sessions=5") as served:
        refresh = named(served, "refresh")[0]
        for number in range(12):
            assert ask(served, "/gradio_api/run/predict", {"data": [], "fn_index": refresh, "session_hash": f"visitor{number}"})[0] == 200
        assert len(served.blocks.state_holder.session_data) <= 5


def test_a_visitor_has_a_rate_of_runs_of_other_calls_and_of_uploads(tmp_path, samples):
    slow = ["ui.visitor.runs_per_minute=2", "ui.visitor.events_per_minute=3", "ui.visitor.uploads_per_minute=2", "ui.visitor.upload_mb_per_minute=5"]
    with uisite.site(tmp_path, "ui=shared", *slow) as served:
        runs = [call(served, "t2v", **SMALL) for _ in range(3)]
        assert [kind for kind, _ in runs] == ["complete", "complete", 429] and "try again in" in runs[2][1]
        refresh = named(served, "refresh")[0]
        body = {"data": [], "fn_index": refresh}
        assert [ask(served, "/gradio_api/run/predict", {**body, "session_hash": f"new{n}"})[0] for n in range(5)] == [200, 200, 200, 429, 429]
        assert [upload(served, samples / "astronaut.png")[0] for _ in range(3)] == [200, 200, 429]


def test_a_run_through_mcp_counts_for_the_visitor_who_asks(tmp_path):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def talk(url):
        async with streamablehttp_client(f"{url}/gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return [await session.call_tool("t2v", SMALL) for _ in range(2)]

    with uisite.site(tmp_path, "ui=shared", "ui.visitor.runs_per_minute=1") as served:
        first, second = asyncio.run(talk(served.url))
        assert not first.isError and second.isError and "429" in second.content[0].text
        forged = {"X_Aio_Visitor": "guess 10.9.9.9", "X_Aio_Inner": "guess"}
        assert ask(served, "/gradio_api/call/v2/t2v", SMALL, **forged)[0] == 429


def test_uploads_are_bounded_in_bytes_each_and_in_all(tmp_path, samples):
    with uisite.site(tmp_path, "ui=shared", "ui.upload.mb=1", "ui.upload.total_mb=1") as served:
        large = tmp_path / "large.bin"
        answers = [(5_000_000, 413, "limit is 1 MB"), (1_500_000, 507, "no more room"), (900_000, 200, "large.bin"), (900_000, 507, "4 h")]
        for size, status, words in answers:
            large.write_bytes(bytes(size))
            assert (answer := upload(served, large))[0] == status and words in answer[1]
        box = inbox.Inbox(served.inbox.parent, Upload(seconds=1, megapixels=1, mb=1, total_mb=1, fetch_seconds=None), 60, clock=lambda: 4e9)
        assert not box.full(900_000) and not list(served.inbox.rglob("large.bin"))   # what is old went


def test_a_visitor_has_so_many_runs_in_line_and_hears_why(tmp_path):
    from gradio_client import Client

    with uisite.site(tmp_path, "ui=shared", "ui.visitor.running=1", "ui.visitor.waiting=1") as served:
        served.floor.hold()
        clients = [Client(served.url, verbose=False) for _ in range(3)]   # sessions are free to make: one address is one visitor
        held = [client.submit(**{**SMALL, "prompt": uisite.HELD}, api_name="/t2v") for client in clients[:2]]
        deadline = time.monotonic() + 60   # whichever came second stands in line
        while not any("In line" in output[3] for job in held for output in job.outputs()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(Exception, match="You have 2 runs here already: 1 may run at the same time, and 1 more stand in line"):
            clients[2].predict(**SMALL, api_name="/t2v")
        served.floor.release()
        assert all("Done" in job.result()[3] for job in held)


def test_a_line_lets_others_pass_who_has_his_share_and_runs_no_more_than_fit():
    line = visitors.Line(parallel=2, each=1, waiting=2)
    anna, ben = visitors.who("10.0.0.1"), visitors.who("10.0.0.2", "b")
    first, second, other = line.join(anna), line.join(anna), line.join(ben)
    assert [line.ahead(ticket) for ticket in (first, second, other)] == [0, 1, 0]
    line.join(anna)
    with pytest.raises(visitors.TooMany, match="3 runs here already: 1 may run at the same time, and 2 more"):
        line.join(anna)
    line.leave(first)
    assert line.ahead(second) == 0 and line.ahead(other) == 0


def test_rates_fill_again_with_time_and_forget_the_oldest_visitor():
    now = [0.0]
    rates = visitors.Rates({"runs": 2, "any": None}, lambda: now[0])
    anna = visitors.who("10.0.0.1", "s")
    assert [rates.wait(anna, "runs") for _ in range(2)] == [0, 0] and rates.wait(anna, "runs") == 30 and rates.wait(anna, "any") == 0
    assert rates.wait(visitors.who("10.0.0.1", "new"), "runs") and rates.wait(visitors.who("10.9.9.9", "s"), "runs")
    now[0] = 30
    assert rates.wait(anna, "runs") == 0 and rates.wait(anna, "runs") == 30
    for number in range(visitors.KNOWN_MAX):
        rates.wait(visitors.who(f"10.1.{number // 256}.{number % 256}"), "runs")
    assert len(rates._left) == visitors.KNOWN_MAX


def test_a_customer_with_a_whole_network_of_addresses_is_one_visitor():
    assert visitors.who("2001:db8:1:2::1") == visitors.who("2001:db8:1:2:ffff::9") != visitors.who("2001:db8:1:3::1")
    assert visitors.who("::ffff:10.0.0.1") == visitors.who("10.0.0.1") and visitors.who(None) == frozenset()


# A password


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    with uisite.site(tmp_path_factory.mktemp("locked"), "ui=shared", auth=f"[[me,{SECRET}],[you,other]]") as served:
        yield served


def basic(name, word):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{word}".encode()).decode()}


@pytest.mark.parametrize("way", [
    "/", "/config", "/gradio_api/info", "/gradio_api/mcp/", "/gradio_api/file=/etc/passwd", "/assets/x.js", "/gradio_api/heartbeat/a",
    "/gradio_api/queue/data?session_hash=a", "/theme.css", "/nothing",
])
def test_without_the_password_nothing_is_shown(locked, way):
    assert ask(locked, way) == (401, '{"detail": "This page asks for a name and a password."}')


def test_another_name_or_word_opens_nothing(locked):
    for header in (basic("me", "wrong"), basic("you", SECRET), basic("", ""), {"Authorization": "Basic !"}, {"Authorization": f"Bearer {SECRET}"}):
        assert ask(locked, "/", **header)[0] == 401


@pytest.mark.parametrize("way", ["queue/join", "call/t2v", "call/v2/t2v", "upload", "mcp/", "cancel", "run/predict"])
def test_without_the_password_nothing_is_done(locked, way):
    assert ask(locked, f"/gradio_api/{way}", {})[0] == 401


def test_with_the_password_browser_curl_gradio_client_and_mcp_work(locked):
    from gradio_client import Client
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def talk():
        async with (streamablehttp_client(f"{locked.url}/gradio_api/mcp/", headers=basic("you", "other")) as (read, write, _),
                    ClientSession(read, write) as session):
            await session.initialize()
            return await session.call_tool("t2v", SMALL)

    assert ask(locked, "/", **basic("me", SECRET))[0] == 200
    client = Client(locked.url, auth=("me", SECRET), verbose=False)
    assert "Done" in client.predict(**SMALL, api_name="/t2v")[3]
    assert not asyncio.run(talk()).isError
    with pytest.raises(Exception, match="Invalid credentials"):
        Client(locked.url, auth=("me", "wrong"), verbose=False)


def test_guessing_is_slow_and_locks_nobody_out_who_is_in(tmp_path):
    with uisite.site(tmp_path, auth=f"me:{SECRET}") as served:
        request = urllib.request.Request(served.url, headers=basic("me", SECRET))
        cookie = urllib.request.urlopen(request).headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and SECRET not in cookie
        for number in range(door.TRIES):
            assert ask(served, "/", **basic("me", f"guess {number}"))[0] == 401
        assert ask(served, "/", **basic("me", SECRET))[0] == 401   # even the right one is not heard for a while
        assert ask(served, "/", Cookie=cookie.split(";")[0])[0] == 200
        assert ask(served, "/", Cookie="aio=guess")[0] == 401


def aio(folder, *words, **env):
    """A command, in a folder."""
    run = [sys.executable, "-m", "aio", *words]
    return subprocess.run(run, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **env}, capture_output=True, text=True)


def test_the_password_enters_no_configuration_and_no_message(tmp_path, monkeypatch):
    command = parse(["ui", f"ui.auth=[me,{SECRET}]", "engine=preview"], ("ui",))
    assert command.auth == f"[me,{SECRET}]" and SECRET not in repr(command) and SECRET not in str(command.compose())
    for words in (["--cfg", "job"], ["plan"], ["check"], ["-m"], []):
        run = aio(tmp_path, *words, f"ui.auth=[me,{SECRET}]")
        assert run.returncode == 2 and SECRET not in run.stdout + run.stderr and "only the page asks for a password" in run.stderr
    for bad in (f"[me,{SECRET}", f"[{SECRET}]", SECRET, f"[[me,{SECRET}],x]", f"[a:b,{SECRET}]", "[]", f"[me,[{SECRET}]]", f":{SECRET}", "me:"):
        with pytest.raises(ConfigError, match=r"ui\.auth: ") as caught:
            door.pairs(bad, "ui.auth")
        assert SECRET not in str(caught.value)
    with pytest.raises(ConfigError, match="does not belong in a configuration file"):
        compose([f"++ui.auth=[me,{SECRET}]"])
    monkeypatch.setenv("AIO_UI_AUTH", f"me:{SECRET}:0123")
    assert door.known(None) == {"me": f"{SECRET}:0123"} and "AIO_UI_AUTH" not in os.environ
    assert door.pairs("[me,0123]", "") == {"me": "0123"} and SECRET not in repr(door.Door({"me": SECRET}))


# Who reaches it


@pytest.mark.parametrize(("name", "share", "others"), [
    ("", False, False), ("127.0.0.1", False, False), ("localhost", False, False), ("127.8.9.1", False, False), ("::1", False, False),
    ("[::1]", False, False), ("0.0.0.0", False, True), ("::", False, True), ("[::]", False, True), ("192.168.1.5", False, True),
    ("no-such-host.invalid", False, True), ("", True, True),
])
def test_a_server_that_others_reach_shows_strangers_only_their_own(monkeypatch, name, share, others):
    monkeypatch.setenv("GRADIO_SERVER_NAME", name)
    assert reach.settled(["engine=preview"], share) == ["engine=preview", *(["ui=shared"] if others else [])]
    for own in ("ui=page", "ui=shared", "+ui=mine"):
        assert reach.settled([own], share) == [own]
    assert reach.settled(["ui.title=x"], share) == ["ui.title=x", *(["ui=shared"] if others else [])]


@pytest.mark.parametrize(("name", "shared", "show", "locked", "words"), [
    ("127.0.0.1", False, "folder", False, "this machine alone reaches it"),
    ("127.0.0.1", False, "folder", True, "this machine alone reaches it, with a password"),
    ("0.0.0.0", False, "session", False, "everybody who is in this network can run jobs here; nobody sees another visitor's results; "
                                         "no password (ui.auth=[name,password] asks for one)"),
    ("0.0.0.0", False, "session", True, "everybody who is in this network and knows a password can run jobs here; "
                                        "nobody sees another visitor's results"),
    ("0.0.0.0", False, "folder", False, "everybody who is in this network can run jobs here; they all see every result in outputs/, with its prompt; "
                                        "no password (ui.auth=[name,password] asks for one)"),
    ("127.0.0.1", True, "session", False, "everybody who has this address can run jobs here; nobody sees another visitor's results; "
                                          "no password (ui.auth=[name,password] asks for one)"),
])
def test_one_line_says_who_sees_what_and_where(name, shared, show, locked, words):
    line = reach.line("http://x:7860", name, shared, compose([f"ui.gallery.show={show}"]).ui, locked, Path("/srv/outputs"))
    assert line == f"page: http://x:7860 : {words}"


def test_the_page_of_this_machine_answers_no_other_sites_scripts(tmp_path):
    with uisite.site(tmp_path, "ui.hosts=[clips.example.org]") as served:
        port = served.url.rsplit(":", 1)[1]
        hosts = {"evil.example": 403, f"evil.example:{port}": 403, "[": 403, f"localhost:{port}": 200, "clips.example.org": 200}
        for host, status in hosts.items():
            assert ask(served, "/config", Host=host)[0] == status
        assert ask(served, "/config", Origin="http://evil.example")[0] == 403 and ask(served, "/config", Origin="null")[0] == 403
        assert ask(served, "/config", Origin=served.url)[0] == 200
        assert "ui.hosts=[evil.example]" in ask(served, "/config", Host="evil.example")[1]


def test_a_forwarded_address_is_believed_only_of_a_proxy_that_the_configuration_names(tmp_path, monkeypatch):
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    for proxies, forged in (([], [200, 200, 200]), (["127.0.0.1"], [200, 429, 200])):
        monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
        with uisite.site(tmp_path / str(len(proxies)), "ui=shared", "ui.visitor.events_per_minute=1", f"ui.proxies={proxies}") as served:
            body = {"event_id": "x"}
            found = [ask(served, "/gradio_api/reset", body, X_Forwarded_For=address)[0] for address in ("1.1.1.1", "6.6.6.6, 1.1.1.1", "2.2.2.2")]
            assert found == forged   # hidden behind a proxy nobody named, a visitor has no address, only his session
            assert [ask(served, "/gradio_api/reset", body)[0] for _ in range(2)] == [200, 429]
        monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)


@pytest.mark.parametrize("name", ["0.0.0.0", pytest.param("[::]", marks=pytest.mark.slow)])   # which names others reach: above
def test_the_command_says_who_reaches_the_page_and_nothing_about_python(tmp_path, name):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if name == "[::]" and not socket.has_ipv6:
        pytest.skip("no IPv6")
    env = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": name, "TMPDIR": str(tmp_path), "AIO_UI_AUTH": f"me:{SECRET}",
           "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "aio", "ui", "engine=preview"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = server.stdout.readline()
        assert "everybody who is in this network and knows a password can run jobs here; nobody sees another visitor's results" in line, line
        served = SimpleNamespace(url=f"http://{'[::1]' if ':' in name else '127.0.0.1'}:{port}")
        assert ask(served, "/config", **basic("me", SECRET))[0] == 200
    finally:
        server.terminate()
        rest, _ = server.communicate(timeout=60)
    assert "share" not in line + rest and SECRET not in line + rest and "gradio deploy" not in rest


def test_a_port_that_is_none_is_named(tmp_path):
    run = aio(tmp_path, "ui", "engine=preview", GRADIO_SERVER_PORT="many")
    assert run.returncode == 2 and run.stderr == "aio: GRADIO_SERVER_PORT: 'many' is no port; give a number from 1 to 65535\n"


def test_a_proxy_of_the_environment_does_not_come_between_the_page_and_itself(tmp_path):
    env = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "no_proxy": "", "NO_PROXY": ""}
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import uisite; from pathlib import Path\n"
              "with uisite.site(Path(sys.argv[2]), auth='me:word') as served: print(served.url)")
    run = subprocess.run([sys.executable, "-c", script, str(ROOT / "tests"), str(tmp_path)], capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(ROOT), **env})
    assert run.stdout.startswith("http://127.0.0.1"), run.stderr


def test_an_address_that_is_not_this_machines_is_told_in_words(tmp_path):
    run = aio(tmp_path, "ui", "engine=preview", TMPDIR=str(tmp_path), GRADIO_SERVER_NAME="192.0.2.77")
    assert run.returncode in (1, 2) and "the page cannot be served at 192.0.2.77: its ports are taken, or this is no address" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(("env", "words", "said"), [
    ({"GRADIO_TEMP_DIR": "/dev/null/x"}, [], "set GRADIO_TEMP_DIR to another folder"),
    ({}, ["output.dir=/dev/null/x"], "output.dir: cannot write /dev/null/x"),
    ({"AIO_UI_AUTH": SECRET}, [], "AIO_UI_AUTH: this is no name with a password; give name:password"),
    ({}, ["ui.auth="], "ui.auth: this is no name with a password"),
])
def test_a_page_that_cannot_be_served_says_why_in_words(tmp_path, env, words, said, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    code, err = main(["ui", "engine=preview", *words]), capsys.readouterr().err
    assert code in (1, 2) and said in err and "Traceback" not in err and SECRET not in err


# Its files


def test_a_server_has_a_folder_of_its_own_and_removes_those_of_the_dead(tmp_path):
    mine = inbox.own_folder(tmp_path)
    script = ("import os, sys; from pathlib import Path; from aio.ui.inbox import own_folder; folder = own_folder(Path(sys.argv[1]));"
              "(folder / 'x').write_text('x'); print(folder, flush=True); os._exit(9)")
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    dead = Path(run.stdout.strip())
    assert dead.is_dir() and dead != mine and (mine.stat().st_mode & 0o777) == 0o700
    other = inbox.own_folder(tmp_path)
    assert mine.is_dir() and other.is_dir() and not dead.exists()
