"""Configuration: compose Hydra's groups into one immutable Config.

places.py says where files lie and which choices there are, words.py reads overrides as people type them, files.py reads YAML in bounds,
foreign.py says what a file from outside may do, sources.py brings both to Hydra, sections.py declares what is legal, blame.py names files.

Sections are plain dataclasses, read by typed.py, not pydantic's: measured, that costs 0.1 s of every start to import and 0.1 s more to
prepare six of them, where typed.py reads a whole composition in 6 ms, and its sentences would lack the nearest key.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio.config import blame, checks, families, files, following, foreign, patches, typed
from aio.config.checks import is_text
from aio.config.composing import alone, composed, contained, explain, params_of, register, searched, standing
from aio.config.groups import About
from aio.config.patches import Patch
from aio.config.places import CONF, WORKFLOWS, choice, choices, declarations, declared, facts, groups, many, settled, usual
from aio.config.quoting import LITERAL, escaped
from aio.config.sections import Mode, Node, Root, Sections
from aio.config.words import Words, picked, sort
from aio.errors import AioError, ConfigError, nearest
from aio.fields import TYPES, Field, lists
from aio.fields.formats import FORMATS
from aio.fields.geometry import Clips, Latent
from aio.machine import paths

__all__ = [
    "CONF", "LITERAL", "WORKFLOWS", "Config", "Node", "Patch", "build", "choice", "choices", "compose", "composed",
    "declared", "escaped", "explain", "facts", "groups", "is_text", "many", "params_of", "picked", "register", "searched", "settled", "sort",
    "usual",
]


@dataclass(frozen=True, kw_only=True)
class Config(Sections):
    """One composed configuration: everything aio knows about a job except the user's values. The sections, and what is made of some.

    Attributes:
        mode: name; title, summary: texts. workflow: API-format file.
        choices: group -> chosen file(s), e.g. preset, model, lora.
        ports, patches: see aio.graph.patch. missing: patches of other groups whose nodes, ports or fields the mode lacks, LoRAs of other families.
        stages: node id -> title, for progress. examples: sample jobs.
        output_dir, output_name: where results go.
    """

    mode: str
    title: str
    summary: str
    workflow: Path
    choices: Mapping[str, Any]
    ports: Mapping[str, tuple[tuple[str, str], ...]]
    patches: tuple[Patch, ...]
    missing: tuple[Patch, ...] = ()
    stages: Mapping[str, str]
    output_dir: Path
    output_name: str | None
    examples: tuple[Mapping[str, Any], ...]

    @property
    def clips(self) -> Clips:
        """What clips of the model family are made of."""
        return Clips(self.kinds.latents.get(self.family.latent, Latent()), self.kinds.sounds.get(self.family.sound))

    def node(self, name: str) -> Node:
        """The node called `name`.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.nodes:
            raise ConfigError(f"mode {self.mode}: no node named {name!r}.{nearest(name, self.nodes)} Add it under `nodes`")
        return self.nodes[name]


def compose(overrides: Sequence[str] = (), config_dirs: Sequence[Path] = ()) -> Config:
    """Compose `overrides` as typed (`mode=lipsync`, `output.dir=~/my clips`) into a Config. Cached. On a Space the platform is zerogpu.

    A choice is one of its group's; a key that is declared as text takes any text; other values are Hydra's grammar.

    Raises:
        ConfigError: an unknown choice or key, a value of the wrong kind, or a broken file; names it and the nearest known one.
    """
    with alone:
        return _compose(tuple(settled(overrides)), tuple(Path(folder).resolve() for folder in config_dirs))


@functools.lru_cache(maxsize=256)
def _compose(overrides: tuple[str, ...], config_dirs: tuple[Path, ...]) -> Config:
    given = sort(overrides, config_dirs)
    loose = [word for word in given.hydra if _undeclared(word)]
    cfg = composed([word for word in given.hydra if word not in loose], config_dirs)
    if loose:   # what nobody declared is text where a text stands already
        pairs = [(key, text) for key, _, text in (word.partition("=") for word in loose)]
        texts: dict[str, str | None] = {key: text for key, text in pairs if isinstance(standing(cfg, key), str)}
        given = dataclasses.replace(given, texts=given.texts | texts)
        rest = [word for word in given.hydra if word.partition("=")[0] not in texts]
        cfg = composed(rest, config_dirs) if len(rest) > len(given.hydra) - len(loose) else cfg
    return build(cfg, config_dirs, given)


def _undeclared(word: str) -> bool:
    """Whether an override sets a key whose kind is not declared, in no grammar that a plus would ask for."""
    key, equals, _ = word.partition("=")
    return bool(equals) and "." in key and not key.startswith(("+", "~", "hydra.")) and checks.kind_of(key) is Any


def build(cfg: Any, config_dirs: Sequence[Path] = (), given: Words | None = None) -> Config:
    """Turn Hydra's composed config into a Config.

    Args:
        given: the overrides; of them, the texts are set here, past every grammar.

    Raises:
        ConfigError: every key that is unknown, missing, or holds what it must not.
    """
    chosen = contained(cfg.hydra.runtime.choices)
    data = _resolved(cfg, given)
    words = [*given.texts, *(word.lstrip("+").partition("=")[0] for word in given.hydra)] if given else []
    faults = list(foreign.engines(data.get("engines"), files.load(CONF / "config.yaml")["engines"], words))
    data["groups"] = {**declarations(config_dirs), **(data.get("groups") or {})}
    faults += _abouts(data)
    root = checks.read(data, faults)
    if any(fault.startswith("mode:") for fault in faults):
        faults.append("a mode's file begins with `# @package _global_` and says mode: {name: …, title: …, workflow: …}")
    faults += blame.strangers(data, config_dirs, given.hydra if given else ())
    if root is None or faults:
        raise _refused(faults, config_dirs, given)
    mode, several = root.mode, _several(root, given)
    root, others = families.parted(root, config_dirs)
    made = patches.marked(patches.ordered(patches.read(root.patches, faults, _condition_faults), root.phases), root)
    faults += [fault for key, item in root.fields.items() for fault in _field_faults(key, item, root.fields)]
    faults += following.faults(root.fields)
    faults += [fault for key, item in root.fields.items() for fault in lists.faults(key, item, root.fields)]
    faults += [fault for key, note in root.notes.items() for fault in _condition_faults(f"notes.{key}.when", note.when)]
    if not re.fullmatch(r"(?!\.)[^/\\\x00-\x1f]+", mode.name):
        faults.append(f"mode.name: {mode.name!r} is no plain name; results are called after it")
    if faults:
        raise _refused(faults, config_dirs, given)
    return Config(
        mode=mode.name,
        title=mode.title or mode.name,
        summary=mode.summary,
        workflow=_workflow(mode, config_dirs),
        # Hydra does not record the choices of a group that takes several.
        choices={group: choice for group, choice in chosen.items() if not group.startswith("hydra")} | several,
        ports={key: tuple(port.items()) for key, port in root.ports.items()},
        patches=tuple(patch for patch in made if not patch.lacks),
        missing=(*others, *(patch for patch in made if patch.lacks)),
        stages={root.nodes[key].id: title for key, title in root.stages.items() if key in root.nodes},
        output_dir=paths.expanded(root.output.dir, "output.dir"),
        output_name=root.output.name,
        examples=root.examples,
        **{section.name: getattr(root, section.name) for section in dataclasses.fields(Sections)} | {"fields": patches.kept(root, made)},
    )


def _abouts(data: dict[str, Any]) -> list[str]:
    """What is wrong with what choices say of themselves under the name of a group that has no section of its own; it is taken out."""
    own = [name for name in data["groups"] if name in data and name not in typed.hints(Root)]
    return [fault for name in own for fault in typed.faults(About, data.pop(name), name)]


def _several(root: Root, given: Words | None) -> dict[str, list[str]]:
    """Group of several choices -> what is chosen: by what the choices say of themselves, else by the words."""
    found = dict[str, list[str]]()
    for name, group in root.groups.items():
        words = [word.lstrip("+") for word in given.hydra if word.lstrip("+").startswith(f"{name}=")] if given else []
        if group.many:
            listed = words[-1][len(name) + 2:-1].split(",") if words else []
            found[name] = list(getattr(root, group.about)) if group.about else [one for one in listed if one]
    return found


def _refused(faults: Sequence[str], config_dirs: Sequence[Path], given: Words | None) -> ConfigError:
    """Every fault with the file that holds its key."""
    from aio.config.sources import read

    keys = [word.lstrip("+~").partition("=")[0] for word in (*given.hydra, *given.texts)] if given else []
    words = [key for key in keys if key not in groups(config_dirs)]   # a choice names a file
    return ConfigError("\n".join(blame.named(faults, list(read), config_dirs, words)))


def _resolved(cfg: Any, given: Words | None) -> dict[str, Any]:
    """The composed configuration as plain containers, without Hydra's section, which says much about this machine."""
    from omegaconf import open_dict

    with open_dict(cfg):
        for name in ("hydra", "params"):
            cfg.pop(name, None)
    try:
        for key, text in (given.texts if given else {}).items():
            _put(cfg, key, None if text is None else escaped(text), add=given is not None and key in given.added)
        faults = list(foreign.interpolations(contained(cfg, resolve=False)))
        if faults:
            raise ConfigError("\n".join(faults))
        data = contained(cfg)
    except AioError:
        raise
    except Exception as error:   # OmegaConf has no common class for keys, types, grammar and depth
        raise ConfigError(explain(error)) from None
    for key, text in (given.texts if given else {}).items():   # `???` is no text to OmegaConf
        *above, last = key.split(".")
        functools.reduce(lambda inside, name: inside[name], above, data)[last] = text
    return data


def _put(cfg: Any, key: str, text: str | None, *, add: bool) -> None:
    from omegaconf import OmegaConf

    try:
        OmegaConf.update(cfg, key, text, force_add=add)
    except (AttributeError, KeyError):   # the bases of OmegaConf's own
        raise ConfigError(explain(KeyError(f"Could not override '{key}'"))) from None


def _field_faults(name: str, field: Field, fields: Mapping[str, Field]) -> list[str]:
    found = _condition_faults(f"fields.{name}.when", field.when)
    if field.format is not None and (field.type != "STRING" or field.format not in FORMATS):
        known = f"{nearest(field.format, FORMATS)} A STRING may have one of: {', '.join(FORMATS)}"
        found.append(f"fields.{name}: {field.type} has no format {field.format!r}.{known}")
    if field.below is not None and (field.below not in fields or not {field.type, fields[field.below].type} <= {"INT", "FLOAT"}):
        found.append(f"fields.{name}.below: {field.below!r} and {name} are no two number fields of the mode.{nearest(field.below, fields)}")
    if field.type not in TYPES:
        found.append(f"fields.{name}: unknown type {field.type!r}.{nearest(field.type, TYPES)} Known: {', '.join(sorted(TYPES))}")
    return found


def _condition_faults(where: str, condition: Any) -> list[str]:
    """What `aio.fields.conditions.holds` cannot decide."""
    found = []
    for name, wanted in (condition or {}).items():
        if isinstance(wanted, Mapping):
            found += [f"{where}.{name}: unknown word {key!r}; write not or above" for key in wanted if key not in ("not", "above")]
            found += typed.faults(float, wanted["above"], f"{where}.{name}.above") if "above" in wanted else []
    return found


def _workflow(mode: Mode, config_dirs: Sequence[Path]) -> Path:
    given = paths.expanded(mode.workflow or f"{mode.name}.json", "mode.workflow")
    places = [WORKFLOWS, *(place for folder in config_dirs for place in (folder, folder / "workflows", folder.parent / "workflows"))]
    candidates = [given] if given.is_absolute() else [place / given for place in places]
    return next((path for path in candidates if _is_file(path)), candidates[0] if given.is_absolute() else given)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:   # a name longer than the disk takes; loading it says so
        return False
