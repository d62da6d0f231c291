"""Small pieces of HTML: the status card and the line of consequences. Everything from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from aio.check.plan import Plan
from aio.config import Config
from aio.request.follow import inputs_of
from aio.values import Artifacts, Event

IDLE = ("idle", "Ready", "Fill in the form and press Run.")


def clock(seconds: float) -> str:
    """`7 s` or `2:05`."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02}"


def status(state: str, title: str, text: str = "", fraction: float | None = None, facts: Iterable[str] = (), notes: Iterable[str] = ()) -> str:
    """The status card.

    Args:
        state: idle, waiting, running, done, stopped or failed; the style follows it.
        fraction: how far the bar is, None for no bar. facts: short pieces on one line. notes: sentences below.
    """
    bar = ""
    if fraction is not None:
        percent = round(100 * min(max(fraction, 0.0), 1.0))
        bar = (f'<div class="aio-bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100" '
               f'aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>')
    pieces = "".join(f"<span>{escape(fact)}</span>" for fact in facts if fact)
    lines = "".join(f"<li>{escape(note[:1].upper() + note[1:])}</li>" for note in notes)
    live = "off" if state == "running" else "polite"   # a screen reader is not told every step
    role = "alert" if state == "failed" else "status"
    return (
        f'<div class="aio-card" data-state="{state}" role="{role}" aria-live="{live}">'
        f'<p class="aio-title"><i class="aio-dot" aria-hidden="true"></i>{escape(title)}</p>'
        + bar
        + (f'<p class="aio-facts">{pieces}</p>' if pieces else "")
        + (f'<p class="aio-text">{escape(text)}</p>' if text else "")
        + (f'<ul class="aio-notes">{lines}</ul>' if lines else "")
        + "</div>"
    )


def idle() -> str:
    """The card before the first run."""
    return status(*IDLE)


def waiting(ahead: int) -> str:
    """The card of a visitor in line."""
    who = "One run is" if ahead == 1 else f"{ahead} runs are"
    return status("waiting", f"In line, place {ahead}", f"{who} before yours. It begins by itself.", 0.0)


def running(event: Event, elapsed: float, notes: Iterable[str] = ()) -> str:
    """The card of a run under way."""
    if event.kind == "download":
        return status("running", "Fetching a model file", event.message, event.fraction, [f"{clock(elapsed)} elapsed"], notes)
    step = f"step {event.step} of {event.steps}" if event.steps else ""
    left = f"about {clock(event.seconds_left)} left" if event.seconds_left is not None and event.fraction > 0.02 else ""
    facts = [step, f"{100 * event.fraction:.0f} %", f"{clock(elapsed)} elapsed", left]
    return status("running", event.stage or event.message, "", event.fraction, facts, notes)


def done(made: Artifacts, elapsed: float, notes: Iterable[str] = ()) -> str:
    """The card of a finished run."""
    sound = f"sound {made.sample_rate / 1000:g} kHz" if made.sample_rate else "no sound"
    facts = [f"{made.width} × {made.height}", f"{made.frames} frames", f"{made.fps:g} fps", f"{made.seconds:.2f} s", sound]
    facts.append(f"made in {clock(elapsed)}")
    return status("done", "Done", "", 1.0, facts, notes)


def consequences(plan: Plan, config: Config, missing: frozenset[str]) -> str:
    """What a run would give, on one line."""
    result, gpu = plan.drawn.result, plan.drawn.estimate
    open_fields = [field for field in config.fields.values() if set(inputs_of(field)[:1]) & missing and field.name not in plan.drawn.request.given
                   and plan.drawn.request.values.get(field.name) is not None]
    length, size = (" and ".join(dict.fromkeys(name.replace("_", " ") for name in names if name)) for names in (
        [field.length_of for field in open_fields], [name for field in open_fields for name in field.size_of[:1]]))
    pieces = [("Size", f"shape of the {size}" if size else f"{result.width} × {result.height}"),
              ("Length", f"length of the {length}" if length else f"{result.frames} frames, {result.seconds:.2f} s")]
    about = "about " if open_fields else ""
    asked = f"; asks for {gpu.request:.0f} s, {gpu.quota:.0f} s of your daily quota" if gpu.size else ""
    pieces.append(("GPU", f"{about}{gpu.total:.0f} s on one {gpu.card}{asked}"))
    pieces.append(("Download", f"{plan.missing_bytes / 1e9:.1f} GB of weights missing" if plan.missing_bytes else "all weights are here"))
    shown = "".join(f"<span><b>{escape(name)}</b> {escape(text)}</span>" for name, text in pieces)
    notes = "".join(f"<li>{escape(note[:1].upper() + note[1:])}</li>" for note in plan.warnings)
    return f'<div class="aio-plan">{shown}{f"<ul>{notes}</ul>" if notes else ""}</div>'


def unsettled(text: str) -> str:
    """The line of consequences where the values are not legal."""
    return f'<div class="aio-plan aio-wrong"><span>{escape(text)}</span></div>'
