"""The wheel: configuration, workflows and samples travel in it, and it works outside the repo."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns(".git", ".venv", "__pycache__", "outputs", "comfyui", "dist", "build", ".hypothesis")
    shutil.copytree(ROOT, source / "aio", ignore=lambda folder, names: ignore(folder, names) if Path(folder) == ROOT else [])
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source / "aio")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_config_workflows_samples_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("aio/conf/config.yaml", "aio/workflows/lipsync.json", "aio/samples/astronaut.png", "aio/data/node_schema.json"):
        assert name in names
    assert not [name for name in names if name.startswith("tests") or "__pycache__" in name]


def test_the_installed_wheel_makes_an_mp4_outside_the_repo(wheel, tmp_path):
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    script = "import aio, sys; assert aio.__file__.startswith(sys.argv.pop(1)); from aio.cli import main; sys.exit(main())"
    words = ["mode=t2v", "prompt=x", "width=256", "height=256", "seconds=0.4", "engine=preview"]
    env = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", script, str(site), *words], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == tmp_path / "outputs"
    checked = subprocess.run([sys.executable, "-c", script, str(site), "check", "mode=t2v"], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert checked.returncode == 0, checked.stdout
