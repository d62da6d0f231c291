"""The house rules that hold the code together: import direction, third-party fences, light imports, small modules."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aio import config as configuration
from aio.graph import schema

PACKAGE = Path(__file__).resolve().parent.parent / "aio"

ROOMS = (
    "errors", "values", "stop", "machine", "fields", "media", "config", "job", "graph", "engine", "request", "weights", "recipe", "timings",
    "comfyui", "preview", "engines", "check", "run", "command", "replay", "spaces", "sweep", "ui", "verbs", "cli", "__main__",
)
"""Folders and modules of aio, from the ground up: each imports only what stands before it. docs/ARCHITECTURE.md says what they are for."""
FENCES = {
    "hydra": {"config", "cli", "sweep"},
    "omegaconf": {"config"},
    "jsonpatch": {"graph.patch"},
    "jsonpointer": {"graph.patch"},
    "gradio": {"ui"},
    "spaces": {"spaces"},
    "torch": {"comfyui"},
    "huggingface_hub": {"weights"},
}
HEAVY = {"torch", "gradio", "spaces", "huggingface_hub", "hydra"}


def modules() -> list[str]:
    return sorted(path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".") for path in PACKAGE.rglob("*.py"))


def tree(name: str) -> ast.Module:
    return ast.parse((PACKAGE / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8"))


def imports(name: str) -> set[str]:
    """What a module imports anywhere in it, functions included: modules of aio without `aio.`, packages by their `__init__`."""
    found, known = set(), set(modules())

    def module(target: str) -> str:
        short = target.removeprefix("aio.") if target.startswith("aio.") else "" if target == "aio" else None
        return target if short is None else short if short in known else f"{short}.__init__".lstrip(".")

    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {module(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively, which nobody finds by searching"
            for alias in node.names:
                inner = module(f"{node.module}.{alias.name}")
                found.add(inner if inner in known else module(str(node.module)))
    return found


def room(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def test_every_module_has_a_room():
    assert {room(name) for name in modules()} - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("name", sorted(set(modules()) - {"__init__"}))
def test_a_module_imports_nothing_from_a_room_above_it(name):
    for target in imports(name) & set(modules()) - {"__init__"}:   # that one holds the version
        assert ROOMS.index(room(target)) <= ROOMS.index(room(name)), f"{name} imports {target}"


def test_no_modules_import_each_other_in_a_circle():
    edges = {name: imports(name) & set(modules()) for name in modules()}
    while ends := [name for name, targets in edges.items() if not targets & edges.keys()]:
        for name in ends:
            del edges[name]
    assert not {name: sorted(targets & edges.keys()) for name, targets in edges.items()}


@pytest.mark.parametrize("text", [
    "from aio import ui", "from aio.ui import words", "import aio.sweep.plan", "def f():\n    from aio.sweep import plan",
])
def test_an_import_from_above_is_seen_in_every_form(text, monkeypatch):
    monkeypatch.setitem(globals(), "tree", lambda name: ast.parse(text))
    with pytest.raises(AssertionError, match=r"fields\.geometry imports"):
        test_a_module_imports_nothing_from_a_room_above_it("fields.geometry")


def test_only_the_drawing_renders_or_applies_a_patch():
    calls = {(name, ast.unparse(node.func)) for name in modules() for node in ast.walk(tree(name)) if isinstance(node, ast.Call)}
    assert {name for name, called in calls if called in ("patch.render", "patch.apply")} == {"graph.draw"}
    froms = [node for name in modules() for node in ast.walk(tree(name)) if isinstance(node, ast.ImportFrom) and node.module == "aio.graph.patch"]
    named = {alias.name for node in froms for alias in node.names}
    assert not named & {"render", "apply"}   # by another name they would not be seen above


def test_the_page_on_architecture_names_the_rooms_in_this_order():
    text = (PACKAGE.parent / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)`", text, re.MULTILINE) == [name for name in ROOMS if name != "__main__"]


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_says_what_it_is_for(name):
    folder = PACKAGE / name / "__init__.py"
    said = ast.get_docstring(ast.parse((folder if folder.is_file() else PACKAGE / f"{name}.py").read_text(encoding="utf-8")))
    assert said


@pytest.mark.parametrize("name", modules())
def test_a_third_party_library_stays_behind_its_fence(name):
    for target in imports(name) - set(modules()):
        allowed = FENCES.get(target.split(".")[0])
        if allowed is not None:
            assert name in allowed or room(name) in allowed, f"{name} imports {target}"


@pytest.mark.parametrize("name", modules())
def test_a_module_is_small_and_says_what_it_is_for(name):
    text = (PACKAGE / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8")
    limit = 60 if name == "run" else 260
    assert len(text.splitlines()) <= limit
    assert ast.get_docstring(tree(name)), "no docstring"


SPEAKS = {"machine.terminal", "__main__"}
"""Modules that write to stdout and stderr themselves."""


@pytest.mark.parametrize("name", sorted(set(modules()) - SPEAKS - {"ui.running"}))
def test_only_the_terminal_module_writes_to_stdout_and_stderr(name):
    for node in ast.walk(tree(name)):
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
        for node in tree(name).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{name}.{node.name}")
    assert not bare


# -- what the configuration says, code does not ------------------------------------------------------------------------------------

WORDS = {
    "gguf": {"graph.models", "comfyui.tinyweights.__init__", "comfyui.tinyweights.quantized", "config.places"},   # the ending of files of that format
    "style": {"preview.storyboard", "ui.cards", "ui.theme"},   # CSS, and a picture's
}
"""Names of choices that are words of another meaning -> modules that may hold them."""
NAMED = ("comfyui.describe",)
"""Modules that may name node classes: what is described of the packs. conf/comfyui/base/kinds.yaml says what classes do."""


def literals(module: str) -> set[str]:
    """Every text in a module that is no docstring."""
    parsed = tree(module)
    notes = {id(node.value) for node in ast.walk(parsed) if isinstance(node, ast.Expr)}
    return {node.value for node in ast.walk(parsed) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes}


@pytest.mark.parametrize("module", modules())
def test_no_mode_preset_model_lora_or_file_stands_in_code(module):
    names = {name for group in ("mode", "preset", "model", "lora", "family") for name in configuration.choices(group)}
    said = {word for text in literals(module) for word in re.findall(r"\w+", text)}
    assert not {name for name in names & said if module not in WORDS.get(name, ())}
    files = set(configuration.compose().registry)
    assert not [text for text in literals(module) if any(name in text for name in files)]


@pytest.mark.parametrize("module", modules())
def test_no_node_class_stands_in_code(module):
    words = {word for text in literals(module) for word in text.split()}
    assert module in NAMED or not words & set(schema.load())
