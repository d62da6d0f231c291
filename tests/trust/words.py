"""Hostile words on the command line: arguments, overrides of the configuration, files of prompts, tables of jobs."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path
from random import Random
from typing import Any

from . import ROOT, entrances, noise
from .hostile import Try, Wrong, given, inputs, quoted
from .tally import Area, Work
from .world import CODES, unkind

VERBS = ("plan", "replay", "sheet", "models", "check", "space", "nonsense")
"""Those that make nothing. `run` and `-m` are tried with a field that no mode has, so that nothing is rendered."""

KEYS = ("mode", "preset", "model", "lora", "memory", "platform", "engine", "output.dir", "output.name", "prompt", "seed", "width", "seconds", "image",
        "audio", "duration", "duration.step_ms", "platform.duration.max", "values", "registry", "hydra.run.dir", "hydra", "ui", "comfyui", "guidance",
        "params.seed", "fields.prompt", "fields.prompt.default", "patches", "nodes", "stages", "output", "mode.workflow", "x", "jobs", "resume")


def argv(work: Work) -> None:
    """Words in any order before and after any verb: an exit code of aio's, and words."""

    def prepare(folder: Path) -> Try:
        flags = ("-m", "--json", "--config-dir", "--cfg", "job", "--info", "-h", "--help", "--version", "--fetch", "--command", "--share", "--",
            "-", "=",
                 "-c", "-p", "-cn", "--resolve", "--config-dir=/etc", "--config-dir=", "-sc", "query=bash", "--package", "--write-not")

        def attempt(random: Random, folder: Path) -> None:
            words = [_word(random) if random.random() < 0.7 else random.choice(flags) for _ in range(random.randint(0, 4))]
            verb = random.choice(VERBS + ("run",))
            if verb in ("check", "space", "models"):
                words += ["--no-such-flag"] * 2   # else they do minutes of work; a flag before may take the first as its value
            harmless = ["nosuchfield=1", "engine=preview"] if verb in ("run", "nonsense") or "-m" in words else []
            judge([*([verb] if verb != "run" else []), *words, *harmless])

        return attempt

    inputs(work, prepare)


def _word(random: Random) -> str:
    key = random.choice(KEYS) if random.random() < 0.8 else noise.text(random)
    word = random.choice((f"{key}={noise.text(random)}", f"{key}={noise.text(random)}", key, noise.text(random)))
    return random.choice(("", "", "", "+", "++", "~")) + word


def overrides(work: Work) -> None:
    """Keys of the configuration with values of any kind, in a plan: words, or a plan."""

    def prepare(folder: Path) -> Try:
        plain = _leaves(dataclasses.asdict(entrances.compose("mode=i2v")))

        def attempt(random: Random, folder: Path) -> None:
            words = []
            for _ in range(random.choice((1, 1, 1, 2))):
                key = random.choice(plain) if random.random() < 0.8 else random.choice(KEYS)
                odd = ("null", "[]", "{}", "[1]", "{a:1}", "-1", "0", "1e308", "nan", "text", "''", "true", "9" * 400)
                value = random.choice((*odd, noise.text(random)))
                words.append(f"{random.choice(('', '', '++'))}{key}={value}")
            judge(["plan", "mode=i2v", *words, "prompt=x", f"image={ROOT / 'samples' / 'astronaut.png'}"])

        return attempt

    inputs(work, prepare)


def _leaves(data: Any, path: str = "") -> list[str]:
    """Dotted keys of every section and value, but for lists' and names that the grammar does not take."""
    found = []
    for key, value in data.items():
        name = f"{path}.{key}" if path else str(key)
        if str(key).replace("_", "").isalnum() and key not in ("registry", "official"):
            found += [name, *(_leaves(value, name) if isinstance(value, dict) else [])]
    return found


def judge(words: list[str]) -> tuple[str, str]:
    """Try a command line in this process; stdout and stderr."""
    given(words)
    code, out, err = entrances.command(words)
    if code not in CODES:
        raise Wrong(f"exit code {code}")
    if noise.CANARY in out + err:
        raise Wrong("a variable of the environment came out")
    if code and (wrong := unkind(err, quoted())):
        raise entrances.Untold(wrong)
    return out, err


def prompts(work: Work) -> None:
    """Files of prompts (`prompt=@FILE`): the very text, or words."""

    def prepare(folder: Path) -> Try:
        def attempt(random: Random, folder: Path) -> None:
            content = noise.text(random).encode("utf-8", "surrogatepass")
            marked, wide, ended = b"\xef\xbb\xbf" + content, content.decode().encode("utf-16"), content + b"\r\n\n"
            content = random.choice((content, noise.damaged(random, content * 3), marked, wide, ended))
            given(content)
            file = folder / "prompt.txt"
            file.write_bytes(content)
            params = entrances.typed(["mode=t2v", f"prompt=@{file}"])
            wanted = _lines(content.decode("utf-8-sig")).rstrip("\n")
            if _lines(params["prompt"]) != wanted:
                raise Wrong(f"the file's text {wanted!r} became {params['prompt']!r}")

        return attempt

    inputs(work, prepare)


def tables(work: Work) -> None:
    """Tables of jobs in CSV and JSON Lines: a job a row, its texts as they stand there, or words that name the row."""
    columns = ("mode", "prompt", "seed", "width", "preset", "lora", "output.name", "duration", "image", "seconds", "hydra.run.dir", "params.seed")

    def prepare(folder: Path) -> Try:
        def attempt(random: Random, folder: Path) -> None:
            rows = [{"mode": "t2v", "prompt": noise.text(random), "seed": random.randint(0, 9)} for _ in range(random.randint(1, 3))]
            if random.random() < 0.7:
                rows = [row if random.random() < 0.5 else {**row, random.choice(columns): noise.leaf(random)} for row in rows]
            lines = random.random() < 0.5
            text = "\n".join(json.dumps(row) for row in rows) if lines else _csv(rows)
            content = text.encode("utf-8", "surrogatepass")
            whole = random.random() < 0.6
            if not whole:
                content = noise.damaged(random, content)
            given(content)
            file = folder / f"jobs.{'jsonl' if lines else 'csv'}"
            file.write_bytes(content)
            jobs = entrances.sweep(["-m", f"jobs=@{file}", "engine=preview"])
            if whole:
                _same(rows, jobs, lines)

        return attempt

    inputs(work, prepare)


def _csv(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _same(rows: list[dict[str, Any]], jobs: list[Any], lines: bool) -> None:
    """An accepted table has a job for each row, with its text."""
    if len(jobs) != len(rows):
        raise Wrong(f"{len(rows)} rows made {len(jobs)} jobs")
    for row, job in zip(rows, jobs):
        wanted = row["prompt"]
        if wanted in (None, "") or (not lines and not str(wanted).strip()):
            continue   # an empty cell sets nothing
        if _lines(job.get("prompt")) != _lines(wanted if lines else str(wanted)):
            raise Wrong(f"the cell {wanted!r} became {job.get('prompt')!r}")


def _lines(text: Any) -> Any:
    """A text whose lines end in one way."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if isinstance(text, str) else text


AREAS = (
    Area("argv", "words of the command line", argv, 2_000, 80),
    Area("overrides", "overrides of the configuration", overrides, 600, 140),
    Area("prompts", "files of prompts", prompts, 2_000, 10),
    Area("tables", "tables of jobs, CSV and JSON Lines", tables, 3_000, 50),
)
