"""The mirror of a read-only Hugging Face cache: what becomes of each kind of file, on another device, as another user, interrupted, twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from aio.errors import ConfigError
from aio.spaces import mirror as module
from aio.spaces.mirror import Mirrored, mirror

COMMIT = "c" * 40


def make(hub: Path, blobs: int = 3) -> Path:
    """A cache as huggingface_hub lays it out: blobs, a snapshot of links, a ref, a marker, a lock, the rest of a broken download."""
    repo = hub / "models--owner--name"
    for folder in ("blobs", "refs", f"snapshots/{COMMIT}/deep", f".no_exist/{COMMIT}"):
        (repo / folder).mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / ".no_exist" / COMMIT / "config.json").touch()
    (repo / "blobs" / "half.incomplete").write_bytes(b"ha")
    (hub / ".locks" / "models--owner--name").mkdir(parents=True)
    (hub / ".locks" / "models--owner--name" / "x.lock").touch()
    for number in range(blobs):
        (repo / "blobs" / f"{number:064x}").write_bytes(b"weights %d" % number)
        (repo / "snapshots" / COMMIT / "deep" / f"{number}.safetensors").symlink_to(f"../../../blobs/{number:064x}")
    return hub


def state(folder: Path) -> dict[str, object]:
    """Every entry of a tree: what a link says, what a file holds and is, folders."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name, facts = path.relative_to(folder).as_posix(), path.lstat()
        held = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[name] = (held, facts.st_mode, facts.st_uid, facts.st_mtime_ns if not path.is_dir() else 0)
    return found


@pytest.fixture
def hub(tmp_path) -> Path:
    return make(tmp_path / "given" / "hub")


def test_blobs_are_hard_links_snapshots_the_same_links_refs_copies_and_locks_are_left(hub, tmp_path):
    done = mirror(hub, tmp_path / "own")
    repo, own = hub / "models--owner--name", tmp_path / "own" / "models--owner--name"
    assert (done.hard, done.symbolic, done.snapshots, done.copied, done.failed) == (3, 0, 3, 2, 0)
    assert os.path.samefile(own / "blobs" / f"{1:064x}", repo / "blobs" / f"{1:064x}") and not (own / "blobs" / f"{1:064x}").is_symlink()
    link = own / "snapshots" / COMMIT / "deep" / "1.safetensors"
    assert os.readlink(link) == f"../../../blobs/{1:064x}" and link.read_bytes() == b"weights 1"
    ref = own / "refs" / "main"
    assert ref.read_text() == COMMIT and not os.path.samefile(ref, repo / "refs" / "main")
    assert (own / ".no_exist" / COMMIT / "config.json").read_bytes() == b""
    assert not (own / "blobs" / "half.incomplete").exists() and not (tmp_path / "own" / ".locks").exists()
    assert done.lines() == [f"cache: 3 hard links, 3 snapshot links, 2 copies, {done.folders} folders; {done.seconds:.1f} s"]


def test_a_second_mirror_changes_nothing_and_keeps_what_came_since(hub, tmp_path):
    mirror(hub, tmp_path / "own")
    own = tmp_path / "own" / "models--owner--name"
    (own / "refs" / "main").write_text("d" * 40)   # the repository moved on
    (own / "blobs" / "fresh").write_bytes(b"downloaded")
    before = state(tmp_path / "own")
    done = mirror(hub, tmp_path / "own")
    assert state(tmp_path / "own") == before
    assert (done.hard, done.copied, done.snapshots, done.folders, done.failed) == (0, 0, 0, 0, 0) and done.there == 8


def test_the_given_cache_is_not_touched(hub, tmp_path):
    before = state(hub)
    mirror(hub, tmp_path / "own")
    (tmp_path / "own" / "models--owner--name" / "refs" / "main").write_text("changed")
    after = state(hub)
    assert after == before


def test_on_another_device_blobs_are_symbolic_links_to_the_given_ones(hub, tmp_path, monkeypatch):
    shared = Path("/dev/shm")
    other = shared.is_dir() and os.access(shared, os.W_OK) and shared.stat().st_dev != tmp_path.stat().st_dev
    if not other:
        monkeypatch.setattr(os, "link", _refused(18))   # EXDEV
    target = Path(tempfile.mkdtemp(dir=shared if other else tmp_path))
    try:
        done = mirror(hub, target)
        blob = target / "models--owner--name" / "blobs" / f"{2:064x}"
        assert (done.hard, done.symbolic, done.failed) == (0, 3, 0) and "3 symbolic links to blobs" in done.lines()[0]
        assert os.readlink(blob) == str(hub / "models--owner--name" / "blobs" / f"{2:064x}") and blob.read_bytes() == b"weights 2"
        assert (target / "models--owner--name" / "snapshots" / COMMIT / "deep" / "2.safetensors").read_bytes() == b"weights 2"
        assert mirror(hub, target).there == 8
    finally:
        shutil.rmtree(target)


def _refused(number: int):
    def link(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return link


def test_where_a_hard_link_takes_long_because_the_file_is_copied_the_rest_are_symbolic(hub, tmp_path, monkeypatch):
    real, clock = os.link, [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def slow(*paths: str) -> None:
        real(*paths)
        clock[0] += 2 * module.SLOW_LINK

    monkeypatch.setattr(os, "link", slow)
    done = mirror(hub, tmp_path / "own")
    assert (done.hard, done.symbolic, done.failed) == (1, 2, 0)


def test_an_absolute_link_into_the_given_cache_leads_into_the_mirror(hub, tmp_path):
    repo = hub / "models--owner--name"
    (repo / "snapshots" / COMMIT / "absolute").symlink_to(repo / "blobs" / f"{0:064x}")
    mirror(hub, tmp_path / "own")
    own = tmp_path / "own" / "models--owner--name"
    assert os.readlink(own / "snapshots" / COMMIT / "absolute") == str(own / "blobs" / f"{0:064x}")


def _as_another_user(work, *paths: Path):
    """What `work` returns in a child process that is nobody; here and now where this process is not root."""
    if os.getuid() != 0:
        return work(*paths)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(write, json.dumps(work(*paths)).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


def _mirror_and_write(hub: Path, target: Path) -> list[object]:
    done = mirror(hub, target)
    own = target / "models--owner--name"
    (own / "blobs" / "new").write_bytes(b"new")
    (own / "refs" / "main").write_text("e" * 40)
    os.unlink(own / "blobs" / f"{0:064x}")   # as where a damaged file is dropped
    try:
        (hub / "models--owner--name" / "blobs" / "new").write_bytes(b"new")
        refused = False
    except OSError:
        refused = True
    weights = (own / "snapshots" / COMMIT / "deep" / "1.safetensors").read_bytes().decode()
    return [done.hard + done.symbolic, done.failed, done.errors, weights, refused]


def test_the_read_only_cache_of_another_user_becomes_a_tree_that_can_be_written():
    folder = Path(tempfile.mkdtemp())   # tmp_path is closed to other users
    try:
        os.chmod(folder, 0o755)
        hub = make(folder / "given" / "hub")
        secret = hub / "models--owner--name" / "blobs" / "secret"
        secret.mkdir()
        for path in [*hub.rglob("*"), hub]:
            if not path.is_symlink():
                os.chmod(path, 0o555 if path.is_dir() else 0o444)
        os.chmod(secret, 0)
        (folder / "own").mkdir()
        os.chmod(folder / "own", 0o777)
        before = state(hub)
        blobs, failed, errors, weights, refused = _as_another_user(_mirror_and_write, hub, folder / "own" / "hub")
        assert (blobs, weights, refused) == (3, "weights 1", True)
        assert failed == 1 and errors == ["models--owner--name/blobs/secret (Permission denied)"]
        assert state(hub) == before
    finally:
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                os.chmod(path, 0o755)
        shutil.rmtree(folder)


def test_errors_are_counted_and_the_first_few_are_told(hub, tmp_path, monkeypatch):
    for number in range(9):
        (hub / "models--owner--name" / "snapshots" / COMMIT / f"{number}.bin").symlink_to(f"../../blobs/{number:064x}")
    real = os.symlink

    def full(to: str, place: str) -> None:
        if place.endswith(".bin"):
            raise OSError(28, "No space left on device")
        real(to, place)

    monkeypatch.setattr(os, "symlink", full)
    done = mirror(hub, tmp_path / "own")
    assert (done.failed, len(done.errors), done.hard) == (9, module.SAMPLES, 3)
    assert "9 not mirrored, to be fetched when needed" in done.lines()[1] and done.lines()[1].endswith("(No space left on device); and 4 more")


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(1, 9))
def test_a_mirror_that_was_killed_anywhere_is_completed_by_the_next(at, hub, tmp_path, monkeypatch):
    left = [at]

    def dying(real):
        def call(*args: object, **named: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                raise _Killed
            return real(*args, **named)

        return call

    with monkeypatch.context() as patched:
        for name in ("link", "symlink", "replace"):
            patched.setattr(os, name, dying(getattr(os, name)))
        with pytest.raises(_Killed):
            mirror(hub, tmp_path / "own")
    mirror(hub, tmp_path / "own")
    mirror(hub, tmp_path / "whole")
    names = lambda folder: {path.relative_to(folder).as_posix() for path in folder.rglob("*")}   # noqa: E731
    assert names(tmp_path / "own") == names(tmp_path / "whole")
    assert (tmp_path / "own" / "models--owner--name" / "refs" / "main").read_text() == COMMIT


def _race(hub: Path, target: Path, start, answers) -> None:
    start.wait()
    done = mirror(hub, target)
    answers.put((done.hard, done.there, done.failed))


def test_two_processes_may_mirror_at_once(tmp_path):
    hub, context = make(tmp_path / "given", 300), multiprocessing.get_context("fork")
    start, answers = context.Event(), context.Queue()
    both = [context.Process(target=_race, args=(hub, tmp_path / "own", start, answers)) for _ in range(2)]
    for process in both:
        process.start()
    start.set()
    found = [answers.get(timeout=30) for _ in both]
    for process in both:
        process.join()
    assert sum(hard for hard, _, _ in found) == 300 and all(failed == 0 for _, _, failed in found)
    assert (tmp_path / "own" / "models--owner--name" / "snapshots" / COMMIT / "deep" / "299.safetensors").read_bytes() == b"weights 299"


def test_a_mirror_within_its_cache_is_refused(hub):
    with pytest.raises(ConfigError, match=r"neither may lie within the other"):
        mirror(hub, hub / "own")


def test_ten_thousand_entries_take_a_tenth_of_what_a_hundred_thousand_may(tmp_path):
    memory = Path("/dev/shm")   # the time is that of our work, not of a busy disk
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else tmp_path))
    try:
        done = mirror(make(folder / "given", 5000), folder / "own")
        assert done.hard + done.snapshots == 10_000 and done.seconds < 1.0
    finally:
        shutil.rmtree(folder)


def test_nothing_of_a_mirror_is_told_where_there_was_nothing():
    assert Mirrored().lines() == ["cache: nothing there; 0.0 s"]


@pytest.mark.parametrize("where", ["blobs", f"snapshots/{COMMIT}", "refs"])
@pytest.mark.parametrize("name", [f"aio-{1:064x}.part", f"{2:064x}.incomplete", "x.abc.incomplete"])
def test_what_a_download_appends_to_is_never_shared_with_the_source(name, where, hub, tmp_path):
    part = hub / "models--owner--name" / where / name
    part.write_bytes(b"half")
    mirror(hub, tmp_path / "own")
    own = tmp_path / "own" / "models--owner--name" / where / name
    assert not os.path.lexists(own)
    own.write_bytes(b"MORE")   # the download begins anew there
    assert part.read_bytes() == b"half" and not os.path.samefile(own, part)
