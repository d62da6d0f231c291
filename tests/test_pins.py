"""The pins: one list in the config, and everything recorded elsewhere agrees with it."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from aio import config
from aio.comfyui import location
from aio.machine import folders

ROOT = Path(__file__).resolve().parent.parent
PINS = config.compose(["mode=t2v"]).comfyui


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout, so there is no gitlink to compare")
def test_the_submodules_gitlink_is_the_pin():
    listed = subprocess.run(["git", "ls-files", "-s", "comfyui"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert listed[:2] == ["160000", PINS.comfyui.revision]


def test_the_submodules_url_is_the_pins():
    assert f"url = {PINS.comfyui.url}\n" in (ROOT / ".gitmodules").read_text()


def test_every_pin_is_a_full_commit():
    for pin in (PINS.comfyui, *PINS.packs.values()):
        assert re.fullmatch(r"[0-9a-f]{40}", pin.revision)


def test_manifest_and_node_schema_were_made_from_the_pin():
    assert json.loads(location.MANIFEST.read_text())["revision"] == PINS.comfyui.revision
    assert PINS.comfyui.revision in (folders.DATA / "node_schema.json").read_text()[:600]


@pytest.mark.parametrize("name", config.choices("lora"))
def test_a_lora_records_the_model_it_was_made_for_as_the_registry_does(name):
    composed = config.compose(["mode=t2v", f"lora=[{name}]"])
    assert composed.loras[name].base == composed.registry[composed.loras[name].file].base == "ltx-2-19b"
