"""The pins of ComfyUI and of node packs, as conf/comfyui/pins.yaml gives them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aio.errors import ConfigError, nearest
from aio.weights.registry.entry import contained


@dataclass(frozen=True, slots=True)
class Pin:
    """A repository at one commit (40 hex digits), or a folder that comes with aio: then `revision` is of its content."""

    name: str
    url: str
    revision: str
    bundled: str = ""


@dataclass(frozen=True, slots=True)
class Pins:
    """The config's `comfyui` (conf/comfyui/pins.yaml).

    Attributes:
        comfyui: ComfyUI itself, at `version`. packs: name -> pin of a node pack.
        mirror: another place of all repositories, None for their own. leave_out: requirements that setup does not install.
    """

    comfyui: Pin
    version: str = ""
    packs: Mapping[str, Pin] = field(default_factory=dict)
    mirror: str | None = None
    leave_out: tuple[str, ...] = ()

    def pack(self, name: str) -> Pin:
        """The pin of a node pack. Raises ConfigError with the nearest name."""
        if name not in self.packs:
            raise ConfigError(f"comfyui.packs: no node pack {name!r}.{nearest(name, self.packs)}")
        return self.packs[name]


def parse(mapping: Mapping[str, Any] | Pins) -> Pins:
    """Read the config's `comfyui`. Raises ConfigError for an unknown key, a value of an odd type, or a revision that is no full commit."""
    if isinstance(mapping, Pins):
        return mapping
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"comfyui: {mapping!r} is not a mapping; see conf/comfyui/pins.yaml")
    keys = ("url", "version", "revision", "mirror", "packs", "leave_out")
    for key in mapping:
        if key not in keys:
            raise ConfigError(f"comfyui: unknown key {key!r}.{nearest(str(key), keys)}")

    def pin(name: str, raw: Any) -> Pin:
        if not isinstance(raw, Mapping):
            raise ConfigError(f"comfyui: {name}: {raw!r} is not a mapping with url and revision")
        url, revision, bundled = (str(raw.get(key) or "") for key in ("url", "revision", "bundled"))
        if not (url or bundled) or not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise ConfigError(f"comfyui: {name}: needs a url and a revision of 40 hex digits, not {revision!r}; a tag or a branch can move")
        if url.startswith("-"):   # git would read an option
            raise ConfigError(f"comfyui: {name}: url {url!r} begins with a dash")
        if "/" in name or not contained(name):
            raise ConfigError(f"comfyui.packs: {name!r} leaves custom_nodes; give the plain name of a folder")
        if bundled and not contained(bundled):
            raise ConfigError(f"comfyui: {name}: bundled {bundled!r} leaves aio's own folder")
        return Pin(name, url, revision, bundled)

    packs, leave_out, mirror = mapping.get("packs") or {}, mapping.get("leave_out") or (), mapping.get("mirror")
    if not isinstance(packs, Mapping):
        raise ConfigError(f"comfyui.packs: {packs!r} is not a mapping of names to url and revision")
    if isinstance(leave_out, str) or not isinstance(leave_out, Iterable):
        raise ConfigError(f"comfyui.leave_out: {leave_out!r} is not a list of package names")
    if mirror is not None and not isinstance(mirror, str):
        raise ConfigError(f"comfyui.mirror: {mirror!r} is neither a folder nor a URL")
    pins = {str(name): pin(str(name), raw) for name, raw in packs.items()}
    return Pins(pin("ComfyUI", mapping), str(mapping.get("version") or ""), pins, mirror, tuple(str(name) for name in leave_out))
