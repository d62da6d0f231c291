"""What a failed fetch means for the user, and what to do about it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from aio.config.download import Download
from aio.config.registry import RegistryEntry
from aio.errors import AioError, ModelMissing, OutputError
from aio.machine.outside import shown
from aio.weights.download.answers import Refused, Unfit
from aio.weights.download.transfer import Transfer
from aio.weights.download.watch import TooSlow

CACHE = "set HF_HOME to a folder on another disk"
MODELS = "set AIO_MODELS_DIR to a folder on another disk"

_ROOM = "make room and run again: it goes on where it stopped, or {elsewhere}"
_DISK = {
    errno.ENOSPC: ("the disk is full", _ROOM),
    errno.EDQUOT: ("your quota on that disk is used up", _ROOM),
    errno.EROFS: ("that disk is mounted read-only", "mount it writable, or {elsewhere}"),
    errno.EACCES: ("you may not write there", "give yourself the right, or {elsewhere}"),
    errno.EPERM: ("the file system or a rule of the system does not allow it", "{elsewhere}"),
    errno.EXDEV: ("that is another disk, and links do not reach there", "{elsewhere}"),
    errno.ENAMETOOLONG: ("the path is too long for that file system", "{elsewhere}, with a shorter path"),
    errno.ELOOP: ("its links lead in a circle", "remove that link"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "move that file away, or {elsewhere}"),
    errno.EEXIST: ("something else is in the way", "move it away and run again"),
    errno.EISDIR: ("a folder is in the way", "move it away and run again"),
    errno.ENOTEMPTY: ("a folder is in the way", "move it away and run again"),
    errno.ENOENT: ("it is not there any more", "see that its disk is mounted, and run again"),
    errno.EMFILE: ("too many files are open in this process", "raise the limit (`ulimit -n 4096`) and run again"),
    errno.ENFILE: ("too many files are open on this machine", "end other programs and run again"),
    errno.EFBIG: ("too large a file for that file system (FAT32 takes 4 GB) or for `ulimit -f`", "{elsewhere}"),
    errno.EBUSY: ("another program uses it", "end that program and run again"),
    errno.EINVAL: ("that file system does not take this name or operation", "{elsewhere}"),
    errno.EIO: ("the disk reports a fault", "see to the disk, or {elsewhere}"),
    errno.ESTALE: ("the network disk has lost it", "mount it anew and run again"),
}


def disk(error: OSError, elsewhere: str, place: str | Path | None = None, what: str = "") -> OutputError:
    """The error for what a disk refuses: place, cause and the remedy for this very cause.

    Args:
        elsewhere: what to set to use another disk: CACHE or MODELS. place: where, if the error does not say. what: was to be done.
    """
    where = shown(str(error.filename or place or ""))
    cause, remedy = _DISK.get(error.errno or 0, (error.strerror or str(error), "{elsewhere}"))
    return OutputError(f"{where}: {what}{': ' if what else ''}{cause}; {remedy.format(elsewhere=elsewhere)}")


def offline(entry: RegistryEntry) -> ModelMissing:
    """The error where the user forbade the network."""
    return ModelMissing(f"{entry.name} is not on this machine and HF_HUB_OFFLINE is set: unset it, or {by_hand(entry)}")


def by_hand(entry: RegistryEntry) -> str:
    """The remedy that needs no network."""
    return f"put the file from https://huggingface.co/{entry.repo} into models/{entry.folder}"


def no_hub(url: str) -> str:
    """What it means that an address answers, but not as a Hub."""
    if os.environ.get("HF_ENDPOINT"):
        return f"{url} answered without size, ETag or commit: is HF_ENDPOINT a Hub?"
    return f"{url} answered, but not as the Hub does. A network that wants you to log in first does this: open any web page, log in, run again"


def size(count: float) -> str:
    """Bytes for people, decimal as the Hub shows them."""
    if count < 1000:
        return f"{count:.0f} bytes"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def damaged(transfer: Transfer, sha256: str) -> str:
    """What to say when the bytes are not the file's."""
    pieces = f", in {transfer.answers} pieces" if transfer.answers > 1 else ""
    return (
        f"{transfer.entry.name}: what came from {transfer.entry.repo}{pieces} is damaged (sha256 {sha256}, expected {transfer.sha256}) and was "
        f"removed; run again, and if it repeats use another network, or {by_hand(transfer.entry)}"
    )


def explained(error: BaseException, entry: RegistryEntry, transfer: Transfer | None = None, rules: Download | None = None) -> AioError:
    """The error for the user that `error` stands for, with its remedy."""
    from huggingface_hub import errors as hub

    what, rules = f"{entry.name} ({entry.repo})", rules or Download()
    came = f"{size(transfer.done)} of {size(transfer.size)}" if transfer and transfer.done else ""
    stays = f"What came, {came}, stays, and the next run goes on there. " if came else ""
    if isinstance(error, AioError):
        return error
    if isinstance(error, hub.HfHubHTTPError):
        error = Refused(error.response)
    if isinstance(error, Refused):
        return ModelMissing(f"{what}: {_refused(error, entry)}")
    if isinstance(error, TooSlow):
        tries = f"{rules.retries + 1} attempts in a row" if rules.retries else "the transfer"
        return ModelMissing(
            f"{what}: too slow: {error} over {rules.for_s:g} s, and {tries} stayed below {rules.slowest_kb_s:g} kB/s. {stays}"
            f"Try later or on another network; if your line is as slow as that, give download.slowest_kb_s=0"
        )
    if isinstance(error, Unfit):
        login = " A network that wants you to log in first does this: open any web page, log in, run again." if "html" in str(error) else ""
        return ModelMissing(f"{what}: not the file: {error}.{login} {stays}Try another network, or {by_hand(entry)}")
    if isinstance(error, hub.OfflineModeIsEnabled):
        return offline(entry)
    if isinstance(error, (hub.HTTPError, ConnectionError, TimeoutError)) or type(error).__name__ == "InvalidURL":
        reason = _unreached(str(error) or type(error).__name__)
        return ModelMissing(f"{what}: {reason} Then run again, or {by_hand(entry)}. {stays}".rstrip())
    if isinstance(error, OSError):
        return disk(error, CACHE, transfer.part if transfer else None, entry.name)
    raise error


def _unreached(reason: str) -> str:
    reason = shown(" ".join(reason.split()))
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return (
            f"its certificate is not trusted ({reason}). Log in where the network wants a login, see that this machine's clock is right, "
            "or name your company's certificates in SSL_CERT_FILE."
        )
    if os.environ.get("HF_ENDPOINT"):
        return f"cannot reach the Hub ({reason}). Check the connection, and HF_ENDPOINT={os.environ['HF_ENDPOINT']}."
    return f"cannot reach the Hub ({reason}). Check the connection."


def _refused(answer: Refused, entry: RegistryEntry) -> str:
    page, code = f"https://huggingface.co/{entry.repo}", answer.code
    if answer.reason == "GatedRepo":
        return f"gated. Accept the licence at {page}, then `hf auth login` (or set HF_TOKEN) and run again"
    if answer.reason == "RevisionNotFound":
        return f"no revision {entry.revision}; correct `revision` of its registry entry"
    if answer.reason == "EntryNotFound":
        return f"no file {entry.path} at revision {entry.revision}; correct its registry entry"
    who = "the storage behind the Hub" if answer.storage else "the Hub"
    if answer.reason == "RepoNotFound" or (code == 401 and not answer.storage and not answer.message.startswith("Invalid credentials")):
        return f"no such repository, or a private one. See {page}; if it is private: `hf auth login`"
    if code in (401, 403) and not answer.storage:
        return f"the Hub refuses your token ({code}). `hf auth login` with one that may read {page}"
    if code in (404, 410):
        gone = "has removed it for good" if code == 410 else "does not have it"
        return f"{who} {gone} ({code}), though the Hub lists it. See {page} for where it went, or {by_hand(entry)}"
    if code == 407:
        return f"the proxy wants a login ({code}): write it into HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
    if code == 511:
        return f"this network wants a login first ({code}): open any web page, log in, run again"
    if code == 451:
        return f"{who} may not give it out where you are, for legal reasons ({code}). See {page}"
    if code == 429 or answer.wait:
        state = "is asked too often" if code == 429 else "is out of service"
        when = f"in {answer.wait:.0f} s" if answer.wait else "in some minutes"
        own = "; `hf auth login` gives a higher limit" if code == 429 and not answer.storage else ""
        return f"{who} {state} ({code}). Run again {when}, it goes on where it stopped{own}"
    if code in (401, 403):
        return (
            f"{who} refuses the address that the Hub has just signed ({code}). A firewall or a proxy that keeps old answers does this: "
            f"try another network, or {by_hand(entry)}"
        )
    if code >= 500:
        return f"{who} has failed ({code}), again and again. Run again later: it goes on where it stopped, or {by_hand(entry)}"
    return f"{who} refuses the request ({code}). See {page}, or {by_hand(entry)}"
