"""Media files: what they are, judged by content (`probe`), and copies that an engine can load (`stage_media`).

probe.py reads, stage.py copies and converts, stale.py removes old copies, streams.py holds the PyAV work that both share with the preview engine.
PyAV, Pillow and numpy are imported when they are first used.
"""

from aio.media.probe import probe, sha256
from aio.media.stage import Clip, stage_media
from aio.media.stale import remove_stale

__all__ = ["Clip", "probe", "remove_stale", "sha256", "stage_media"]
