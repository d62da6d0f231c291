"""Gradio, imported in little more than half of its usual time. The page imports it from here only."""

import inspect
import secrets
from typing import Any
from unittest.mock import patch

_FILE_OF = inspect.getfile


def _no_file(thing: Any) -> str:
    """`inspect.getfile`, but a component class of gradio has none."""
    if type(thing).__module__ == "gradio.component_meta" or getattr(thing, "__name__", "") == "BlocksEvents":
        raise OSError("no stub is wanted")
    return _FILE_OF(thing)


# For each of its component classes gradio renders a type stub for editors and compares it with the one that lies beside the
# module: 2.1 of 4.9 CPU seconds (measured with 6.31.0), and a new file beside ours. It leaves out a class without a source file.
with patch.object(inspect, "getfile", _no_file):
    import gradio as gr
    import gradio.component_meta
    import gradio.processing_utils
    from gradio.data_classes import FileData

gradio.component_meta.create_or_modify_pyi = lambda *_: None   # likewise for the classes of this package

# Part of every upload's address, beside its content: else whoever knows a content knows whether anybody has added it.
gradio.processing_utils.hash_seed = secrets.token_bytes(16)

__all__ = ["FileData", "gr"]
