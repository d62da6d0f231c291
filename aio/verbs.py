"""The verbs about what is installed, models, setup and doctor, and those about the page: ui serves it, space publishes it."""

from __future__ import annotations

from collections.abc import Sequence

from aio import check as checking
from aio import config as configuration
from aio import engines
from aio.comfyui import location
from aio.command import Command
from aio.command.console import Console
from aio.command.usage import unknown
from aio.errors import ConfigError
from aio.graph.draw import draw
from aio.graph.models import ModelRef
from aio.machine import terminal
from aio.machine.device import device
from aio.weights import download, registry
from aio.weights.ensure import ensure
from aio.weights.registry.cache import hub_cache


def chosen_modes(command: Command) -> Sequence[str]:
    """The modes that the command line names (`mode=a,b`), else all."""
    given = [name for text in command.overrides if text.startswith("mode=") for name in text.split("=", 1)[1].split(",")]
    return given or configuration.choices("mode", command.config_dirs)


def models(command: Command) -> int:
    """List the weights that the modes need, with bytes and state; `--fetch` gets what is missing."""
    others = [text for text in command.overrides if not text.startswith("mode=")]
    refs: dict[tuple[str, str], ModelRef] = {}
    configs = [configuration.compose([f"mode={mode}", *others], command.config_dirs) for mode in chosen_modes(command)]
    unknown(command, [name for config in configs for name in config.fields])
    for config in configs:
        known = {name: value for name, value in command.params.items() if name in config.fields}
        for ref in draw(checking.sample(config, known)).models:
            refs.setdefault((ref.folder, ref.name), ref)
    folder = location.known_models(config.comfyui)
    found = registry.status(refs.values(), config.registry, folder)
    for one in found:
        size = f"{one.bytes / 1e9:7.2f} GB" if one.bytes else "         ?"
        terminal.answer(f"{size}  {one.state:8} {one.folder}/{one.name}{'  ' + one.note if one.note else ''}")
    missing = [one for one in found if one.state not in ("present", "cached")]
    need, have = (sum(one.bytes or 0 for one in group) / 1e9 for group in (found, [one for one in found if one not in missing]))
    choices = ", ".join(f"{group} {config.choices.get(group)}" for group, facts in config.groups.items() if facts.check == "cross")
    terminal.answer(f"{need:7.2f} GB needed ({choices}), {have:.2f} GB here, {need - have:.2f} GB missing")
    for line in download.disks(found, folder, hub_cache()):
        terminal.answer(line)
    unfit = engines.unfit(config, device())
    if unfit and "fetch" not in command.options:
        terminal.answer(f"warning: {unfit}")
    if "fetch" in command.options:
        if unfit:
            raise ConfigError(f"{unfit}; to fetch them for another machine all the same give engine=preview")
        if folder is None:
            raise ConfigError("models --fetch: ComfyUI is not set up, so there is no models folder to link into: run `python -m aio setup` first")
        with Console() as console:
            ensure(refs.values(), config.registry, folder, console, rules=config.download)
        terminal.made(f"all {len(found)} files are in {folder}")
        return 0
    return 0 if not missing else 1


def setup(command: Command) -> int:
    """Bring ComfyUI and the packs that the configuration names to their pins."""
    from aio.comfyui import provision

    config = command.compose()
    with Console() as console:
        report = provision.setup(
            config.comfyui, tuple(config.packs), console, install="no-install" not in command.options
        )
    terminal.made("\n".join(report.lines()))
    return 0


def write_fidelity(command: Command) -> int:
    """`check --fidelity`: write docs/FIDELITY.md, which is about all that aio ships."""
    from aio.check import fidelity_table

    if command.overrides or command.params or command.config_dirs:
        raise ConfigError("check --fidelity: docs/FIDELITY.md is about every mode and preset of aio; give no other words")
    terminal.made(fidelity_table.write())
    return 0


def doctor(command: Command) -> int:
    """Run every mode through the real ComfyUI with tiny random weights."""
    from aio.check import doctor as checkup

    with terminal.unheard():
        return checkup.doctor(command.config_dirs, chosen_modes(command), terminal.answer)


def ui(command: Command) -> int:
    """Serve the web page until Ctrl-C; --share gives it a public address. Where others reach it, `ui=shared` is taken unless `ui` is given."""
    import importlib.util

    if importlib.util.find_spec("gradio") is None:
        raise ConfigError("ui: gradio is not installed: run `pip install 'aio[ui]'`")
    from aio.ui import reach
    from aio.ui.start import serve

    share = "share" in command.options
    serve(reach.settled(command.overrides, share), command.config_dirs, share=share, auth=command.auth)
    return 0


def space(command: Command) -> int:
    """Show what a Hugging Face Space of this repository is; --write its files, --check what the Hub would refuse."""
    from aio.spaces.verb import space as publish

    return publish(command)
