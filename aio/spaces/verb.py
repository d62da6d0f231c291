"""The verb `space`: show, write or check what the Hub reads of a Space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aio.command import Command
from aio.machine import folders, terminal
from aio.spaces import publish, rules


def space(command: Command, root: Path = folders.ROOT) -> int:
    """Show what is published; --write writes it, --check says what the Hub would refuse. Returns the exit code."""
    if "write" in command.options:
        publish.renew_record(command.overrides, command.config_dirs)
    made = publish.publication(command.overrides, command.config_dirs, root)
    say = terminal.made if "write" in command.options else terminal.answer
    say("\n".join(made.lines()))
    if "write" in command.options:
        say(f"written: {', '.join(publish.write(made, root)) or 'nothing, all is as the configuration says'}")
    if "check" not in command.options:
        return 0
    faults = check(made, root)
    say("\n".join(faults) if faults else "the Hub would refuse nothing")
    return 1 if faults else 0


def check(made: publish.Publication, root: Path) -> Sequence[str]:
    """Every fault of what lies in the repository now, and what has drifted from the configuration."""
    space, limits = made.space, made.limits
    readme, listed = root / "README.md", root / "requirements.txt"
    faults = [f"{name}: differs from the configuration: run `python -m aio space --write`" for name in publish.drift(made, root)]
    card = publish.card_of(readme.read_text(encoding="utf-8"))
    if isinstance(card, str):
        faults.append(f"README.md: {card}: run `python -m aio space --write`")
    else:
        faults += rules.card_faults(card, limits, root)
        faults += rules.size_faults(card.get("preload_from_hub") or [], made.config.registry, limits)
    if listed.is_file():
        faults += rules.requirement_faults(listed.read_text(encoding="utf-8"), space.provided, limits)
    faults += rules.file_faults({name: (root / name).stat().st_size for name in made.files if (root / name).is_file()}, limits)
    return faults
