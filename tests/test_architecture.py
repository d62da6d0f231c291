"""The house rules that hold the code together: import direction, third-party fences, light imports, small modules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "aio"

LAYERS = [  # lower never imports higher; modules of one line may import each other
    {"__init__", "errors", "values", "geometry", "outside", "paths", "whole", "spaces.here", "faults", "signals", "terminal", "kinds",
     "conditions", "formats", "numerals", "tensorfile", "device"},
    {"fields", "workflow", "schema", "engines.torch_compat"},
    {"patch", "config", "media", "registry", "download", "comfyui_dir", "pins", "provision",
     "nodecheck", "bounds", "grammar", "lettering", "shapes", "texts"},
    {"request", "follow", "lorafit", "outputs", "leftovers", "provenance", "sidecar", "duration", "timings"},
    {"engines", "engines.base", "engines.preview", "engines.storyboard", "engines.comfyui", "engines.choose"},
    {"run", "tinyweights"},
    {"command", "console", "usage"},
    {"spaces", "sweep", "jobs_table", "sheet", "contact", "asked", "drift", "inputs", "remade", "replay", "shell",
     "check", "check_table", "constants", "fidelity", "fidelity_table", "plan", "doctor"},
    {"help", "cli", "verbs", "ui", "__main__"},
]
FENCES = {
    "hydra": {"config", "grammar", "cli", "sweep"},
    "omegaconf": {"config"},
    "jsonpatch": {"patch"},
    "jsonpointer": {"patch"},
    "gradio": {"ui"},
    "spaces": {"spaces"},
    "torch": {"engines.comfyui", "engines.comfyui_boot", "engines.torch_compat", "tinyweights", "schema"},
    "huggingface_hub": {"registry", "download"},
}
HEAVY = {"torch", "gradio", "spaces", "huggingface_hub", "hydra"}


def modules() -> list[str]:
    return sorted(path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".") for path in PACKAGE.rglob("*.py"))


def layer(name: str) -> int:
    for depth, names in enumerate(LAYERS):
        for known in names:
            if name == known or name == f"{known}.__init__" or (name.startswith(f"{known}.") and known not in ("engines", "__init__")):
                return depth
    if name.startswith("engines."):
        return next(depth for depth, names in enumerate(LAYERS) if "engines" in names)
    raise AssertionError(f"aio.{name} has no place in the import direction: add it to LAYERS")


def imports(name: str) -> set[str]:
    path = PACKAGE / (name.replace(".", "/") + ".py")
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "aio" else {node.module}
    return found


@pytest.mark.parametrize("name", modules())
def test_a_module_imports_nothing_above_it(name):
    for target in imports(name):
        if target.startswith("aio.") and (PACKAGE / target.removeprefix("aio.").replace(".", "/")).with_suffix(".py").exists():
            assert layer(target.removeprefix("aio.")) <= layer(name), f"{name} imports {target}"


@pytest.mark.parametrize("name", modules())
def test_a_third_party_library_stays_behind_its_fence(name):
    for target in imports(name):
        allowed = FENCES.get(target.split(".")[0])
        if allowed is not None:
            assert name in allowed or name.split(".")[0] in allowed, f"{name} imports {target}"


@pytest.mark.parametrize("name", modules())
def test_a_module_is_small_and_says_what_it_is_for(name):
    text = (PACKAGE / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8")
    limit = 60 if name == "run" else 260
    assert len(text.splitlines()) <= limit
    assert ast.get_docstring(ast.parse(text)), "no docstring"


SPEAKS = {"terminal", "__main__"}
"""Modules that write to stdout and stderr themselves."""


@pytest.mark.parametrize("name", sorted(set(modules()) - SPEAKS - {"ui.running"}))
def test_only_the_terminal_module_writes_to_stdout_and_stderr(name):
    for node in ast.walk(ast.parse((PACKAGE / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "sys.stdout.write", "sys.stderr.write", "logging.basicConfig"), f"{name}: line {node.lineno}"
            assert not called.startswith("traceback.print_"), f"{name}: line {node.lineno}"


def test_importing_aio_is_light():
    script = "import sys, aio.cli, aio.run, aio.check.plan, aio.check; print(','.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip().split(",")
    assert not HEAVY & set(loaded)


def test_every_public_function_has_a_docstring():
    bare = []
    for name in modules():
        tree = ast.parse((PACKAGE / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{name}.{node.name}")
    assert not bare
