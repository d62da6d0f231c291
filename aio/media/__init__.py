"""Media files: what they are, judged by content (`probe`), and copies that an engine can load (`stage_media`).

probe.py reads, stage.py copies and converts, streams.py holds the PyAV work that both share with the preview engine.
PyAV, Pillow and numpy are imported when they are first used.
"""

from aio.media.probe import probe, sha256
from aio.media.stage import Clip, stage_media

__all__ = ["Clip", "probe", "sha256", "stage_media"]
