"""The files that one job writes into ComfyUI's output folder."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from aio.errors import EngineError, MediaError, OutputError
from aio.graph import workflow
from aio.graph.draw import Drawn
from aio.machine import whole
from aio.media import colour, tags
from aio.media.stage import FOLDER
from aio.media.streams import opened
from aio.values import Artifacts, Event, OnEvent


class JobFiles:
    """Everything under the output folder that begins with a job's own prefix.

    Args:
        folder: the output folder, absolute. prefix: ComfyUI's `filename_prefix`, unique to the job.

    Raises:
        OutputError: the prefix leads out of the folder.
    """

    def __init__(self, folder: Path, prefix: str):
        self.folder, self.prefix = folder, prefix
        if not prefix or not (folder / prefix).resolve().is_relative_to(folder):
            raise OutputError(f"prefix {prefix!r} leads out of {folder}; give one without '..'")

    def all(self) -> list[Path]:
        """The job's files, in the order of their numbers."""
        # ComfyUI writes PREFIX_00001_.mp4 (folder_paths.get_save_image_path).
        return sorted(Path(name) for name in glob.glob(f"{glob.escape(str(self.folder / self.prefix))}_*"))

    def remove(self, *, finished: bool = False) -> None:
        """Remove what the job has left half written. finished: a finished clip too, which else stays."""
        for path in self.all():
            if finished or not whole.mp4(path):
                with contextlib.suppress(OSError):
                    path.unlink()

    def video(self, shown: Mapping[str, Any], drawn: Drawn, on_event: OnEvent) -> Path:
        """The file that the graph's output node names; else, with a warning, the one that has this job's prefix.

        Args:
            shown: node id -> kind -> entries, the executor's `outputs`.

        Raises:
            EngineError: there is neither.
        """
        for entry in reversed((shown.get(drawn.output) or {}).get("images") or []):   # SaveVideo lists its mp4 under `images`
            path = (self.folder / entry["subfolder"] / entry["filename"]).resolve()
            if entry["type"] == "output" and path.is_relative_to(self.folder) and path.is_file():
                return path
        node, found = workflow.title(drawn.prompt, drawn.output), self.all()
        if not found:
            raise EngineError(f"{node} names no file, and none has this job's prefix {self.prefix}. Did this very prompt run before?")
        on_event(Event("warning", f"{node} names no file; taking {found[-1].name}, which has this job's prefix"))
        return found[-1]


def tagged(video: Path, drawn: Drawn, on_event: OnEvent) -> None:
    """Tag the colours of a clip that ComfyUI has written without a word on them; where that fails the clip stays as it is, with a warning.

    Pixels that were made from pictures have the matrix of BT.601 (swscale's, where nobody names one: VideoFromComponents.save_to in
    comfy_api/latest/_input_impl/video_types.py); those of a video that only passed through have that of aio's copy, BT.709. Read as BT.709,
    which browsers take 720 lines and more for, the first would show false colours.
    """
    import av

    source, prompt = drawn.output, drawn.prompt
    while link := workflow.as_link(prompt[source]["inputs"].get("video")):
        source = link[0]
    name = prompt[source]["inputs"].get("file") if drawn.kind(source) == "load_video" else None
    if name is not None and not str(name).startswith(f"{FOLDER}/"):
        return   # the workflow's own file: nobody knows
    try:
        tags.tag(video, colour.BT601 if name is None else colour.BT709)
    except (MediaError, OSError, av.error.FFmpegError) as error:
        why = getattr(error, "strerror", None) or error
        on_event(Event("warning", f"the clip is whole, but could not be marked with its colours ({why}): players may show them a little off"))


def artifacts(video: Path, engine: str, timings: Mapping[str, float], card: str = "") -> Artifacts:
    """Facts of the mp4, from its header.

    Raises:
        EngineError: the file is no video; it stays where it is.
    """
    import av

    try:
        with opened(video) as container:
            picture, sound = container.streams.video[0], next(iter(container.streams.audio), None)
            fps = picture.average_rate or Fraction(24)
            return Artifacts(
                video=video, width=picture.width, height=picture.height, frames=picture.frames, fps=float(fps),
                seconds=float(picture.frames / fps), sample_rate=sound.rate if sound else 0, engine=engine, timings=dict(timings), card=card,
            )
    except (MediaError, OSError, ValueError, LookupError, av.error.FFmpegError) as error:
        why = f"the workflow made {video}, which is no video ({error}); it stays there"
        raise EngineError(f"{why}. `output.node` must name a node that saves a video") from None
