"""The chain: from a job to an mp4 with its recipe inside. Command line, web page and Python all end here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from aio import timings
from aio.engine import Engine
from aio.errors import OutputError
from aio.graph.draw import draw
from aio.job import Job, Request
from aio.recipe import leftovers, outputs, provenance, sidecar
from aio.request import stage, validate
from aio.stop import Stop
from aio.values import Artifacts, Event, OnEvent, ignore
from aio.weights import lorafit
from aio.weights.ensure import ensure


def run(job: Job, engine: Engine, on_event: OnEvent = ignore, stop: Stop | None = None) -> Artifacts:
    """Turn a job into an mp4.

    Args:
        job: composed configuration and the user's values. engine: what executes the prompt.
        on_event: gets progress and warnings, possibly from another thread. stop: ends this run once it is set.

    Raises:
        AioError: see aio.errors; nothing partial is left behind, and a finished clip is never removed.
    """
    stop, request = stop or Stop(), validate(job)                        # Job     -> Request, or all faults at once
    outputs.prepare(job.config.output_dir, job.config.output_name)       # a folder that a result can be published in
    for warning in request.warnings:
        on_event(Event("warning", warning))
    stop.check()
    request   = stage(request, engine.input_dir)                         # paths   -> names the engine can load
    drawn     = draw(request)                                            # Request -> Drawn: patch, prompt (API format), what follows
    if engine.models_dir is not None:
        config = request.config
        models = ensure(drawn.models, config.registry, engine.models_dir, stop.around(on_event), rules=config.download)
        for warning in lorafit.check(drawn.prompt, config, models):      # before the GPU: ComfyUI leaves out in silence what does not fit
            on_event(Event("warning", warning))
    recipe    = provenance.metadata(drawn, f"{engine.name} {engine.revision}", job.params)
    leftovers.tidy(engine.output_dir, job.config.output_dir, job.config.output)
    with leftovers.owned(engine.output_dir, request.prefix):             # until the clip has its name
        artifacts = engine.execute(drawn, on_event, stop, metadata=recipe)
        timings.note(drawn, artifacts)                                   # for the duration model; never a run's failure
        return record(request, artifacts, engine.real, recipe, on_event)


def record(request: Request, artifacts: Artifacts, real: bool, recipe: Mapping[str, str], on_event: OnEvent = ignore) -> Artifacts:
    """Give the finished file its final name in the output folder, and lay its recipe beside it."""
    config = request.config
    stem, numbered = (config.output_name, False) if config.output_name else (config.mode, True)
    video = outputs.publish(artifacts.video, config.output_dir, stem, outputs.ending(real), numbered=numbered)
    try:
        sidecar.write_beside(video, recipe)
    except OutputError as error:   # the clip is there, with its recipe inside
        on_event(Event("warning", f"no recipe beside {video.name}: {error}"))
    return dataclasses.replace(artifacts, video=video)
