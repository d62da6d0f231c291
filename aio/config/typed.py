"""Plain data against a declared type: every fault at once, each with its key, the value and what is legal."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from aio.errors import nearest
from aio.fields.amounts import Least

LARGEST = 1e300
"""Numbers from here on are infinite, or become so."""

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def read(kind: Any, value: Any, where: str, faults: list[str]) -> Any:
    """`value` as an instance of `kind`; what is wrong with it goes to `faults` as sentences, and the value comes back as it is.

    Args:
        kind: str, int, float, bool, Any, a Literal, `X | None`, list, tuple or dict of them, a dataclass, or Annotated, where Least counts.
        where: the key, for the sentences.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin is Annotated:
        return _at_least(args[0], args[1], value, where, faults) if isinstance(args[1], Least) else read(args[0], value, where, faults)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else read(next(arg for arg in args if arg is not type(None)), value, where, faults)
    if origin is Literal:
        if not any(value == option and type(value) is type(option) for option in args):
            faults.append(f"{where}: {shown(value)} is unknown.{nearest(str(value), map(str, args))} Known: {', '.join(map(str, args))}")
        return value
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where, faults)
    if origin in (dict, collections.abc.Mapping):
        return _mapping(args or (str, Any), value, where, faults)
    if origin in (list, tuple, collections.abc.Sequence):
        return _list(origin, args, value, where, faults)
    if not _is(kind, value):
        quote = "; put it in quotes" if kind is str and isinstance(value, (bool, int, float)) else ""
        faults.append(f"{where}: {shown(value)} is not {_WORDS[kind]}{quote}")
    return value


def faults(kind: Any, value: Any, where: str) -> list[str]:
    """What is wrong with `value`, if it is to be a `kind`."""
    found: list[str] = []
    read(kind, value, where, found)
    return found


def kind_of(kind: Any, key: str) -> Any:
    """The declared type at a dotted key below `kind`, e.g. `output.dir`; Any where nothing is declared."""
    for part in key.split(".") if key else ():
        kind = _bare(kind)
        if dataclasses.is_dataclass(kind):
            kind = hints(typing.cast(Any, kind)).get(part, Any)
        elif typing.get_origin(kind) in (dict, collections.abc.Mapping):
            kind = typing.get_args(kind)[1]
        else:
            return Any
    return kind


def is_text(kind: Any) -> bool:
    """Whether a type holds text that is data, not one of a few words."""
    return _bare(kind) is str


def takes_null(kind: Any) -> bool:
    """Whether a type allows null."""
    return kind is Any or type(None) in typing.get_args(kind)


@functools.cache
def hints(kind: Any) -> Mapping[str, Any]:
    """Field name -> type of a dataclass."""
    return typing.get_type_hints(kind, include_extras=True)


def _bare(kind: Any) -> Any:
    """A type without `| None`."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(arg for arg in typing.get_args(kind) if arg is not type(None))
    return kind


def _is(kind: Any, value: Any) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, (int, float)) and abs(value) < LARGEST   # nan is not below it
    return isinstance(value, kind) and (kind is not int or abs(value) < LARGEST)


def _at_least(kind: Any, least: Least, value: Any, where: str, faults: list[str]) -> Any:
    before = len(faults)
    read(kind, value, where, faults)
    if len(faults) == before and value < least.number:
        faults.append(f"{where}: {value} is below {least.number:g}")
    return value


def _dataclass(kind: Any, value: Any, where: str, faults: list[str], key: str = "") -> Any:
    """A section, with what it says itself of its values. key: that it stands under."""
    known = {field.name: field for field in dataclasses.fields(kind) if "key" not in field.metadata}
    if not isinstance(value, Mapping):
        prefix = f"{where}." if where else ""
        faults.append(f"{where}: {shown(value)} is no section; it holds {', '.join(f'{prefix}{name}' for name in list(known)[:8])}")
        return value
    prefix, before = f"{where}." if where else "", len(faults)
    faults += [f"{prefix}{name}: unknown key.{nearest(str(name), known)} Known: {', '.join(known)}" for name in value if name not in known]
    missing = [name for name, field in known.items() if name not in value and _needed(field)]
    if missing:
        faults.append(f"{where}: missing {', '.join(missing)}")
    made = {name: read(hints(kind)[name], value[name], f"{prefix}{name}", faults) for name in known if name in value}
    if len(faults) > before:
        return value
    section = kind(**made, **{field.name: key for field in dataclasses.fields(kind) if "key" in field.metadata})
    faults += [f"{'.'.join(filter(None, (where, name)))}: {said}" for name, said in getattr(section, "faults", tuple)()]
    return section


def _needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _mapping(kinds: tuple[Any, ...], value: Any, where: str, faults: list[str]) -> Any:
    """Names to values; of names to sections, one of null is left out."""
    names, kind = kinds
    if not isinstance(value, Mapping):
        faults.append(f"{where}: {shown(value)} is not a mapping of names to values")
        return value
    faults += [f"{where}: the key {key!r} is not text; put it in quotes" for key in value if not isinstance(key, str)]
    if typing.get_origin(names) is Literal:
        for key in value:
            read(names, key, where, faults)
    if dataclasses.is_dataclass(kind):
        return {key: _dataclass(kind, item, f"{where}.{key}", faults, str(key)) for key, item in value.items() if item is not None}
    return {key: read(kind, item, f"{where}.{key}", faults) for key, item in value.items()}


def _list(origin: Any, args: tuple[Any, ...], value: Any, where: str, faults: list[str]) -> Any:
    if not isinstance(value, (list, tuple)):
        faults.append(f"{where}: {shown(value)} is not a list")
        return value
    fixed = origin is tuple and not (len(args) == 2 and args[1] is ...)
    if fixed and len(value) != len(args):
        faults.append(f"{where}: expected {len(args)} values, found {len(value)}")
        return value
    kinds = args if fixed else [args[0]] * len(value)
    made = [read(kind, item, f"{where}[{index}]", faults) for index, (kind, item) in enumerate(zip(kinds, value))]
    return tuple(made) if origin is tuple else made


def shown(value: Any) -> str:
    """A value for a message: as Python writes it, shortened."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
