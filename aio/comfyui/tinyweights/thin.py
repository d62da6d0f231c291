"""Networks of ComfyUI whose widths neither a file nor an option can set, made thin for a while."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from aio.comfyui.tinyweights.configs import DETECTOR, DETECTOR_STAGES


@contextlib.contextmanager
def put(owner: Any, name: str, value: Any) -> Iterator[None]:
    """While it lasts, `owner` has `value` under `name`."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def thin_detector() -> Iterator[None]:
    """While it lasts, RT-DETR v4 is built with DETECTOR's widths: 1 MB instead of 124, a second for nine frames on a CPU."""
    from comfy.ldm.rt_detr import rtdetr_v4

    channels = tuple(stage[2] for stage in DETECTOR_STAGES[1:])
    with (
        put(rtdetr_v4.HGNetv2, "_STAGE_CFGS", DETECTOR_STAGES),
        put(rtdetr_v4, "HybridEncoder", functools.partial(rtdetr_v4.HybridEncoder, in_channels=channels)),
        put(rtdetr_v4, "RTv4", functools.partial(rtdetr_v4.RTv4, **{name: width for name, width in DETECTOR.items() if name != "enc_h"})),
    ):
        yield
