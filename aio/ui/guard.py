"""The page as gradio runs it, with two promises: only the inbox's files come in, and whatever goes wrong goes out as words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aio.config.page import Message
from aio.errors import AioError
from aio.ui import words
from aio.ui.inbox import Foreign, Inbox
from aio.ui.items import Items
from aio.ui.toolkit import gr
from aio.ui.widgets import Raw

CALL = "Please check the call"
"""Title of what is wrong with the shape of a call."""


class Said(gr.Error):
    """An error that is told to a visitor. Gradio's own puts its text in quotes."""

    def __init__(self, title: str, text: str):
        # For the API; the page has its card, and a toast would lie over it.
        super().__init__(f"{title}: {text}", visible=False, print_exception=False)

    def __str__(self) -> str:
        return self.message


def _fault(value: Any, most: int) -> str:
    """What no component takes: more than a value or a list of values, in which gradio would look for files, and too long a text."""
    inside = value if isinstance(value, list) else [value]
    if any(isinstance(one, (dict, list)) for one in inside):
        return "this is more than one value, or a list of values"
    count = sum(len(one) if isinstance(one, str) else 1 for one in inside)
    return f"this has {count} characters; the limit is {most}" if count > most else ""


class Page(gr.Blocks):
    """Gradio's page. Every call of page, API and MCP goes through these two methods, a validator's as well."""

    inbox: Inbox
    characters: int
    messages: Sequence[Message]

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False) -> list[Any]:
        """The values as the components give them to a function; in place of what is no file of the inbox a Foreign."""
        wanted = block_fn.inputs
        if len(inputs) < len(wanted) or (len(inputs) > len(wanted) and not block_fn.cancels):   # gradio gives what cancels the session
            raise Said(CALL, f"it gives {len(inputs)} values where {len(wanted)} are needed")
        values, foreign, taken_in = list(inputs), dict[int, Foreign](), dict[int, Any]()
        for index, part in enumerate(wanted):
            if isinstance(part, Raw) and part.takes_file:
                file = await self.inbox.accept(values[index])
                values[index] = None
                if isinstance(file, Foreign):
                    foreign[index] = file
                elif file:
                    values[index] = {"path": str(file), "orig_name": file.name, "meta": {"_type": "gradio.FileData"}}
            elif isinstance(part, Items):
                taken_in[index], values[index] = await part.accept(values[index], self.inbox, self.characters), None
            elif not part.stateful and (fault := _fault(values[index], self.characters)):   # gradio keeps what comes in
                values[index], foreign[index] = None, Foreign(fault)
        if foreign and block_fn.api_visibility == "private" and not any(part.takes_file for part in wanted if isinstance(part, Raw)):
            raise Said(CALL, next(iter(foreign.values())).words)
        taken = await super().preprocess_data(block_fn, values, state, explicit_call)
        return [foreign.get(index, taken_in.get(index, value)) for index, value in enumerate(taken)]

    async def process_api(self, *args: Any, **options: Any) -> dict[str, Any]:
        """One call, or the next piece of its result.

        Raises:
            gr.Error: in words, whatever went wrong.
        """
        try:
            return await super().process_api(*args, **options)
        except gr.Error:
            raise
        except Exception as error:
            raise Said(*words.explain(error, self.messages)) from (error if isinstance(error, AioError) else None)
