"""Ask the Hub about a file, and where its branch no longer holds it, find it in the repository: moved, or at an older commit."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from aio.config.download import Download
from aio.config.registry import RegistryEntry, contained
from aio.errors import AioError, ConfigError, ModelMissing
from aio.machine.outside import shown
from aio.weights.download import remedies
from aio.weights.download.answers import Refused
from aio.weights.download.hub import described
from aio.weights.download.transfer import Transfer
from aio.weights.download.watch import Stopped, within

_TREE = 5000
"""Files of a repository that are looked at for one that was moved; the Hub lists 1000 a page."""
_GONE = ("EntryNotFound", "RevisionNotFound")


def usable() -> None:
    """Raise ConfigError where a variable of the environment keeps huggingface_hub from loading: it reads them all when it does."""
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        right = urlsplit(endpoint).scheme in ("http", "https") and urlsplit(endpoint).hostname
    except ValueError:
        right = False
    if not right:
        raise ConfigError(f"HF_ENDPOINT={endpoint} is no address of a Hub, such as https://huggingface.co: correct or unset it")
    try:
        import huggingface_hub.file_download  # noqa: F401
    except ValueError as error:
        raise ConfigError(f"huggingface_hub does not load ({shown(str(error))}): correct or unset the variable HF_… that it means") from None


def look_up(entry: RegistryEntry, cache: Path, rules: Download, stop: threading.Event) -> Transfer:
    """Ask the Hub about a file; where another lies in its place, the repository is searched for the one with the registry's sha256.

    Raises:
        ModelMissing: gated, unauthorised, not there, offline, or not what the registry records. The message says what to do.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise remedies.offline(entry)
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = within(rules.for_s, lambda: described(entry, cache, entry.path, entry.revision, rules), stop)
        if entry.sha256 and len(found.etag) == 64 and found.sha256 != entry.sha256:
            found = _elsewhere(entry, cache, rules, stop, f"holds another file there now (sha256 {found.sha256}, {found.size} bytes)")
    except HfHubHTTPError as error:
        if not entry.sha256 or Refused(error.response).reason not in _GONE:
            raise remedies.explained(error, entry, rules=rules) from None
        missing = f"has no file {entry.path}" if Refused(error.response).reason == "EntryNotFound" else "is not there any more"
        found = _elsewhere(entry, cache, rules, stop, missing)
    except Stopped:
        raise
    except Exception as error:
        raise remedies.explained(error, entry, rules=rules) from None
    if entry.size and not entry.size_approx and entry.size != found.size:
        raise ModelMissing(
            f"{entry.name}: {entry.repo} holds {found.size} bytes, the registry says {entry.size}"
            f"{' of the same sha256: correct size in the registry' if entry.sha256 == found.sha256 else ': correct size in its registry entry'}"
        )
    return found


def _elsewhere(entry: RegistryEntry, cache: Path, rules: Download, stop: threading.Event, state: str) -> Transfer:
    """The same bytes at another path or commit, with a note for the user; else the error that names what is looked for."""
    seen = [0]
    try:
        found = within(rules.for_s, lambda: next(_places(entry, cache, rules, stop, seen), None), stop)
    except TimeoutError:
        found = None
    if found is None:
        raise ModelMissing(
            f"{entry.name}: {entry.repo} at revision {entry.revision} {state}, and no file of it has the registry's sha256 {entry.sha256}, "
            f"nor has {entry.path} at its newest {seen[0]} commits. Look for that sha256 elsewhere and put the file into models/{entry.folder}; "
            "or, if you trust the new one, change sha256 and size in the registry"
        )
    where = f"lies at {found.path} now" if found.path != entry.path else f"lay there at commit {found.commit}"
    fix = f"path: {found.path}" if found.path != entry.path else f"revision: {found.commit}"
    found.note = (
        f"{entry.name}: {entry.repo} at revision {entry.revision} {state}; the file with the registry's sha256 {entry.sha256} {where} and is "
        f"taken from there. Write `{fix}` into its registry entry"
    )
    return found


def _places(entry: RegistryEntry, cache: Path, rules: Download, stop: threading.Event, seen: list[int]) -> Iterator[Transfer]:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="aio")
    odd = (HTTPError, AioError, OSError, ValueError, KeyError, TypeError, AttributeError)   # whatever an answer may lack: then it is not there
    for revision in dict.fromkeys((entry.revision, "main")):
        try:
            for number, file in enumerate(api.list_repo_tree(entry.repo, recursive=True, revision=revision)):
                if number >= _TREE or stop.is_set():
                    break
                if getattr(getattr(file, "lfs", None), "sha256", None) == entry.sha256 and contained(file.path):
                    found = described(entry, cache, file.path, revision, rules)
                    found.current = revision == entry.revision
                    yield found
            commits = [item.commit_id for item in api.list_repo_commits(entry.repo, revision=revision)]
        except odd:
            continue
        for commit in commits[: rules.history]:
            if stop.is_set():
                return
            seen[0] += 1
            try:
                found = described(entry, cache, entry.path, commit, rules)
            except odd:
                continue
            if found.etag == entry.sha256:
                found.current = False
                yield found
        return
