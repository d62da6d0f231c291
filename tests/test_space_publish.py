"""What the Hub reads of a Space is generated, has not drifted, and is nothing that the Hub refuses."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from aio import cli, config
from aio.comfyui.provision import requirements
from aio.command import Command
from aio.config import pins
from aio.config.registry import RegistryEntry
from aio.errors import ConfigError
from aio.spaces import needs, publish, rules, verb
from aio.spaces.preload import choose
from aio.spaces.publish import Publication, card_of, drift, publication

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("AIO_COMFYUI_DIR") or Path.home() / ".cache/aio/comfyui")
PINS = config.compose(["mode=t2v"]).comfyui


@pytest.fixture(scope="module")
def made() -> Publication:
    return publication()


@pytest.fixture
def repo(made, tmp_path) -> Path:
    """A copy of what a Space is made of."""
    for name in ("README.md", "requirements.txt", "pyproject.toml", "app.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def card(made: Publication, **changes: object) -> dict:
    return {**made.card, **changes}


def faults(made: Publication, **changes: object) -> list[str]:
    return list(rules.card_faults(card(made, **changes), made.limits, ROOT))


# -- generated


@pytest.mark.parametrize("name", ["README.md", "requirements.txt"])
def test_the_committed_file_is_what_the_configuration_makes(name, made):
    assert (ROOT / name).read_text(encoding="utf-8") == made.files[name], "run `python -m aio space --write`"


def test_writing_changes_the_front_matter_and_leaves_the_body(made, repo):
    body = made.files["README.md"].split("---\n\n", 1)[1]
    (repo / "README.md").write_text(body)
    (repo / "requirements.txt").unlink()
    assert drift(made, repo) == ["README.md", "requirements.txt"] == publish.write(made, repo)
    assert (repo / "README.md").read_text() == made.files["README.md"] and drift(made, repo) == []
    assert card_of((repo / "README.md").read_text()) == made.card


def test_the_entries_hold_every_file_of_the_default_model_in_every_mode_and_preset(made):
    entries = {repo: (files.split(","), revision) for repo, files, *revision in (entry.split() for entry in made.card["preload_from_hub"])}
    files, (commit,) = entries["Lightricks/LTX-2.3-fp8"]
    assert files == ["ltx-2.3-22b-dev-fp8.safetensors", "ltx-2.3-22b-distilled-fp8.safetensors"]
    assert commit == made.config.registry[files[0]].revision
    assert entries["Comfy-Org/ltx-2"][0] == ["split_files/text_encoders/gemma_3_12B_it_fp4_mixed.safetensors"]
    assert "Lightricks/LTX-2.3-22b-IC-LoRA-Union-Control" in entries   # mode style
    assert len(entries) == 5 and made.preload.lazy == ()
    assert made.lines()[-1] == f"{made.preload.bytes / 1e9:7.2f} GB of 150 GB, 5 of 10 entries"


def file(name: str, repo: str, gigabytes: float, revision: str = "main") -> RegistryEntry:
    return RegistryEntry(name, repo, name, revision, int(gigabytes * 1e9))


def test_files_beyond_the_entries_or_the_storage_are_loaded_lazily_those_of_least_use_first():
    limits = dataclasses.replace(publication().limits, preload_entries=2, preload_gb=100)
    one, two = "a" * 40, "b" * 40
    files = [file("a", "o/one", 50, one), file("b", "o/two", 40), file("c", "o/three", 1), file("d", "o/one", 20, one), file("e", "o/two", 9)]
    found = choose(files, limits)
    assert found.entries == (f"o/one a {one}", "o/two b,e")
    assert [each.name for each in found.lazy] == ["c", "d"] and found.bytes == 99 * 10**9
    assert choose([file("a", "o/one", 1, one), file("b", "o/one", 1, two)], limits).entries == (f"o/one a {one}", f"o/one b {two}")


def test_the_requirements_are_those_of_aio_and_of_comfyui_and_none_that_the_space_brings(made):
    lines = {Requirement(line).name.lower(): line for line in made.files["requirements.txt"].splitlines() if line and not line.startswith("#")}
    assert not {"gradio", "gradio-client", "spaces", "huggingface-hub", "huggingface_hub"} & set(lines)
    assert {"torch", "torchvision", "torchaudio", "hydra-core", "transformers", "comfy-kitchen", "sentencepiece"} <= set(lines)
    assert not [name for name in lines if name.startswith("comfyui-") or name in ("alembic", "spandrel", "pyopengl")]   # conf/comfyui: leave_out
    assert lines["comfy-kitchen"] == "comfy-kitchen==0.2.31" and lines["torch"] == "torch==2.11.0"
    assert SpecifierSet(str(Requirement(lines["av"]).specifier)) == SpecifierSet(">=18.1,<19,>=16.0.0")   # aio's and ComfyUI's in one line


def test_packs_that_a_model_of_the_page_needs_bring_their_requirements(made):
    offered = [config.facts(group, name).get("packs") or () for group in ("model", "memory") for name in config.choices(group)]
    assert set(needs.packs()) == {pack for packs in offered for pack in packs} >= {"ComfyUI-GGUF", "ComfyUI-KJNodes"}
    assert "# ComfyUI-GGUF at " in made.files["requirements.txt"]
    assert "\ngguf>=" in made.files["requirements.txt"] and "\ngguf>=" not in needs.text(made.config, ROOT)
    assert "\ncolor-matcher\n" in needs.text(made.config, ROOT, ["ComfyUI-KJNodes"])


def test_requirements_of_another_commit_are_refused():
    with pytest.raises(ConfigError, match=r"the requirements of ComfyUI at 1{40} are not on record: run `python -m aio setup`"):
        needs.recorded(pins.Pin("ComfyUI", "https://example.org/x", "1" * 40))


@pytest.mark.parametrize("pin", [PINS.comfyui, *(pin for pin in PINS.packs.values() if not pin.bundled)], ids=lambda pin: pin.name)
def test_the_recorded_requirements_belong_to_the_pin(pin):
    assert needs.recorded(pin)


@pytest.mark.comfyui
@pytest.mark.skipif(not (REAL / "nodes.py").is_file(), reason="the real ComfyUI is not set up: python -m aio setup")
def test_the_recorded_requirements_are_those_of_the_real_comfyui():
    assert needs.recorded(PINS.comfyui) == requirements.read(REAL / "requirements.txt")
    assert needs.record(PINS) == json.loads(needs.RECORD.read_text())   # the packs that are set up, too


def test_the_version_of_gradio_is_one_that_aio_takes():
    import tomllib

    (wanted,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["ui"]
    assert Requirement(wanted).specifier.contains(card_of((ROOT / "README.md").read_text())["sdk_version"])


# -- refused


def test_the_hub_refuses_nothing_of_what_is_committed(made):
    assert verb.check(made, ROOT) == []


@pytest.mark.parametrize(("changes", "said"), [
    ({"short_description": "x" * 61}, "short_description: has 61 characters, the Hub takes 60: shorten it"),
    ({"title": "x" * 101}, "title: has 101 characters, the Hub takes 100: shorten it"),
    ({"title": None}, "title: is missing"),
    ({"colorFrom": "gren"}, "colorFrom: 'gren' is unknown. Did you mean 'green'? Known: red, yellow, green, blue, indigo, purple, pink, gray"),
    ({"emoji": None}, "emoji: is missing"),
    ({"emoji": "film"}, "emoji: 'film' is not one emoji"),
    ({"sdk": "streamlit"}, "sdk: 'streamlit' is unknown. Known: gradio, docker, static"),
    ({"sdk_version": "latest"}, "sdk_version: 'latest' is no version such as 6.31.0"),
    ({"python_version": "3.11"}, "python_version: ZeroGPU does not offer '3.11'. Offered: 3.12.12, 3.10.13"),
    ({"python_version": "3.10"}, "python_version: aio needs >=3.11, this is 3.10"),
    ({"python_version": 3.1}, "python_version: 3.1 is a number in YAML, where 3.10 is 3.1: quote it"),
    ({"app_file": "main.py"}, "app_file: there is no 'main.py' in the repository"),
    ({"app_file": "../app.py"}, "app_file: there is no '../app.py' in the repository"),
    ({"startup_duration_timeout": "1 hour"}, "startup_duration_timeout: '1 hour' is no time such as 30m or 1h"),
    ({"preload_from_hub": [f"o/r{n} f" for n in range(11)]},
     "preload_from_hub: has 11 entries, the Hub takes 10: put files of one repository into one entry"),
    ({"preload_from_hub": ["o/r a, b"]}, "preload_from_hub: 'o/r a, b': 'b' is no commit of 40 hex digits"),
    ({"preload_from_hub": ["r f"]}, "preload_from_hub: 'r f' is not `OWNER/NAME file1,file2 commit`"),
])
def test_a_front_matter_is_refused_in_words(changes, said, made):
    assert faults(made, **changes) == [said]


@pytest.mark.parametrize("emoji", ["🎬", "🎙️", "👩‍🚀", "🏳️‍🌈", "✂️"])
def test_emoji_of_several_code_points_pass(emoji, made):
    assert faults(made, emoji=emoji) == []


def test_more_than_the_storage_and_a_file_of_unknown_size_are_refused(made):
    known = {entry.name: entry for entry in (file("a", "o/r", 90), file("b", "o/r", 61))}
    assert list(rules.size_faults(["o/r a,b"], known, made.limits)) == [
        "preload_from_hub: 151.0 GB, a Space has room for 150 GB: leave files to be loaded lazily"]
    assert list(rules.size_faults(["o/r a,c", "o/whole"], known, made.limits)) == [
        "preload_from_hub: o/r c is not in the registry, so its size is unknown",
        "preload_from_hub: o/whole without files fetches the whole repository: name the files"]


@pytest.mark.parametrize(("line", "said"), [
    ("gradio==6.31.0", "requirements.txt: gradio==6.31.0: the Space installs gradio itself, at sdk_version: leave it out"),
    ("spaces", "requirements.txt: spaces: the Space installs spaces itself, at sdk_version: leave it out"),
    ("huggingface-hub>=1", "requirements.txt: huggingface-hub>=1: the Space installs huggingface-hub itself, at sdk_version: leave it out"),
    ("torch==2.13.0", "requirements.txt: torch==2.13.0: ZeroGPU offers torch 2.8 to 2.11: pin one of them with =="),
    ("torch>=2.8", "requirements.txt: torch>=2.8: ZeroGPU offers torch 2.8 to 2.11: pin one of them with =="),
    ("-r other.txt", "requirements.txt: '-r other.txt' is no requirement"),
])
def test_a_requirement_is_refused_in_words(line, said, made):
    assert list(rules.requirement_faults(f"# comment\n{line}\n", made.config.space.provided, made.limits)) == [said]


@pytest.mark.parametrize("version", ["2.8.0", "2.9.1", "2.11.0"])
def test_every_torch_that_zerogpu_offers_passes(version, made):
    assert list(rules.requirement_faults(f"torch=={version}\n", (), made.limits)) == []


# -- the verb


def test_check_tells_drift_and_every_fault_at_once_and_exits_with_1(made, repo, capsys, monkeypatch):
    monkeypatch.setattr(publish, "publication", lambda *_: made)
    assert verb.space(Command("space", options={"check"}), repo) == 0 and capsys.readouterr().out.endswith("the Hub would refuse nothing\n")
    text = (repo / "README.md").read_text().replace("colorTo: yellow", "colorTo: amber").replace("app_file: app.py", "app_file: gone.py")
    (repo / "README.md").write_text(text)
    (repo / "requirements.txt").write_text("torch==2.2.0\ngradio\n")
    assert verb.space(Command("space", options={"check"}), repo) == 1
    said = capsys.readouterr().out
    for part in ("README.md: differs from the configuration", "requirements.txt: differs", "'amber'", "'gone.py'", "torch==2.2.0", "gradio itself"):
        assert part in said
    (repo / "README.md").write_text("---\ntitle: [\n---\n\n# aio\n")
    assert verb.space(Command("space", options={"check"}), repo) == 1 and "its front matter is not YAML" in capsys.readouterr().out
    (repo / "README.md").write_text("# aio\n")
    assert verb.space(Command("space", options={"check"}), repo) == 1 and "README.md: it has no front matter" in capsys.readouterr().out


def test_write_writes_once_and_then_nothing(made, repo, capsys, monkeypatch):
    monkeypatch.setattr(publish, "publication", lambda *_: made)
    monkeypatch.setattr(publish, "renew_record", lambda *_: None)
    (repo / "requirements.txt").write_text("old\n")
    for said in ("written: requirements.txt\n", "written: nothing, all is as the configuration says\n"):
        assert verb.space(Command("space", options={"write"}), repo) == 0
        assert capsys.readouterr().out.endswith(said)


def test_outside_a_checkout_the_verb_says_where_to_run_it(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no pyproject.toml: run this in a checkout of aio"):
        publication(root=tmp_path)


def test_the_command_line_knows_the_verb_and_refuses_fields(capsys):
    assert cli.main(["space", "seed=1"]) == 2 and "space: seed=1 is not used here" in capsys.readouterr().err
    assert cli.main(["space", "--wrte"]) == 2 and "Did you mean 'write'?" in capsys.readouterr().err


