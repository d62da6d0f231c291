"""aio: declarative LTX-2.3 video workflows on ComfyUI. Start with `python -m aio --help`."""

__version__ = "0.1.0"
