"""Hydra's source of config files: it reads within bounds, checks what is not aio's own, and parses each file once in a process."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from aio.config import defaults, files, foreign
from aio.config.places import CONF
from aio.errors import ConfigError

_parsed: dict[tuple[str, str, str], tuple[tuple[int, int], bytes]] = {}
"""(provider, folder, config) -> (mtime in ns, size) of the file when it was parsed, and the pickled result."""

read: dict[str, tuple[int, int] | None] = {}
"""The files that were looked at since it was last cleared, and their states."""


def state(file: str) -> tuple[int, int] | None:
    """(mtime in ns, size) of a file, None where it cannot be looked at."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def header(text: str) -> dict[str, str | None]:
    """What the head of a file says, as Hydra reads it: `package`, None where it names none.

    Raises:
        ValueError: it is no header.
    """
    return ConfigSource._get_header_dict(text[:512])


class FileConfigSource(file_config_source.FileConfigSource):   # Hydra's registry tells classes apart by their names
    """Hydra's own, but for bounds and checks, and it parses a file again only when its time or size changed.

    Parsing takes several times as long as unpickling what it gave; a pickle, because Hydra edits the results in place.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        """See hydra.plugins.config_source.ConfigSource.

        Raises:
            ConfigError: the file is broken or beyond a limit, or does what a file of --config-dir must not do.
        """
        file = os.path.join(self.path, self._normalize_file_name(config_path))
        now = read[file] = state(file)
        if now is None:
            return super().load_config(config_path)   # raises Hydra's own error
        key = (self.provider, self.path, config_path)
        known = _parsed.get(key)
        if known is None or known[0] != now:
            known = _parsed[key] = (now, pickle.dumps(self._parse(config_path)))
        return pickle.loads(known[1])

    def _parse(self, config_path: str) -> ConfigResult:
        path = Path(self.path, self._normalize_file_name(config_path))
        text, data = files.read(path)
        try:
            head = header(text)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}; the first line of a mode is `# @package _global_`") from None
        if Path(self.path) != CONF:
            foreign.check(str(path), config_path.rpartition("/")[0], head["package"], data)
            defaults.check(config_path, [CONF, Path(self.path)])
        for section in ("patches", "fields") if head["package"] == "_global_" else ():
            if isinstance(data.get(section), dict):
                data[section] = {name: _signed(item, f"{config_path}.yaml") for name, item in data[section].items()}
        try:
            config = OmegaConf.create(data)
        except OmegaConfBaseException as error:
            raise ConfigError(f"{path}: {str(error).splitlines()[0]}") from None
        return ConfigResult(config=config, path=self.full_path(), provider=self.provider, header=head)


def _signed(item: Any, source: str) -> Any:
    """A patch or field that says which file it stands in, also when others were merged into it; messages name it."""
    if isinstance(item, list):
        return {"operations": item, "when": None, "source": source}
    return {**item, "source": source} if isinstance(item, dict) else item


class Folder(ConfigSource):
    """A folder of the user's, by a name in which no grammar finds anything: `aio://` and its path in hex."""

    def __init__(self, provider: str, path: str):
        super().__init__(provider, path)
        self.files = FileConfigSource(provider, f"file://{os.fsdecode(bytes.fromhex(self.path))}")

    @staticmethod
    def scheme() -> str:
        """See hydra.plugins.config_source.ConfigSource."""
        return "aio"

    @staticmethod
    def name_of(folder: Path) -> str:
        """What a search path calls a folder."""
        return f"aio://{os.fsencode(folder).hex()}"

    def load_config(self, config_path: str) -> ConfigResult:
        """See FileConfigSource."""
        return self.files.load_config(config_path)

    def is_group(self, config_path: str) -> bool:
        """See hydra.plugins.config_source.ConfigSource."""
        return self.files.is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """See hydra.plugins.config_source.ConfigSource."""
        return self.files.is_config(config_path)

    def available(self) -> bool:
        """See hydra.plugins.config_source.ConfigSource."""
        return self.files.available()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """See hydra.plugins.config_source.ConfigSource."""
        return self.files.list(config_path, results_filter)


def remember() -> None:
    """Let Hydra read files through the classes above in this process; anything else that uses Hydra sees no difference."""
    types = SourcesRegistry.instance().types
    types[FileConfigSource.scheme()], types[Folder.scheme()] = FileConfigSource, Folder
