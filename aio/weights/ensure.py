"""All weights of a graph in place before an engine needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from aio.config.download import Download
from aio.config.registry import RegistryEntry
from aio.graph.models import ModelRef
from aio.values import OnEvent, ignore
from aio.weights import registry
from aio.weights.registry import ModelStatus
from aio.weights.registry import cache as disk


def ensure(
    refs: Iterable[ModelRef],
    known: Mapping[str, RegistryEntry],
    models_dir: Path,
    on_event: OnEvent = ignore,
    *,
    cache: Path | None = None,
    verify: bool = True,
    rules: Download | None = None,
) -> tuple[ModelStatus, ...]:
    """Return once every model stands, verified, at models/<folder>/<name>. About a millisecond where all is in place.

    Every problem is known before the first byte is fetched.

    Args:
        known: the registry, as the configuration has it.
        on_event: gets `download` events in the calling thread; what it raises (Cancelled) stops the transfers, which resume later.
        cache: Hugging Face cache, else the environment's. verify: False trusts files of the right size that were never hashed.
        rules: the config's `download`; its usual values unless given.

    Raises:
        ModelMissing: one line a file: not known, gated, offline, damaged, ... and what to do. OutputError: no room, no permission.
    """
    refs, cache = tuple(refs), cache or disk.hub_cache()
    states = registry.status(refs, known, models_dir, cache)
    if any(state.state != "present" or (verify and not state.verified) for state in states):
        from aio.weights import download  # only here: most runs need nothing

        download.complete(states, known, models_dir, cache, on_event, verify, rules or Download())
        states = registry.status(refs, known, models_dir, cache)
    return states
