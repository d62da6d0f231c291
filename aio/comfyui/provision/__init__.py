"""Bring ComfyUI and node packs to their pins, and their Python requirements into this environment. Never at import.

Every step may be interrupted and run again: a repository counts as done once its HEAD is the pin, which git writes last.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aio.comfyui import location
from aio.comfyui.location import ComfyUIDir
from aio.comfyui.provision import process, requirements
from aio.config.pins import Pin, Pins
from aio.errors import EngineError
from aio.machine import folders, paths
from aio.values import OnEvent, ignore
from aio.weights.download.remedies import disk


@dataclass(frozen=True, slots=True)
class SetupReport:
    """What `setup` found and did.

    Attributes:
        comfyui: the verified folder. repositories: name -> "fetched" or "already there", ComfyUI first.
        installed: requirement lines that were given to pip, None when it was not asked for. warnings: sentences for the user.
    """

    comfyui: ComfyUIDir
    repositories: Mapping[str, str]
    installed: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The report for people."""
        found = [f"{name}: {what}" for name, what in self.repositories.items()]
        found[0] += f", {self.comfyui.revision} at {self.comfyui.path} ({self.comfyui.source})"
        if self.installed is not None:
            found.append(f"requirements: {', '.join(self.installed) + ' installed' if self.installed else 'already there'}")
        return found + [f"warning: {warning}" for warning in self.warnings]


def setup(
    pins: Pins,
    packs: Sequence[str] = (),
    on_event: OnEvent = ignore,
    *,
    target: str | Path | None = None,
    source: str | None = None,
    install: bool = True,
) -> SetupReport:
    """Make ComfyUI and `packs` stand at their pins. Does nothing, quickly, where they do.

    Args:
        pins: the config's `comfyui`. packs: names of node packs that the configured modes need.
        on_event: gets `stage` events (fraction of the step in hand); what it raises (Cancelled) ends the running command.
        target: folder instead of AIO_COMFYUI_DIR, the submodule or the cache. source: URL or folder of ComfyUI instead of the pin's.
        install: whether requirements are installed.

    Raises:
        ConfigError: an unknown pack. EngineError: git or pip failed (its last lines), local changes are in the way, no git.
            OutputError: a disk refuses, and why.
    """
    try:
        return _setup(pins, packs, on_event, target, source, install)
    except OSError as error:
        raise disk(error, "set AIO_COMFYUI_DIR to a folder on another disk", target or "setup") from None


def _setup(pins: Pins, packs: Sequence[str], on_event: OnEvent, target: str | Path | None, source: str | None, install: bool) -> SetupReport:
    wanted = [pins.pack(name) for name in dict.fromkeys(packs)]
    why, path, submodule = _home(target)
    done = {"ComfyUI": _comfyui(pins, path, submodule, source or _mirrored(pins, pins.comfyui), on_event)}
    for pin in (pin for pin in wanted if not pin.bundled):
        done[pin.name] = _checked_out(pin, path / "custom_nodes" / pin.name, _mirrored(pins, pin), on_event)
    found = location.find(pins, path)
    assert found is not None
    installed: tuple[str, ...] | None = None
    warnings = [found.warning] if found.warning else []
    if install:
        files = [path / "requirements.txt", *(path / "custom_nodes" / pin.name / "requirements.txt" for pin in wanted if not pin.bundled)]
        lines = [line for file in files for line in requirements.read(file, pins.leave_out)]
        installed = requirements.install(lines, on_event)
        if missing := requirements.missing_torch():
            names = " ".join(missing)
            warnings.append(f"not installed: {names}. `pip install {names}`, in the build for your device (pytorch.org)")
    return SetupReport(ComfyUIDir(found.path, found.revision, why, found.verified_by), done, installed, tuple(warnings))


def _home(target: str | Path | None) -> tuple[str, Path, bool]:
    """(why, folder, whether git's submodule command fills it). A place that is filled already comes first."""
    places = folders.comfyui(target)
    root = folders.checkout()
    for why, path in places:
        if (path / "execution.py").is_file():
            return why, path, False
    why, path = places[-1]   # the cache, or the only one
    if root and places[0][1] == root / "comfyui" and (root / ".gitmodules").is_file() and _gitlink(root):
        return *places[0], True
    return why, path, False


def _gitlink(root: Path) -> str:
    """Commit of the submodule that the checkout records, empty when there is none."""
    listed = _git(root, "ls-files", "-s", "comfyui")
    return listed.split()[1] if listed.startswith("160000 ") else ""


def _mirrored(pins: Pins, pin: Pin) -> str:
    """Where to fetch a pin from: its url, or the same repository in the config's mirror (a folder, or a URL for https://github.com)."""
    if not pins.mirror:
        return pin.url
    owner, name = pin.url.removesuffix(".git").rstrip("/").split("/")[-2:]
    if "://" in pins.mirror or re.match(r"[\w.-]+@[\w.-]+:", pins.mirror):
        return f"{pins.mirror.rstrip('/')}/{owner}/{name}.git"
    folder = paths.expanded(pins.mirror, "comfyui.mirror").absolute()
    tried = [folder / part for part in (f"{owner}/{name}.git", f"{owner}/{name}", f"{name}.git", name)]
    for path in tried:
        if path.is_dir():
            return str(path)
    raise EngineError(f"comfyui.mirror {folder} holds none of {', '.join(str(path.relative_to(folder)) for path in tried)}")


def _comfyui(pins: Pins, path: Path, submodule: bool, url: str, on_event: OnEvent) -> str:
    pin = pins.comfyui
    if path.is_dir() and not (path / ".git").exists() and location.version(path):
        location.find(pins, path)   # a copy without git, e.g. in a container image: right, or refused
        return "already there"
    if submodule:
        return _submodule(path.parent, pin, url, on_event)
    changed = location.drift(path, pin.revision) if location.head(path) == pin.revision else None
    if changed:
        gone = [name for name in changed if not (path / name).exists()]
        if gone != changed:
            edited = ", ".join(name for name in changed if name not in gone)
            raise EngineError(f"ComfyUI at {path} has local changes ({edited}): keep them elsewhere, then `git -C {path} checkout -- .`")
        _git(path, "checkout", "-q", pin.revision, "--", *gone)
    return _checked_out(pin, path, url, on_event)


def _submodule(root: Path, pin: Pin, url: str, on_event: OnEvent) -> str:
    """Fill the submodule comfyui of a checkout by git's own command."""
    if (linked := _gitlink(root)) != pin.revision:
        wanted = f"conf/comfyui/pins.yaml says {pin.revision}"
        raise EngineError(f"the submodule comfyui is recorded at {linked}, {wanted}: `git pull`, or correct one of them")
    _git(root, "submodule", "init", "comfyui")
    local = ["-c", "protocol.file.allow=always"] if Path(url).exists() else []
    update = [*local, "-c", f"submodule.comfyui.url={url}", "submodule", "update", "--progress"]
    shallow = ["--depth", "1"]
    for depth in (shallow, shallow, []):   # the last for a server that gives only what a branch or tag points at
        try:
            _git(root, *update, *depth, "comfyui", on_event=on_event, stage="Fetching ComfyUI")
            return "fetched"
        except EngineError as error:
            failed = error
            if location.head(root / "comfyui") is None:   # a clone that was killed earlier stops git: begin anew
                shutil.rmtree(root / _git(root, "rev-parse", "--git-common-dir").strip() / "modules" / "comfyui", ignore_errors=True)
                (root / "comfyui" / ".git").unlink(missing_ok=True)
    raise failed


def _checked_out(pin: Pin, path: Path, url: str, on_event: OnEvent) -> str:
    """Init, fetch the one commit, check it out: `git clone --branch` takes no commit."""
    from filelock import FileLock

    if location.head(path) == pin.revision:
        return "already there"
    lock = folders.work().parent / f"setup-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.lock"   # no litter in a checkout
    for folder in (lock.parent, path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if location.head(path) == pin.revision:   # another process was faster
            return "already there"
        if path.is_dir() and not (path / ".git").exists() and any(path.iterdir()):
            raise EngineError(f"{path} is not empty and no git repository: move it away and run setup again")
        first = location.head(path) is None
        if git := location.git_dir(path):
            for stale in ("index.lock", "shallow.lock", "config.lock", "HEAD.lock"):
                (git / stale).unlink(missing_ok=True)   # of a git that was killed: we hold the lock, no other one is at work
        _git(path.parent, "init", "-q", str(path))
        _git(path, "config", "remote.origin.url", url)
        stage = f"Fetching {pin.name}"
        if not _has(path, pin):
            try:
                _git(path, "fetch", "--progress", "--no-tags", "--depth", "1", "origin", pin.revision, on_event=on_event, stage=stage)
            except EngineError as error:   # a server that gives only what a branch or tag points at
                _git(path, "fetch", "--progress", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*", on_event=on_event, stage=stage)
                if not _has(path, pin):
                    raise EngineError(f"{url} does not hold {pin.name} at {pin.revision}: is the mirror up to date?\n{error}") from None
        # Files of an interrupted first checkout are nobody's: overwrite. Later ones may hold changes: let git refuse.
        force, stage = ["--force"] if first else [], f"Checking out {pin.name}"
        _git(path, "checkout", "-q", *force, "--detach", pin.revision, on_event=on_event, stage=stage)
        if location.head(path) != pin.revision:
            raise EngineError(f"{path} is at {location.head(path)} after the checkout of {pin.revision}: remove it and run setup again")
        return "fetched"


def _has(path: Path, pin: Pin) -> bool:
    try:
        return bool(_git(path, "rev-parse", "--verify", "-q", f"{pin.revision}^{{tree}}"))
    except EngineError:
        return False


def _git(path: Path, *arguments: str, on_event: OnEvent = ignore, stage: str = "") -> str:
    # A dead line ends after a minute. A fetch is kept as one pack: loose objects of a killed one would pass for a whole commit.
    options = ["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "fetch.unpackLimit=1"]
    remedy = "check the connection, or set comfyui.mirror to another place, and run setup again: it goes on where it stopped"
    return process.run(["git", "-C", str(path), *options, *arguments], remedy, on_event, stage)
