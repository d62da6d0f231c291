"""The operations of every mode x preset, as files. `make golden` rewrites them and shows the difference."""

import json
from pathlib import Path

import pytest

from aio import check, config
from aio.graph.patch import render

GOLDEN = Path(__file__).parent / "golden"
CASES = [(mode, preset) for mode in config.choices("mode") for preset in config.choices("preset")]


def golden(mode: str, preset: str) -> str:
    """One operation a line, so that a change reads well in a diff."""
    operations = render(check.sample(config.compose([f"mode={mode}", f"preset={preset}"])))
    lines = ",\n".join(json.dumps(operation.as_dict(), ensure_ascii=False) for operation in operations)
    return f"[\n{lines}\n]\n"


@pytest.mark.parametrize(("mode", "preset"), CASES)
def test_the_rendered_operations_are_the_golden_ones(mode, preset):
    assert golden(mode, preset) == (GOLDEN / f"{mode}-{preset}.json").read_text(encoding="utf-8"), "if meant: make golden"


def test_every_mode_and_preset_has_a_golden_file_and_no_file_is_left_over():
    assert len(CASES) >= 18
    assert {f"{mode}-{preset}.json" for mode, preset in CASES} == {path.name for path in GOLDEN.glob("*.json")}


if __name__ == "__main__":
    for old in GOLDEN.glob("*.json"):
        old.unlink()
    for mode, preset in CASES:
        (GOLDEN / f"{mode}-{preset}.json").write_text(golden(mode, preset), encoding="utf-8")
