"""How fast the page starts, and what a call costs beyond the engine's own time.   python bench/ui.py [calls]

Start: from `python app.py` to the first answer. Overhead: a call of /t2v through gradio_client less the same job through
aio.run in this process, medians over CALLS jobs on the preview engine. Needs the extra `ui`; writes to a temporary folder only.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

CALLS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
ROOT = Path(__file__).resolve().parent.parent
VALUES = {"prompt": "x", "width": 256, "height": 256, "seconds": 0.5}


def main() -> None:
    """Print both numbers."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "CUDA_VISIBLE_DEVICES": ""}
        began = time.perf_counter()
        server = subprocess.Popen([sys.executable, str(ROOT / "app.py"), "engine=preview"], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            while not answers(url):
                time.sleep(0.02)
            print(f"start: {time.perf_counter() - began:.2f} s (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
            called = calls(url)
            engine = engines(Path(folder) / "direct")
        finally:
            server.terminate()
            server.wait()
    print(f"call: {1000 * called:.0f} ms, engine: {1000 * engine:.0f} ms, overhead: {1000 * (called - engine):.0f} ms (medians of {CALLS})")


def answers(url: str) -> bool:
    """Whether the page is there."""
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


def median(work) -> float:
    """Median seconds of a piece of work, after two that warm up."""
    taken = []
    for _ in range(CALLS + 2):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def calls(url: str) -> float:
    """Seconds of a call."""
    from gradio_client import Client

    client = Client(url, verbose=False, download_files=False)
    return median(lambda: client.predict(**VALUES, api_name="/t2v"))


def engines(folder: Path) -> float:
    """Seconds of the same job without a page."""
    from aio.config import compose
    from aio.engines.choose import choose, create
    from aio.run import run
    from aio.values import Job

    job = Job(compose(["engine=preview", f"output.dir={folder}"]), VALUES)
    engine = create(*choose(job.config)[:1], job.config)
    return median(lambda: run(job, engine))


if __name__ == "__main__":
    main()
