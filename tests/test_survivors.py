"""Lines that could be changed without a test noticing, each held by what it does for the user."""

from __future__ import annotations

import dataclasses
import os
import time
from types import SimpleNamespace

import pytest
from sections import section

from aio import check, config
from aio.config import Patch
from aio.errors import ConfigError, EngineError
from aio.fields import Field, templates
from aio.fields import check as checked
from aio.graph import duration, patch
from aio.graph.draw import draw
from aio.graph.shapes import SamplerFacts
from aio.spaces import call, mirror, prune, rules
from aio.spaces.engine import ZeroGPUEngine
from aio.stop import Stop
from aio.sweep import folder


def test_a_template_is_filled_in_lists_of_either_kind_and_however_deep():
    request = check.sample(config.compose(["mode=t2v"]), {"seed": 7})
    value = ["${value:seed}", ("${value:seed}", {"a": ["seed ${value:seed}"]})]
    own = Patch("own", ({"op": "add", "path": "/own", "value": value},))
    operation = patch.render(dataclasses.replace(request, config=dataclasses.replace(request.config, patches=(own,))))[-2]
    assert operation.path == "/own" and operation.value == [7, [7, {"a": ["seed 7"]}]]


def test_the_fields_that_a_template_reads_are_its_values_alone():
    assert templates.names({"value": ["${value:a}", ("${half:b} and ${frames:c,d}",), {"x": "${pick:table,e}"}]}) == {"a", "b", "c", "d", "e"}
    assert templates.names({"path": "${pointer:node,key}", "from": "${node:n}", "more": "${port:p}", "number": 5}) == set()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (Field("a", "INT", min=256, max=1920, step=64), "256 to 1920, step 64"),
        (Field("a", "INT", min=0, max=9, step=2), "0 to 9, step 2"),
        (Field("a", "INT", min=0, max=9, step=1), "0 to 9"),
        (Field("a", "INT", min=0, max=9), "0 to 9"),
        (Field("a", "FLOAT", min=0, max=9, step=0.5), "0 to 9"),
        (Field("a", "INT", min=5), "5 or more"),
        (Field("a", "INT"), ""),
    ],
)
def test_the_range_of_a_field_names_a_step_only_where_it_binds(field, text):
    assert field.range == text


def test_an_empty_text_is_no_file_but_it_is_a_text():
    fields = {"image": Field("image", "IMAGE", optional=True), "prompt": Field("prompt", "STRING", optional=True)}
    assert checked(fields, {"image": "", "prompt": ""}, {}) == {"image": None, "prompt": ""}
    assert checked(fields, {"image": "a.png", "prompt": "x"}, {}) == {"image": "a.png", "prompt": "x"}
    with pytest.raises(Exception, match=r"image: is required: give image=… \(a picture file\)"):
        checked({"image": Field("image", "IMAGE")}, {"image": ""}, {})


def test_a_size_is_a_count_of_bytes():
    for size in (0, 1, 2**40):
        assert section("registry", {"a.pt": {"repo": "o/n", "path": "a", "size": size}})["a.pt"].size == size
    for size in (-1, True, False, 1.5, "9", [9]):
        with pytest.raises(ConfigError, match=r"registry\.a\.pt\.size: .* (is below 0|is not a whole number)"):
            section("registry", {"a.pt": {"repo": "o/n", "path": "a", "size": size}})


def test_a_sweep_folder_is_busy_only_while_somebody_holds_its_lock(tmp_path):
    assert not folder.busy(tmp_path) and list(tmp_path.iterdir()) == []   # looking leaves nothing
    with folder.locked(tmp_path):
        assert folder.busy(tmp_path)
    assert not folder.busy(tmp_path)


@pytest.mark.parametrize(("took", "hard"), [(0.0, 3), (mirror.SLOW_LINK - 0.01, 3), (mirror.SLOW_LINK, 1), (mirror.SLOW_LINK + 1, 1)])
def test_where_one_hard_link_takes_as_long_as_a_copy_the_rest_are_symbolic(took, hard, tmp_path, monkeypatch):
    blobs = tmp_path / "hub" / "models--o--n" / "blobs"
    blobs.mkdir(parents=True)
    for number in range(3):
        (blobs / f"{number:064x}").write_bytes(b"x")
    now, link = [0.0], os.link

    def slow(source: str, target: str) -> None:
        link(source, target)
        now[0] += took

    monkeypatch.setattr(os, "link", slow)
    monkeypatch.setattr(mirror.time, "perf_counter", lambda: now[0])
    done = mirror.mirror(tmp_path / "hub", tmp_path / "own")
    assert (done.hard, done.symbolic) == (hard, 3 - hard)


def test_only_the_rest_of_aios_own_work_is_pruned_not_what_is_named_alike(tmp_path):
    alike = ("xaio-1.part", "my.aio-1.part", ".aio-1.part.txt", ".aio-1_part", ".aio-1.parts", "_aio-1.part")
    for name in alike:
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - 9e5,) * 2)
    assert prune.prune(tmp_path, [], tmp_path / "scratch", 3600) == []
    assert {path.name for path in tmp_path.iterdir()} == set(alike)


@pytest.mark.parametrize(("needed", "told"), [(59.0, False), (60.0, False), (61.0, False), (61.4, True), (300.0, True)])
def test_a_run_is_told_that_it_may_need_more_than_can_be_asked_for(needed, told, tmp_path, monkeypatch):
    request = check.sample(config.compose(["mode=t2v", "platform=zerogpu"]))
    most = dataclasses.replace(duration.most(request.config), needed=needed, request=60.0)
    monkeypatch.setattr(duration, "estimate", lambda *_: most)
    monkeypatch.setattr(call, "SIZES", dict.fromkeys(("large", "xlarge"), lambda _: iter(())))   # a GPU that says nothing
    inner = SimpleNamespace(name="comfyui", revision="r", input_dir=tmp_path, models_dir=None, output_dir=tmp_path, real=True)
    events = []
    with pytest.raises(EngineError, match=r"ended without a result"):
        ZeroGPUEngine(inner).execute(draw(request), events.append, Stop())
    warnings = [event.message for event in events if event.kind == "warning"]
    assert warnings == ([f"this run may need {needed:.0f} s, but not more than 60 s can be asked for"] if told else [])


def test_a_file_is_too_large_for_a_push_only_above_the_limit():
    limits = SimpleNamespace(file_mb=10)
    assert list(rules.file_faults({"a": 10_000_000, "b": 0}, limits)) == []
    assert list(rules.file_faults({"a": 10_000_001, "b": 5, "c": 25_000_000}, limits)) == [
        "a: has 10.0 MB, the Hub takes 10 MB outside Git LFS",
        "c: has 25.0 MB, the Hub takes 10 MB outside Git LFS",
    ]


def test_the_seconds_of_a_sampler_are_those_of_its_steps_by_thousands_of_tokens():
    costs = dataclasses.replace(config.compose().duration, step_ms=(2.0, 0.5), step_floor_ms=7.0, guide_factor=1.5)
    facts = {field.name: None for field in dataclasses.fields(SamplerFacts)} | {"title": "x", "steps": 10, "passes": 2, "guides": False}
    assert duration.sampling(SamplerFacts(**facts | {"tokens": 10_000}), costs) == pytest.approx(10 * 2 * (2 * 10 + 0.5 * 100) / 1000)
    assert duration.sampling(SamplerFacts(**facts | {"tokens": 1_000}), costs) == pytest.approx(10 * 2 * 7 / 1000)
    assert duration.sampling(SamplerFacts(**facts | {"tokens": 1_000, "guides": True}), costs) == pytest.approx(10 * 2 * 7 * 1.5 / 1000)


@pytest.mark.parametrize(("seconds", "handed"), [(0.0, 1), (0.7, 1), (1.5, 1), (2.9, 1), (3.0, 2), (90.0, 60)])
def test_the_decorator_gets_whole_seconds_at_least_one(seconds, handed):
    known = config.compose(["platform=zerogpu"]).platform
    platform = dataclasses.replace(known, sizes={"large": dataclasses.replace(known.sizes["large"], asks=1.5)})
    assert duration.handed_for(seconds, "large", platform) == handed


# -- what others may have written into a log, a graph or a note


@pytest.mark.parametrize("text", [
    "{}", "[]", '{"samplers": 5, "stages": {}}', '{"samplers": [{"stage": "S"}], "stages": {"S": 1}}', '{"samplers": [], "stages": {"S": "x"}}',
    '{"samplers": [{"stage": {}, "steps": 1, "passes": 1, "tokens": 1, "guides": 0}], "stages": {}}', '{"card": 5, "samplers": [], "stages": {}}',
    '{"samplers": [{"stage": "S", "steps": 8, "passes": [], "tokens": true, "guides": 0}], "stages": {"S": 1}}', "[" * 5000, "x" * 300_000,
])
def test_a_line_of_the_timings_log_that_says_nothing_is_left_out(text, tmp_path):
    from aio import timings

    good = '{"card": "A", "samplers": [{"stage": "S", "steps": 8, "passes": 1, "tokens": 7040, "guides": 0}], "stages": {"S": 4.0}}'
    (tmp_path / "log").write_text(f"{good}\n{text}\n{good}\n")
    lines = list(timings.read(tmp_path / "log"))
    assert lines[0] == lines[-1] and len(lines) == 2 and timings.fit(lines, config.compose().duration)["A"]["runs"] == 2


def test_a_node_whose_meta_is_no_mapping_is_named_by_its_class():
    from aio.graph import workflow

    assert workflow.title({"1": {"class_type": "VAEDecode", "inputs": {}, "_meta": ["title"]}}, "1") == "1 (VAEDecode)"


def test_a_job_that_was_killed_before_its_note_is_noted_as_done_on_resume(tmp_path, monkeypatch):
    import json

    from aio.cli import main

    size = ["width=256", "height=256", "seconds=0.4"]
    words = ["-m", "mode=t2v", "prompt=x", "engine=preview", *size, "seed=1,2", f"hydra.sweep.dir={tmp_path / 's'}"]
    assert main(words) == 0
    note = tmp_path / "s" / "0" / "job.json"
    note.write_text(note.read_text().replace('"done"', '"running"'))
    assert main([*words, f"resume={tmp_path / 's'}"]) == 0
    assert json.loads(note.read_text())["state"] == "done" and len(list((tmp_path / "s" / "0").glob("*.mp4"))) == 1


def test_resolve_alone_says_what_it_goes_with(capsys):
    from aio.cli import main

    assert main(["mode=t2v", "--resolve"]) == 2
    assert "--cfg job --resolve" in capsys.readouterr().err


def test_a_storyboard_that_is_finished_and_cannot_get_its_name_is_kept_and_named(tmp_path, monkeypatch, capsys):
    import errno

    from aio.cli import main

    def refuse(*names):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("aio.engines._engines", {})
    monkeypatch.setattr("aio.machine.whole.os.replace", refuse)
    assert main(["mode=t2v", "prompt=x", "engine=preview", "width=256", "height=256", "seconds=0.4", f"output.dir={tmp_path / 'out'}"]) == 1
    said = capsys.readouterr().err
    (kept,) = (tmp_path / f"aio-{os.getuid()}" / "output" / "aio").glob(".*.part")
    assert "the finished clip is kept: " in said and kept.name in said


def test_a_nul_in_a_path_is_refused_in_words(capsys):
    from aio.cli import main

    for words in (["replay", "~\0true"], ["replay", "a\0b"], ["--config-dir", "a\0b", "mode=t2v"], ["mode=i2v", "prompt=x", "image=a\0b"]):
        assert main(words) == 2 and "fault of aio" not in capsys.readouterr().err
