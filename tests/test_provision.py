"""Setup: ComfyUI and packs to their pins from local mirrors, interrupted anywhere, and the check of what is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sections import section

from aio.comfyui import location, provision
from aio.comfyui.location import find, head, manifest, pack_dir
from aio.comfyui.provision import process, requirements, setup
from aio.config.pins import Pin, Pins
from aio.errors import Cancelled, ConfigError, EngineError, OutputError
from aio.machine import folders

ROOT = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("AIO_COMFYUI_DIR") or Path.home() / ".cache/aio/comfyui")


def git(path: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", "-C", str(path), *who, *arguments], capture_output=True, text=True, env=process.environment())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def repository(path: Path, *versions: dict[str, str]) -> list[str]:
    """A repository with one commit a version; returns their ids."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "master")
    commits = []
    for files in versions:
        for name, text in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
        git(path, "add", "-A")
        git(path, "commit", "-q", "-m", "version")
        commits.append(git(path, "rev-parse", "HEAD"))
    return commits


@pytest.fixture(scope="session")
def mirror(tmp_path_factory) -> tuple[Path, Pins, str]:
    """(folder of repositories, pins of them, a later ComfyUI commit that no pin names)."""
    folder = tmp_path_factory.mktemp("mirror")
    base = {f"comfy/{n}.py": f"# {n}\n" * 50 for n in range(30)}
    base |= {"execution.py": "1\n", "nodes.py": "n\n", "comfyui_version.py": '__version__ = "9.0"\n', ".gitignore": "/custom_nodes/\n"}
    base["requirements.txt"] = "torch\npytest\nno-such-thing-aio>=1  # why\ncomfyui-frontend-package==1\n"
    older, pinned, later = repository(folder / "Comfy-Org" / "ComfyUI", {**base, "nodes.py": "old\n"}, base, {"nodes.py": "new\n"})
    assert older != pinned
    (pack,) = repository(folder / "ComfyUI-Pack.git", {"__init__.py": "", "requirements.txt": "pytest\nother-missing-aio\n"})
    pins = Pins(
        "https://github.com/Comfy-Org/ComfyUI.git", pinned,
        version="9.0",
        packs={"ComfyUI-Pack": Pin("ComfyUI-Pack", "https://github.com/someone/ComfyUI-Pack", pack)},
        mirror=str(folder),
        leave_out=("torch", "comfyui-*"),
    )
    return folder, pins, later


@pytest.fixture
def home(tmp_path, monkeypatch, mirror) -> Path:
    """A machine without ComfyUI, whose committed manifest is that of the mirror's ComfyUI."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AIO_COMFYUI_DIR", raising=False)
    monkeypatch.delenv("AIO_ALLOW_ANY_COMFYUI", raising=False)
    monkeypatch.setattr(folders, "checkout", lambda: None)
    copy = tmp_path / "pinned"
    git(tmp_path, "clone", "-q", str(mirror[0] / "Comfy-Org" / "ComfyUI"), str(copy))
    git(copy, "checkout", "-q", mirror[1].comfyui.revision)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest(copy)))
    monkeypatch.setattr(location, "MANIFEST", tmp_path / "manifest.json")
    return tmp_path / "home" / ".cache" / "aio" / "comfyui"


# -- the pins


def test_the_committed_pins_are_full_commits_with_urls_and_nothing_is_made_of_a_tag():
    mapping = yaml.safe_load((ROOT / "conf/comfyui/pins.yaml").read_text())
    pins = section("comfyui", mapping)
    packs = {name: pin for name, pin in pins.packs.items() if not pin.bundled}
    assert pins.comfyui.revision == "2f35f4a08176d993cded35dac3332be4f7287f41" and set(packs) == {"ComfyUI-KJNodes", "ComfyUI-GGUF"}
    assert all(pin.url.startswith("https://github.com/") for pin in (pins.comfyui, *packs.values()))
    with pytest.raises(ConfigError, match=r"40 hex digits, not 'v0.33.0'; a tag or a branch can move"):
        section("comfyui", {**mapping, "revision": "v0.33.0"})
    with pytest.raises(ConfigError, match=r"comfyui\.miror: unknown key\. Did you mean 'mirror'"):
        section("comfyui", {**mapping, "miror": "x"})
    with pytest.raises(ConfigError, match=r"no node pack 'ComfyUI-KJNode'. Did you mean 'ComfyUI-KJNodes'"):
        setup(pins, ["ComfyUI-KJNode"])


GOOD = {"url": "https://github.com/a/b", "revision": "1" * 40}


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (5, r"comfyui: 5 is no section"),
        ({**GOOD, "packs": ["x"]}, r"comfyui.packs: \['x'\] is not a mapping"),
        ({**GOOD, "packs": {"x": 5}}, r"comfyui\.packs\.x: 5 is no section"),
        ({**GOOD, "packs": {"../../x": GOOD}}, r"'../../x' leaves custom_nodes"),
        ({**GOOD, "packs": {"a/b": GOOD}}, r"'a/b' leaves custom_nodes"),
        ({**GOOD, "packs": {"..": GOOD}}, r"'..' leaves custom_nodes"),
        ({**GOOD, "packs": {"x": {**GOOD, "url": "--upload-pack=touch x"}}}, r"begins with a dash"),
        ({**GOOD, "leave_out": "torch"}, r"comfyui.leave_out: 'torch' is not a list"),
        ({**GOOD, "leave_out": 5}, r"comfyui.leave_out: 5 is not a list"),
        ({**GOOD, "mirror": 5}, r"comfyui.mirror: 5 is not text"),
    ],
)
def test_odd_pins_give_words_and_no_pack_leaves_its_folder(odd, words):
    with pytest.raises(ConfigError, match=words):
        section("comfyui", odd)


def test_the_committed_manifest_belongs_to_the_pin():
    pins = section("comfyui", yaml.safe_load((ROOT / "conf/comfyui/pins.yaml").read_text()))
    pinned = json.loads((ROOT / "aio/data/comfyui_manifest.json").read_text())
    assert (pinned["revision"], pinned["version"]) == (pins.comfyui.revision, pins.version)
    assert {"execution.py", "nodes.py", "server.py", "folder_paths.py", "comfy/sd.py", "comfy_extras/nodes_lt.py"} <= set(pinned["files"])


@pytest.mark.comfyui
@pytest.mark.skipif(not (REAL / "nodes.py").is_file(), reason="the real ComfyUI is not set up: python -m aio setup")
def test_the_committed_manifest_is_the_one_of_the_real_comfyui(monkeypatch):
    assert manifest(REAL) == json.loads((ROOT / "aio/data/comfyui_manifest.json").read_text())
    found = find(section("comfyui", yaml.safe_load((ROOT / "conf/comfyui/pins.yaml").read_text())), REAL)
    assert found is not None and found.verified_by == "git"


# -- setup


def test_setup_fetches_comfyui_and_packs_and_a_second_run_does_nothing(home, mirror, monkeypatch):
    _, pins, _ = mirror
    events = []
    report = setup(pins, ["ComfyUI-Pack", "ComfyUI-Pack"], events.append, install=False)
    assert report.repositories == {"ComfyUI": "fetched", "ComfyUI-Pack": "fetched"}
    assert (report.comfyui.path, report.comfyui.verified_by) == (home, "git")
    assert pack_dir(home, pins.packs["ComfyUI-Pack"]) == home / "custom_nodes" / "ComfyUI-Pack"
    assert "Fetching ComfyUI" in {event.stage for event in events} and all(event.kind == "stage" for event in events)
    monkeypatch.setattr(process, "run", None)   # no command runs
    again = setup(pins, ["ComfyUI-Pack"], install=False)
    assert set(again.repositories.values()) == {"already there"}
    assert again.lines()[0] == f"ComfyUI: already there, {pins.comfyui.revision} at {home} (the cache)"


def _empty(path: Path, folder: Path, pins: Pins) -> None:
    path.mkdir(parents=True)


def _git_init(path: Path, folder: Path, pins: Pins) -> None:
    path.mkdir(parents=True)
    git(path, "init", "-q")


def _killed_in_init(path: Path, folder: Path, pins: Pins) -> None:
    _git_init(path, folder, pins)
    (path / ".git" / "HEAD").unlink()
    (path / ".git" / "config.lock").touch()


def _fetched(path: Path, folder: Path, pins: Pins) -> None:
    _git_init(path, folder, pins)
    git(path, "-c", "fetch.unpackLimit=1", "fetch", "-q", "--depth", "1", str(folder / "Comfy-Org" / "ComfyUI"), pins.comfyui.revision)


def _killed_in_fetch(path: Path, folder: Path, pins: Pins) -> None:
    _git_init(path, folder, pins)
    (path / ".git" / "shallow.lock").touch()
    (path / ".git" / "objects" / "pack" / "tmp_pack_Abc").write_bytes(b"PACK half")


def _killed_in_checkout(path: Path, folder: Path, pins: Pins) -> None:
    _fetched(path, folder, pins)
    (path / "execution.py").write_text("1\n")
    (path / "nodes.py").write_text("half of th")
    (path / ".git" / "index.lock").touch()


def _a_file_was_deleted(path: Path, folder: Path, pins: Pins) -> None:
    setup(pins, install=False)
    (path / "comfy" / "3.py").unlink()


def _at_another_commit(path: Path, folder: Path, pins: Pins) -> None:
    git(path.parent.parent.parent.parent, "clone", "-q", str(folder / "Comfy-Org" / "ComfyUI"), str(path))
    assert head(path) != pins.comfyui.revision


@pytest.mark.parametrize(
    "state",
    [_empty, _git_init, _killed_in_init, _killed_in_fetch, _fetched, _killed_in_checkout, _a_file_was_deleted, _at_another_commit],
)
def test_a_partial_folder_is_never_taken_for_done_and_is_completed(state, home, mirror):
    folder, pins, _ = mirror
    state(home, folder, pins)
    if state in (_killed_in_checkout, _at_another_commit):
        with pytest.raises(EngineError, match=r"run `python -m aio setup`, or set AIO_ALLOW_ANY_COMFYUI=1"):
            find(pins)
    elif state is not _a_file_was_deleted:
        assert find(pins) is None
    setup(pins, install=False)
    found = find(pins)
    assert found is not None and found.revision == pins.comfyui.revision
    assert (home / "nodes.py").read_text() == "n\n" and (home / "comfy" / "3.py").is_file()


@pytest.mark.parametrize("stage", ["Fetching ComfyUI", "Checking out ComfyUI", "Fetching ComfyUI-Pack", "Checking out ComfyUI-Pack"])
def test_a_setup_that_is_stopped_at_any_command_goes_on_the_next_time(stage, home, mirror):
    _, pins, _ = mirror

    def stop(event):
        if event.stage == stage:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        setup(pins, ["ComfyUI-Pack"], stop, install=False)
    setup(pins, ["ComfyUI-Pack"], install=False)
    assert find(pins).verified_by == "git" and pack_dir(home, pins.packs["ComfyUI-Pack"])


def test_a_folder_that_is_not_ours_is_not_touched(home, mirror):
    _, pins, _ = mirror
    home.mkdir(parents=True)
    (home / "thesis.txt").write_text("mine")
    with pytest.raises(EngineError, match=r"not empty and no git repository: move it away"):
        setup(pins, install=False)
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]


def test_local_changes_are_told_and_kept(home, mirror):
    _, pins, _ = mirror
    setup(pins, install=False)
    (home / "nodes.py").write_text("mine\n")
    with pytest.raises(EngineError, match=r"has local changes \(nodes.py\): keep them elsewhere"):
        setup(pins, install=False)
    assert (home / "nodes.py").read_text() == "mine\n"


def test_another_source_and_a_mirror_that_lacks_a_repository_or_the_commit(home, mirror, tmp_path):
    folder, pins, _ = mirror
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(folder / "Comfy-Org" / "ComfyUI"), str(bare))
    setup(pins, source=str(bare), target=tmp_path / "elsewhere", install=False)
    assert find(pins, tmp_path / "elsewhere").source == "the given folder"
    with pytest.raises(EngineError, match=r"holds none of Comfy-Org/ComfyUI.git, Comfy-Org/ComfyUI, ComfyUI.git, ComfyUI"):
        setup(Pins(pins.url, pins.revision, mirror=str(tmp_path / "home")), install=False)
    with pytest.raises(EngineError, match=r"does not hold ComfyUI at 1111.*is the mirror up to date"):
        setup(Pins(pins.comfyui.url, "1" * 40, mirror=str(folder)), install=False)
    with pytest.raises(EngineError, match=r"(?s)failed \(128\); check the connection, or set comfyui.mirror"):
        setup(Pins(str(tmp_path / "nowhere"), "1" * 40), install=False)


def test_a_mirror_url_stands_for_the_host_and_keeps_the_path():
    pins = section("comfyui", {"url": "https://github.com/Comfy-Org/ComfyUI.git", "revision": "1" * 40, "mirror": "https://git.example.org/m/"})
    assert provision._mirrored(pins, pins.comfyui) == "https://git.example.org/m/Comfy-Org/ComfyUI.git"
    widget = Pin("widgit", "https://github.com/o/widgit", "1" * 40)   # rstrip(".git") would eat its name
    assert provision._mirrored(pins, widget) == "https://git.example.org/m/o/widgit.git"


@pytest.fixture
def checkout(home, mirror, tmp_path, monkeypatch) -> Path:
    """A git checkout of aio with the submodule comfyui recorded at the pin, not filled."""
    root = tmp_path / "aio"
    (root / "conf").mkdir(parents=True)
    git(root, "init", "-q")
    (root / ".gitmodules").write_text('[submodule "comfyui"]\n\tpath = comfyui\n\turl = https://github.com/Comfy-Org/ComfyUI.git\n')
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{mirror[1].comfyui.revision},comfyui")
    monkeypatch.setattr(folders, "checkout", lambda: root)
    return root


def test_a_checkout_with_a_submodule_fills_it_by_git_and_refuses_another_gitlink(checkout, home, mirror):
    _, pins, later = mirror
    root = checkout
    report = setup(pins, ["ComfyUI-Pack"], install=False)
    assert (report.comfyui.path, report.comfyui.source) == (root / "comfyui", "the submodule")
    assert (root / "comfyui" / ".git").is_file() and not home.exists()
    assert {path.name for path in root.iterdir()} == {".git", ".gitmodules", "conf", "comfyui"}
    assert git(root, "submodule", "status").split()[0] == pins.comfyui.revision
    assert set(setup(pins, ["ComfyUI-Pack"], install=False).repositories.values()) == {"already there"}
    shutil.rmtree(root / "comfyui")
    git(root, "update-index", "--cacheinfo", f"160000,{later},comfyui")
    with pytest.raises(EngineError, match=rf"recorded at {later}, conf/comfyui/pins.yaml says {pins.comfyui.revision}"):
        setup(pins, install=False)


def test_a_stopped_submodule_update_goes_on_the_next_time(checkout, mirror):
    module = checkout / ".git" / "modules" / "comfyui"
    module.mkdir(parents=True)   # what a clone leaves that was killed
    (module / "HEAD").write_text("ref: refs/heads/master\n")
    assert setup(mirror[1], install=False).comfyui.path == checkout / "comfyui"
    shutil.rmtree(checkout / "comfyui")

    def stop(event):
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        setup(mirror[1], on_event=stop, install=False)
    assert setup(mirror[1], install=False).comfyui.revision == mirror[1].comfyui.revision


def test_a_checkout_without_submodule_uses_the_cache(home, mirror, tmp_path, monkeypatch):
    root = tmp_path / "aio"
    (root / "conf").mkdir(parents=True)
    git(root, "init", "-q")
    monkeypatch.setattr(folders, "checkout", lambda: root)
    assert setup(mirror[1], install=False).comfyui.path == home


# -- where it lies and whether it is the pinned one


def test_the_order_is_the_variable_then_the_submodule_then_the_cache(home, mirror, tmp_path, monkeypatch):
    _, pins, _ = mirror
    assert find(pins) is None
    setup(pins, install=False)
    assert find(pins).source == "the cache"
    root = tmp_path / "aio"
    shutil.copytree(home, root / "comfyui")
    monkeypatch.setattr(folders, "checkout", lambda: root)
    assert find(pins).source == "the submodule"
    shutil.copytree(home, tmp_path / "third")
    monkeypatch.setenv("AIO_COMFYUI_DIR", str(tmp_path / "third"))
    assert (find(pins).source, find(pins).path) == ("AIO_COMFYUI_DIR", tmp_path / "third")
    monkeypatch.setenv("AIO_COMFYUI_DIR", str(tmp_path / "empty"))
    with pytest.raises(EngineError, match=r"empty \(AIO_COMFYUI_DIR\) holds no ComfyUI"):
        find(pins)


def test_another_commit_is_refused_and_used_only_with_a_loud_warning(home, mirror, monkeypatch, caplog):
    folder, pins, later = mirror
    setup(Pins(pins.comfyui.url, later, mirror=str(folder)), install=False)
    with pytest.raises(EngineError, match=rf"is at {later}; aio is made for 9.0 {pins.comfyui.revision}: run `python -m aio setup`"):
        find(pins)
    monkeypatch.setenv("AIO_ALLOW_ANY_COMFYUI", "1")
    found = find(pins)
    assert (found.revision, found.verified_by) == (later, "nothing") and "results may differ" in found.warning
    assert "AIO_ALLOW_ANY_COMFYUI" in caplog.text


def test_a_copy_without_git_is_verified_by_its_hashes_and_drift_is_named(home, mirror):
    _, pins, _ = mirror
    setup(pins, install=False)
    shutil.rmtree(home / ".git")
    assert (find(pins).verified_by, find(pins).revision) == ("manifest", "9.0")
    assert setup(pins, install=False).repositories == {"ComfyUI": "already there"}
    text = (home / "nodes.py").read_text()
    (home / "nodes.py").write_bytes(text.replace("\n", "\r\n").encode())   # a Windows checkout is no drift
    assert find(pins).verified_by == "manifest"
    (home / "nodes.py").write_text("edited\n")
    (home / "comfy" / "3.py").unlink()
    with pytest.raises(EngineError, match=r"2 of its files are not the pinned ones \(comfy/3.py, nodes.py\)"):
        find(pins)
    (home / "comfyui_version.py").write_text('__version__ = "8.1"\n')
    with pytest.raises(EngineError, match=r"has version 8.1 and no .git"):
        find(pins)


def test_a_pack_that_is_missing_or_at_another_commit_is_refused(home, mirror):
    _, pins, _ = mirror
    pin = pins.packs["ComfyUI-Pack"]
    setup(pins, install=False)
    with pytest.raises(EngineError, match=r"ComfyUI-Pack is not there"):
        pack_dir(home, pin)
    setup(pins, ["ComfyUI-Pack"], install=False)
    with pytest.raises(EngineError, match=rf"is at {pin.revision}; aio is made for 2222"):
        pack_dir(home, Pin(pin.name, pin.url, "2" * 40))


def test_head_is_read_without_git_from_branches_packed_refs_and_second_work_trees(tmp_path):
    _, second = repository(tmp_path / "r", {"a": "1"}, {"a": "2"})
    assert head(tmp_path / "r") == second
    git(tmp_path / "r", "pack-refs", "--all")
    assert head(tmp_path / "r") == second
    git(tmp_path / "r", "worktree", "add", "-q", "-b", "side", str(tmp_path / "w"))
    assert head(tmp_path / "w") == second
    (tmp_path / "r" / "inner").mkdir()
    assert head(tmp_path / "r" / "inner") is None   # the outer repository does not vouch for it


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 100_000, b"gitdir: \x00", b""])
def test_a_git_folder_that_git_did_not_make_is_no_commit(content, home, mirror, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".git").write_bytes(content)
    assert head(tmp_path / "a") is None
    setup(mirror[1], install=False)
    (home / ".git" / "HEAD").write_bytes(content)
    (home / "comfyui_version.py").write_bytes(content)
    with pytest.raises(EngineError, match=r"run `python -m aio setup`"):
        find(mirror[1])


def test_a_disk_that_refuses_gives_words_that_name_the_place(home, mirror, tmp_path):
    home.parent.parent.mkdir(parents=True)
    home.parent.write_text("a file")
    with pytest.raises(OutputError, match=r"aio: (a part of this path is a file|something else is in the way).*"):
        setup(mirror[1], install=False)


def test_what_a_server_says_moves_no_cursor(tmp_path):
    with pytest.raises(EngineError) as error:
        process.run([sys.executable, "-c", "print('\\x1b[2Jgone'); raise SystemExit(1)"], "see to it")
    assert "\\x1b[2Jgone" in str(error.value) and "\x1b" not in str(error.value)


# -- requirements


def test_torch_the_editors_packages_and_what_is_there_are_not_installed(home, mirror, monkeypatch, tmp_path):
    _, pins, _ = mirror
    seen = tmp_path / "seen"
    fake = f"import sys; t = open(sys.argv[sys.argv.index('-r') + 1]).read(); open({str(seen)!r}, 'w').write(t)"
    monkeypatch.setattr(requirements, "pip_install", lambda: [sys.executable, "-c", fake])
    report = setup(pins, ["ComfyUI-Pack"])
    assert report.installed == ("no-such-thing-aio>=1", "other-missing-aio")
    assert seen.read_text().split() == list(report.installed)
    assert "requirements: no-such-thing-aio>=1, other-missing-aio installed" in report.lines()


def test_a_failed_pip_shows_its_last_lines_and_the_command_to_run(home, mirror, monkeypatch):
    fake = "print('No matching distribution'); raise SystemExit(1)"
    monkeypatch.setattr(requirements, "pip_install", lambda: [sys.executable, "-c", fake])
    with pytest.raises(EngineError, match=r"(?s)failed \(1\); install them by hand .* no-such-thing-aio>=1\nNo matching distribution"):
        setup(mirror[1])


def test_the_real_leave_out_list_keeps_what_comfyui_needs(tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "comfyui-frontend-package==1.48.7\ntorch\ntorchsde\ntorchvision\nnumpy>=1.25.0\nav>=16.0.0\nblake3\n\n#note\npydantic~=2.0\n"
        "pydantic-settings~=2.0\nPyOpenGL>=3.1.8\ncomfy-angle\ncomfy-kitchen==0.2.31\nSQLAlchemy>=2.0.0\n"
    )
    pins = section("comfyui", yaml.safe_load((ROOT / "conf/comfyui/pins.yaml").read_text()))
    kept = requirements.read(tmp_path / "requirements.txt", pins.leave_out)
    assert kept == ["torchsde", "numpy>=1.25.0", "av>=16.0.0", "pydantic~=2.0", "comfy-kitchen==0.2.31", "SQLAlchemy>=2.0.0"]


def test_without_git_the_error_says_to_install_it(home, mirror, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineError, match=r"git is not installed"):
        setup(mirror[1], install=False)
