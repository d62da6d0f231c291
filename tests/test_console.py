"""Progress: a live bar on a terminal, plain lines elsewhere."""

import io

from aio.command.console import Console, detail
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


def test_titles_from_outside_are_neither_markup_nor_commands_of_the_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    for stream in (io.StringIO(), Terminal()):
        with Console(stream) as console:
            console(Event("stage", stage="[/red] \x1b]0;owned\x07 :cat:", fraction=0.1))
            console(Event("warning", "[/x] \x1b[2J :cat:"))
        assert "\x1b]0" not in stream.getvalue() and "\x1b[2J" not in stream.getvalue()
        assert "warning: [/x] \\x1b[2J :cat:" in stream.getvalue()


class Breaking(Terminal):
    def write(self, text):
        raise OSError(5, "Input/output error")


def test_progress_that_cannot_be_shown_ends_no_run(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    with Console(Breaking()) as console:
        for event in EVENTS:
            console(event)
    closed = io.StringIO()
    closed.close()
    with Console(closed) as console:
        for event in EVENTS:
            console(event)


def test_the_time_left_stands_alone_without_steps():
    assert [detail(event) for event in (Event("stage", seconds_left=4.0), Event("step", step=1, steps=8, seconds_left=4.0))] == [
        "4 s left", "step 1/8, 4 s left"]
