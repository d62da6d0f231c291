"""A kill at any disk call between a rendering and its recipe loses nothing, makes nothing twice and blocks nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aio.recipe import sidecar

HERE = Path(__file__).resolve().parent
SHM = Path("/dev/shm")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("disk", [
    "none", *(pytest.param(disk, marks=pytest.mark.slow) for disk in ("links", "bare", "far")),   # `make trust` kills on all of them
])
def test_a_sweep_that_is_killed_after_a_rendering_has_the_clip_once_and_never_renders_it_again(disk, tmp_path):
    if disk == "far" and not (SHM.is_dir() and SHM.stat().st_dev != tmp_path.stat().st_dev):
        pytest.skip("no second disk here")
    env = {**os.environ, "PYTHONPATH": str(HERE.parent), "AIO_WORK_DIR": str(tmp_path / "work")}
    done = subprocess.run([sys.executable, str(HERE / "killing.py"), str(tmp_path), disk], env=env, capture_output=True, text=True)
    points = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(points) > 2 and points[0]["first"] == -9, done.stderr
    for point in points:
        assert point["code"] == 0 and point["renders"] == 1 and point["waiting"] == [], point
        assert "Traceback" not in point["said"], point["said"]
        names = ["job.json", "t2v-000N.preview.json", "t2v-000N.preview.mp4", "thumb.jpg"]   # N is 2 where a reservation was left
        assert [re.sub(r"-000[12]\.", "-000N.", name) for name in point["names"]] == names, point
    for clip in tmp_path.glob("point-*/s/0/*.mp4"):
        assert sidecar.read(clip).data["hash"] == sidecar.read(clip.with_suffix(".json")).data["hash"]
