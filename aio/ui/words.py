"""Errors in plain words, by the rules of the configuration (`ui.messages`)."""

from __future__ import annotations

import re
import secrets
import traceback
from collections.abc import Sequence
from typing import Any

from aio.config.page import Message
from aio.errors import AioError
from aio.machine import terminal
from aio.ui.uploads import without_folders


def explain(error: BaseException, rules: Sequence[Message], files: Sequence[Any] = ()) -> tuple[str, str]:
    """Title and text for a visitor: no traceback, no path of the server.

    What nobody foresaw goes to the log with its traceback, and the text names the mark that stands there.

    Args:
        rules: `match` (a regular expression for "CLASS: title: message"), `title` and perhaps `text`; the first that fits counts.
        files: the visitor's files, shown by their names.
    """
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind not in (object, BaseException, Exception, AioError)]
    said = getattr(error, "message", None)   # gr.Error has its text there
    message = str(said or error)
    foreseen = isinstance(error, AioError) or said
    own = (without_folders(message, files) or "No reason is known.") if foreseen else logged(error)
    for rule in rules:
        for kind in kinds or [type(error).__name__]:
            if re.search(rule.match, f"{kind}: {getattr(error, 'title', '')}: {message}"):
                known = rule.text
                if rule.match == "":   # nothing is known of it
                    known = "" if foreseen else f"{known} {own}"
                return rule.title, known or own
    return "Something went wrong", own


def logged(error: BaseException) -> str:
    """Write an error nobody foresaw to the log, and return the sentence that leads there."""
    mark = secrets.token_hex(3)
    terminal.say(f"aio: fault {mark}")
    terminal.say("".join(traceback.format_exception(error)).rstrip())
    return f"The log of the program has the details, at fault {mark}."
