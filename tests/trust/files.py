"""Hostile files: workflows, recipes in JSON and in an mp4, folders of configuration, sweeps' folders. Media are in media.py."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from random import Random

from . import ROOT, entrances, noise
from .hostile import Try, Wrong, given, inputs
from .media import impostors
from .tally import Area, Work
from .words import judge
from .world import SMALL

HOLD = "<script>alert(1)</script>"
"""In a page it must be text."""


def workflows(work: Work) -> None:
    """Workflow files, changed as trees and as bytes: a plan, or words."""

    def prepare(folder: Path) -> Try:
        mine = folder / "mine"
        (mine / "mode").mkdir(parents=True)
        target = mine / "graph.json"
        (mine / "mode" / "odd.yaml").write_text(mode("odd", f"workflow: {target}"), encoding="utf-8")
        seed = json.loads((ROOT / "workflows" / "t2v.json").read_text(encoding="utf-8"))
        text = json.dumps(seed).encode()

        def attempt(random: Random, folder: Path) -> None:
            pick = random.random()
            if pick < 0.7:
                content = json.dumps(noise.tree(random, seed, [*seed, "class_type", "inputs", "_meta"])).encode("utf-8", "surrogatepass")
            elif pick < 0.97:
                content = noise.damaged(random, text)
            else:
                content = random.choice((b"[" * 200_000, b'{"a":' * 100_000, b'{"nodes": []}', b"\xff\xfe", b"1e999",
                    b"{" + b'"1":{},' * 50_000 + b'"2":{}}'))
            given(content.decode(errors="replace"))
            target.write_bytes(content)
            judge(["plan", "--config-dir", str(mine), "mode=odd", "prompt=x"])

        return attempt

    inputs(work, prepare)


def mode(name: str, head: str = "workflow: t2v.json", rest: str = "") -> str:
    """A mode's YAML, as the README shows it."""
    return ("# @package _global_\ndefaults: [base/ltx23, base/two_stage, base/made_sound, _self_]\n"
            f"mode: {{name: {name}, title: Odd, summary: My own, {head}}}\n{rest}")


def recipes(work: Work) -> None:
    """Recipes that anyone may have written, as JSON and as the tag of an mp4: a command line that composes the same, or words."""

    def prepare(folder: Path) -> Try:
        clip = first_clip(folder)
        seed = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))
        (folder / "evil.yaml").write_text(mode("evil").replace("t2v.json", str(ROOT / "workflows" / "t2v.json")), encoding="utf-8")
        evil, fakes = os.path.relpath(folder / "evil", ROOT / "conf" / "mode"), [content for _, content in impostors(folder)]
        odd = [evil, "mode/t2v", "..", "t2v", "fast", "image", "seed", "choices", "values", "params", "inputs", "settings",
            "sha256",
               f"{folder}/x", noise.ESCAPE, HOLD, "${oc.env:AIO_TRUST_CANARY}", "lora", "hydra", "registry", "comfyui", "output.dir"]

        def attempt(random: Random, folder: Path) -> None:
            made = noise.tree(random, seed["aio"], odd)
            if random.random() < 0.1 and isinstance(made, dict):   # a name that leads to a file of the stranger's
                made = {**seed["aio"], "choices": {**seed["aio"]["choices"], random.choice(list(seed["aio"]["choices"])): evil}}
                made["mode"] = made["choices"]["mode"]
            tag = json.dumps(made) if random.random() < 0.9 else noise.damaged(random, json.dumps(made).encode()).decode(errors="replace")
            if random.random() < 0.01:
                tag = random.choice(("[" * 200_000, '{"recipe":' * 100_000, json.dumps(tag)))
            given(tag)
            if random.random() < 0.5:
                target = folder / "x.json"
                target.write_bytes((tag if random.random() < 0.5 else f'{{"aio": {tag}}}').encode("utf-8", "surrogatepass"))
            elif random.random() < 0.95:
                target = folder / random.choice(("x.mp4", "clip:1.mp4", "12:30 a.mp4", "-x.mp4", "concat:a.mp4"))
                tagged(clip, folder / "tagged.mp4", tag)
                os.replace(folder / "tagged.mp4", target)
            else:   # no mp4: a playlist, PostScript, ...
                target = folder / "other.mp4"
                target.write_bytes(random.choice(fakes))
            out, err = judge(["replay", str(target), "--command"])
            if evil in out:
                raise Wrong("a recipe's name led to a file outside the configuration")
            if noise.ESCAPE in out + err:
                raise Wrong("an escape sequence of the recipe reaches the terminal")

        return attempt

    inputs(work, prepare)


def first_clip(folder: Path) -> Path:
    """A clip that aio made."""
    code, out, err = entrances.command([*SMALL, "mode=t2v", "prompt=A lighthouse", f"output.dir={folder / 'made'}"])
    assert code == 0, err
    return Path(out.strip())


def tagged(clip: Path, target: Path, tag: str) -> None:
    """A copy of an mp4 with another recipe."""
    import av

    with av.open(str(clip)) as source, av.open(str(target), "w", options={"movflags": "use_metadata_tags"}) as made:
        made.metadata["aio"] = tag.replace("\x00", "").encode("utf-8", "replace").decode()
        streams = {stream.index: made.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)


def configs(work: Work) -> None:
    """Folders of configuration (--config-dir) from a stranger: bounded, no variable of the environment, words or a plan."""
    lines = (
        "values: {cfg: 2}", "fields: {prompt: {default: '${oc.env:AIO_TRUST_CANARY}'}}",
        "fields: {negative_prompt: {default: '${oc.env:AIO_TRUST_CANARY,x}'}}",
        "values: {sigmas: '${oc.env:AIO_TRUST_CANARY}'}", "hydra: {run: {dir: /tmp/x}}",
        "hydra: {callbacks: {a: {_target_: os.system, command: 'id'}}}",
        "fields: {seed: {type: INT, default: '${oc.create:{a:1}}'}}", "nodes: {save: {id: '1', class_type: X}}",
        "patches: {a: [{op: add, path: 1, value: 2}]}", "patches: {a: [{op: add}]}", "patches: {a: x}", "patches: [1]", "fields: 7",
        "fields: {x: {type: INT}}", "fields: {prompt: null}",
        "stages: null", "stages: [a]", "ports: {a: b}", "tables: 1", "output: null", "output: {node: nowhere}", "output: 5", "duration: null",
        "duration: {step_ms: x}", "loras: 1", "examples: x", "registry: {a.safetensors: {repo: ../x, path: ../../y}}", "registry: 1",
        "comfyui: null", "platform: null",
        "ui: 3", "values: {a: &a [*a]}", "values: {b: ${values.b}}", "values: {c: '${values.d}', d: '${values.c}'}",
        "values: !!python/object/apply:os.system [id]",
        "engine: [1]", "packs: [../x]", "mode: 3", "? [a, b]\n: c", "values: {1: 2}", "values: {2026-01-01: x, yes: no}", "defaults: [x]", "\t",
        "a: b: c",
        "values: {x: " + "[" * 1200 + "]" * 1200 + "}", "values: {big: '" + "x" * 200_000 + "'}",
        "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi")),
    )

    def prepare(folder: Path) -> Try:
        seed = mode("odd", rest=(
            "fields:\n  crf: {type: FLOAT, default: 23, min: 0, max: 51}\n"
            "patches:\n  crf:\n    - {op: add, path: '${pointer:save,codec.crf}', value: '${value:crf}'}\n"))

        def attempt(random: Random, folder: Path) -> None:
            text = seed
            pick = random.random()
            if pick < 0.6:
                text = mode("odd", rest="\n".join(random.sample(lines, random.choice((1, 1, 2)))))
            elif pick < 0.8:
                head, _, tail = seed.partition("fields")
                text = head + "fields" + noise.damaged(random, tail.encode()).decode(errors="replace")
            else:
                text = noise.damaged(random, seed.encode()).decode(errors="replace")
            given(text)
            mine = folder / f"mine-{random.getrandbits(60):x}"   # a name of its own: files are remembered
            (mine / "mode").mkdir(parents=True)
            (mine / "mode" / "odd.yaml").write_bytes(text.encode("utf-8", "replace"))
            try:
                out, err = judge(["plan", "--json", "--config-dir", str(mine), "mode=odd", "prompt=x"])
            finally:
                shutil.rmtree(mine)
            if noise.CANARY in out + err:
                raise Wrong("a variable of the environment reaches the graph")

        return attempt

    inputs(work, prepare)


def sweeps(work: Work) -> None:
    """Sweeps' folders with manifests, states and recipes of a stranger: a sheet in which all of it is text, or words."""

    def prepare(folder: Path) -> Try:
        code, _, err = entrances.command(["-m", *SMALL, "mode=t2v", "prompt=A lighthouse", "seed=0,1", f"output.dir={folder / 'made'}"])
        assert code == 0, err
        (seed,) = (folder / "made").glob("sweeps/*")
        shutil.copytree(seed, folder / "sweep")
        names = ["manifest.json", "0/job.json", "0/t2v-0001.preview.json"]
        trees = {name: json.loads((seed / name).read_text(encoding="utf-8")) for name in names}
        odd = ["done", "failed", "running", "weird", "../../x.mp4", "/etc/passwd", HOLD, f'"><img src=x onerror={HOLD}>', "number", "state",
            "video", "settings", "-1", "1e9"]

        def attempt(random: Random, folder: Path) -> None:
            sweep = folder / "sweep"
            for path in (sweep / name for name in names):
                path.unlink(missing_ok=True)
            for name in names:
                shutil.copyfile(seed / name, sweep / name)
            name = random.choice(names)
            made = json.dumps(noise.tree(random, trees[name], odd)).encode("utf-8", "surrogatepass")
            content = made if random.random() < 0.8 else noise.damaged(random, made)
            given(f"{name}: {content.decode(errors='replace')}")
            (sweep / name).write_bytes(content)
            out, _ = judge(["sheet", str(sweep)])
            if out.strip() and HOLD.lower() in Path(out.strip()).read_text(encoding="utf-8").lower():
                raise Wrong("a stranger's script stands in index.html")
            for entry in os.scandir(sweep):
                if entry.is_dir() and not entry.name.isdecimal():
                    raise Wrong(f"it made the folder {entry.name!r}")

        return attempt

    inputs(work, prepare)


AREAS = (
    Area("workflows", "files of workflows", workflows, 4_000, 40),
    Area("recipes", "recipes, JSON and tag of an mp4", recipes, 8_000, 130),
    Area("configs", "YAML of --config-dir", configs, 700, 150),
    Area("sweeps", "manifests and states of sweeps", sweeps, 1_200, 60),
)
