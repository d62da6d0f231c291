"""What `spaces` says when a GPU is refused or taken back, as typed errors. Its words: spaces 0.51.3, zero/client.py, zero/wrappers.py."""

from __future__ import annotations

import re

from aio.errors import (
    AioError,
    Cancelled,
    EngineError,
    GpuAborted,
    GpuError,
    IllegalDuration,
    NoGpu,
    QueueTimeout,
    QuotaExceeded,
    SignInNeeded,
    TokenExpired,
)

_SMALLER = "choose fewer seconds, a smaller size or a quicker preset"

_RULES: tuple[tuple[str, type[AioError], str], ...] = (
    ("GPU task aborted", GpuAborted, f"ZeroGPU ended the run, which took longer than it had asked for; {_SMALLER}"),
    ("illegal duration", IllegalDuration, f"the run asks for more GPU seconds than your account may have at a time; {_SMALLER}"),
    ("queue timeout|available after 60s", QueueTimeout, "no GPU became free in time; run again in a few minutes"),
    ("No GPU was available", NoGpu, "ZeroGPU has no GPU now; run again later"),
    ("Expired ZeroGPU proxy token", TokenExpired, "this page has been open for too long; reload it, then run again"),
    # Of a visitor without an account no kind of quota is named; without a token the Hub knows nobody at all.
    ("exceeded your ZeroGPU quota|Space app has reached its GPU limit", SignInNeeded,
     "the GPU time of visitors who are not signed in is used up; sign in to Hugging Face, open the Space on huggingface.co, then run again"),
    ("quota exceeded|pending credits", QuotaExceeded,
     "what is left of your GPU time does not cover this run; choose a shorter clip or a quicker preset, or come back later"),
    ("closed by visitor", Cancelled, "stopped"),
    ("ZeroGPU worker error", EngineError, "the GPU's process failed; the log of the Space has the details"),
    ("ZeroGPU|end of stream|queue disconnect", GpuError, "ZeroGPU does not answer as it should; run again in a few minutes"),
)
"""Pattern for "title: message", error, what to do; the first that fits counts."""


def typed(error: BaseException) -> BaseException:
    """The error in aio's terms, with the platform's own words at its end; what is not the platform's comes back as it is.

    Args:
        error: a gr.Error with title and message, or whatever else a GPU call raised.
    """
    if isinstance(error, AioError):
        return error
    said = str(getattr(error, "message", None) or error)
    words = f"{getattr(error, 'title', '')}: {said}"
    for pattern, kind, remedy in _RULES:
        if re.search(pattern, words):
            known = kind(remedy if kind is Cancelled else f"{remedy} ({_plain(said)})")
            known.__cause__ = error
            return known
    return error


def _plain(said: str) -> str:
    """The platform's words without its markup and links."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<[^>]+>", "", said))
    return " ".join(re.sub(r"( - )?https?://\S+", "", text).split()).rstrip(". ")


def longer(seconds: float, longest: float, limits: tuple[float, ...]) -> list[float]:
    """Seconds that a second attempt may ask for, the most first; empty where none is longer than the first.

    The kind of account is unknown here: where twice the time is illegal for it, its own maximum is among those that follow.

    Args:
        seconds: that the first attempt asked for. longest: that any attempt may ask for.
        limits: seconds that one run of each kind of account may have.
    """
    most = min(2 * seconds, longest)
    return [one for one in sorted({most, *(limit for limit in limits if limit < most)}, reverse=True) if one >= seconds + 1]
