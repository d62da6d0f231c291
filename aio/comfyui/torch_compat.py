"""Make torchvision importable beside a CPU build of torch.

PyPI's torchvision for Linux is built for CUDA. Its compiled part cannot load beside a CPU torch, and then
`import torchvision` fails: torchvision/_meta_registrations.py registers fakes for two operators which
only that part declares. ComfyUI imports torchvision but needs none of its compiled operators, so their
declarations are enough. Where torchvision imports by itself, nothing is changed.
"""

from __future__ import annotations

from typing import Any

_OPERATORS = ("nms", "qnms")
_library: Any = None  # torch.library.Library; its operators vanish once it is collected


def ensure_torchvision() -> bool:
    """Import torchvision, declaring its missing operators if it needs that.

    Returns:
        True if operators had to be declared.

    Raises:
        ImportError: torch or torchvision is not installed.
        RuntimeError: torchvision fails for another reason.
    """
    global _library
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _library is not None:
            raise
    else:
        return False
    import torch

    _library = torch.library.Library("torchvision", "DEF")
    for name in _OPERATORS:
        _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision  # noqa: F401

    return True
