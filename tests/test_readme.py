"""The README's commands are real: verbs, groups, choices and fields exist."""

import re
import shlex
from pathlib import Path

import pytest

from aio import config
from aio.cli import VERBS
from aio.command import parse

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
COMMANDS = [line for line in BLOCKS.splitlines() if line.startswith("python -m aio")]


def test_the_readme_has_commands():
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_parses_and_names_real_fields(line, tmp_path, monkeypatch):
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    monkeypatch.chdir(tmp_path)
    command = parse(shlex.split(line, comments=True)[3:], VERBS)
    if command.multirun:
        command.swept()
    assert set(command.params) <= set(command.compose().fields), line


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_make_commands_exist(target):
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_mode_preset_and_model_is_in_the_readme():
    for group in ("mode", "preset", "model"):
        for name in config.choices(group):
            assert re.search(rf"\b{name}\b", README), name


def test_links_inside_the_repo_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
