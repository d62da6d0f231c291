"""Hydra's source of config files, with a memory: a process that composes many configurations parses each file once."""

from __future__ import annotations

import os
import pickle

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigResult

_parsed: dict[tuple[str, str, str], tuple[tuple[int, int], bytes]] = {}
"""(provider, folder, config) -> (mtime in ns, size) of the file when it was parsed, and the pickled result."""


class FileConfigSource(file_config_source.FileConfigSource):   # Hydra's registry tells classes apart by their names
    """Hydra's own, but it parses a file again only when its time or size changed.

    YAML in Python takes 25 times as long as unpickling what it gave; a pickle, because Hydra edits the results in place.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        """See hydra.plugins.config_source.ConfigSource."""
        try:
            status = os.stat(os.path.join(self.path, self._normalize_file_name(config_path)))
        except OSError:
            return super().load_config(config_path)   # raises Hydra's own error
        key, state = (self.provider, self.path, config_path), (status.st_mtime_ns, status.st_size)
        known = _parsed.get(key)
        if known is None or known[0] != state:
            known = _parsed[key] = (state, pickle.dumps(super().load_config(config_path)))
        return pickle.loads(known[1])


def remember() -> None:
    """Let Hydra read files through the class above in this process; anything else that uses Hydra sees no difference."""
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource
