"""The section `comfyui` of the configuration, declared: the pins of ComfyUI and of node packs (conf/comfyui/pins.yaml)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aio.config.registry import contained
from aio.errors import ConfigError, nearest
from aio.fields.amounts import KEY


@dataclass(frozen=True, slots=True)
class Pin:
    """A repository at one commit (40 hex digits), or a folder that comes with aio: then `revision` is of its content."""

    name: str = field(metadata=KEY)
    url: str = ""
    revision: str = ""
    bundled: str = ""

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it beyond its type)."""
        if not (self.url or self.bundled) or not re.fullmatch(r"[0-9a-f]{40}", self.revision):
            yield "", f"needs a url and a revision of 40 hex digits, not {self.revision!r}; a tag or a branch can move"
        if self.url.startswith("-"):   # git would read an option
            yield "url", f"{self.url!r} begins with a dash"
        if "/" in self.name or not contained(self.name):
            yield "", f"{self.name!r} leaves custom_nodes; give the plain name of a folder"
        if self.bundled and not contained(self.bundled):
            yield "bundled", f"{self.bundled!r} leaves aio's own folder"


@dataclass(frozen=True, slots=True)
class Pins:
    """`comfyui`.

    Attributes:
        url, revision: of ComfyUI itself, at `version`. packs: name -> pin of a node pack.
        mirror: another place of all repositories, None for their own. leave_out: requirements that setup does not install.
    """

    url: str
    revision: str
    version: str = ""
    packs: Mapping[str, Pin] = field(default_factory=dict)
    mirror: str | None = None
    leave_out: tuple[str, ...] = ()

    @property
    def comfyui(self) -> Pin:
        """The pin of ComfyUI itself."""
        return Pin("ComfyUI", self.url, self.revision)

    def pack(self, name: str) -> Pin:
        """The pin of a node pack. Raises ConfigError with the nearest name."""
        if name not in self.packs:
            raise ConfigError(f"comfyui.packs: no node pack {name!r}.{nearest(name, self.packs)}")
        return self.packs[name]

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it beyond its type)."""
        return self.comfyui.faults()
