"""What the Hub reads of a Space: the front matter of README.md, and requirements.txt, both made from the configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aio import config as configuration
from aio.config import Config
from aio.config.space import Accepted, Space
from aio.errors import ConfigError
from aio.machine import folders, whole
from aio.spaces import needs
from aio.spaces.preload import Preload, preload

FRONT_MATTER = re.compile(r"\A---\n(.*?)^---\n\n?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Publication:
    """A Space as the configuration has it. card: the front matter. files: name -> text of README.md and requirements.txt."""

    config: Config
    preload: Preload
    card: Mapping[str, Any]
    files: Mapping[str, str]

    @property
    def space(self) -> Space:
        """The section of the configuration."""
        return needs.space_of(self.config)

    @property
    def limits(self) -> Accepted:
        """What the Hub accepts, from conf/space."""
        return self.space.limits

    def lines(self) -> list[str]:
        """What is fetched when the Space is built, what later, and the sums, for people."""
        found = [f"{file.size / 1e9 if file.size else 0:7.2f} GB  {when:8} {file.repo} {file.path}"
                 for when, files in (("at build", self.preload.files), ("lazily", self.preload.lazy)) for file in files]
        entries, total = len(self.preload.entries), self.preload.bytes / 1e9
        return [*found, f"{total:7.2f} GB of {self.limits.preload_gb} GB, {entries} of {self.limits.preload_entries} entries"]


def publication(overrides: Sequence[str] = (), config_dirs: Sequence[Path] = (), root: Path = folders.ROOT) -> Publication:
    """Make the Space of the configuration; the body of README.md stays as it is.

    Args:
        overrides: for Hydra, e.g. `space.front_matter.title=Mine`. root: the repository.

    Raises:
        ConfigError: this is no repository, or what it needs is not on record.
    """
    for name in ("pyproject.toml", "README.md"):
        if not (root / name).is_file():
            raise ConfigError(f"space: {root} holds no {name}: run this in a checkout of aio, which is what a Space is made of")
    config = configuration.compose(["+space=hub", *overrides], config_dirs)
    found = preload(needs.space_of(config).limits, config_dirs)
    card = {**needs.space_of(config).front_matter, "models": found.repos, "preload_from_hub": list(found.entries)}
    readme = (root / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=1000)
    needed = needs.text(config, root, needs.packs(overrides, config_dirs))
    files = {"README.md": f"---\n{head}---\n\n{FRONT_MATTER.sub('', readme)}", "requirements.txt": needed}
    return Publication(config, found, card, files)


def renew_record(overrides: Sequence[str] = (), config_dirs: Sequence[Path] = ()) -> None:
    """Record the requirements of ComfyUI and the packs anew, where they are set up."""
    pins = configuration.compose(overrides, config_dirs).comfyui
    text = json.dumps(needs.record(pins), indent=1) + "\n"
    if not needs.RECORD.is_file() or needs.RECORD.read_text(encoding="utf-8") != text:
        whole.write(needs.RECORD, text)


def write(made: Publication, root: Path = folders.ROOT) -> list[str]:
    """Write what differs; returns the names of the files that were written."""
    changed = drift(made, root)
    for name in changed:
        whole.write(root / name, made.files[name])
    return changed


def drift(made: Publication, root: Path = folders.ROOT) -> list[str]:
    """Names of files that are not what the configuration makes."""
    return [name for name, text in made.files.items() if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text]


def card_of(readme: str) -> Mapping[str, Any] | str:
    """The front matter of a README; a sentence where there is none that can be read."""
    found = FRONT_MATTER.match(readme)
    try:
        card = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError as error:
        return f"its front matter is not YAML ({str(error).splitlines()[0]})"
    return card if isinstance(card, dict) else "it has no front matter"
