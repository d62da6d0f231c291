"""The preview engine: a real mp4 of the true size, length, rate and sound, without a GPU, weights or ComfyUI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aio import __version__
from aio.config import Config
from aio.engine import NO_METADATA, Timer
from aio.errors import EngineError, MediaError, OutputError
from aio.graph import shapes
from aio.graph.draw import Drawn
from aio.job import Request
from aio.machine import paths, whole
from aio.media import probe
from aio.media.streams import read_sound, write_failure, write_mp4
from aio.preview import tones
from aio.preview.storyboard import Storyboard
from aio.recipe import outputs
from aio.stop import Stop
from aio.values import Artifacts, Media, OnEvent

CODEC = {"crf": "20", "preset": "ultrafast"}
"""libx264: quick, and clean enough for text where the prompt names no crf."""

OTHER_SHARE = 0.04
"""Share of the whole that a stage without sampling gets in the progress."""


class PreviewEngine:
    """Executes a prompt by drawing what it would make. See aio.engine.Engine.

    Args:
        work_dir: the engine's folder, in which `input` and `output` are made; else one of this user's among the temporary files.
    """

    name, real = "preview", False
    revision = __version__
    models_dir: Path | None = None

    def __init__(self, config: Config | None = None, *, work_dir: Path | None = None):
        work = work_dir or paths.temporary()
        self.input_dir, self.output_dir = work / "input", work / "output"

    @staticmethod
    def lacking(config: Config) -> str:
        """Nothing: it runs wherever aio does."""
        return ""

    def execute(self, drawn: Drawn, on_event: OnEvent, stop: Stop, *, metadata: Mapping[str, str] = NO_METADATA) -> Artifacts:
        """Draw a graph's result. The same graph and inputs give the same bytes.

        Raises:
            Cancelled: `stop` was set. WorkflowError: the prompt's shapes do not fit. EngineError: a frame could not be
            drawn. OutputError: the file cannot be written.
        """
        import av

        target = self._target(drawn.request.prefix)
        stop.check()
        work, titles = drawn.work_with(self._facts), drawn.request.config.stages
        clip, samplers = work.result, list(work.samplers)
        progress = _Progress({node: titles[node] for node in work.order if node in titles}, samplers, on_event)
        board, sound = self._board(clip, samplers, drawn.request)
        frames, part = _watched(board.frames(), clip.frames, progress, stop), None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole.filled(target, keep=whole.mp4) as (_, part):   # finished, it stays also where it cannot get its name
                write_mp4(part, frames, board.size, clip.fps, sound, clip.sample_rate, options=CODEC | _quality(drawn), metadata=metadata)
                stop.check()
        except OSError as error:
            raise OutputError(f"{write_failure(error, target)}{outputs.kept(part, Path()) if part else ''}") from error
        except av.error.FFmpegError as error:
            raise EngineError(f"a {clip.width}x{clip.height} preview cannot be written: {error.strerror}") from error
        return Artifacts(
            video=target.resolve(), width=clip.width, height=clip.height, frames=clip.frames, fps=clip.fps, seconds=clip.seconds,
            sample_rate=clip.sample_rate, engine=f"{self.name} {self.revision}", timings=progress.timer.timings(),
        )

    def _target(self, prefix: str) -> Path:
        target = self.output_dir / f"{prefix}_preview.mp4"
        if not target.resolve().is_relative_to(self.output_dir.resolve()):
            raise OutputError(f"prefix {prefix!r} leads out of {self.output_dir}; give one without '..'")
        return target

    def _locate(self, name: str) -> Path:
        return self.input_dir / name

    def _facts(self, name: str) -> Media:
        """Facts of a file that the workflow itself names."""
        failure: MediaError | None = None
        for kind in ("image", "video", "audio"):
            try:
                return probe(self._locate(name), name, kind)
            except MediaError as error:
                failure = failure or error
        raise failure or MediaError("cannot be read", name)

    def _board(self, clip: shapes.Result, work: list[shapes.SamplerFacts], request: Request) -> tuple[Storyboard, Any]:
        """The storyboard of a clip and its sound, of shape (channels, n), None without one."""
        import av

        seed = next((sampler.seed for sampler in work if sampler.seed is not None), 0)
        track, sound, given = clip.sound, None, None
        try:
            if track and track.source:
                sound = given = read_sound(
                    self._locate(track.source), track.sample_rate, min(track.channels, 2), start=track.start, samples=track.samples)
            elif track:
                sound = tones.bed(seed, track.samples, track.sample_rate, min(track.channels, 2))
            title = str(getattr(request.config, "title", ""))
            return Storyboard(clip, self._locate, heading=title, details=_details(clip, work), seed=seed, wave=given), sound
        except (OSError, av.error.FFmpegError) as error:
            raise EngineError(f"a staged input cannot be read any more ({error}); give the file again") from error


def _watched(frames: Iterable[Any], count: int, progress: _Progress, stop: Stop) -> Iterator[Any]:
    for index, frame in enumerate(frames):
        stop.check()
        progress.reach(index / count)
        yield frame
    progress.reach(1.0)


def _quality(drawn: Drawn) -> dict[str, str]:
    """The crf that the clip is to be saved with, empty where it is left to choose."""
    inputs: Mapping[str, Any] = next((node["inputs"] for node_id, node in drawn.prompt.items() if drawn.kind(node_id) == "save"), {})
    crf = inputs.get("codec.encoding.crf") if inputs.get("codec.encoding") == "re-encode" else None
    return {"crf": str(crf)} if isinstance(crf, (int, float)) else {}


def _details(clip: shapes.Result, work: list[shapes.SamplerFacts]) -> list[str]:
    """The caption: size, length, rate, seed and steps."""
    facts = [f"{clip.width}x{clip.height}", f"{clip.frames} frames", f"{clip.fps:g} fps", f"{clip.seconds:.2f} s"]
    facts += [f"seed {work[0].seed}"] if work and work[0].seed is not None else []
    return facts + (["+".join(str(sampler.steps) for sampler in work) + " steps"] if work else [])


class _Progress:
    """Tells stages (node id -> title, in the order in which they run), each for its share of the sampling work."""

    def __init__(self, stages: Mapping[str, str], work: list[shapes.SamplerFacts], on_event: OnEvent):
        cost = {sampler.node: sampler.steps * sampler.passes * max(sampler.tokens, 1) for sampler in work}
        self.steps = {sampler.node: sampler.steps for sampler in work}
        self.stages = list(stages.items())
        sampled = sum(cost.get(node, 0) for node, _ in self.stages)
        others = sum(node not in cost for node, _ in self.stages)
        room = max(1 - OTHER_SHARE * others, 0.5) if sampled else 0.0
        shares = [room * cost[node] / (sampled or 1) if node in cost else (1 - room) / others for node, _ in self.stages]
        self.ends = [sum(shares[: index + 1]) for index in range(len(shares))]
        self.timer, self.opened, self.step = Timer(on_event), 0, 0

    def reach(self, fraction: float) -> None:
        """Report everything that lies between the last call and this one."""
        for index, ((node, title), end) in enumerate(zip(self.stages, self.ends, strict=True)):
            start = self.ends[index - 1] if index else 0.0
            if fraction < start:
                return
            steps = self.steps.get(node, 0)
            if index == self.opened:
                self.opened, self.step = index + 1, 0
                self.timer.open(title, start, steps)
            if index == self.opened - 1 and steps:
                done = steps if fraction >= end else int(steps * (fraction - start) / (end - start))
                while self.step < done:
                    self.step += 1
                    self.timer.tell("step", start + (end - start) * self.step / steps, self.step, steps)
