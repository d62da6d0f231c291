"""Patches of a composed configuration: their order by phase, and which of them a mode can take.

A mode says what its graph has: nodes, ports, fields, and its family which latents. The patch of another group that names what the mode lacks,
or brings in a node class for other latents (`kinds`), is not offered there: it is left out, with the fields that only it reads, and whoever
plans or runs such a job is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aio.config import typed
from aio.config.sections import Root
from aio.fields import Field, templates
from aio.fields.amounts import KEY
from aio.fields.conditions import Condition

MODE = "mode"
"""The group whose files say what a graph has. What its patches name must be there."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A named list of operation templates, applied where `when` holds, with `each` once for every item (see aio.graph.each).

    Attributes:
        source: the config file that it stands in. phase: the group among whose patches it is applied, its file's unless it says another.
        lacks: (kind, name) of what it names and the mode has not; then it is not applied.
    """

    name: str = field(metadata=KEY)
    operations: tuple[Mapping[str, Any], ...]
    when: Condition | None = None
    each: str | None = None
    source: str = ""
    phase: str = ""
    lacks: tuple[tuple[str, str], ...] = ()

    @property
    def group(self) -> str:
        """The config group of its file, empty for the command line."""
        return group_of(self.source)


def group_of(source: str) -> str:
    """The config group of a file, `lora` of `lora/base/x.yaml`; empty for what is no file's name."""
    return source.partition("/")[0] if "/" in source else ""


def read(items: Mapping[str, Any], faults: list[str], conditions: Callable[[str, Any], Sequence[str]]) -> list[Patch]:
    """The patches of a composed configuration as they are written. conditions: what is wrong with a condition at a key."""
    made = []
    for name, item in items.items():
        body = item if isinstance(item, Mapping) else {"operations": item}
        source, found = body.get("source") or "command line", list[str]()
        patch = typed.read(dict[str, Patch], {name: {**body, "source": source, "operations": body.get("operations") or ()}}, "patches", found)[name]
        faults += [f"{source}: {fault}" for fault in (*found, *(conditions(f"patches.{name}.when", patch.when) if not found else ()))]
        made += [] if found else [patch]
    return made


def ordered(patches: Iterable[Patch], phases: Sequence[str]) -> list[Patch]:
    """By phase, and within one as they were composed; those of the command line come last."""
    def place(patch: Patch) -> int:
        phase = patch.phase or patch.group
        return phases.index(phase) if phase in phases else phases.index(MODE) if phase and MODE in phases else len(phases)

    return sorted(patches, key=place)


def marked(patches: Iterable[Patch], root: Root) -> list[Patch]:
    """The patches, each with what the mode lacks for it. Those of the mode and of the command line are taken at their word."""
    known = has(root)
    found = []
    for patch in patches:
        nodes, ports = templates.targets(patch.operations)
        latents = {root.kinds.classes[name].latent for name in _classes(patch.operations) if name in root.kinds.classes} - {""}
        names = {"node": nodes, "port": ports, "field": reads(patch, root), "latent": latents if root.family.latent else ()}
        wanted = [(kind, name) for kind, those in names.items() for name in sorted(those)]
        lacks = [one for one in wanted if one not in known] if patch.group not in ("", MODE) else []
        found.append(replace(patch, lacks=tuple(lacks)))
    return found


def _classes(operations: Any) -> Iterator[str]:
    """The node classes that operations bring in."""
    for one in operations.values() if isinstance(operations, Mapping) else operations if isinstance(operations, (list, tuple)) else ():
        yield from _classes(one)
    if isinstance(operations, Mapping):
        replaced = operations.get("value") if str(operations.get("path", "")).endswith("/class_type") else None
        yield from (name for name in (operations.get("class_type"), replaced) if isinstance(name, str))


def has(config: Any) -> set[tuple[str, str]]:
    """(kind, name) of all that a patch may name in a Root or Config: nodes, ports, what fields and values are called, the family's latent."""
    found = {"node": config.nodes, "port": config.ports, "field": {**config.values, **config.fields}, "latent": (config.family.latent,)}
    return {(kind, name) for kind, names in found.items() for name in names}


def reads(patch: Patch, root: Root) -> set[str]:
    """Names of the fields and values that a patch reads, without the keys of what it is repeated for."""
    items = getattr(root, patch.each, None) if patch.each else None
    bound = [templates.bound(patch.operations, str(patch.each), key) for key in items] if isinstance(items, Mapping) else [patch.operations]
    return {name for one in bound for name in templates.names(one) if not name.startswith("item.") and "[" not in name}


def kept(root: Root, patches: Collection[Patch]) -> dict[str, Field]:
    """The mode's own fields, then those of other groups, without those that only patches read that are left out."""
    read, idle = set[str](), set[str]()
    for patch in patches:
        (idle if patch.lacks else read).update(reads(patch, root), patch.when or ())
    own = {name: field for name, field in root.fields.items() if group_of(field.source) in ("", MODE)}
    return own | {name: field for name, field in root.fields.items() if name not in own and (name in read or name not in idle)}
