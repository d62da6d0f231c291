"""Errors in plain words, by the rules of the configuration (`ui.messages`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aio.errors import AioError
from aio.ui.uploads import without_folders


def explain(error: BaseException, rules: Sequence[Mapping[str, Any]], files: Sequence[Any] = ()) -> tuple[str, str]:
    """Title and text for a visitor: no traceback, no path of the server.

    Args:
        rules: `match` (a regular expression for "CLASS: title: message"), `title` and perhaps `text`; the first that fits counts.
        files: the visitor's files, shown by their names.
    """
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind not in (object, BaseException, Exception, AioError)]
    message = str(getattr(error, "message", None) or error)   # gr.Error has its text in `message`
    for rule in rules:
        for kind in kinds or [type(error).__name__]:
            if re.search(rule["match"], f"{kind}: {getattr(error, 'title', '')}: {message}"):
                text = rule.get("text") or without_folders(message, files) or "No reason is known."
                return rule["title"], text
    return "Something went wrong", "The log of the program has the details."
