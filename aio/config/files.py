"""Files of configuration, which anyone may have written: YAML in the bounds of aio.machine.yamltext."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from aio.errors import ConfigError
from aio.machine import yamltext
from aio.machine.outside import text_of


def load(path: Path) -> dict[str, Any]:
    """The mapping that a file holds, as plain values; empty where it holds nothing.

    Raises:
        ConfigError: it cannot be read, is no YAML mapping, or goes beyond a limit; names the file and the line.
    """
    return read(path)[1]


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a file and the mapping that it holds. Raises ConfigError as `load` does."""
    import yaml

    try:
        text = text_of(path, yamltext.SIZE_MAX)
        yamltext.bounded(text)
        data = yaml.load(text, _loader())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML ({yamltext.fault(error)}); tabs do not indent, and a text with : or # wants quotes") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{path}: {_remedy(str(error))}") from None
    if data is not None and not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(data).__name__}")
    return text, data or {}


def _remedy(reason: str) -> str:
    if "integer string conversion" in reason:
        return "a number has thousands of digits"
    return f"{reason}; save it as UTF-8" if "UTF-8" in reason else reason


@functools.cache
def _loader() -> Any:
    """OmegaConf's reading of plain values (no dates, numbers like 1e3), on the parser in C, 10 times as fast."""
    import yaml
    from omegaconf._utils import get_yaml_loader

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return type("Loader", (base,), {"yaml_implicit_resolvers": get_yaml_loader().yaml_implicit_resolvers})
