"""Media files: what they are, judged by content (`probe`), and copies that an engine can load (`stage_media`).

probe.py reads, stage.py copies and converts, stale.py removes old copies. Files are opened in two places only: pictures.py with Pillow,
streams.py with PyAV, within the limits of bounds.py.
PyAV, Pillow and numpy are imported when they are first used.
"""

from aio.media.bounds import Limits
from aio.media.probe import probe, sha256
from aio.media.stage import Clip, stage_media
from aio.media.stale import remove_stale

__all__ = ["Clip", "Limits", "probe", "remove_stale", "sha256", "stage_media"]
