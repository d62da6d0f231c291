"""Graphs for tests: what a request draws, or any other graph in its place."""

from __future__ import annotations

from aio import config
from aio.graph.draw import Drawn
from aio.job import Request
from aio.values import Prompt

KINDS, CLIPS = config.compose().kinds, config.compose().clips
"""What node classes do, and what clips are made of, as shipped."""


def given(request: Request, prompt: Prompt) -> Drawn:
    """A request with a graph that somebody else has made or changed."""
    drawn = Drawn(request)
    vars(drawn)["prompt"] = prompt   # where a cached property keeps its value
    return drawn
