"""How fast the page starts, and what a call costs beyond the engine's own time.   python bench/ui.py [calls]

Start: from `python app.py` to the whole first page, and the same of a gradio page with one text box, in turn.
Overhead: on the server's side of a call, from the POST that queues a /t2v of one session to the event that says it is complete,
over plain HTTP, less the same job through aio.run in a second process that does nothing else. Both take turns, so that other
work on the machine slows both; medians over CALLS jobs on the preview engine. A call through gradio_client is given beside it: its
polling is not the page's. CPU: seconds of the processes, which other work hardly changes. Writes to a temporary folder only.

    python bench/ui.py memory [calls]

Memory: the resident megabytes (VmRSS) of `ui=shared` after the first call, and after CALLS more, each of a new session.
"""

import contextlib
import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

NUMBERS = [int(word) for word in sys.argv[1:] if word.isdigit()]
CALLS = NUMBERS[0] if NUMBERS else 200 if "memory" in sys.argv else 20
ROOT = Path(__file__).resolve().parent.parent
VALUES = {"prompt": "x", "width": 256, "height": 256, "seconds": 0.5}
BARE = """import gradio as gr
with gr.Blocks(analytics_enabled=False) as page:
    gr.Button().click(lambda text: text, gr.Textbox(), gr.Textbox(), api_name="t2v")
page.launch(server_name="127.0.0.1", ssr_mode=False, quiet=True)
"""


def main() -> None:
    """Print the numbers."""
    with tempfile.TemporaryDirectory() as folder:
        words = {"aio": [str(ROOT / "app.py"), "engine=preview"], "bare gradio": ["-c", BARE]}
        for name in ("bare gradio", "aio", "bare gradio", "aio"):
            with served(words[name], folder) as (port, wall, cpu, _):
                print(f"start of {name}: {wall:.2f} s, {cpu:.2f} CPU s (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
        with served(words["aio"], folder) as (port, _, _, _):
            call, engine, client = raw(port), direct(Path(folder) / "direct"), through_client(port)
            for work in (call, engine, client):
                work()   # warm
            taken = [[timed(work) for work in (call, engine, client)] for _ in range(CALLS)]
    called, own, by_client = (1000 * statistics.median(column) for column in zip(*taken))
    overhead = 1000 * statistics.median(call - engine for call, engine, _ in taken)
    print(f"call: {called:.0f} ms, engine: {own:.0f} ms, overhead: {overhead:.0f} ms; through gradio_client: {by_client:.0f} ms (medians of {CALLS})")


def memory() -> None:
    """Print how the server grows with its visitors."""
    with tempfile.TemporaryDirectory() as folder:
        free = ["ui.visitor.runs_per_minute=100000", "ui.visitor.events_per_minute=100000"]
        with served([str(ROOT / "app.py"), "engine=preview", "ui=shared", *free], folder) as (port, _, _, process):
            for number in range(CALLS + 1):
                raw(port)()
                if number in (0, 20, CALLS // 2, CALLS):
                    print(f"after {number + 1} calls, each of a new session: {resident(process)} MB", flush=True)


def resident(process: int) -> int:
    """VmRSS in megabytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1000


@contextlib.contextmanager
def served(words: list[str], folder: str):
    """A server in its own process: (port, seconds until the page is there, CPU seconds with its children until then, process id)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "CUDA_VISIBLE_DEVICES": "", "GRADIO_ANALYTICS_ENABLED": "False"}
    began = time.perf_counter()
    server = subprocess.Popen([sys.executable, *words], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not answers(f"http://127.0.0.1:{port}"):
            time.sleep(0.02)
        wall = time.perf_counter() - began
        ticks = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:15]
        yield port, wall, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), server.pid
    finally:
        server.terminate()
        server.wait()


def answers(url: str) -> bool:
    """Whether the whole page is there."""
    try:
        return bool(urllib.request.urlopen(url, timeout=30).read())
    except OSError:
        return False


def timed(work) -> float:
    """Seconds of a piece of work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def raw(port: int):
    """A call over plain HTTP, always of the same session."""
    about = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/config"))
    index = next(one["id"] for one in about["dependencies"] if one["api_name"] == "t2v")
    info = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/gradio_api/info"))["named_endpoints"]["/t2v"]["parameters"]
    data = [VALUES.get(one["parameter_name"], one.get("parameter_default")) for one in info]
    session = secrets.token_hex(8)

    def call() -> None:
        link = http.client.HTTPConnection("127.0.0.1", port)
        body = json.dumps({"data": data, "fn_index": index, "session_hash": session})
        link.request("POST", "/gradio_api/queue/join", body, {"Content-Type": "application/json"})
        link.getresponse().read()
        link.request("GET", f"/gradio_api/queue/data?session_hash={session}")
        for line in link.getresponse():
            if b"process_completed" in line:
                assert json.loads(line[5:])["success"], line
                return link.close()

    return call


def direct(folder: Path):
    """The same job without a page."""
    from aio.config import compose
    from aio.engines import create
    from aio.job import Job
    from aio.run import run

    job = Job(compose(["engine=preview", f"output.dir={folder}"]), VALUES)
    engine = create("preview", job.config)
    return lambda: run(job, engine)


def through_client(port: int):
    """A call through gradio_client."""
    from gradio_client import Client

    client = Client(f"http://127.0.0.1:{port}", verbose=False, download_files=False)
    return lambda: client.predict(**VALUES, api_name="/t2v")


if __name__ == "__main__":
    memory() if "memory" in sys.argv else main()
