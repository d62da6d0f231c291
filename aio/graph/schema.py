"""What ComfyUI's nodes accept and return, known without ComfyUI: aio/data/node_schema.json, which aio.comfyui.describe writes, a class a line.

A dynamic combo is flat: `codec`, then `codec.encoding` with when=("codec", ("h264",)), the names a prompt uses.
Autogrowing inputs are listed under every name they can take: `values.a`, `values.b`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from aio.machine.folders import DATA

FILE = DATA / "node_schema.json"


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node class.

    Attributes:
        name: key in a prompt's `inputs`; of a nested input the dotted one, `codec.encoding.crf`.
        type: ComfyUI's type name, several joined by commas, `*` for any.
        required: a prompt without it is refused (a nested input: while `when` holds).
        default, min, max, step: of a value, None where the class states none. A bound may be one-sided.
        options: allowed values of a combo. None: not a combo, or file names only (see `files`).
        is_link: only a link will do, no value.
        files: folder whose file names are allowed besides `options`: `loras`, ...; `input` for media.
        when: the combo, and those of its options, that this input exists for. None: always.
    """

    name: str
    type: str
    required: bool = True
    default: Any = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    options: tuple[Any, ...] | None = None
    is_link: bool = False
    files: str | None = None
    when: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class NodeClass:
    """One node class. `outputs` are the types of the slots; an `output_node` is where execution ends.

    `pack` names the node pack it belongs to, empty for ComfyUI's own.
    """

    name: str
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]
    output_node: bool = False
    pack: str = ""


class Classes(Mapping[str, NodeClass]):
    """Node classes, each read from its line of the file when it is first asked for: all of them at once take 30 ms."""

    def __init__(self, lines: Mapping[str, str]) -> None:
        self._lines = lines
        self._read = dict[str, NodeClass]()

    def __getitem__(self, name: str) -> NodeClass:
        if name not in self._read:
            raw = json.loads(self._lines[name])
            inputs = MappingProxyType({key: _input(key, value) for key, value in raw["inputs"].items()})
            self._read[name] = NodeClass(name, inputs, tuple(raw["outputs"]), raw.get("output_node", False), raw.get("pack", ""))
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, name: object) -> bool:
        return name in self._lines


@cache
def load() -> Mapping[str, NodeClass]:
    """Return the committed schema: class name -> node class."""
    rows = (line.removesuffix(",").split(': ', 1) for line in FILE.read_text(encoding="utf-8").splitlines() if line.startswith('"'))
    return Classes({json.loads(name): body for name, body in rows if body.startswith('{"')})


def _input(name: str, raw: Mapping[str, Any]) -> Input:
    options, when = raw.get("options"), raw.get("when")
    frozen = {"options": options and tuple(options), "when": when and (when[0], tuple(when[1]))}
    return Input(name, **{**raw, **frozen})
