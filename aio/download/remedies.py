"""What a failed fetch means for the user, and what to do about it."""

from __future__ import annotations

import errno

from aio.errors import AioError, ModelMissing, OutputError
from aio.registry import RegistryEntry


def offline(entry: RegistryEntry) -> ModelMissing:
    """The error where the user forbade the network."""
    return ModelMissing(f"{entry.name} is not on this machine and HF_HUB_OFFLINE is set: unset it, or {by_hand(entry)}")


def by_hand(entry: RegistryEntry) -> str:
    """The remedy that needs no network."""
    return f"put the file from https://huggingface.co/{entry.repo} into models/{entry.folder}"


def explained(error: BaseException, entry: RegistryEntry) -> AioError:
    """The error for the user that `error` stands for, with its remedy."""
    from huggingface_hub import errors as hub

    page, what = f"https://huggingface.co/{entry.repo}", f"{entry.name} ({entry.repo})"
    if isinstance(error, AioError):
        return error
    if isinstance(error, hub.GatedRepoError):
        return ModelMissing(f"{what}: gated. Accept the licence at {page}, then `hf auth login` (or set HF_TOKEN) and run again")
    if isinstance(error, hub.RevisionNotFoundError):
        return ModelMissing(f"{what}: no revision {entry.revision}; correct `revision` of its registry entry")
    if isinstance(error, hub.EntryNotFoundError):
        return ModelMissing(f"{what}: no file {entry.path} at revision {entry.revision}; correct its registry entry")
    if isinstance(error, hub.RepositoryNotFoundError):
        return ModelMissing(f"{what}: no such repository, or a private one. See {page}; if it is private: `hf auth login`")
    if isinstance(error, hub.HfHubHTTPError):
        code = error.response.status_code
        if code in (401, 403):
            return ModelMissing(f"{what}: the Hub refuses your token ({code}). `hf auth login` with one that may read {page}")
        return ModelMissing(f"{what}: the Hub answered {code}; try again later, or {by_hand(entry)}")
    if isinstance(error, hub.OfflineModeIsEnabled):
        return offline(entry)
    if isinstance(error, (hub.HTTPError, ConnectionError, TimeoutError)):
        reason = str(error) or type(error).__name__
        return ModelMissing(f"{what}: cannot reach the Hub ({reason}). Check the connection and run again, or {by_hand(entry)}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{what}: the disk of the Hugging Face cache is full; free some space and run again, it resumes")
    if isinstance(error, OSError):
        return OutputError(f"{what}: {error.strerror or error}: {error.filename}; set HF_HOME to a folder that you may write")
    raise error
