"""What comes from outside is bounded before it is parsed and harmless before it is shown; folders of a user who has none."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aio.errors import InputError, OutputError
from aio.machine import outside, paths


@pytest.mark.parametrize(("text", "why"), [
    ("[" * 200_000, "nested more than 64"), ("[" * 65 + "]" * 65, "nested more than 64"), ('{"a":' * 80 + "1" + "}" * 80, "nested more than 64"),
    ("{", "Expecting"), ("NaN", "no number"), ("[1e5, Infinity]", "no number"), ("9" * 5000, "Exceeds"),
    ('{"a": {"b": 1, "c": 2, "b": 1}}', "'b' is given twice; give it once"), ('[{"\\u001b": 1, "\\u001b": 2}]', r"\\x1b' is given twice"),
])
def test_json_that_is_no_json_or_too_deep_is_a_value_error_in_words(text, why):
    with pytest.raises(ValueError, match=why):
        outside.json_of(text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_comes_back_as_it_was(value):
    assert outside.json_of(json.dumps(value)) == value


def test_a_text_file_is_bounded_plain_and_utf_8(tmp_path):
    good, large, latin = tmp_path / "good", tmp_path / "large", tmp_path / "latin"
    good.write_text("﻿Größe")
    large.write_bytes(b"x" * 11)
    latin.write_bytes("Größe".encode("latin-1"))
    os.mkfifo(tmp_path / "pipe")   # nobody writes into it: reading would wait for ever
    assert outside.text_of(good) == "Größe"
    for name, why, limit in (("large", "more than", 10), ("latin", "not UTF-8", 100), ("pipe", "not a regular file", 100)):
        with pytest.raises(ValueError, match=why):
            outside.text_of(tmp_path / name, limit)


@given(st.text())
def test_what_is_shown_holds_nothing_that_steers_a_terminal(text):
    shown = outside.shown(text)
    assert not any((ord(char) < 32 and char not in "\t\n") or 127 <= ord(char) < 160 for char in shown)


def test_an_escape_sequence_stands_there_as_its_code():
    assert outside.shown("a\x1b[31mred\x9b\u202egpj.exe\tb\n") == "a\\x1b[31mred\\x9b\\u202egpj.exe\tb\n"


def test_a_user_without_a_home_has_a_cache_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(paths.Path, "home", classmethod(lambda cls: (_ for _ in ()).throw(RuntimeError("no home"))))
    assert paths.home() is None
    assert paths.cache() == tmp_path / f"aio-{os.getuid()}" / "cache"


def test_an_unknown_home_in_a_path_is_named():
    with pytest.raises(InputError, match=r"^image: '~nobody-of-that-name/x.png' begins with a home folder"):
        paths.expanded("~nobody-of-that-name/x.png", "image")


def test_the_temporary_folder_is_this_users_own_and_closed_to_others(monkeypatch, tmp_path):
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / f"aio-{os.getuid()}").mkdir(mode=0o755)
    assert paths.temporary().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("make", [lambda path: path.write_text("a file"), lambda path: path.symlink_to("/etc"), lambda path: path.symlink_to("none")])
def test_a_temporary_folder_that_is_none_is_refused_in_words(monkeypatch, tmp_path, make):
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path))
    make(tmp_path / f"aio-{os.getuid()}")
    with pytest.raises(OutputError, match=r"aio-\d+ .*TMPDIR"):
        paths.temporary()
