"""Hostile values at aio's own parsers: fields, patches, graphs, registry entries, the page's forms, the log of timings."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from random import Random
from typing import Any

from . import ROOT, entrances, noise
from .hostile import Try, Wrong, given, inputs
from .tally import Area, Work

SAMPLES = ROOT / "samples"
FILES = {"image": "astronaut.png", "first_frame": "astronaut.png", "last_frame": "astronaut.png", "audio": "speech.wav", "video": "bigbuckbunny.mp4"}
MODES = ("t2v", "i2v", "a2v", "lipsync", "keyframe", "style")


def fields(work: Work) -> None:
    """Values of fields as the command line and the API give them; an accepted prompt and seed stand in the graph as they were given."""

    def prepare(folder: Path) -> Try:
        configs = [entrances.compose(f"mode={mode}", "preset=fast") for mode in ("t2v", "i2v", "keyframe")]

        def attempt(random: Random, folder: Path) -> None:
            config = random.choice(configs)
            params: dict[str, Any] = {name: str(SAMPLES / FILES[name]) for name in config.fields if name in FILES}
            params |= {"prompt": noise.text(random), "width": 256, "height": 256, "seconds": 0.4}
            for _ in range(random.randint(0, 3)):
                name = random.choice([*config.fields, noise.text(random) or "x"])
                params[name] = _near(random, config.fields[name]) if name in config.fields and random.random() < 0.7 else noise.value(random, 2)
            given(params)
            request = entrances.checked(config, params)
            graph = entrances.drawn(request)
            held(graph, params["prompt"], request.values["seed"])

        return attempt

    inputs(work, prepare)


def held(graph: dict[str, Any], prompt: Any, seed: Any) -> None:
    """An accepted job's text and seed stand in its graph as they were given."""
    texts = [node["inputs"].get("text") for node in graph.values() if node["class_type"] == "CLIPTextEncode"]
    if isinstance(prompt, str) and prompt not in texts:
        raise Wrong(f"the prompt {prompt!r} was accepted and does not stand in the graph: {texts!r}")
    if seed not in [node["inputs"].get("noise_seed") for node in graph.values()]:
        raise Wrong(f"the seed {seed!r} was accepted and does not stand in the graph")


def _near(random: Random, field: Any) -> Any:
    """A value at, or just beyond, what a field allows."""
    if field.options:
        return random.choice([*field.options, str(field.options[0]).upper(), f" {field.options[0]}"])
    if field.min is not None and field.max is not None:
        low, high = field.min, field.max
        return random.choice((low, high, low - 1, high + 1, str(high), (low + high) / 2, f"{low}e0", f" {high} "))
    return noise.text(random)


def patches(work: Work) -> None:
    """RFC 6902 operations on the modes' graphs: what comes out is a graph, the one that went in is unchanged."""

    def prepare(folder: Path) -> Try:
        graphs = [entrances.graph(entrances.compose(f"mode={mode}")) for mode in MODES]

        def attempt(random: Random, folder: Path) -> None:
            graph = random.choice(graphs)
            operations = [_operation(random, graph) for _ in range(random.randint(1, 4))]
            given(operations)
            before = json.dumps(graph)
            made = entrances.patched(operations, graph)
            if json.dumps(graph) != before:
                raise Wrong("a patch changed the graph that it was applied to")
            if not whole(made):
                raise Wrong("a patch was accepted and leaves no graph")

        return attempt

    inputs(work, prepare)


def whole(graph: Any) -> bool:
    """Whether a value is a graph of nodes."""
    nodes = graph.values() if isinstance(graph, dict) else [None]
    return all(isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict) for node in nodes)


def _operation(random: Random, graph: dict[str, Any]) -> dict[str, Any]:
    def pointer() -> str:
        node = random.choice(list(graph))
        known = [f"/{node}", f"/{node}/inputs", f"/{node}/class_type", *(f"/{node}/inputs/{key}" for key in graph[node]["inputs"])]
        odd = ["", "/", "//", "/-", f"/{node}/inputs/-", f"/{node}/inputs/0/0", "/~", "/~2", "x", "/" + "a/" * 200, noise.text(random),
            str(noise.leaf(random))]
        return random.choice(known) if random.random() < 0.6 else random.choice(odd)

    op = random.choice(("add", "remove", "replace", "move", "copy", "test", noise.text(random)))
    return {"op": op, "path": pointer(), "from": pointer(), "value": noise.value(random) if random.random() < 0.99 else noise.deep(random, 300)}


def graphs(work: Work) -> None:
    """API graphs with changed nodes: read for faults, weights, sizes and lengths."""

    def prepare(folder: Path) -> Try:
        known = [(config, entrances.graph(config), config.nodes[config.output.node].id)
            for config in (entrances.compose(f"mode={mode}") for mode in MODES)]
        words = sorted({node["class_type"] for _, graph, _ in known for node in graph.values()} | {key for _, graph, _ in known for key in graph})

        def attempt(random: Random, folder: Path) -> None:
            _, graph, output = random.choice(known)
            made = noise.tree(random, graph, words)
            if not whole(made):
                return   # a workflow's file is tried for these (area workflows); a patch leaves none
            given(made)
            entrances.read_graph(made, output)

        return attempt

    inputs(work, prepare)


def registry(work: Work) -> None:
    """Entries of a registry: what is accepted names a repository and files that stay in their folders."""

    def prepare(folder: Path) -> Try:
        seed = {name: dataclasses.asdict(entry) for name, entry in list(entrances.compose().registry.items())[:4]}
        for entry in seed.values():
            del entry["name"]
        odd = ("repo", "path", "revision", "size", "sha256", "folder", "..", "../x", "a/../../b", "/abs", "refs/pr/1", "a/b/c", "main\n", "C:x",
            "x" * 300)

        def attempt(random: Random, folder: Path) -> None:
            made = noise.tree(random, seed, odd)
            if not isinstance(made, dict):
                return
            given(made)
            for name, entry in entrances.entries(made).items():
                for key in ("name", "path", "folder", "revision", "repo"):
                    text = str(getattr(entry, key))
                    if ".." in text.split("/") or text.startswith("/") or "\\" in text or "\x00" in text or "\n" in text:
                        raise Wrong(f"the registry accepts {key} {text!r} of {name!r}")

        return attempt

    inputs(work, prepare)


def payloads(work: Work) -> None:
    """What the page's API is given: words beside the fields or a job; an accepted prompt and seed stand in the graph."""

    def prepare(folder: Path) -> Try:
        forms = entrances.forms()

        def attempt(random: Random, folder: Path) -> None:
            form = forms[random.choice(("t2v", "i2v", "keyframe"))]
            payload = {name: str(SAMPLES / FILES[name]) if name in FILES else form.default(name) for name in form.fields}
            payload |= {"prompt": noise.text(random) or "x", "preset": "fast", "model": "fp8", "lora": []}
            for _ in range(random.randint(0, 3)):
                name = random.choice([*form.fields, "preset", "model", "lora"])
                payload[name] = noise.value(random, 2)
            given(payload)
            said, request = entrances.filled(form, payload)
            for text in said.values():
                if not isinstance(text, str) or "Traceback" in text:
                    raise Wrong(f"beside a field stands {text!r}")
            held(entrances.drawn(request), payload["prompt"], request.values["seed"])

        return attempt

    inputs(work, prepare)


def timings(work: Work) -> None:
    """The log of timings, with lines that a crash, an older aio or a stranger wrote."""
    line = {"card": "H100", "size": "", "samplers": [{"stage": "Stage 1", "title": "x", "steps": 8, "passes": 1, "tokens": 4000, "guides": 0}],
            "stages": {"Stage 1": 3.2}, "mode": "t2v", "width": 768, "frames": 121, "estimate": {"total": 20.0, "load": 5.0, "request": 60}}

    def prepare(folder: Path) -> Try:
        def attempt(random: Random, folder: Path) -> None:
            lines = [json.dumps(noise.tree(random, line) if random.random() < 0.7 else copy.deepcopy(line)) for _ in range(random.randint(1, 5))]
            if random.random() < 0.2:
                lines.append(lines[0][: random.randint(0, 80)])
            given("\n".join(lines))
            file = folder / "timings.jsonl"
            file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
            code, _, err = entrances.timings(file)
            if code not in (0, 1, 2) or "Traceback" in err:
                raise Wrong(f"it ended with {code}: {err[-200:]}")

        return attempt

    inputs(work, prepare)


AREAS = (
    Area("fields", "values of fields", fields, 40_000, 120),
    Area("patches", "RFC 6902 operations", patches, 30_000, 60),
    Area("graphs", "API graphs", graphs, 12_000, 80),
    Area("registry", "registry entries", registry, 4_000, 10),
    Area("payloads", "API payloads of the page", payloads, 4_000, 60),
    Area("timings", "logs of timings", timings, 3_000, 10),
)
