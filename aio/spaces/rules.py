"""What the Hub refuses of a Space, known before it is pushed. The limits stand in conf/space/hub.yaml, with their sources."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from aio.config.registry import RegistryEntry, contained
from aio.config.space import Accepted
from aio.errors import nearest

DURATION = re.compile(r"\d+(\.\d+)?[smhd]")
"""Of startup_duration_timeout: a number and its unit, as `30m` or `1h`."""


def card_faults(card: Mapping[str, Any], limits: Accepted, root: Path) -> Iterator[str]:
    """Every fault of a front matter, as a sentence that names the key, its value and the remedy."""
    for key in limits.required:
        if card.get(key) in (None, ""):
            yield f"{key}: is missing"
    for key, most in limits.length.items():
        if len(str(card.get(key) or "")) > most:
            yield f"{key}: has {len(str(card[key]))} characters, the Hub takes {most}: shorten it"
    for key in ("colorFrom", "colorTo"):
        if card.get(key) and card[key] not in limits.colors:
            yield f"{key}: {card[key]!r} is unknown.{nearest(str(card[key]), limits.colors)} Known: {', '.join(limits.colors)}"
    if card.get("emoji") and not _is_emoji(str(card["emoji"])):
        yield f"emoji: {card['emoji']!r} is not one emoji"
    if card.get("sdk") and card["sdk"] not in limits.sdk:
        yield f"sdk: {card['sdk']!r} is unknown. Known: {', '.join(limits.sdk)}"
    if card.get("sdk_version") and not _version(str(card["sdk_version"])):
        yield f"sdk_version: {card['sdk_version']!r} is no version such as 6.31.0"
    yield from _python(card.get("python_version"), limits.python, root)
    if card.get("app_file") and not (contained(str(card["app_file"])) and (root / str(card["app_file"])).is_file()):
        yield f"app_file: there is no {card['app_file']!r} in the repository"
    if "startup_duration_timeout" in card and not DURATION.fullmatch(str(card["startup_duration_timeout"])):
        yield f"startup_duration_timeout: {card['startup_duration_timeout']!r} is no time such as 30m or 1h"
    yield from _preload(card.get("preload_from_hub") or [], limits)


def _is_emoji(text: str) -> bool:
    """Whether every character is a symbol or joins symbols; letters and digits are none."""
    return len(text) <= 8 and all(unicodedata.category(letter) in ("So", "Sk", "Mn", "Cf") for letter in text)


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _python(value: Any, offered: Sequence[str], root: Path) -> Iterator[str]:
    if value in (None, ""):
        return
    if not isinstance(value, str):
        yield f"python_version: {value!r} is a number in YAML, where 3.10 is 3.1: quote it"
        return
    if not any(version == value or version.startswith(f"{value}.") for version in offered):
        yield f"python_version: ZeroGPU does not offer {value!r}. Offered: {', '.join(offered)}"
    wanted = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    if (version := _version(value)) and not SpecifierSet(wanted).contains(version):
        yield f"python_version: aio needs {wanted}, this is {value}"


def _preload(entries: Sequence[Any], limits: Accepted) -> Iterator[str]:
    if len(entries) > limits.preload_entries:
        yield f"preload_from_hub: has {len(entries)} entries, the Hub takes {limits.preload_entries}: put files of one repository into one entry"
    for entry in entries:
        repo, files, revision = [*str(entry).split(" "), "", ""][:3]
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or len(str(entry).split(" ")) > 3 or (revision and not files):
            yield f"preload_from_hub: {entry!r} is not `OWNER/NAME file1,file2 commit`"
        elif revision and not re.fullmatch(r"[0-9a-f]{40}", revision):
            yield f"preload_from_hub: {entry!r}: {revision!r} is no commit of 40 hex digits"


def size_faults(entries: Sequence[Any], registry: Mapping[str, RegistryEntry], limits: Accepted) -> Iterator[str]:
    """Whether what is preloaded fits, by the registry's sizes; a file that the registry lacks cannot be summed, and that is a fault too."""
    sizes = {(entry.repo, entry.path): entry.size or 0 for entry in registry.values()}
    total = 0
    for repo, files, *_ in ([*str(entry).split(" "), ""] for entry in entries):
        for file in filter(None, files.split(",")):
            if (repo, file) not in sizes:
                yield f"preload_from_hub: {repo} {file} is not in the registry, so its size is unknown"
            total += sizes.get((repo, file), 0)
        if not files:
            yield f"preload_from_hub: {repo} without files fetches the whole repository: name the files"
    if total > limits.preload_gb * 10**9:
        yield f"preload_from_hub: {total / 1e9:.1f} GB, a Space has room for {limits.preload_gb} GB: leave files to be loaded lazily"


def requirement_faults(text: str, provided: Sequence[str], limits: Accepted) -> Iterator[str]:
    """Lines of a requirements.txt that a ZeroGPU Space cannot have."""
    first, last = (Version(version).release for version in limits.torch)
    for line in filter(None, (line.split("#")[0].strip() for line in text.splitlines())):
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            yield f"requirements.txt: {line!r} is no requirement"
            continue
        name = canonicalize_name(wanted.name)
        if name in map(canonicalize_name, provided):
            yield f"requirements.txt: {line}: the Space installs {wanted.name} itself, at sdk_version: leave it out"
        if name == "torch":
            exact = [Version(each.version).release[:2] for each in wanted.specifier if each.operator == "==" and "*" not in each.version]
            if not exact or not first <= exact[0] <= last:
                yield f"requirements.txt: {line}: ZeroGPU offers torch {limits.torch[0]} to {limits.torch[1]}: pin one of them with =="


def file_faults(files: Mapping[str, int], limits: Accepted) -> Iterator[str]:
    """Files that are too large for a push without Git LFS. `files`: name -> bytes."""
    for name, size in files.items():
        if size > limits.file_mb * 10**6:
            yield f"{name}: has {size / 1e6:.1f} MB, the Hub takes {limits.file_mb} MB outside Git LFS"
