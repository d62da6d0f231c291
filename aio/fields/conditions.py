"""Conditions: `when` of a field or a patch, compared with a job's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Condition = Mapping[str, Any]
"""Field name -> value, list of values, or {not: value} / {above: number}; all must hold."""


def holds(condition: Condition | None, values: Mapping[str, Any]) -> bool:
    """Whether every entry of `condition` is true of `values`; an absent condition always holds.

    A literal means equal, a list one of, `{not: x}` different from x, `{above: n}` greater than n.
    """
    return all(_true(wanted, values.get(name)) for name, wanted in (condition or {}).items())


def _true(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        if "not" in wanted and value == wanted["not"]:
            return False
        return "above" not in wanted or (isinstance(value, (int, float)) and value > wanted["above"])
    if isinstance(wanted, (list, tuple)):
        return value in wanted
    return value == wanted


def words(condition: Condition | None) -> str:
    """A condition for a sentence."""
    return " and ".join(f"{name} {_words(wanted)}" for name, wanted in (condition or {}).items())


def _words(wanted: Any) -> str:
    if isinstance(wanted, Mapping):
        return " and ".join(f"{'above' if key == 'above' else 'other than'} {value}" for key, value in wanted.items())
    return " or ".join(map(str, wanted)) if isinstance(wanted, (list, tuple)) else str(wanted)
