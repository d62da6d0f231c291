"""What commands work on: small weights on a fake Hub, a git mirror of a small ComfyUI, a cache to be mirrored."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fakehub import FakeHub

from .world import World

SIZE = 400_000
"""Bytes of each of the weights that the fake Hub serves."""

DELAY = 0.01
"""Seconds for each 16 KiB of them, so that a download can be killed in its midst."""

WEIGHTS = {
    "ltx-2.3-22b-distilled-fp8.safetensors": "checkpoints", "gemma_3_12B_it_fp4_mixed.safetensors": "text_encoders",
    "ltx-2.3-spatial-upscaler-x2-1.1.safetensors": "latent_upscale_models",
}
"""What mode=t2v preset=fast needs: file -> folder."""


@dataclass(frozen=True, slots=True)
class Download:
    """A download that can be run again. words: the command. env: for it. hub: who serves. wanted: file -> its sha256."""

    words: Sequence[str]
    env: Mapping[str, str]
    hub: FakeHub
    wanted: Mapping[Path, str]

    def faults(self) -> list[str]:
        """What is wrong with the weights after a download that succeeded."""
        return [f"{path.name}: {'not the bytes of the Hub' if path.is_file() else 'not there'}" for path, sha256 in self.wanted.items()
                if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256]


@contextmanager
def download(world: World, delay: float = DELAY) -> Iterator[Download]:
    """`aio models --fetch` of a mode whose weights are small and lie on a Hub of our own."""
    content = {name: hashlib.sha256(name.encode()).digest() * (SIZE // 32) for name in WEIGHTS}
    mine, comfyui, models = (world.folder / name for name in ("mine", "comfyui", "models"))
    for place in (mine / "mode", comfyui, models):
        place.mkdir(exist_ok=True, parents=True)
    for name in ("execution.py", "nodes.py"):
        (comfyui / name).touch()
    entries = {name: {"repo": "some/where", "path": name, "revision": "main", "size": len(data), "size_approx": False,
                      "sha256": hashlib.sha256(data).hexdigest(), "folder": WEIGHTS[name]} for name, data in content.items()}
    (mine / "mode" / "small.yaml").write_text(
        "# @package _global_\ndefaults: [base/ltx23, base/two_stage, base/made_sound, _self_]\n"
        f"mode: {{name: small, title: Small, summary: Small weights, workflow: t2v.json}}\nregistry: {json.dumps(entries)}\n", encoding="utf-8")
    with FakeHub({("some/where", name): data for name, data in content.items()}, delay=delay) as hub:
        hub.server.handle_error = lambda *_: None   # a client that is killed is no news
        env = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(world.folder / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1",
               "AIO_COMFYUI_DIR": str(comfyui), "AIO_MODELS_DIR": str(models), "AIO_ALLOW_ANY_COMFYUI": "1"}
        words = ("models", "--config-dir", str(mine), "mode=small", "preset=fast", "--fetch")
        yield Download(words, env, hub, {models / WEIGHTS[name] / name: hashlib.sha256(data).hexdigest() for name, data in content.items()})


@dataclass(frozen=True, slots=True)
class Setup:
    """A setup that can be run again. words: the command. env: for it. path: ComfyUI's folder. commit: its pin."""

    words: Sequence[str]
    env: Mapping[str, str]
    path: Path
    commit: str

    def faults(self) -> list[str]:
        """What is wrong with the checkout after a setup that succeeded."""
        head, changed = git(self.path, "rev-parse", "HEAD"), git(self.path, "status", "--porcelain")
        missing = [name for name in ("execution.py", "nodes.py") if not (self.path / name).is_file()]
        return [*([f"ComfyUI is at {head}"] if head != self.commit else []), *([f"git says {changed!r}"] if changed else []), *missing]


def setup(world: World, source: Path) -> Setup:
    """`aio setup` of ComfyUI from `source` (see `git_mirror`)."""
    path, commit = world.folder / "comfyui", git(source / "ComfyUI", "rev-parse", "HEAD")
    words = ("setup", "--no-install", f"comfyui.mirror={source}", f"comfyui.revision={commit}", "comfyui.version='9.0'")
    return Setup(words, {"AIO_COMFYUI_DIR": str(path)}, path, commit)


def git_mirror(folder: Path, files: int = 400) -> Path:
    """A folder with a repository that passes for ComfyUI."""
    place = folder / "ComfyUI"
    (place / "comfy").mkdir(parents=True)
    for number in range(files):
        (place / "comfy" / f"n{number}.py").write_text(f"# {number}\n" * 200)
    (place / "execution.py").write_text("1\n")
    (place / "nodes.py").write_text("2\n")
    (place / "comfyui_version.py").write_text('__version__ = "9.0"\n')
    git(place, "init", "-q", "-b", "master")
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", "version")
    return folder


def git(path: Path, *words: str) -> str:
    """What git prints; it must succeed."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", "-C", str(path), *who, *words], capture_output=True, text=True, check=True).stdout.strip()


def cache(folder: Path, repositories: int = 3, files: int = 4) -> Path:
    """A Hugging Face cache: blobs, snapshots that link to them, refs, a lock, an unfinished blob."""
    for number in range(repositories):
        place = folder / f"models--owner--name{number}"
        for name in ("blobs", "snapshots/c0ffee", "refs"):
            (place / name).mkdir(parents=True)
        for index in range(files):
            etag = hashlib.sha256(f"{number}/{index}".encode()).hexdigest()
            (place / "blobs" / etag).write_bytes(etag.encode() * 100)
            (place / "snapshots" / "c0ffee" / f"{index}.safetensors").symlink_to(f"../../blobs/{etag}")
        (place / "refs" / "main").write_text("c0ffee")
        (place / "blobs" / "aio-0123.part").write_bytes(b"half")
    return folder
