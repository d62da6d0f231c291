"""Results on disk: never over an existing file, never half a file, and a clear word when the disk refuses."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from aio import outputs
from aio.errors import ConfigError, OutputError


def made(tmp_path, name="made.mp4", data=b"video"):
    path = tmp_path / "work" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_results_are_numbered_and_never_overwritten(tmp_path):
    names = [outputs.publish(made(tmp_path), tmp_path, "t2v", ".mp4", numbered=True).name for _ in range(3)]
    assert names == ["t2v-0001.mp4", "t2v-0002.mp4", "t2v-0003.mp4"]


def test_a_given_name_gets_a_number_only_when_it_is_taken(tmp_path):
    names = [outputs.publish(made(tmp_path), tmp_path, "clip", ".mp4", numbered=False).name for _ in range(2)]
    assert names == ["clip.mp4", "clip-0002.mp4"]


def test_many_writers_get_a_name_each(tmp_path):
    files = [made(tmp_path, f"{i}.mp4", str(i).encode()) for i in range(20)]
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda file: outputs.publish(file, tmp_path, "x", ".mp4", numbered=True), files))
    assert len(set(paths)) == 20
    assert {path.read_bytes() for path in paths} == {str(i).encode() for i in range(20)}


def test_nothing_but_the_result_is_left(tmp_path):
    path = outputs.publish(made(tmp_path), tmp_path, "x", ".mp4", numbered=True)
    assert [entry for entry in tmp_path.iterdir() if entry.is_file()] == [path]


@pytest.mark.parametrize("name", ["../x", "a/b", "", " ", "..", "a\\b", "a\0"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"output\.name"):
        outputs.prepare(tmp_path, name)


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"output\.dir: cannot write .*file.*; choose another folder"):
        outputs.prepare(tmp_path / "file")


def test_an_unwritable_folder_is_named(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)   # root may write everywhere
    with pytest.raises(OutputError, match="Permission denied"):
        outputs.prepare(tmp_path)


