"""The ComfyUI engine: runs prompts through `execution.PromptExecutor` in this process, models warm from job to job."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aio.comfyui import boot, failures, location, memory
from aio.comfyui.boot import Folders, Library
from aio.comfyui.events import Progress, weights
from aio.comfyui.loaded import Weights
from aio.comfyui.output import JobFiles, artifacts, tagged
from aio.comfyui.worker import Worker
from aio.config import Config
from aio.engine import NO_METADATA
from aio.errors import EngineError
from aio.graph import workflow
from aio.graph.draw import Drawn
from aio.machine import folders, paths
from aio.media.streams import write_failure
from aio.stop import Stop
from aio.values import Artifacts, OnEvent


class ComfyUIEngine:
    """Executes prompts with the real ComfyUI. See aio.engine.Engine.

    Nothing of ComfyUI or torch is imported before the first run. Jobs from several threads queue; each runs on the engine's own
    thread with an event loop of its own, so a caller may be anywhere, also inside a running loop.

    Args:
        config: names the pinned ComfyUI and the memory policy.
        work_dir: for input, output and log; else AIO_WORK_DIR, else ~/.cache/aio/work.
        models_dir: ComfyUI's models folder; else AIO_MODELS_DIR, else the one in ComfyUI's own folder.
        cpu: do not use a GPU.

    Raises:
        EngineError: ComfyUI is not set up, or not the pinned one.
    """

    name, real = "comfyui", True

    def __init__(self, config: Config, *, work_dir: Path | None = None, models_dir: Path | None = None, cpu: bool = False):
        found = location.find(config.comfyui)
        if found is None:
            raise EngineError(self.lacking(config))
        comfyui = found.path.resolve()
        work = work_dir or folders.work()
        models = models_dir or folders.models(comfyui)
        self.folders = Folders(comfyui, paths.expanded(work).resolve(), paths.expanded(models).resolve())
        pinned = config.comfyui.revision
        commit = pinned if found.verified_by == "manifest" else found.revision   # without .git it is known by its files
        self.revision = f"v{location.version(found.path)} {commit[:8]}"
        self.memory, self.cpu, self._weights = config.memory, cpu, Weights(self.folders.models)
        self.executed: tuple[str, ...] = ()
        """Nodes that the last run executed."""
        self.cached: tuple[str, ...] = ()
        """Nodes whose results the last run had already."""
        self._worker = Worker("aio-comfyui")
        self._executor: Any = None

    @staticmethod
    def lacking(config: Config) -> str:
        """What must be set up before it can run, empty where all is there."""
        return "" if location.find(config.comfyui) else "ComfyUI is not set up: run `python -m aio setup`, or give engine=preview"

    @property
    def input_dir(self) -> Path:
        """Where loader nodes find their files."""
        return self.folders.input

    @property
    def models_dir(self) -> Path | None:
        """ComfyUI's models folder."""
        return self.folders.models

    @property
    def output_dir(self) -> Path:
        """Where results are written at first."""
        return self.folders.output

    def start(self) -> Library:
        """Start ComfyUI, which the first run would do (about 6 s), and wait for it."""
        return self._worker.submit(self._boot).result()

    def execute(self, drawn: Drawn, on_event: OnEvent, stop: Stop, *, metadata: Mapping[str, str] = NO_METADATA) -> Artifacts:
        """Run a graph to its mp4, after the jobs that were asked for before.

        Args:
            on_event: is called on the engine's thread.
            metadata: tags whose values are JSON text. SaveVideo adds `prompt` by itself.

        Raises:
            Cancelled: within a second of the stop. WorkflowError: ComfyUI refuses the prompt. OutOfMemory, NodeError: a node
            failed. OutputError: the file cannot be written. EngineError: ComfyUI does not start.
        """
        return stop.result(self._worker.submit(lambda: self._run(drawn, on_event, stop, metadata)))

    def _boot(self) -> Library:
        """On the engine's thread."""
        library = boot.boot(self.folders, self.memory, cpu=self.cpu)
        if self._executor is None:
            self._executor = failures.executor_class()(library.server, **memory.cache(self.memory))
        return library

    def _run(self, drawn: Drawn, on_event: OnEvent, stop: Stop, metadata: Mapping[str, str]) -> Artifacts:
        """One job, on the engine's thread."""
        stop.check()
        request, files = drawn.request, JobFiles(self.folders.output, drawn.request.prefix)
        progress = Progress(weights(drawn), request.config.stages, on_event, stop.is_set, _interrupt)
        after_job, done = request.config.memory.after_job, False
        if self._executor is None:
            progress.open("Starting ComfyUI")
        library = self._boot()
        if self._weights.exchanged(drawn.prompt):
            memory.release(self._executor, "free")   # it keeps what nodes made of a file under the file's name
        try:
            with stop.calling(_interrupt):   # and never once it has ended: ComfyUI's flag is one for all runs
                made = asyncio.run(self._execute(library, stop, drawn, progress, metadata))
            done = True   # a stop that comes now is too late: the clip is there
            video = files.video(made, drawn, on_event)
            facts = artifacts(video, f"{self.name} {self.revision}", progress.timer.timings(), boot.card())
            tagged(video, drawn, on_event)
            return facts
        except failures.OutOfMemory:
            after_job = "free"   # what filled the memory must not fill it again
            raise
        finally:
            self.executed, self.cached = tuple(progress.executed), tuple(progress.cached)
            if not done:
                files.remove(finished=stop.is_set())
            memory.release(self._executor, after_job)

    async def _execute(
        self, library: Library, stop: Stop, drawn: Drawn, progress: Progress, metadata: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Validate and execute; return what the nodes showed: node id -> kind -> entries."""
        import execution
        from comfy_execution.progress import add_progress_handler

        config, prompt = drawn.request.config, workflow.copied(drawn.prompt)   # validate_prompt converts values in place
        pins, packs = config.comfyui, list(config.packs)
        await boot.load_packs(library, [(name, location.pack_dir(self.folders.comfyui, pins.pack(name))) for name in packs])
        job, output = uuid.uuid4().hex, drawn.output
        valid, error, outputs, node_errors = await execution.validate_prompt(job, prompt, [output])
        if not valid or node_errors:
            raise failures.refused(error, node_errors, drawn)

        def listen(event: str, data: Any) -> None:
            # Sent once a run, after the progress registry was made anew and before the first node.
            if event == "execution_cached":
                progress.skip(data["nodes"])
                add_progress_handler(progress)

        stop.check()
        extra = {"client_id": "aio", "extra_pnginfo": {key: _parsed(text) for key, text in metadata.items() if key != "prompt"}}
        executor, library.server.listener = self._executor, listen
        try:
            with self._weights.watched(prompt, config, progress.running, progress.fail, progress.warn):
                await executor.execute_async(prompt, job, extra, outputs)
        finally:
            library.server.listener = None
            failure, executor.failure = executor.failure, None
        if progress.failure is not None:
            raise progress.failure
        stop.check()
        if failure is not None:
            node_id, cause = failure
            if node_id == output and failures.no_room(cause):
                raise write_failure(cause, self.folders.output) from None
            # From None: a traceback's frames hold the tensors that filled the memory. The log has it.
            raise failures.failed(cause, node_id, drawn, progress.timer.stage, progress.stages, self.folders.log) from None
        return executor.history_result["outputs"]


def _interrupt() -> None:
    import comfy.model_management

    comfy.model_management.interrupt_current_processing()


def _parsed(text: str) -> Any:
    """A tag's value as SaveVideo wants it, which writes it as JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text
