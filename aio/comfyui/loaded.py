"""Weight files of a running ComfyUI: whether one was exchanged since it was loaded, and what the loader logs of LoRAs that do not fit.

The headers decide first (aio.weights.lorafit, before the GPU). This is for what they cannot tell: another format, an unknown network, another
kind of adapter. A LoRA whose node is cached is not loaded again and logs nothing; so what was learnt of it is kept.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aio.config import Config
from aio.config.sections import LoraKeys
from aio.errors import WeightsMismatch
from aio.graph import workflow
from aio.graph.models import models_of
from aio.machine.outside import shown
from aio.values import Prompt
from aio.weights import lorafit, registry, tensorfile
from aio.weights.lorafit import Fit

Identity = tuple[int, int, int, int]
"""Device, inode, bytes and time of change of a file."""


@dataclass(slots=True)
class Loaded:
    """A LoRA on a model. groups: what it changes, empty where its header cannot be read. lost: of it, what the loader left out, and why."""

    name: str
    model: str
    groups: frozenset[str]
    made_for: str = ""
    told: bool = False
    lost: dict[str, str] = field(default_factory=dict)

    def fit(self) -> Fit:
        """What is known of it now."""
        foreign = tuple(key for key, why in self.lost.items() if not why)
        misshapen = tuple(f"{shown(key)[:120]}: {shown(why)[:200]}" for key, why in self.lost.items() if why)
        total = len(self.groups) or len(self.lost)
        return Fit(self.name, self.model, "", total, total - len(self.lost), foreign, misshapen, self.made_for)

    def nothing(self) -> bool:
        """Whether all of it was left out."""
        return bool(self.groups) and self.groups <= self.lost.keys()


class Weights:
    """What an engine knows of the weight files that its runs loaded.

    Args:
        models_dir: ComfyUI's models folder.
    """

    def __init__(self, models_dir: Path):
        self.models_dir = models_dir
        self._seen: dict[Path, Identity] = {}
        self._loras: dict[tuple[Any, ...], Loaded] = {}

    def exchanged(self, prompt: Prompt) -> bool:
        """Whether a file that an earlier run loaded is another one now: ComfyUI knows it by its name, and would not read it again."""
        now = {one.path: _identity(one.path) for one in self._files(prompt) if one.path is not None}
        found = any(self._seen.get(path, identity) != identity for path, identity in now.items())
        if found:
            self._seen.clear()
        self._seen |= {path: identity for path, identity in now.items() if identity}
        return found

    @contextmanager
    def watched(
        self, prompt: Prompt, config: Config, node: Callable[[], str], fail: Callable[[WeightsMismatch], None], warn: Callable[[str], None]
    ) -> Iterator[None]:
        """While it lasts, listen to what ComfyUI logs about the LoRAs of `prompt`; at the end, warn of those that fit in part.

        Args:
            node: tells which node runs. fail: ends the run, for a LoRA of which nothing fits. warn: takes a sentence.

        Raises:
            WeightsMismatch: an earlier run found that nothing of a LoRA fits.
        """
        rules, files = config.lora_keys, self._files(prompt)
        paths, loaded = {(one.folder, one.name): one.path for one in files}, dict[str, Loaded]()
        faults: list[str] = []
        headers = {fit.node: fit for fit in lorafit.fits(prompt, config.node(config.output.node).id, files, rules, faults)}
        for node_id, name in lorafit.loaded(prompt, config.node(config.output.node).id, rules):
            path, model = paths.get(("loras", name)), lorafit.model_of(prompt, node_id, rules)
            key = (_identity(path), *self._made(prompt, lorafit.root_of(prompt, node_id)))
            fit = headers.get(node_id)
            groups = frozenset(lorafit.grouped(tensorfile.header(path), rules)) if path and fit else frozenset()
            loaded[node_id] = self._loras.setdefault(key, Loaded(name, model, groups, fit.made_for if fit else "", bool(fit and fit.decided)))
        for one in loaded.values():
            if one.nothing():
                raise WeightsMismatch(lorafit.refusal(one.fit()))
        handler = _Listener(loaded, rules, node, fail)
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
        said = [lorafit.warning(one.fit()) for one in loaded.values() if one.lost and not one.told]
        for text in dict.fromkeys([*said, *handler.shared()]):
            warn(text)

    def _made(self, prompt: Prompt, root: str) -> Iterator[Any]:
        """What the model at a node is made of: nodes and files, so that no other model inherits what was learnt on it."""
        part = {node_id: prompt[node_id] for node_id in sorted(workflow.ancestors(prompt, root))}
        yield json.dumps(part, sort_keys=True, default=str)
        yield from (_identity(one.path) for one in self._files(part))

    def _files(self, prompt: Prompt) -> tuple[registry.ModelStatus, ...]:
        return registry.status(models_of(prompt), {}, self.models_dir)


class _Listener(logging.Handler):
    """Takes the lines about LoRAs from ComfyUI's log. A line names a tensor of the file, or a weight of the model."""

    def __init__(self, loaded: dict[str, Loaded], rules: LoraKeys, node: Callable[[], str], fail: Callable[[WeightsMismatch], None]):
        super().__init__(logging.WARNING)
        self.loaded, self.rules, self.node, self.fail = loaded, rules, node, fail
        self.patterns = {kind: [re.compile(text) for text in texts] for kind, texts in rules.log.items()}
        self.disputed: dict[str, tuple[str, ...]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """One line of the log."""
        try:
            text = record.getMessage()
        except Exception:   # a node pack's own line, with arguments that do not go with it: the other handlers tell
            return
        for kind, patterns in self.patterns.items():
            match = next((match for pattern in patterns if (match := pattern.match(text))), None)
            if match:
                (self._tensor if kind == "tensors" else self._weight)(match["key"], match.groupdict().get("why") or "")

    def _tensor(self, key: str, why: str) -> None:
        one = self.loaded.get(self.node())
        if one is not None:
            group = next(iter(lorafit.grouped(tensorfile.Header({key: ("", ())}, {}), self.rules)))
            self._lose(one, group, why)

    def _weight(self, key: str, why: str) -> None:
        stem = key.removeprefix("diffusion_model.").removesuffix(".weight").removesuffix(".bias")
        forms = [form for forms in self.rules.networks.values() for form in forms]
        names = {form.replace("{}", stem).replace("{_}", stem.replace(".", "_")) for form in forms} | {key.removesuffix(".weight")}
        owners = self._owners(names, stem)
        if len(owners) == 1:
            self._lose(*owners[0], why)
        elif owners:
            self.disputed[stem] = tuple(dict.fromkeys(one.name for one, _ in owners))

    def _owners(self, names: set[str], stem: str) -> list[tuple[Loaded, str]]:
        """The LoRAs that have something for a weight, and their name of it."""
        found = {id(one): (one, next(iter(names & one.groups), stem)) for one in self.loaded.values() if not one.groups or names & one.groups}
        return list(found.values())

    def _lose(self, one: Loaded, group: str, why: str) -> None:
        one.lost.setdefault(group, why)
        if one.nothing():
            self.fail(WeightsMismatch(lorafit.refusal(one.fit())))

    def shared(self) -> Iterable[str]:
        """Sentences about weights that several LoRAs change, of which one does not fit: the log does not say which."""
        for names in dict.fromkeys(self.disputed.values()):
            count = sum(each == names for each in self.disputed.values())
            yield f"{' or '.join(names)}: {count:,} weights do not fit the model in their shape and do nothing; the log does not say whose they are"


def _identity(path: Path | None) -> Identity | None:
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) if found else None
