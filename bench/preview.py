"""How long the preview engine takes, as ratios to the clip's own length, and how much memory. Run: python bench/preview.py

One run, one machine, every row the whole of `execute` in a process of its own. A ratio below 1 is faster than real time.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SAMPLES = ROOT / "samples"
INPUTS = {
    "t2v": {},
    "i2v": {"image": SAMPLES / "astronaut.png"},
    "a2v": {"audio": SAMPLES / "speech.wav"},
    "lipsync": {"image": SAMPLES / "astronaut.png", "audio": SAMPLES / "speech.wav"},
    "keyframe": {"first_frame": SAMPLES / "astronaut.png", "last_frame": SAMPLES / "astronaut.png"},
    "style": {"video": SAMPLES / "bigbuckbunny.mp4"},
}
SIZES = ((768, 512), (1920, 1088))
SECONDS = 5.0   # at 24 fps: 121 frames


def one(mode: str, width: int, height: int) -> dict[str, float]:
    """Run one job in this process. Seconds of the chain without imports, and peak memory in MB."""
    from aio import config
    from aio.job import Job
    from aio.preview.engine import PreviewEngine
    from aio.run import run

    with tempfile.TemporaryDirectory() as folder:
        composed = config.compose([f"mode={mode}", "preset=fast", f"output.dir={folder}"])
        params = {"prompt": "A lighthouse at dusk", "width": width, "height": height, "seconds": SECONDS}
        job = Job(composed, params | {name: str(path) for name, path in INPUTS[mode].items()})
        engine, started = PreviewEngine(work_dir=Path(folder) / "work"), time.perf_counter()
        made = run(job, engine)
        taken = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": taken, "clip": made.seconds, "peak_mb": peak}


def main() -> None:
    """Print the table."""
    print(f"{'mode':10} {'size':>10} {'seconds':>8} {'of clip':>8} {'peak MB':>8}")
    for width, height in SIZES:
        for mode in INPUTS:
            done = subprocess.run([sys.executable, __file__, mode, str(width), str(height)], capture_output=True, text=True, check=True)
            row = json.loads(done.stdout)
            ratio = row["seconds"] / row["clip"]
            print(f"{mode:10} {f'{width}x{height}':>10} {row['seconds']:8.2f} {ratio:8.2f} {row['peak_mb']:8.0f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
