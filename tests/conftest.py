"""Shared by all tests: no GPU, no network, nothing outside a temporary folder."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("aio", deadline=None, max_examples=50)   # a busy machine is no failure
settings.load_profile("aio")

for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):   # ignored where the tests run in a script's background; aio keeps to that
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
if "PYTEST_XDIST_WORKER" in os.environ:   # a process for each core: torch's threads would wait for each other, spinning
    for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_name, "1")

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs the real ComfyUI where it is not: from this one place, so that the report has one line for all of them."""
    if item.get_closest_marker("comfyui"):
        from realcomfyui import why_not

        if reason := why_not():
            pytest.skip(reason)


@pytest.fixture
def samples() -> Path:
    """Folder of the sample media."""
    return SAMPLES


@pytest.fixture
def inputs() -> dict[str, str]:
    """A file for every input field."""
    picture, sound, video = (str(SAMPLES / name) for name in ("astronaut.png", "speech.wav", "bigbuckbunny.mp4"))
    return {"image": picture, "first_frame": picture, "last_frame": picture, "audio": sound, "video": video}
