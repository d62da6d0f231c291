"""The start on a Space: ComfyUI at its pin from a local mirror, the cache's mirror, and huggingface_hub that uses it; then the page."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakehub import COMMIT, FakeHub

from aio.comfyui import location
from aio.comfyui.provision import process

ROOT = Path(__file__).resolve().parent.parent
FILES = {("owner/repo", "old.safetensors"): b"preloaded", ("owner/repo", "new.safetensors"): b"fetched at run time"}

PREPARE = """
import json, os, sys
from aio.spaces import startup
words = startup.prepare(sys.argv[1:])
import huggingface_hub
from huggingface_hub import hf_hub_download
paths = [hf_hub_download("owner/repo", name) for name in ("old.safetensors", "new.safetensors")] if os.environ.get("HF_ENDPOINT") else []
names = ("HF_HOME", "HF_HUB_CACHE", "AIO_COMFYUI_DIR", "AIO_WORK_DIR", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT")
print(json.dumps({"words": words, "paths": paths, "cache": huggingface_hub.constants.HF_HUB_CACHE, **{name: os.environ[name] for name in names}}))
"""

REPOSITORIES = ("ComfyUI", "ComfyUI-GGUF", "ComfyUI-KJNodes")


def git(path: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", "-C", str(path), *who, *arguments], capture_output=True, text=True, env=process.environment())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> list[str]:
    """Words that make small repositories the pinned ComfyUI and the packs that choices of the page need."""
    folder = tmp_path_factory.mktemp("mirror")
    for repository in REPOSITORIES:
        (folder / repository).mkdir()
        for name in ("execution.py", "nodes.py", "requirements.txt"):
            (folder / repository / name).write_text("no-such-package-of-aio\n")
        git(folder / repository, "init", "-q")
        git(folder / repository, "add", "-A")
        git(folder / repository, "commit", "-q", "-m", repository)
    comfyui, *packs = (git(folder / repository, "rev-parse", "HEAD") for repository in REPOSITORIES)
    pins = [f"comfyui.packs.{name}.revision={head}" for name, head in zip(REPOSITORIES[1:], packs, strict=True)]
    return [f"comfyui.mirror={folder}", f"comfyui.revision={comfyui}", *pins]


def preloaded(home: Path) -> Path:
    """The cache as the Hub's build leaves it: of another user in truth, here without the right to write."""
    repo = home / ".cache" / "huggingface" / "hub" / "models--owner--repo"
    for folder in ("blobs", "refs", f"snapshots/{COMMIT}"):
        (repo / folder).mkdir(parents=True)
    blob = repo / "blobs" / hashlib.sha256(FILES["owner/repo", "old.safetensors"]).hexdigest()
    blob.write_bytes(FILES["owner/repo", "old.safetensors"])
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "snapshots" / COMMIT / "old.safetensors").symlink_to(f"../../blobs/{blob.name}")
    for path in (*repo.rglob("*"), repo, repo.parent):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    return repo.parent


def unlocked(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def environment(home: Path, **more: str) -> dict[str, str]:
    """A Space's: nothing of this machine's caches and folders."""
    ours = ("HF_", "AIO_", "GRADIO_", "HUGGINGFACE", "XDG_", "SPACE", "HOME")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "HOME": str(home), "SPACE_ID": "owner/aio", "PYTHONPATH": str(ROOT), **more}


def prepare(home: Path, words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PREPARE, *words], capture_output=True, text=True, env=environment(home, **more), cwd=home)


@pytest.fixture
def home(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "home"
    preloaded(folder)
    yield folder
    unlocked(folder / ".cache" / "huggingface")


def test_after_the_start_huggingface_hub_reads_what_was_preloaded_and_writes_into_the_mirror(home, source):
    given = home / ".cache" / "huggingface" / "hub"
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in given.rglob("*"))
    with FakeHub(FILES) as hub:
        done = prepare(home, source, HF_ENDPOINT=hub.url)
        assert done.returncode == 0, done.stderr
        (asked,) = hub.gets()   # the other one was there
        assert asked.path.startswith("storage/owner/repo/") and asked.path.endswith("/new.safetensors")
    found = json.loads(done.stdout)
    own = home / ".cache" / "aio"
    assert found["cache"] == found["HF_HUB_CACHE"] == str(own / "huggingface" / "hub") and found["HF_HOME"] == str(own / "huggingface")
    snapshot = own / "huggingface" / "hub" / "models--owner--repo" / "snapshots" / COMMIT
    assert found["paths"] == [str(snapshot / "old.safetensors"), str(snapshot / "new.safetensors")]
    assert [(snapshot / name).read_bytes() for name in ("old.safetensors", "new.safetensors")] == list(FILES.values())
    assert sorted((str(path), path.lstat().st_mtime_ns) for path in given.rglob("*")) == before
    assert "aio: cache: 1 hard links, 1 snapshot links, 1 copies" in done.stderr
    assert location.head(own / "comfyui") == source[1].split("=")[1] and found["AIO_COMFYUI_DIR"] == str(own / "comfyui")
    assert (own / "comfyui" / "custom_nodes" / "ComfyUI-GGUF" / "nodes.py").is_file()
    assert {path.name for path in (own / "work").iterdir()} == {"input", "output", "temp", "user", "web"}
    assert (found["GRADIO_SERVER_NAME"], found["GRADIO_SERVER_PORT"]) == ("0.0.0.0", "7860")
    assert found["words"] == ["ui=shared", f"output.dir={own / 'outputs'}"]


def test_two_starts_at_once_and_one_after_a_kill_end_the_same(home, source):
    command = [sys.executable, "-c", PREPARE, *source]
    killed = subprocess.Popen(command, env=environment(home), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=home)
    killed.stderr.readline()   # the mirror is made, ComfyUI is being fetched
    killed.kill()
    killed.communicate()
    both = [subprocess.Popen(command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=home) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("ComfyUI: fetched" in error for _, error in said) == 1 and all("not mirrored" not in error for _, error in said)
    assert json.loads(said[0][0]) == json.loads(said[1][0])


def test_where_the_home_cannot_be_written_the_next_folder_is_taken_and_none_is_an_error(home, source, tmp_path):
    (home / ".cache" / "aio").write_text("in the way")
    done = prepare(home, [*source, f"platform.folders=['~/.cache/aio','{tmp_path / 'other'}']"])
    assert done.returncode == 0 and json.loads(done.stdout)["AIO_WORK_DIR"] == str(tmp_path / "other" / "work"), done.stderr
    assert (tmp_path / "other" / "comfyui" / "nodes.py").is_file()
    done = prepare(home, [*source, "platform.folders=['~/.cache/aio']"])
    assert done.returncode == 1 and "platform.folders: none that can be written" in done.stderr


def test_a_start_after_huggingface_hub_is_refused_and_a_missing_pin_is_told_in_words(home, source, tmp_path):
    late = f"import huggingface_hub\n{PREPARE}"
    done = subprocess.run([sys.executable, "-c", late, *source], capture_output=True, text=True, env=environment(home), cwd=home)
    assert "the start on a Space must come first" in done.stderr
    app = [sys.executable, str(ROOT / "app.py"), source[0], f"comfyui.revision={'1' * 40}"]
    done = subprocess.run(app, capture_output=True, text=True, env=environment(home), cwd=tmp_path)
    assert done.returncode == 1 and f"does not hold ComfyUI at {'1' * 40}" in done.stderr and "Traceback" not in done.stderr


def test_the_same_app_serves_a_page_for_strangers_on_a_space(home, source, tmp_path):
    pytest.importorskip("gradio")
    port = str(7900 + os.getpid() % 90)
    command = [sys.executable, str(ROOT / "app.py"), "engine=preview", *source]
    with open(tmp_path / "log", "w+") as log:
        app = subprocess.Popen(command, env=environment(home, GRADIO_SERVER_PORT=port), stdout=log, stderr=log, cwd=tmp_path)
        try:
            page = _page(f"http://{'127.0.0.2' if sys.platform == 'linux' else '127.0.0.1'}:{port}/config", app)   # not only to its own machine
            assert page is not None, (tmp_path / "log").read_text()
            assert json.loads(page)["max_file_size"] == 100 * 2**20   # of ui=shared
            assert (home / ".cache" / "aio" / "outputs").is_dir() and not (tmp_path / "outputs").exists()
            end = time.monotonic() + 20   # the page answers a moment before it is announced
            while "page: " not in (tmp_path / "log").read_text() and time.monotonic() < end:
                time.sleep(0.05)
            assert "everybody who may open this Space can run jobs here; nobody sees another visitor's results" in (tmp_path / "log").read_text()
        finally:
            app.send_signal(signal.SIGINT)
            app.wait(timeout=20)


def _page(url: str, app: subprocess.Popen) -> bytes | None:
    end = time.monotonic() + 90
    while time.monotonic() < end and app.poll() is None:
        try:
            return urllib.request.urlopen(url, timeout=2).read()
        except OSError:
            time.sleep(0.2)
    return None
