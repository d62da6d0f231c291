"""A mode of one's own: a workflow and a YAML file outside the repo, no Python."""

import json
from pathlib import Path

from aio.cli import main
from aio.config import WORKFLOWS
from aio.graph import workflow

README = Path(__file__).resolve().parent.parent / "README.md"


def block(language: str, after: str) -> str:
    """The first code block of `language` in the README after a heading."""
    text = README.read_text(encoding="utf-8").split(after, 1)[1]
    return text.split(f"```{language}\n", 1)[1].split("```", 1)[0]


def test_the_mode_of_the_readme_works_outside_the_repo(tmp_path, monkeypatch, capsys):
    mine = tmp_path / "mine"
    (mine / "mode").mkdir(parents=True)
    graph = workflow.load(WORKFLOWS / "t2v.json")
    graph["43"]["_meta"]["title"] = "My own export"
    (tmp_path / "loop.json").write_text(json.dumps(graph))
    text = block("yaml", "## A mode of your own").replace("/path/to/loop.json", str(tmp_path / "loop.json"))
    (mine / "mode" / "loop.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--config-dir", str(mine), "mode=loop"]) == 0, capsys.readouterr().out
    words = ["--config-dir", str(mine), "mode=loop", "prompt=x", "bit_depth=10", "width=256", "height=256", "seconds=0.4", "engine=preview"]
    assert main(words) == 0
    assert Path(capsys.readouterr().out.splitlines()[-1]).name == "loop-0001.preview.mp4"
    assert main([word.replace("=10", "=12") for word in words]) == 2
    assert "bit_depth: 12 is above 10" in capsys.readouterr().err
    assert main(["--help", "--config-dir", str(mine), "mode=loop"]) == 0
    assert "loop" in capsys.readouterr().out


def test_a_sweep_finds_the_mode_too(tmp_path, monkeypatch, capfd):
    mine = tmp_path / "mine"
    (mine / "mode").mkdir(parents=True)
    text = block("yaml", "## A mode of your own").replace("/path/to/loop.json", str(WORKFLOWS / "t2v.json"))
    (mine / "mode" / "loop.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    words = ["-m", "--config-dir", str(mine), "mode=loop", "bit_depth=8,10", "prompt=x", "width=256", "height=256", "seconds=0.4", "engine=preview"]
    assert main(words) == 0
    assert len(capfd.readouterr().out.splitlines()) == 3   # two clips and the sheet
