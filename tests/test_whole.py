"""One writer for every file: whole or not at all, over a file only where that is meant, also on disks without links."""

import ast
import errno
import os
from pathlib import Path

import pytest

from aio.machine import links, whole

AIO = Path(whole.__file__).resolve().parent.parent


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_what_breaks_off_leaves_the_old_file_and_nothing_else(error, tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(error), whole.filled(target) as (file, _):
        file.write(b"half")
        raise error
    assert target.read_text() == "old" and names(tmp_path) == ["a.json"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    with whole.filled(target, synced=True) as (file, part):
        file.write(b"new")
        assert target.read_text() == "old" and whole.PART.fullmatch(part.name) and whole.held(part)
    assert target.read_text() == "new" and names(tmp_path) == ["a.json"]


def test_a_file_that_must_stay_stays(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").write_text("new")
    for write in (whole.copy, links.twin):
        with pytest.raises(FileExistsError):
            write(tmp_path / "b", tmp_path / "a", **({"over": False} if write is whole.copy else {}))
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a", "b"]


def test_a_second_name_is_a_copy_where_links_are_refused(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    monkeypatch.setattr(os, "link", refuse)
    links.twin(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"x" * 3_000_000 and (tmp_path / "b").stat().st_ino != (tmp_path / "a").stat().st_ino
    assert names(tmp_path) == ["a", "b"]


def test_who_writes_alone_writes_over_what_a_killed_one_left(tmp_path):
    for content in (b"long, and half", b"new"):
        with whole.part(tmp_path, name="a") as (file, part):
            assert part.stat().st_size == 0
            file.write(content)
            file.flush()
            left = part.with_name("saved")
            os.link(part, left)
        os.replace(left, part)   # as if it had been killed
    assert part.read_bytes() == b"new" and len(names(tmp_path)) == 1


def test_a_text_that_is_no_utf8_is_written_escaped(tmp_path):
    whole.write(tmp_path / "a", "x\udcffy")
    assert (tmp_path / "a").read_bytes() == b"x\\udcffy"


MOVES = ("os.replace", "os.rename", "shutil.move", "tempfile.mkstemp", "tempfile.NamedTemporaryFile")
ALLOWED = {
    "machine.whole", "machine.links",
    "stop",                     # below machine: a word in a file of the temporary folder
    "media.stale",              # moves a copy aside to remove it, and back
    "weights.download.hub",     # a transfer that goes on after a kill, under the Hub's own name
}


def test_no_other_module_moves_a_file_to_its_name():
    found = set()
    for path in AIO.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in MOVES or called.endswith(".rename") or (called.endswith(".replace") and len(node.args) == 1 and not node.keywords):
                found.add(path.relative_to(AIO).with_suffix("").as_posix().replace("/", "."))
    assert found <= ALLOWED and {"machine.whole", "stop"} <= found
