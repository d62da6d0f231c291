"""A mode's form: which fields it has, and what its values mean: a Job, or problems beside the fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aio import check, request
from aio.check import plan
from aio.comfyui import location
from aio.config import Config
from aio.errors import AioError, InvalidParams, MediaError, Problem
from aio.fields import LIST, Field, lists
from aio.fields.conditions import holds
from aio.graph.draw import draw
from aio.job import Job
from aio.request import follow
from aio.ui import uploads
from aio.ui.catalogue import Catalogue
from aio.ui.inbox import Foreign

SAID = 600
"""Characters of a message about a value."""

_KINDS: dict[type, str] = {list: "list", dict: "mapping"}
_WANTED = {"IMAGE": "Add a picture", "AUDIO": "Add a sound", "VIDEO": "Add a video", "STRING": "Write a few words"}


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """The form of one mode.

    Attributes:
        config: the mode with the default choices. fields: its own fields, then those that a choice adds, such as a LoRA's strength.
        added: field that a choice adds -> the choices that do, in words.
        following: fields whose empty value means: as a choice or the input says.
    """

    catalogue: Catalogue
    config: Config
    fields: Mapping[str, Field]
    added: Mapping[str, str]
    following: frozenset[str]

    @property
    def mode(self) -> str:
        """Name of the mode."""
        return self.config.mode

    def default(self, name: str) -> Any:
        """What the form shows at first; nothing where an empty field follows something: for a choice, which is a text, the empty one."""
        if name not in self.following:
            return self.fields[name].default
        return "" if self.fields[name].type in ("COMBO", "BOOLEAN") else None

    def compose(self, given: Mapping[str, Any]) -> Config:
        """The configuration of what is chosen of each group.

        Raises:
            InvalidParams: a choice that the catalogue does not have, or a value that no field can have.
        """
        if odd := list(self._odd(given)):
            raise InvalidParams(odd)
        chosen, problems = dict[str, Any](), []
        for group, declared in self.catalogue.groups.items():
            value = given.get(group) or self.catalogue.usual(self.mode, group)
            chosen[group] = [value] if declared.many and isinstance(value, str) else value
            names = [choice.name for choice in self.catalogue.choices[group]]
            for one in chosen[group] if isinstance(chosen[group], list) else [value] if value else []:
                if one not in names:
                    problems.append(Problem(group, "value_not_in_list", f"{one!r} is not one of {' | '.join(names)}"))
        if problems:
            raise InvalidParams(problems)
        return self.catalogue.compose(self.mode, chosen)

    def _odd(self, given: Mapping[str, Any]) -> Iterator[Problem]:
        """What is wrong with values before anything looks at them: an API's caller may give anything."""
        for name, value in given.items():
            inside = value if name in self.catalogue.groups and self.catalogue.groups[name].many and isinstance(value, list) else [value]
            if isinstance(value, Foreign):
                yield Problem(name, "custom_validation_failed", value.words)
            elif name in self.fields and self.fields[name].type == LIST and isinstance(value, list):
                odd = {key: one.words for key, one in lists.flat({name: value}).items() if isinstance(one, Foreign)}
                yield from (Problem(key, "custom_validation_failed", said) for key, said in odd.items())
            elif not all(one is None or isinstance(one, (str, int, float)) for one in inside):
                yield Problem(name, "invalid_input_type", f"this is a {_KINDS.get(type(value), 'list of other things')}; give one value")

    def params(self, config: Config, given: Mapping[str, Any]) -> dict[str, Any]:
        """What of the form differs from what the configuration says anyway."""
        found = {}
        for name, field in config.fields.items():
            value = given.get(name)
            default = config.values.get(name, field.default)
            if value is None or (value == default and not field.size_of):   # a size that is left out follows the input, not its default
                continue
            if field.type == LIST and not value:
                continue
            if value == "" and (name in self.following or field.type != "STRING" or field.required):
                continue
            found[name] = value
        return found

    def job(self, given: Mapping[str, Any]) -> Job:
        """The job of a filled form; its files were looked at, but not decoded yet.

        Raises:
            InvalidParams: every file that is too large or of another kind, or an unknown choice.
        """
        config = self.compose(given)
        params = self.params(config, given)
        if problems := self._screened(config, params):
            raise InvalidParams(problems)
        return Job(config, params)

    def _screened(self, config: Config, params: Mapping[str, Any]) -> list[Problem]:
        problems = []
        for name, field, value in lists.files(config.fields, params):
            try:
                uploads.screen(Path(str(value)), name, field.type.lower(), self.catalogue.page.upload)
            except MediaError as error:
                problems.append(Problem(name, "custom_validation_failed", str(error).removeprefix(f"{name}: ")))
        return problems

    def problems(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Field -> what is wrong with it, in plain words; empty when the form can run."""
        found: list[Problem] = []
        try:
            config = self.compose(given)
            params = self.params(config, given)
            found += self._screened(config, params)
            bad = {lists.base(problem.field) for problem in found}
            request.validate(Job(config, {name: value for name, value in params.items() if name not in bad}))
        except InvalidParams as error:
            found += error.problems
        except AioError:
            pass   # not about one field: the run says it on its card
        said: dict[str, list[str]] = {}
        for problem in found:
            said.setdefault(lists.base(problem.field), []).append(self._words(problem, given))
        return {name: ". ".join(several) if self._listed(name) else several[0]   # the first of a field counts, all of a list
                for name, several in said.items()}

    def sentences(self, error: InvalidParams, given: Mapping[str, Any]) -> str:
        """The faults in one line, without those of fields that are only empty yet."""
        titled = {name: field.title for name, field in self.fields.items()}
        wrong = [problem for problem in error.problems if problem.type != "required_input_missing"]
        return " ".join(f"{titled.get(lists.base(problem.field), problem.field)}: {self._words(problem, given)}." for problem in wrong)

    def _words(self, problem: Problem, given: Mapping[str, Any]) -> str:
        field = lists.field_of(self.fields, problem.field)
        if self._listed(problem.field) and "[" in problem.field:
            where, _, key = problem.field.partition("[")[2].partition("]")
            told = self._words(dataclasses.replace(problem, field=""), given) if problem.type != "required_input_missing" else "is needed"
            return f"Number {int(where) + 1}{f', {key[1:]}' if key else ''}: {told}"
        if field and problem.type == "required_input_missing":
            return f"{_WANTED.get(field.type, 'Fill this in')}: this mode needs it."
        text = uploads.without_folders(problem.message, given.values())
        text = text if len(text) <= SAID else f"{text[:SAID // 2]} … {text[-SAID // 2:]}"   # it may quote a whole prompt
        return text if "." in text.split(" ")[0] else text[:1].upper() + text[1:]   # a file keeps its name

    def _listed(self, name: str) -> bool:
        """Whether a name or flat key is of a LIST."""
        field = self.fields.get(lists.base(name))
        return field is not None and field.type == LIST

    def outlook(self, given: Mapping[str, Any]) -> tuple[plan.Plan, Config, frozenset[str]]:
        """What a run would give, with made-up inputs where some are missing.

        Returns:
            The plan, the configuration, and the names of the inputs that were made up.

        Raises:
            AioError: the values are not legal.
        """
        config = self.compose(given)
        params = self.params(config, given)
        try:
            drawn, missing = request.checked(Job(config, params)), frozenset[str]()
        except InvalidParams as error:
            kinds = {problem.type for problem in error.problems}
            if kinds != {"required_input_missing"}:
                raise
            missing = frozenset(lists.base(problem.field) for problem in error.problems)
            drawn = draw(request.completed(check.sample(config, {name: value for name, value in params.items() if name not in missing})))
        return plan.examine(drawn, location.known_models(config.comfyui)), config, missing

    def effective(self, config: Config, given: Mapping[str, Any]) -> dict[str, bool]:
        """Field with a condition, or that a choice adds -> whether it has an effect now."""
        values = {name: config.values.get(name, field.default) for name, field in config.fields.items()} | self.params(config, given)
        known = {**config.values, **values}
        found = {name: name in config.fields for name in self.added}
        return found | {name: holds(field.when, known) for name, field in self.fields.items() if field.when and name not in found}


def form(catalogue: Catalogue, mode: str) -> Form:
    """The form of a mode of the catalogue."""
    config = catalogue.modes[mode]
    own = dict(config.fields)
    added = {name: (field, by) for name, (field, by) in catalogue.added.items() if name not in own}
    following = {name for name, field in own.items() if name in catalogue.moving or name in config.values or follow.inputs_of(field)}
    fields = own | {name: field for name, (field, _) in added.items()}
    return Form(catalogue, config, fields, {name: by for name, (_, by) in added.items()}, frozenset(following))
