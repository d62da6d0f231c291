"""What aio costs over ComfyUI itself, and what a warm process saves: ratios measured in one run, on tiny weights.

    python bench/warm.py            about two minutes on two cores; needs ComfyUI (python -m aio setup)

Bare is a script that boots ComfyUI and calls PromptExecutor with the very same prompts, with neither check nor recipe nor
progress. aio is the whole chain of aio.run.run: check, stage, patch, validate, execute, recipe, publish. Warm jobs of both take
turns in one process, each with an executor of its own, and sample nothing: all but the last nodes are cached, since sampling
alone differs by more from job to job than what is to be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WARM_JOBS, ROUNDS, SEEDS = 40, 3, 8
OVERHEAD_MS, COLD_OVERHEAD_S, WARM_FACTOR = 15.0, 0.5, 5.0
"""What is to be reached: at most, at most, at least."""


def job(config: Any, seed: int, output: Path) -> Any:
    """A small job whose weights are not held against the registry's sizes: they are tiny."""
    from aio.job import Job

    config = dataclasses.replace(config, output_dir=output, registry={})
    return Job(config, {"prompt": "A cat walks", "seed": seed, "width": 256, "height": 256, "seconds": 0.4})


def engine(folder: Path) -> Any:
    """An aio engine on the CPU."""
    from aio import config as configuration
    from aio.comfyui.engine import ComfyUIEngine

    return ComfyUIEngine(configuration.compose(["mode=t2v", "preset=fast"]), work_dir=folder / "work", models_dir=folder / "models", cpu=True)


def through_aio(folder: Path, seeds: list[int]) -> list[float]:
    """Seconds of each job through the whole chain, the first one with the start."""
    began = time.perf_counter()
    from aio import config as configuration
    from aio.run import run

    made, seconds = engine(folder), []
    config = configuration.compose(["mode=t2v", "preset=fast"])
    made.start()
    with _narrow():
        for seed in seeds:
            run(job(config, seed, folder / "out"), made)
            seconds.append(time.perf_counter() - began)
            began = time.perf_counter()
    return seconds


def bare(folder: Path, prompts: list[dict[str, Any]]) -> list[float]:
    """Seconds of each prompt through PromptExecutor alone, the first one with the start. Nothing of aio's engine is used."""
    began = time.perf_counter()
    from aio import config as configuration
    from aio.comfyui import location, torch_compat

    sys.path.insert(0, str(location.find(configuration.compose().comfyui).path))
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu, args.fp32_text_enc, args.base_directory, args.models_directory = True, True, str(folder / "bare"), str(folder / "models")
    torch_compat.ensure_torchvision()
    import utils.extra_config  # noqa: F401

    (folder / "bare" / "input").mkdir(parents=True, exist_ok=True)
    import nodes

    asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
    execute, seconds = _executor(), []
    with _narrow():
        for prompt in prompts:
            execute(prompt)
            seconds.append(time.perf_counter() - began)
            began = time.perf_counter()
    return seconds


def _executor() -> Callable[[dict[str, Any]], None]:
    """What a script does with a prompt. A stand-in server that swallows messages is enough for it, and makes it cheaper still."""
    import execution

    class Server:
        client_id = last_node_id = None

        def send_sync(self, *data: Any) -> None:
            pass

    executor = execution.PromptExecutor(
        Server(), cache_type=execution.CacheType.RAM_PRESSURE, cache_args={"lru": 0, "ram": 2.0, "ram_inactive": 128.0})

    def execute(prompt: dict[str, Any]) -> None:
        prompt = copy.deepcopy(prompt)
        valid, error, outputs, _ = asyncio.run(execution.validate_prompt("bare", prompt, None))
        assert valid, error
        executor.execute(prompt, "bare", {}, outputs)
        assert executor.success, executor.status_messages[-1]

    return execute


def in_turn(folder: Path, seeds: list[int]) -> list[list[float]]:
    """Seconds of each warm job, bare and through aio, which take turns. The same seed again under another prefix only writes its mp4."""
    from aio import config as configuration
    from aio.comfyui import boot
    from aio.run import run

    made, config = engine(folder), configuration.compose(["mode=t2v", "preset=fast"])
    made.start()
    import comfy.utils  # from ComfyUI's folder, now that the engine has put it on the path

    execute, found = _executor(), list[list[float]]()
    with _narrow():
        for seed, prompt in zip(seeds, prompts_of(folder, seeds), strict=True):
            comfy.utils.set_progress_bar_global_hook(None)
            began = time.perf_counter()
            made._worker.submit(lambda prompt=prompt: execute(prompt)).result()   # aio's own thread: torch keeps a pool for each
            alone = time.perf_counter() - began
            comfy.utils.set_progress_bar_global_hook(boot._steps)
            began = time.perf_counter()
            run(job(config, seed, folder / "out"), made)
            found.append([alone, time.perf_counter() - began])
    return found[1:]


def _narrow() -> Any:
    from aio.comfyui import tinyweights

    return tinyweights.narrow()


def prompts_of(folder: Path, seeds: list[int]) -> list[dict[str, Any]]:
    """The prompts that the chain makes of the jobs."""
    from aio import config as configuration
    from aio import request

    config, made = configuration.compose(["mode=t2v", "preset=fast"]), []
    for seed in seeds:
        made.append(request.checked(job(config, seed, folder / "out")).prompt)
    return made


def _child(kind: str, folder: Path, seeds: list[int]) -> tuple[float, Any]:
    """Measure in a process of its own: its wall time, and what it found."""
    began = time.perf_counter()
    words = [sys.executable, __file__, "--child", kind, str(folder), json.dumps(seeds)]
    out = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return time.perf_counter() - began, json.loads(out.splitlines()[-1])


def main() -> int:
    """Measure, print the table, return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        kind, folder, seeds = given.child[0], Path(given.child[1]), json.loads(given.child[2])
        # The bare script's prompts are ready before its clock starts.
        prompts = json.loads((folder / "prompts.json").read_text())[:len(seeds)]
        measure = {"aio": lambda: through_aio(folder, seeds), "bare": lambda: bare(folder, prompts), "turns": lambda: in_turn(folder, seeds)}
        print(json.dumps(measure[kind]()))
        return 0
    with tempfile.TemporaryDirectory(prefix="aio-bench-") as scratch:
        folder = Path(scratch)
        subprocess.run([sys.executable, "-c", _WEIGHTS.format(root=str(ROOT), folder=scratch)], check=True, stdout=subprocess.DEVNULL)
        seeds = list(range(SEEDS))
        (folder / "prompts.json").write_text(json.dumps(prompts_of(folder, seeds)))
        _child("bare", folder, seeds[:1])   # fills the disk cache
        cold: dict[str, list[float]] = {"bare": [], "aio": []}
        for _ in range(ROUNDS):   # in turn, so that a busy machine is busy for both
            for kind, walls in cold.items():
                walls.append(_child(kind, folder, seeds[:1])[0])
        together = _child("aio", folder, seeds)[0]
        turns = _child("turns", folder, [0] * (WARM_JOBS + 1))[1]
    single = min(cold["aio"])
    overhead, cold_overhead = statistics.median(late - early for early, late in turns) * 1000, single - min(cold["bare"])
    alone, through = (statistics.median(pair[place] for pair in turns) * 1000 for place in (0, 1))
    factor = SEEDS * single / together
    rows = [
        ("a warm job, cached", f"{alone:.0f} ms", f"{through:.0f} ms", f"{overhead:+.1f} ms (at most {OVERHEAD_MS:g})", overhead <= OVERHEAD_MS),
        ("a cold start with one job", f"{min(cold['bare']):.2f} s", f"{single:.2f} s",
         f"{cold_overhead:+.2f} s (at most {COLD_OVERHEAD_S:g})", cold_overhead <= COLD_OVERHEAD_S),
        (f"{SEEDS} seeds: {SEEDS} processes, one", f"{SEEDS * single:.1f} s", f"{together:.1f} s",
         f"{factor:.1f} times (at least {WARM_FACTOR:g})", factor >= WARM_FACTOR),
    ]
    print(f"{'':28} {'bare':>9} {'aio':>9}")
    for name, left, right, verdict, good in rows:
        print(f"{name:28} {left:>9} {right:>9}  {verdict}  {'ok' if good else 'MISSED'}")
    return 0 if all(row[-1] for row in rows) else 1


_WEIGHTS = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from aio import config
from aio.comfyui import tinyweights
from aio.weights import registry
from bench.warm import engine
made = engine(Path({folder!r}))
made.start()
tinyweights.write(made.models_dir, {{name: entry.folder for name, entry in config.compose().registry.items()}})
"""

if __name__ == "__main__":
    sys.exit(main())
