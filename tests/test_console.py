"""Progress: a live bar on a terminal, plain lines elsewhere."""

import io

from aio.console import Console
from aio.values import Event

EVENTS = [
    Event("engine", "preview (no device)"),
    Event("stage", stage="Stage 1", fraction=0.1, seconds_left=9.4),
    Event("step", stage="Stage 1", step=3, steps=8, fraction=0.3, seconds_left=4.0),
    Event("stage", stage="Decoding", fraction=0.8),
    Event("warning", "cfg has no effect [here]"),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(stream):
    with Console(stream) as console:
        for event in EVENTS:
            console(event)
    return stream.getvalue()


def test_plain_lines_name_each_stage_once_with_the_time_left():
    lines = shown(io.StringIO()).splitlines()
    assert lines == [
        "engine: preview (no device)",
        " 10% Stage 1, 9 s left",
        " 80% Decoding",
        "warning: cfg has no effect [here]",
    ]


def test_a_terminal_gets_a_bar_with_stage_step_and_time_left(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    text = shown(Terminal())
    assert "warning: cfg has no effect [here]" in text   # brackets are not markup
    assert "\x1b[" in text and "Decoding" in text
