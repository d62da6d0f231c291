"""The component of a list field: rows with a control for each key, drawn in the browser by items.js, and what comes back from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aio.fields import MEDIA_TYPES, Field, lists
from aio.ui.inbox import Foreign, Inbox
from aio.ui.toolkit import gr
from aio.ui.widgets import hidden

SCRIPT = Path(__file__).with_name("items.js").read_text(encoding="utf-8")

_SCHEMA = {"INT": "integer", "FLOAT": "number", "BOOLEAN": "boolean"}


class Items(gr.HTML):
    """A list of items, each a mapping.

    Args:
        field: of type LIST. look: elem_id, visible and the like.
    """

    def __init__(self, field: Field, value: Any = None, **look: Any):
        self.field = field
        super().__init__(
            value, html_template='<div class="aio-items"></div>', js_on_load=SCRIPT, label=field.title, container=True, padding=True,
            fields=[_shown(key, one) for key, one in field.items.items()], least=field.min_items or 0, most=field.max_items or lists.ITEMS_MAX,
            title=field.title + (" (optional)" if not field.required else ""), tooltip=field.tooltip, prefix=look.get("elem_id"), **look)

    def get_config(self) -> dict[str, Any]:
        """What the browser gets."""
        return {name: value for name, value in super().get_config().items() if name not in ("field", "look")}

    def preprocess(self, payload: Any) -> Any:
        """The value as it came."""
        return payload

    def postprocess(self, value: Any) -> Any:
        """The items; files within gradio's folder, where the page shows them."""
        found = {self.field.name: lists.known(value or [])}
        cache = Path(self.GRADIO_CACHE)
        new = {key: {"path": hidden(Path(str(file)), cache), "orig_name": Path(str(file)).name}
               for key, _, file in lists.files({self.field.name: self.field}, found) if not isinstance(file, Mapping)}
        return lists.put(found, new)[self.field.name]

    def api_info(self) -> dict[str, Any]:
        """JSON schema of the value."""
        if "field" not in vars(self):   # while gradio makes it
            return {"type": "array"}
        most, least = self.field.max_items, self.field.min_items
        inside = {"type": "object", "properties": {key: _schema(one) for key, one in self.field.items.items()},
                  "required": [key for key, one in self.field.items.items() if one.required]}
        return {"type": "array", "items": inside, **({"minItems": least} if least else {}), **({"maxItems": most} if most else {})}

    def example_payload(self) -> Any:
        """What gradio shows of a call."""
        return []

    async def accept(self, value: Any, inbox: Inbox, characters: int) -> Any:
        """What a call gave, with the paths of its files; in place of what is no file of the inbox a Foreign, and of what is no list too.

        Args:
            characters: that it may have in all.
        """
        try:
            items = lists.read(value) if value not in (None, "") else []
        except ValueError as error:
            return Foreign(str(error))
        if len(items) > lists.ITEMS_MAX or not all(isinstance(item, Mapping) for item in items):
            return Foreign(f"give a list of at most {lists.ITEMS_MAX} items, each with {', '.join(self.field.items)}")
        made = [{key: await inbox.accept(one) if self._is_file(key) else one for key, one in item.items()} for item in items]
        plain = [one for item in made for key, one in item.items() if not self._is_file(key)]
        if any(isinstance(one, (dict, list)) for one in plain):
            return Foreign("each key of an item has one value")
        count = sum(len(str(one)) for one in plain)
        if count > characters:
            return Foreign(f"this has {count} characters; the limit is {characters}")
        return [{key: str(one) if isinstance(one, Path) else one for key, one in item.items()} for item in made]

    def _is_file(self, key: str) -> bool:
        return key in self.field.items and self.field.items[key].type in MEDIA_TYPES


def _shown(key: str, field: Field) -> dict[str, Any]:
    """What the browser knows of a key."""
    return {"key": key, "title": field.title + (" (optional)" if field.optional else ""), "type": field.type, "default": field.default,
            "min": field.min, "max": field.max, "step": field.step, "options": list(field.options), "tooltip": field.tooltip,
            "placeholder": field.placeholder}


def _schema(field: Field) -> dict[str, Any]:
    if field.type in MEDIA_TYPES:
        return {"type": "string", "description": f"{field.type.lower()} file: what an upload gave, or an address"}
    bounds = {"minimum": field.min, "maximum": field.max, "default": field.default, "description": field.tooltip or None}
    kind = {"enum": list(field.options)} if field.options else {"type": _SCHEMA.get(field.type, "string")}
    return {**kind, **{key: value for key, value in bounds.items() if value is not None}}
