"""Composing: files are parsed once, an edited one again, and no configuration sees what was done to another."""

import yaml

from aio import config
from aio.config import composing


def folder_with_mode(tmp_path, title):
    place = tmp_path / "mine"
    (place / "mode").mkdir(parents=True, exist_ok=True)
    (place / "mode" / "mine.yaml").write_text(
        f"# @package _global_\ndefaults: [t2v, _self_]\nmode: {{name: mine, title: {title}, workflow: t2v.json}}\n", encoding="utf-8"
    )
    return place


def test_a_file_is_parsed_once_in_a_process(tmp_path, monkeypatch):
    config.compose(["mode=t2v", f"output.dir={tmp_path}/a"])
    parsed = []
    scan = yaml.load
    monkeypatch.setattr(yaml, "load", lambda *args, **rest: parsed.append(1) or scan(*args, **rest))
    assert config.compose(["mode=t2v", f"output.dir={tmp_path}/b"]).output_dir == tmp_path / "b"
    assert len(parsed) < 10   # the overrides are YAML too, and Hydra's own settings; the 16 files are not among them


def test_an_edited_file_is_read_again(tmp_path):
    place = folder_with_mode(tmp_path, "One")
    assert config.compose(["mode=mine"], [place]).title == "One"
    folder_with_mode(tmp_path, "Another")
    config._compose.cache_clear()
    assert config.compose(["mode=mine"], [place]).title == "Another"


def test_what_is_done_to_one_configuration_does_not_reach_the_next(tmp_path):
    first = config.compose(["mode=t2v", f"output.dir={tmp_path}/a"])
    first.registry.clear()
    first.values["variant"] = "changed"
    second = config.compose(["mode=t2v", f"output.dir={tmp_path}/b"])
    assert second.registry
    assert second.values["variant"] != "changed"


def test_jobs_that_differ_in_texts_share_a_composition_and_an_edited_file_ends_that(tmp_path, monkeypatch):
    asked = []
    real = composing._hydras
    monkeypatch.setattr(composing, "_hydras", lambda *words: asked.append(1) or real(*words))
    place = folder_with_mode(tmp_path, "One")
    titles = [config.compose(["mode=mine", f"output.dir={tmp_path}/{name}"], [place]).title for name in "ab"]
    assert titles == ["One", "One"] and len(asked) == 1
    folder_with_mode(tmp_path, "Another")
    assert config.compose(["mode=mine", f"output.dir={tmp_path}/c"], [place]).title == "Another" and len(asked) == 2
