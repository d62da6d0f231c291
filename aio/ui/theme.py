"""Dark slate with amber, in light and dark mode alike, with fonts that gradio's own wheel serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aio.ui.toolkit import gr

CSS = Path(__file__).with_name("style.css")

SLATE, PANEL, LINE, TEXT, MUTED, AMBER = "#0f172a", "#1b2538", "#334155", "#e8edf5", "#a9b6c9", "#f59e0b"

_COLOURS = {
    "body_background_fill": SLATE,
    "body_text_color": TEXT,
    "body_text_color_subdued": MUTED,
    "background_fill_primary": PANEL,
    "background_fill_secondary": SLATE,
    "block_background_fill": PANEL,
    "block_border_color": LINE,
    "block_border_width": "1px",
    "block_info_text_color": MUTED,
    "block_label_background_fill": PANEL,
    "block_label_border_color": LINE,
    "block_label_text_color": MUTED,
    "block_title_text_color": TEXT,
    "block_title_background_fill": "transparent",
    "block_shadow": "none",
    "border_color_primary": LINE,
    "border_color_accent": AMBER,
    "color_accent_soft": "#3a2f1a",
    "input_background_fill": SLATE,
    "input_border_width": "1px",
    "input_border_color": "#64748b",   # 3 : 1 against both backgrounds, WCAG 1.4.11
    "input_border_color_focus": AMBER,
    "input_placeholder_color": "#94a3b8",
    "input_shadow": "none",
    "input_shadow_focus": "0 0 0 2px #f59e0b55",
    "panel_background_fill": PANEL,
    "panel_border_color": LINE,
    "button_primary_background_fill": AMBER,
    "button_primary_background_fill_hover": "#fbbf24",
    "button_primary_border_color": AMBER,
    "button_primary_text_color": "#1a1203",
    "button_primary_text_color_hover": "#1a1203",
    "button_secondary_background_fill": "#263349",
    "button_secondary_background_fill_hover": LINE,
    "button_secondary_border_color": "#475569",
    "button_secondary_text_color": TEXT,
    "checkbox_background_color": SLATE,
    "checkbox_background_color_selected": AMBER,
    "checkbox_border_color": "#64748b",
    "checkbox_border_color_selected": AMBER,
    "checkbox_border_color_focus": AMBER,
    "checkbox_label_background_fill": SLATE,
    "checkbox_label_background_fill_hover": "#263349",
    "checkbox_label_background_fill_selected": "#33291a",
    "checkbox_label_border_color": LINE,
    "checkbox_label_border_color_selected": AMBER,
    "checkbox_label_text_color": TEXT,
    "checkbox_label_text_color_selected": TEXT,
    "slider_color": AMBER,
    "error_text_color": "#fecaca",
    "error_background_fill": "#450a0a",
    "error_border_color": "#f87171",
    "link_text_color": "#fbbf24",
    "link_text_color_hover": "#fcd34d",
    "loader_color": AMBER,
}


def theme() -> Any:
    """The theme of the page."""
    look = gr.themes.Base(
        primary_hue=gr.themes.colors.amber,
        secondary_hue=gr.themes.colors.amber,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[gr.themes.LocalFont("IBM Plex Mono"), "ui-monospace", "monospace"],
    )
    known = vars(look)
    for name, value in _COLOURS.items():
        for each in (name, f"{name}_dark"):
            if each in known:
                setattr(look, each, value)
    for name in [name for name in known if name.endswith("_dark") and name.removesuffix("_dark") in known]:
        if known[name] is not None:   # one look, whatever the visitor's system prefers
            setattr(look, name.removesuffix("_dark"), known[name])
    return look
