"""Configuration: compose Hydra's groups into one immutable Config."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aio import paths
from aio.errors import ConfigError, nearest
from aio.fields import TYPES, Condition, Field
from aio.spaces.here import placed

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE if (PACKAGE / "conf").is_dir() else PACKAGE.parent
"""Folder that holds conf/, workflows/ and samples/: the package itself in a wheel, the checkout otherwise."""
CONF, WORKFLOWS = ROOT / "conf", ROOT / "workflows"

LITERAL = "="
"""First character of every text value inside Hydra: it keeps `???`, `null` and numbers what they are, text."""

_TEMPLATE_WORDS = ("value", "pick", "node", "pointer", "port", "frames", "clip_seconds", "half")


@dataclass(frozen=True, slots=True)
class Node:
    """Our name's node in the workflow: its id and the class that a guard tests."""

    id: str
    class_type: str


@dataclass(frozen=True, slots=True)
class Patch:
    """A named list of operation templates, applied where `when` holds. `source` is its config file."""

    name: str
    operations: tuple[Mapping[str, Any], ...]
    when: Condition | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """One composed configuration: everything aio knows about a job except the user's values.

    Attributes:
        mode: name; title, summary: texts. workflow: API-format file.
        choices: group -> chosen file(s), e.g. preset, model, lora.
        fields: name -> Field. values: what preset, model and mode set; name -> value.
        nodes, ports, patches, tables, output: see aio.patch; `output` names the node whose file is the result.
        stages: node id -> title, for progress. duration: GPU-seconds constants and the platform's clamp.
        registry, comfyui: weights and pins. loras: facts of the chosen LoRAs. examples: sample jobs.
        engine: auto, comfyui or preview. output_dir, output_name: where results go.
        data: the whole composed configuration as plain containers.
    """

    mode: str
    title: str
    summary: str
    workflow: Path
    choices: Mapping[str, Any]
    fields: Mapping[str, Field]
    values: Mapping[str, Any]
    nodes: Mapping[str, Node]
    ports: Mapping[str, tuple[tuple[str, str], ...]]
    patches: tuple[Patch, ...]
    tables: Mapping[str, Mapping[str, str]]
    output: str
    stages: Mapping[str, str]
    engine: str
    output_dir: Path
    output_name: str | None
    examples: tuple[Mapping[str, Any], ...]
    data: Mapping[str, Any]

    def node(self, name: str) -> Node:
        """The node called `name`.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.nodes:
            raise ConfigError(f"mode {self.mode}: no node named {name!r}.{nearest(name, self.nodes)} Add it under `nodes`")
        return self.nodes[name]


def choices(group: str, config_dirs: Sequence[Path] = ()) -> tuple[str, ...]:
    """Names of a config group's files, sorted; `mode` -> a2v, i2v, ..."""
    folders = [CONF, *config_dirs]
    return tuple(sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")}))


def compose(overrides: Sequence[str] = (), config_dirs: Sequence[Path] = ()) -> Config:
    """Compose `overrides` (Hydra's grammar, e.g. `mode=lipsync`) into a Config. Cached. On a Space the platform is zerogpu.

    Raises:
        ConfigError: an unknown choice or key, or a broken file; names it and the nearest known one.
    """
    return _compose(tuple(placed(overrides)), tuple(Path(folder).resolve() for folder in config_dirs))


@functools.lru_cache(maxsize=256)
def _compose(overrides: tuple[str, ...], config_dirs: tuple[Path, ...]) -> Config:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    register()
    search = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in config_dirs)}]"] if config_dirs else []
    # Inside hydra.main the global instance is the running application's: put it back afterwards.
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = hydra_compose("config", overrides=[*search, *overrides], return_hydra_config=True)
            return build(cfg, config_dirs)
    except HydraException as error:
        raise ConfigError(explain(error, overrides, config_dirs)) from None
    finally:
        GlobalHydra.instance().hydra = outer


def explain(error: Exception, overrides: Sequence[str], config_dirs: Sequence[Path]) -> str:
    """Hydra's message in one line, with the nearest choice where a group's choice is unknown."""
    text = str(error).strip()
    match = re.search(r"[Cc]ould not (?:find|load) '([\w/]+)/([^'/]+)'", text)
    if match:
        group, name = match[1], match[2]
        known = choices(group, config_dirs)
        return f"{group}: {name!r} is unknown.{nearest(name, known)} Known: {', '.join(known)}"
    return " ".join(text.split("\n")[:2]) or type(error).__name__


def register() -> None:
    """Prepare Hydra and OmegaConf: files are parsed once a process, template words pass untouched; aio.patch renders them."""
    from omegaconf import OmegaConf

    from aio.config_files import remember

    remember()
    for word in _TEMPLATE_WORDS:
        if not OmegaConf.has_resolver(word):
            OmegaConf.register_new_resolver(word, functools.partial(_untouched, word))


def _untouched(word: str, *args: Any) -> str:
    return f"${{{word}:{','.join(map(str, args))}}}"


def params_of(cfg: Any) -> dict[str, Any]:
    """The parameters in a composed config, with the mark of literal text taken off."""
    from omegaconf import OmegaConf

    found = OmegaConf.to_container(cfg.params, resolve=True)
    return {name: value[1:] if isinstance(value, str) and value.startswith(LITERAL) else value for name, value in found.items()}


def build(cfg: Any, config_dirs: Sequence[Path] = ()) -> Config:
    """Turn Hydra's composed config into a Config.

    Raises:
        ConfigError: a section with an unknown or missing key; names the section and the key.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    chosen = OmegaConf.to_container(cfg.hydra.runtime.choices) if "hydra" in cfg else {}
    try:
        parts = {key: cfg[key] for key in cfg if key not in ("hydra", "params")}
        data = {key: OmegaConf.to_container(part, resolve=True) if OmegaConf.is_config(part) else part for key, part in parts.items()}
    except OmegaConfBaseException as error:
        raise ConfigError(f"configuration: {str(error).splitlines()[0]}") from None
    mode = data["mode"]
    if not isinstance(mode, Mapping):
        raise ConfigError(f"mode: {mode!r} has no `mode` section; begin its file with `# @package _global_`")
    name = mode.get("name", "?")
    where = f"mode {name}"
    nodes = {key: _make(Node, item, f"{where}: nodes.{key}") for key, item in (data.get("nodes") or {}).items()}
    stages = {nodes[key].id: title for key, title in (data.get("stages") or {}).items() if key in nodes}
    return Config(
        mode=name,
        title=mode.get("title", name),
        summary=mode.get("summary", ""),
        workflow=_workflow(mode, config_dirs),
        # Hydra does not record the choices of a group that takes several.
        choices={group: choice for group, choice in chosen.items() if not group.startswith("hydra")} | {"lora": list(data.get("loras") or ())},
        fields={key: _field(key, item, where) for key, item in (data.get("fields") or {}).items()},
        values=data.get("values") or {},
        nodes=nodes,
        ports={key: _port(item, f"{where}: ports.{key}") for key, item in (data.get("ports") or {}).items()},
        patches=tuple(_patch(key, item, config_dirs) for key, item in (data.get("patches") or {}).items()),
        tables=data.get("tables") or {},
        output=(data.get("output") or {}).get("node", ""),
        stages=stages,
        engine=data.get("engine", "auto"),
        output_dir=Path(data["output"].get("dir") or "outputs"),
        output_name=data["output"].get("name"),
        examples=tuple(data.get("examples") or ()),
        data=data,
    )


def _make(cls: type, item: Any, where: str) -> Any:
    """Build a dataclass from a mapping; unknown and missing keys are named."""
    known = {f.name: f for f in dataclasses.fields(cls)}
    if not isinstance(item, Mapping):
        raise ConfigError(f"{where}: expected a mapping with {', '.join(known)}; found {item!r}")
    for key in item:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}.{nearest(key, known)} Known: {', '.join(known)}")
    missing = [key for key, f in known.items() if f.default is dataclasses.MISSING and key not in item]
    if missing:
        raise ConfigError(f"{where}: missing {', '.join(missing)}")
    return cls(**item)


def _field(name: str, item: Any, where: str) -> Field:
    where = f"{where}: fields.{name}"
    field = _make(Field, {"name": name, **item} if isinstance(item, Mapping) else item, where)
    if field.type not in TYPES:
        raise ConfigError(f"{where}: unknown type {field.type!r}.{nearest(str(field.type), TYPES)} Known: {', '.join(sorted(TYPES))}")
    return dataclasses.replace(field, options=tuple(field.options or ()))


def _port(item: Any, where: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(item, Mapping) or not item:
        raise ConfigError(f"{where}: expected a mapping of node to input, e.g. {{guider_1: model}}; found {item!r}")
    return tuple((str(node), str(key)) for node, key in item.items())


def _patch(name: str, item: Any, config_dirs: Sequence[Path]) -> Patch:
    source = _sources(tuple(config_dirs)).get(name, "config")
    body = item if isinstance(item, Mapping) else {"operations": item}
    patch = _make(Patch, {"name": name, "source": source, **body}, f"{source}: patches.{name}")
    return dataclasses.replace(patch, operations=tuple(patch.operations or ()))


@functools.lru_cache(maxsize=16)
def _sources(config_dirs: tuple[Path, ...]) -> Mapping[str, str]:
    """Patch name -> the file that defines it, for messages. Hydra does not keep this."""
    found: dict[str, str] = {}
    for folder in (CONF, *config_dirs):
        for file in sorted(folder.rglob("*.yaml")):
            section = re.search(r"^patches:\n((?:[ #].*\n?|\n)*)", file.read_text(encoding="utf-8"), re.MULTILINE)
            for name in re.findall(r"^  (\w+):", section[1], re.MULTILINE) if section else ():
                found[name] = file.relative_to(folder).as_posix()
    return found


def _workflow(mode: Mapping[str, Any], config_dirs: Sequence[Path]) -> Path:
    given = paths.expanded(str(mode.get("workflow") or f"{mode.get('name')}.json"), "mode.workflow")
    places = [WORKFLOWS, *(place for folder in config_dirs for place in (folder, folder / "workflows", folder.parent / "workflows"))]
    candidates = [given] if given.is_absolute() else [place / given for place in places]
    return next((path for path in candidates if path.is_file()), candidates[0] if given.is_absolute() else given)
