"""One section of the configuration on its own, read as aio.config reads it."""

from typing import Any

from aio.config import typed
from aio.config.sections import Root
from aio.errors import ConfigError


def section(name: str, value: Any) -> Any:
    """The section called `name` made of plain data. Raises ConfigError with all its faults."""
    faults: list[str] = []
    made = typed.read(typed.hints(Root)[name], value, name, faults)
    if faults:
        raise ConfigError("\n".join(faults))
    return made
