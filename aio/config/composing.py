"""Hydra at work: the one place that composes, and its messages in aio's words."""

from __future__ import annotations

import functools
import os
import pickle
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aio.config.places import CONF, choices
from aio.config.quoting import LITERAL
from aio.errors import AioError, ConfigError, nearest
from aio.fields import templates

alone = threading.RLock()
"""Hydra keeps one global instance: two threads must not compose at once."""


def composed(words: Sequence[str], config_dirs: Sequence[Path]) -> Any:
    """Hydra's composition of overrides in its own grammar, its own section included; nothing is resolved. The caller's own, to change.

    Raises:
        ConfigError: see `compose`.
    """
    with alone:
        try:
            return pickle.loads(_kept(tuple(words), tuple(config_dirs), os.getcwd()))   # Hydra's section names the current folder
        except AioError:
            raise
        except Exception as error:   # beside its own, Hydra meets odd words and files with exceptions of every kind
            raise ConfigError(explain(error, words, config_dirs)) from None


_made: dict[tuple[Any, ...], tuple[Mapping[str, Any], bytes]] = {}
"""What was asked -> the states of the files that were read, and the pickled composition. Jobs differ mostly in texts, which Hydra never sees."""

MADE_MAX = 64
"""Compositions that are kept, of 0.13 MB each. Hydra takes 0.12 s for one, reading it back 0.005 s."""


def _kept(words: tuple[str, ...], config_dirs: tuple[Path, ...], cwd: str) -> bytes:
    from aio.config import sources

    key = (words, config_dirs, cwd)
    known = _made.pop(key, None)
    if known is None or any(sources.state(file) != state for file, state in known[0].items()):
        sources.read.clear()
        made = pickle.dumps(_hydras(words, config_dirs))
        known = (dict(sources.read), made)
    _made[key] = known
    sources.read.clear()
    sources.read.update(known[0])
    if len(_made) > MADE_MAX:
        del _made[next(iter(_made))]
    return known[1]


def _hydras(words: Sequence[str], config_dirs: Sequence[Path]) -> Any:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    register()
    # Inside hydra.main the global instance is the running application's: put it back afterwards.
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra_compose("config", overrides=[*searched(config_dirs), *words], return_hydra_config=True)
    finally:
        GlobalHydra.instance().hydra = outer


def searched(config_dirs: Sequence[Path]) -> list[str]:
    """The override that lets Hydra look into folders of the user's; none where there are none."""
    from aio.config.sources import Folder

    return [f"hydra.searchpath=[{','.join(map(Folder.name_of, config_dirs))}]"] if config_dirs else []


def standing(cfg: Any, key: str) -> Any:
    """What a composed configuration holds at a key, None where nothing does."""
    from omegaconf import OmegaConf

    try:
        return OmegaConf.select(cfg, key, throw_on_resolution_failure=False)
    except Exception:   # a key that is none: Hydra says so
        return None


def explain(error: Exception, words: Sequence[str] = (), config_dirs: Sequence[Path] = ()) -> str:
    """A message of Hydra or OmegaConf in one line, in aio's words where they can be told.

    Args:
        words: overrides, of which the one at fault is named. config_dirs: further folders of configuration.
    """
    text = str(error).strip() or str(error.__cause__ or "").strip() or type(error).__name__
    if "${" in os.getcwd() and not str(error).strip():
        return f"the path of the current folder, {os.getcwd()}, holds ${{, which Hydra cannot take; start aio from another folder"
    unknown = re.search(r"(?:Could not override|Could not delete from config\.) '([^']+)'", text)
    if unknown and "." in unknown[1]:
        return f"{unknown[1]}: there is no such setting.{_similar(unknown[1])} To add a new one write +{unknown[1]}=…"
    absent = re.search(r"(?:In '([^']+)': )?Could not (?:find|load) '([^']+)'", text)
    if absent:
        known = [f"{absent[2].rpartition('/')[0]}/{name}" for name in choices(absent[2].rpartition("/")[0], config_dirs)]
        return f"{absent[1] or 'config'}.yaml: its defaults name {absent[2]!r}, which is not there.{nearest(absent[2], known)}"
    lost = re.search(r"Interpolation key '([^']+)' not found\s+full_key: (\S+)", text)
    if lost:
        return (f"{lost[2]}: it is said to be ${{{lost[1]}}}, which nothing that is chosen has. A preset, model or file of one model family "
                "goes with no other one")
    if isinstance(error, RecursionError):
        return "configuration: what is given is nested too deeply, or files name each other in their defaults without end"
    if "Ambiguous value" in text or "requires --multirun" in text:
        said = "a comma or a range sweeps: add -m, or write a list as [a,b]"
    else:
        said = _short(" ".join(line.strip() for line in text.split("\nSee https:")[0].split("\n")[:2]))
    said = re.sub(r"\b\w+(?:Error|Exception)(?: raised while [a-z]+ [a-z]+)?: ", "", said)   # no class of a library's
    if "integer string conversion" in said:
        said = "a number has thousands of digits"
    if error.__cause__ and not isinstance(error.__cause__, AioError) and "merging" in said:
        said = f"{said}: {_short(str(error.__cause__).splitlines()[0])}"
    blamed = next((word for word in words if word in text), words[0] if len(words) == 1 else "")
    if not blamed:
        return f"configuration: {said}"
    grammar = re.search(r"mismatched|extraneous|no viable|Lexer|token", said)
    advice = f"; quote a text that holds special characters: {blamed.split('=')[0][:80]}=\"'…'\"" if grammar else ""
    return f"{_short(blamed)!r} is not understood ({said}){advice}"


def _similar(key: str) -> str:
    known = contained(composed([], ()), resolve=False)
    return nearest(key, _keys({name: value for name, value in known.items() if name not in ("hydra", "params")}))


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"


def _keys(data: Mapping[str, Any], above: str = "") -> list[str]:
    """The dotted keys of a configuration."""
    return [key for name, value in data.items()
            for key in (f"{above}{name}", *(_keys(value, f"{above}{name}.") if isinstance(value, Mapping) else ()))]


def register() -> None:
    """Prepare Hydra and OmegaConf: files are read through aio.config.sources, template words pass untouched; aio.graph.patch renders them."""
    from omegaconf import OmegaConf

    from aio.config.sources import remember

    remember()
    for word in templates.ALL:
        if not OmegaConf.has_resolver(word):
            OmegaConf.register_new_resolver(word, functools.partial(_untouched, word))


def _untouched(word: str, *args: Any) -> str:
    return f"${{{word}:{','.join(map(str, args))}}}"


def contained(cfg: Any, *, resolve: bool = True) -> dict[str, Any]:
    """A composed section as plain containers."""
    from omegaconf import OmegaConf

    found: Any = OmegaConf.to_container(cfg, resolve=resolve)
    return found


def params_of(cfg: Any) -> dict[str, Any]:
    """The parameters in a composed config, with the mark of literal text taken off."""
    found = contained(cfg.params)
    return {name: value[1:] if isinstance(value, str) and value.startswith(LITERAL) else value for name, value in found.items()}
