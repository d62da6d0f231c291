"""Replay: from the recipe in an mp4 back to a job, or to the command line that makes it.

The command line of a clip comes from here wherever it is shown: by `replay --command`, on the page, in a sweep's sheet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aio import __version__
from aio import config as configuration
from aio.command import Command
from aio.config import Config
from aio.errors import AioError, ConfigError, InputError, InvalidParams, MediaError, Problem, nearest
from aio.fields import LIST, LITERAL_TYPES, MEDIA_TYPES, TEXT_TYPES, Field, coerce, drawn, geometry, lists
from aio.graph import workflow
from aio.graph.draw import Drawn
from aio.job import Job, Request
from aio.machine import paths, shell
from aio.machine.device import device
from aio.machine.outside import shown
from aio.recipe import provenance, sidecar
from aio.replay import asked, drift, inputs
from aio.replay.remade import Remade, remake
from aio.request import validate
from aio.request.follow import inputs_of

GRAPH_SECTIONS = ("fields", "values", "nodes", "ports", "patches", "tables", "packs", "loras", "family", "kinds", "phases")
"""Sections of the configuration that a command line names where a clip is not the same without them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Replay:
    """A job made from a recipe.

    Attributes:
        overrides: what composes it. notes: what a user should know. engine: why this engine runs it, empty where the user chose.
    """

    job: Job
    overrides: tuple[str, ...]
    notes: tuple[str, ...]
    engine: str = ""

    def command_line(self) -> str:
        """The command that makes it, quoted for a POSIX shell."""
        return _line(self.overrides, self.job.config, self.job.params)


def replay(command: Command) -> Replay:
    """The job that made `command.target`, with the command line's own choices and values on top.

    What the configuration has changed since then is set back to what the recipe says, and a note says what cannot be.

    Raises:
        ConfigError: no file was given; or a mode, preset or LoRA that is not here. MediaError: no recipe, or one that cannot be read.
        InvalidParams: an input file that is nowhere, with its name and hash; a value that its field cannot have.
    """
    recipe = sidecar.read(_target(command.target))
    data, dirs, notes = recipe.data, command.config_dirs, list(recipe.notes)
    made = remake(data, dirs, _keys(command.overrides), _engines(command.overrides))
    notes += made.notes
    config = configuration.compose([*made.words(_keys(command.overrides)), *command.overrides], dirs) if command.overrides else made.config
    params = {name: value for name, value in made.params(config).items() if name not in command.params}
    problems = [one for one in made.problems if one.field in config.fields and one.field not in command.params]
    wanted = {name: facts for name, facts in made.asked.inputs.items() if _takes(config, name) and lists.base(name) not in command.params}
    lost: list[Problem] = []
    places = inputs.find(wanted, (recipe.path.resolve().parent, *_here()), shown(recipe.path.name), notes, lost)
    if problems or (lost and "command" not in command.options):
        raise InvalidParams([*problems, *lost])
    notes += map(str, lost)
    files = {name: inputs.typed(places[name]) if name in places else facts.name for name, facts in wanted.items()}
    job = Job(config, drawn(config.fields, {**lists.put(params, files), **command.params}, config.values))
    job = dataclasses.replace(job, params={**_pinned(made, job, command.params), **job.params})
    notes += _drift(data, made, job, command)
    engine = "" if "engine" in _keys(command.overrides) else "the recipe's engine"
    if engine and device() and (note := config.engines[config.engine].note):
        notes.append(f"the clip is of the {config.engine} engine, and so is this: {note}; engine=auto makes the real one here")
    words = [*made.words(_keys(command.overrides)), *(word for word in command.overrides if word not in made.base)]
    return Replay(job, (*_folders(dirs), *words), tuple(notes), engine)


def line(
    data: Mapping[str, Any], config_dirs: Sequence[Path] = (), near: Sequence[Path] = (), *, bare: bool = False, base: Sequence[str] = ()
) -> str:
    """The command line that makes the clip of a recipe, for a POSIX shell.

    Args:
        near: folders where its inputs may lie. bare: files and folders by their names alone, for whom this machine's are not to be told.
        base: overrides with which the clip was made by another program, e.g. the page; named where the clip is not the same without them.

    Raises:
        ConfigError: a choice that is not here. MediaError: a part of the recipe of the wrong kind.
    """
    engines = _engines(base)
    made = remake(data, config_dirs, base=engines)
    base = [word for word in base if _of_graph(word)]
    if base and _differs(data, made):
        with_base = remake(data, config_dirs, base=[*engines, *base])
        made = made if _differs(data, with_base) else with_base
    wanted = {name: facts for name, facts in made.asked.inputs.items() if _takes(made.config, name)}
    places = {} if bare else inputs.find(wanted, near, "", [], [])
    files = {name: str(places[name].absolute()) if name in places else facts.name for name, facts in wanted.items()}
    job = Job(made.config, lists.put(made.params(made.config), files))
    return _line((*_folders(config_dirs, bare), *made.words()), made.config, {**_pinned(made, job, {}), **job.params})


def _engines(overrides: Iterable[str]) -> list[str]:
    """The overrides that name engines, of which a recipe may need one."""
    return [word for word in overrides if word.lstrip("+").startswith("engines.")]


def _pinned(made: Remade, job: Job, varied: Mapping[str, Any]) -> dict[str, Any]:
    """What the clip took from an input and would come out otherwise now, as it was then; not where what decides it is varied."""
    deciding = {*geometry.SIZE, "fps"}
    then = {
        name: value for name, value in made.followed.items()
        if made.same(job.config) and name not in job.params and not varied.keys() & {*inputs_of(made.config.fields[name]), *deciding}
    }
    try:
        now = validate(job).values if then else {}
    except InputError:
        now = {}   # an input is not here: the numbers are sure
    return {name: value for name, value in then.items() if now.get(name) != value}


def _line(overrides: Iterable[str], config: Config, params: Mapping[str, Any]) -> str:
    return shell.line(["python", "-m", "aio", *overrides, *(f"{name}={_typed(config.fields.get(name), value)}" for name, value in params.items())])


def _folders(config_dirs: Sequence[Path], bare: bool = False) -> list[str]:
    return [f"--config-dir={place.name if bare else place}" for place in config_dirs]


def _target(given: str) -> Path:
    """The file that is to be replayed.

    Raises:
        ConfigError: none was given. MediaError: it is not there.
    """
    if not given:
        raise ConfigError("replay: give the mp4, or the JSON beside it: python -m aio replay clip.mp4")
    path = paths.expanded(given, "replay")
    try:
        if path.is_dir():
            raise MediaError(f"{shown(given)} is a folder; give one of the mp4 files in it")
        if path.exists():
            return path
        alike = [file.name for file in path.parent.iterdir() if file.suffix.lower() in (".mp4", ".json")] if path.parent.is_dir() else []
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MediaError(f"{shown(given)[:200]!r} cannot be read ({why}); give the mp4, or the JSON beside it") from None
    storyboard = f"{path.stem}.preview{path.suffix}"
    hint = f" Did you mean '{storyboard}'?" if storyboard in alike else nearest(path.name, alike)
    raise MediaError(f"{shown(given)}: no such file.{shown(hint)}")


def _here() -> list[Path]:
    try:
        return [Path.cwd()]
    except OSError:   # it was removed
        return []


def _keys(overrides: Iterable[str]) -> set[str]:
    return {word.lstrip("+~").split("=", 1)[0] for word in overrides}


def _of_graph(word: str) -> bool:
    """Whether an override sets something that a graph is made of, rather than where and for whom it runs."""
    section, dot, _ = word.lstrip("+~").partition("=")[0].partition(".")
    return bool(dot) and section in GRAPH_SECTIONS


def _takes(config: Config, name: str) -> bool:
    field = lists.field_of(config.fields, name)
    return field is not None and field.type in MEDIA_TYPES


def _differs(data: Mapping[str, Any], made: Remade) -> bool:
    try:
        return provenance.fingerprint(_now(made)) != provenance.fingerprint(data)
    except (AioError, ValueError):
        return True


def _drift(data: Mapping[str, Any], made: Remade, job: Job, command: Command) -> list[str]:
    """What will not be as it was, in a sentence each; what the user varies, and what follows from it, left out."""
    notes = []
    if data["aio"] != __version__:
        notes.append(f"the clip was made by aio {asked.brief(data['aio'])[1:-1]}, this is {__version__}")
    if made.asked.absent:
        which = ", ".join(f"{group} {asked.brief(choice)}" for group, choice in made.asked.absent.items())
        return [*notes, f"the recipe's {which} is not here, so whether the rest is as it was then cannot be told"]
    varied = bool(command.params or command.overrides)
    try:
        checked = validate(job)
    except InputError:
        checked = None   # where it runs, that is said there
    try:
        now = _now(made)
        last = _recipe(provenance.hashed(checked)) if checked and varied else None
        said = drift.between(data, now, last, workflow.load(made.config.workflow))
    except InputError as error:
        said = f"whether it is as it was then cannot be told: {error}" if varied else ""
    if said and not made.asked.whole and "in the graph" in said:
        said += "; its recipe is of an earlier aio and does not say memory=…: if its policy changed the graph, give that"
    return [*notes, said] if said else notes


def _now(made: Remade) -> dict[str, Any]:
    """The recipe of the recorded job as the configuration stands now."""
    given, files = made.params(made.config), {name: facts for name, facts in made.asked.inputs.items() if _takes(made.config, name)}
    values: dict[str, Any] = {}
    for name, field in made.config.fields.items():
        if field.type in MEDIA_TYPES:
            values[name] = None
        else:
            usual = made.config.values.get(name, field.default)
            values[name] = _legal(lists.plain(field), given.get(name, made.recorded.get(name, usual) if made.follows(name) else usual))
    values = lists.put(values, {name: f"sha256:{facts.sha256}" for name, facts in files.items()})
    return _recipe(Request(made.config, values, frozenset(given), {}, {name: facts.sha256 for name, facts in files.items()}))


def _legal(field: Field, value: Any) -> Any:
    try:
        return coerce(field, value)
    except ValueError:   # the run says so
        return value


def _recipe(request: Request) -> dict[str, Any]:
    return provenance.foresee(Drawn(request), request.config.engine)


def _typed(field: Any, value: Any) -> str:
    """A value as it is typed after `field=`."""
    if field is not None and field.type == LIST:
        return lists.typed(value) if not isinstance(value, str) else value
    if field is None or field.type not in LITERAL_TYPES:
        return str(value).lower() if isinstance(value, bool) else str(value)
    return f"@{value}" if field.type in TEXT_TYPES and str(value).startswith("@") else str(value)
