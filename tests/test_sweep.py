"""Sweeps: many jobs, one folder; failures, order, tables, resume, launchers and interruption."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aio import config
from aio.cli import main
from aio.command import parse
from aio.errors import ConfigError, InputError
from aio.machine import folders
from aio.recipe import sidecar
from aio.sweep import folder as store
from aio.sweep import jobs_table, plan
from aio.sweep.axes import Spec, axes, product
from aio.sweep.plan import Planned

SMALL = ["width=256", "height=256", "seconds=0.4", "fps=24", "engine=preview"]


@pytest.fixture
def sweep(tmp_path, capsys):
    """Run a sweep of small clips in `tmp_path / "s"`: (exit code, stdout lines, stderr)."""

    def run(*words, place="s"):
        given = {word.split("=")[0] for word in words}
        usual = [word for word in ("mode=t2v", "prompt=x", *SMALL) if word.split("=")[0] not in given]
        code = main(["-m", *usual, f"hydra.sweep.dir={tmp_path / place}", *words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return run


def states(folder):
    return {cell.number: cell.state for cell in store.cells(folder, live=False)}


def process(*words, tmp):
    env = {**os.environ, "PYTHONPATH": str(folders.PACKAGE.parent), "TMPDIR": str(tmp)}
    return subprocess.Popen([sys.executable, "-m", "aio", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_sweep_is_one_folder_with_a_numbered_place_a_job(sweep, tmp_path):
    code, out, _ = sweep("seed=1,2", "preset=fast,balanced")
    folder = tmp_path / "s"
    assert code == 0 and out[-1] == str(folder / "index.html")
    assert sorted(out[:-1]) == [str(folder / str(number) / "t2v-0001.preview.mp4") for number in range(4)]
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "index.html", "contact_sheet.png", ".lock", "0", "1", "2", "3"}
    jobs = json.loads((folder / "manifest.json").read_text())["jobs"]
    asked = [(job["settings"]["preset"], job["settings"]["seed"]) for job in jobs]
    assert asked == [("fast", "1"), ("fast", "2"), ("balanced", "1"), ("balanced", "2")]
    for name in ("manifest.json", "0/job.json", "index.html"):
        assert str(tmp_path) not in (folder / name).read_text()


def test_what_was_planned_is_what_was_made_in_every_mode(sweep, tmp_path, inputs):
    fields = {mode: config.compose([f"mode={mode}"]).fields for mode in config.choices("mode")}
    rows = [{"mode": mode, **{name: path for name, path in inputs.items() if name in known}} for mode, known in fields.items()]
    assert sweep(f"jobs=@{table(tmp_path, 't.jsonl', chr(10).join(map(json.dumps, rows)))}")[0] == 0
    cells, planned_cells = store.cells(tmp_path / "s", live=False), store.planned(tmp_path / "s")
    assert [cell.recipe for cell in cells] == [cell.recipe for cell in planned_cells] and len({cell.recipe for cell in cells}) == len(fields)


def test_a_sweep_never_writes_over_another(sweep, tmp_path):
    for name in ("s", "s-2", "s-3"):
        assert sweep("seed=1")[1][-1] == str(tmp_path / name / "index.html")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert sweep("seed=1", place="full")[1][-1] == str(tmp_path / "full-2" / "index.html")


def test_the_folder_is_named_by_date_and_lies_in_the_output_folder(tmp_path, capsys):
    assert main(["-m", "mode=t2v", "prompt=x", "seed=1", *SMALL, f"output.dir={tmp_path}"]) == 0
    assert re.fullmatch(rf"{tmp_path}/sweeps/\d{{4}}-\d\d-\d\d_\d\d-\d\d-\d\d/index.html", capsys.readouterr().out.splitlines()[-1])


def test_a_failed_job_does_not_stop_the_others_and_keeps_its_reason(sweep, tmp_path):
    code, out, err = sweep("width=256,300,320")
    assert code == 1 and len(out) == 3 and "resume=" in err
    assert states(tmp_path / "s") == {0: "done", 1: "failed", 2: "done"}
    assert json.loads((tmp_path / "s" / "1" / "job.json").read_text())["reason"] == "width: 300 is not a multiple of 64; use 256 or 320"


def test_whatever_a_job_meets_the_others_run(sweep, tmp_path, monkeypatch):
    from aio.preview.engine import PreviewEngine

    execute = PreviewEngine.execute

    def unlucky(self, drawn, on_event, stop, **rest):
        if drawn.request.values["seed"] == 2:
            raise RuntimeError(f"boom in {tmp_path}/s/1")
        return execute(self, drawn, on_event, stop, **rest)

    monkeypatch.setattr(PreviewEngine, "execute", unlucky)
    monkeypatch.setenv("HOME", str(tmp_path))   # the details of a fault lie in the cache
    assert sweep("seed=1,2,3")[0] == 1
    assert states(tmp_path / "s") == {0: "done", 1: "failed", 2: "done"}
    reason = json.loads((tmp_path / "s" / "1" / "job.json").read_text())["reason"]
    assert reason.startswith("this is a fault of aio: RuntimeError: boom in 1; the details are in ")


def test_a_sweep_of_which_nothing_can_run_is_bad_input_and_leaves_nothing(sweep, tmp_path):
    code, out, err = sweep("widht=1,2")
    assert code == 2 and not out and err.count("widht: no field of mode t2v. Did you mean 'width'?") == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("word", ["seed=(", "seed=interval(0,1)", "mode=t2v,lipsinc", "prompt=@none.txt", "jobs=@none.csv", "resume=none"])
def test_a_faulty_sweep_is_one_clear_message(word, sweep, tmp_path):
    code, out, err = sweep(word)
    assert code == 2 and not out and "Traceback" not in err and not (tmp_path / "s").exists()


def test_jobs_and_resume_need_a_sweep():
    for word in ("jobs=@x.csv", "resume=x"):
        with pytest.raises(ConfigError, match="add -m"):
            parse([word], ("run",))


def test_hydras_grammar_sweeps_and_text_stays_whole(tmp_path):
    (tmp_path / "p.txt").write_text("one, ${two}\nthree\n")
    words = ["mode=glob(t*)", "preset=glob(*)", "seed=range(2)", "cfg=1,2.5", f"prompt=@{tmp_path / 'p.txt'}", "negative_prompt=a,b"]
    found = axes(parse(["-m", *words], ("run",)))
    modes, presets = [name for name in config.choices("mode") if name.startswith("t")], config.choices("preset")
    assert (found["mode"], found["preset"]) == ([f"mode={name}" for name in modes], [f"preset={name}" for name in presets])
    assert (found["params.seed"], found["params.cfg"], found["params.negative_prompt"]) == ([0, 1], [1, 2.5], ["a,b"])
    assert found["params.prompt"] == ["one, ${two}", "three"]
    jobs = list(product(found))
    assert [job.number for job in jobs] == list(range(8 * len(modes) * len(presets)))
    assert jobs[1].params["prompt"] == "three"   # the last key changes fastest


# -- order ---------------------------------------------------------------------------------------------------------------------------

def planned(*costs):
    return [Planned(Spec(number, (), {}), {}, "", cost) for number, cost in enumerate(costs)]


def test_jobs_run_so_that_weights_loras_prompts_and_inputs_change_seldom():
    jobs = planned(*((model, lora, prompt, "i") for prompt in "pq" for lora in "lm" for model in "ab"))
    ordered = plan.order(jobs)
    assert [job.cost[0] for job in ordered] == list("aaaabbbb")
    assert plan.loads(jobs) == (8, 8) and plan.loads(ordered) == (4, 8)
    assert plan.saving(jobs, ordered).startswith("order: 4 model loads instead of 8, 4 saved; 8 prompt encodings instead of 8")
    assert plan.saving(ordered, ordered) == ""


def test_the_order_keeps_the_users_where_it_saves_nothing():
    jobs = planned(*(("a", "l", "p", "i") for _ in range(5)))
    assert [job.spec.number for job in plan.order(jobs)] == list(range(5))


def test_numbers_stay_the_users_while_loads_are_spared(sweep, tmp_path):
    code, out, err = sweep("seed=1,2", "jobs=@" + str(table(tmp_path, "t.csv", "preset\nfast\nquality\nfast\nquality\n")))
    assert code == 0 and "order: 2 model loads instead of 4, 2 saved" in err
    ran = [int(Path(line).parent.name) for line in out[:-1]]
    assert ran == [0, 1, 4, 5, 2, 3, 6, 7]


# -- tables --------------------------------------------------------------------------------------------------------------------------

def table(folder, name, text, encoding="utf-8"):
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def test_a_table_is_one_job_a_row_with_any_fields_modes_and_presets(sweep, tmp_path, inputs):
    (tmp_path / "face.png").write_bytes(Path(inputs["image"]).read_bytes())
    rows = (
        "mode,preset,lora,prompt,seed,image,output.name\n"
        't2v,fast,,"Rain, at ${night}",1,,"Shot 1: dawn, wide"\n'
        "\n"
        "i2v,,\"detailer,camera_static\",@home,,face.png,\n"   # a file beside the table; @home is text
    )
    code, out, err = sweep(f"jobs=@{table(tmp_path, 'shots.csv', rows, 'utf-8-sig')}")
    assert code == 0, err
    made = [json.loads(Path(line).with_suffix(".json").read_text())["aio"] for line in sorted(out[:-1])]
    chosen = [(one["mode"], one["choices"]["preset"], one["choices"]["lora"]) for one in made]
    assert chosen == [("t2v", "fast", []), ("i2v", "balanced", ["detailer", "camera_static"])]
    assert [one["values"]["prompt"] for one in made] == ["Rain, at ${night}", "@home"]
    assert any("Shot 1: dawn, wide.preview.mp4" in line for line in out)


def test_a_table_may_be_json_lines_and_every_row_meets_the_sweep(sweep, tmp_path):
    rows = '{"preset": "fast", "width": 320, "lora": ["detailer"], "prompt": null}\n\n{"prompt": "a\\nb", "seed": 7}\n'
    code, _, _ = sweep(f"jobs={table(tmp_path, 'shots.jsonl', rows)}", "seed=1,2")
    cells = store.cells(tmp_path / "s", live=False)
    assert code == 0 and [(cell.settings["seed"], cell.settings["width"]) for cell in cells] == [("1", "320"), ("2", "320"), ("7", "256")]


def test_a_semicolon_separates_where_the_header_says_so(tmp_path):
    specs, _ = jobs_table.read(str(table(tmp_path, "t.csv", "prompt;seed\na, b;3\n")))
    assert specs == [Spec(0, (), {"prompt": "a, b", "seed": "3"}, "row 1 (line 2)")]


def test_a_cell_and_a_path_in_a_table_are_kept_as_they_stand(tmp_path):
    rows = 'prompt;output.name;output.dir\r\n"a\r\nb";"it\'s, [x] ${y}";~/z, 2\r\n'
    (tmp_path / "t.csv").write_bytes(rows.encode())
    (spec,), _ = jobs_table.read(str(tmp_path / "t.csv"))
    assert spec.params == {"prompt": "a\r\nb"} and spec.overrides == ("output.name=it's, [x] ${y}", "output.dir=~/z, 2")


def test_numbers_and_lists_of_json_become_what_the_key_takes(tmp_path):
    row = '{"output.name": 2024, "lora": ["detailer", "camera_static"], "memory.cache_gb": [1, null], "preset": "fast", "+values.stg_blocks": "a, b"}'
    (spec,), _ = jobs_table.read(str(table(tmp_path, "t.jsonl", row)))
    made = config.compose(spec.overrides)
    assert (made.output_name, made.choices["lora"], made.memory.cache_gb) == ("2024", ["detailer", "camera_static"], (1, None))


@pytest.mark.parametrize("content", [b"prompt\ncaf\xe9\n", "prompt\nx\n".encode("utf-16")])
def test_a_table_that_is_not_utf_8_says_how_to_save_it(content, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ConfigError, match="save it as `CSV UTF-8`"):
        jobs_table.read(str(tmp_path / "t.csv"))


@pytest.mark.parametrize(("name", "text", "words"), [
    ("t.csv", "seed\n" + "1\n" * 10_001, "more than 10,000 rows"),
    ("t.jsonl", '{"seed": 1}\n' * 10_001, "more than 10,000 rows"),
    ("t.csv", ",".join(f"c{n}" for n in range(300)) + "\n" + ",".join("1" * 300) + "\n", "300 columns, and 200 is the most"),
    ("t.jsonl", json.dumps({f"c{n}": 1 for n in range(300)}), "300 columns"),
    ("t.jsonl", "[" * 100_000, "not JSON (it is nested more than 64 levels deep)"),
    ("t.jsonl", "{\n" * 1000, "and more faults"),
])
def test_a_table_beyond_a_limit_is_refused_at_once(name, text, words, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(words)):
        jobs_table.read(str(table(tmp_path, name, text)))


@pytest.mark.parametrize(("row", "words"), [
    ('{"output.name": ["a"]}', 'output.name: ["a"] is not text'), ('{"hydra.sweep.dir": "x"}', "belongs on the command line"),
    ('{"mode": "../../x"}', "mode: '../../x' is unknown"),
    ('{"mode": 3}', "mode: '3' is unknown"), ('{"memory.vram": "lo"}', "Did you mean 'low'?"),
    ('{"output.name": "a\\u0000b"}', "holds a NUL character"),
    ('{"seed": 1e999}', "inf is not a whole number"), ('{"seed": 1.8e19}', "1.8e+19 has lost its last digits; give all of them, as text"),
    ('{"prompt": " \\u200b"}', "prompt: is blank"), ('{"sigmas": "0.5, 1"}', "1 comes after 0.5"),
    ('{"seconds": 20, "fps": 50}', "give seconds=19.9 or fps=49"),
    ('{"prompt": {"a": 1}}', "is not a text"),
    ('{"mode": "i2v", "image": "' + "a" * 5000 + '"}', "image: "),
])
def test_an_odd_cell_is_told_with_its_row(row, words, sweep, tmp_path):
    code, _, err = sweep(f"jobs=@{table(tmp_path, 't.jsonl', row)}")
    assert code == 2 and "row 1 (line 1): " in err and words in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        ("t.csv", "cfg;seed\n1,5;1\n", ["cfg: '1,5' is not a number (1 to 20); write cfg=1.5"]),
        ("t.csv", "seed,widht\n1,\n2,3\n4,5\n", ["row 2 (line 3), row 3 (line 4): widht: no field of mode t2v"]),
        ("t.csv", "width,preset\n300,fast\n256,bets\n", ["row 1 (line 2): width: 300 is not a mult", "row 2 (line 3): preset: 'bets' is unknown"]),
        ("t.csv", "preset\n\"fast,quality\"\n", ["row 1 (line 2): preset: 'fast,quality' is not one choice"]),
        ("t.csv", "prompt,seed\na, b,3\n", ["row 1 (line 2): it has a cell without a column name"]),
        ("t.csv", "seed,seed\n1,2\n", ["the column 'seed' stands there twice"]),
        ("t.csv", "seed, seed \n1,2\n", ["the column 'seed' stands there twice"]),
        ("t.csv", "seed,params.seed\n1,2\n", ["row 1 (line 2): seed is given twice, as seed and params.seed; give it once"]),
        ("t.csv", "memory.vram,+memory.vram\nlow,low\n", ["row 1 (line 2): memory.vram is given twice"]),
        ("t.jsonl", '{"seed": 1, "cfg": 2, "seed": 1}\n', ["row 1 (line 1): not JSON ('seed' is given twice; give it once)"]),
        ("t.csv", "prompt\n\"open\n", ["line 2"]),
        ("t.csv", "seed\n", ["holds no job"]),
        ("t.csv", "mode\nlipsinc\n", ["row 1 (line 2): mode: 'lipsinc' is unknown. Did you mean 'lipsync'?"]),
        ("t.jsonl", '{"seed": 1}\n{"seed": }\n[1]\n', ["row 2 (line 2): not JSON", "row 3 (line 3): expected an object"]),
        ("t.txt", "x", ["give a .csv, .jsonl or .yaml"]),
    ],
)
def test_a_table_is_validated_whole_and_errors_name_their_rows(name, rows, said, sweep, tmp_path):
    code, out, err = sweep(f"jobs=@{table(tmp_path, name, rows)}")
    assert code == 2 and not out and not (tmp_path / "s").exists()
    for words in said:
        assert words in err


def test_every_job_of_a_table_and_of_a_sweep_draws_its_own_seed_and_goes_on_with_it(sweep, tmp_path):
    rows = table(tmp_path, "t.csv", "prompt,seed\na,random\nb,random\nc,18446744073709551615\n")
    assert sweep(f"jobs=@{rows}")[0] == 0
    seeds = [cell.settings["seed"] for cell in store.cells(tmp_path / "s", live=False)]
    assert len(set(seeds)) == 3 and seeds[2] == "18446744073709551615"
    for cell in store.cells(tmp_path / "s", live=False):
        assert str(sidecar.read(tmp_path / "s" / str(cell.number) / cell.video).data["seed"]) == cell.settings["seed"]
    (tmp_path / "s" / "1" / "t2v-0001.preview.mp4").unlink()
    code, _, err = sweep(f"jobs=@{rows}", f"resume={tmp_path / 's'}")   # the very same command, which would draw anew
    assert code == 0 and "3 of 3 jobs done" in err
    assert [cell.settings["seed"] for cell in store.cells(tmp_path / "s", live=False)] == seeds


def test_the_last_seeds_of_64_bit_are_swept_without_rounding(sweep, tmp_path):
    assert sweep(f"seed=range({2**64 - 2},{2**64})")[0] == sweep(f"seed={2**53 + 1},{2**53}", place="t")[0] == 0
    seeds = [[int(cell.settings["seed"]) for cell in store.cells(tmp_path / place, live=False)] for place in "st"]
    assert seeds == [[2**64 - 2, 2**64 - 1], [2**53 + 1, 2**53]]


# -- resume --------------------------------------------------------------------------------------------------------------------------

def test_resume_runs_only_what_is_missing_or_failed(sweep, tmp_path):
    sweep("seed=1,2,3,4")
    folder = tmp_path / "s"
    before = {number: (folder / str(number) / "t2v-0001.preview.mp4").stat().st_mtime_ns for number in (0, 1)}
    (folder / "2" / "t2v-0001.preview.mp4").unlink()
    store.write_state(folder, store.Cell(3, {}, "failed", reason="out of memory", recipe="x"))
    (folder / "0" / "job.json").unlink()   # the clip's own recipe speaks for it
    code, out, err = sweep("seed=1,2,3,4", f"resume={folder}")
    assert code == 0 and len(out) == 3 and "2 of them done" in err
    assert states(folder) == dict.fromkeys(range(4), "done")
    assert before == {number: (folder / str(number) / "t2v-0001.preview.mp4").stat().st_mtime_ns for number in (0, 1)}
    assert len(sweep("seed=1,2,3,4", f"resume={folder}")[1]) == 1   # nothing is left to do


def test_resume_alone_takes_the_jobs_from_the_manifest(sweep, tmp_path, inputs, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "face.png").write_bytes(Path(inputs["image"]).read_bytes())
    words = ["mode=i2v", "image=face.png", "preset=fast,quality", "lora=[detailer]", "prompt=a, ${b}", "output.name=it's x"]
    assert sweep(*words)[0] == 0
    (tmp_path / "s" / "1" / "it's x.preview.mp4").unlink()
    assert main(["-m", "resume=s"]) == 0
    assert "1 of them done" in capsys.readouterr().err and states(tmp_path / "s") == dict.fromkeys(range(2), "done")
    (tmp_path / "face.png").unlink()
    (tmp_path / "s" / "1" / "it's x.preview.mp4").unlink()
    assert main(["-m", "resume=s"]) == 2
    said = capsys.readouterr().err
    assert "face.png does not exist" in said and "give the sweep's whole command once more, with resume=…" in said


@pytest.mark.parametrize("word", ["resume=", "jobs="])
def test_a_sweep_is_told_what_is_missing(word, sweep):
    assert f"{word[:-1]}: nothing is given; write {word}" in sweep(word)[2]


def test_resume_refuses_another_sweep(sweep, tmp_path):
    sweep("seed=1,2")
    folder = tmp_path / "s"
    assert "has 2 jobs, this command has 3" in sweep("seed=1,2,3", f"resume={folder}")[2]
    code, out, err = sweep("seed=1,3", f"resume={folder}")
    assert code == 2 and not out and "job 1 of s is not the same: seed was '2' and is '3'" in err
    (tmp_path / "empty").mkdir()
    assert "is not a sweep's folder" in sweep("seed=1,2", f"resume={tmp_path / 'empty'}")[2]


def test_resume_refuses_a_clip_that_other_inputs_made_and_says_which(sweep, tmp_path, inputs):
    image = tmp_path / "face.png"
    image.write_bytes(Path(inputs["image"]).read_bytes())
    words = ["mode=i2v", f"image={image}", "seed=1,2"]
    assert sweep(*words)[0] == 0
    (tmp_path / "s" / "1" / "t2v-0001.preview.mp4").unlink(missing_ok=True)
    image.write_bytes(Path(inputs["image"]).read_bytes() + b"\0")
    code, _, err = sweep(*words, f"resume={tmp_path / 's'}")
    assert code == 2 and "its clip was made with other inputs.image" in err


def test_two_processes_do_not_work_in_one_folder(sweep, tmp_path):
    sweep("seed=1,2")
    with store.locked(tmp_path / "s"):
        assert "another aio is at work" in sweep("seed=1,2", f"resume={tmp_path / 's'}")[2]


# -- interruption --------------------------------------------------------------------------------------------------------------------

def slow(folder):
    return ["-m", "mode=t2v", "prompt=x", "width=1024", "height=576", "seconds=8", "engine=preview", "seed=range(40)", f"hydra.sweep.dir={folder}"]


def test_ctrl_c_leaves_a_true_sheet_and_the_sweep_can_be_resumed(tmp_path):
    folder = tmp_path / "s"
    words = ["-m", "mode=t2v", "prompt=x", *SMALL, "seed=range(60)", f"hydra.sweep.dir={folder}"]
    running = process(*words, tmp=tmp_path)
    wait_for(lambda: (folder / "2" / "job.json").is_file())
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "Traceback" not in err and out.splitlines()[-1] == str(folder / "index.html")
    found = list(states(folder).values())
    done = found.count("done")
    assert 1 <= done < 60 and found.count("pending") + done + found.count("stopped") == 60
    page = (folder / "index.html").read_text()
    assert page.count('data-state="done"') == done and 'data-live="0"' in page and page.count("<figure") == 60
    (folder / "index.html").unlink()
    again = process(*words, f"resume={folder}", tmp=tmp_path)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0 and f"{done} of them done" in err and len(out.splitlines()) == 61 - done


def test_a_killed_sweep_was_true_until_then_and_sheet_says_the_rest(tmp_path, capsys):
    folder = tmp_path / "s"
    running = process(*slow(folder), tmp=tmp_path)
    wait_for(lambda: (folder / "0" / "job.json").is_file() and "<script>set(0" in (folder / "index.html").read_text())
    running.kill()
    running.communicate(timeout=30)
    page = (folder / "index.html").read_text()
    assert 'data-state=\\"running\\"' in page.split("<script>set(0")[1] and (folder / "contact_sheet.png").is_file()
    assert main(["sheet", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(folder / "index.html")
    page = (folder / "index.html").read_text()
    assert page.count('data-state="stopped"') == 1 and page.count('data-state="pending"') == 39 and "set(0" not in page


# -- through Hydra's own machinery ---------------------------------------------------------------------------------------------------

def test_a_launcher_gives_the_same_folder(tmp_path):
    words = ["-m", "mode=t2v", "prompt=a ${b}, 'c'", "width=256,300", "seed=1,2", *SMALL[1:], f"hydra.sweep.dir={tmp_path / 's'}"]
    words.append("hydra/launcher=basic")
    running = process(*words, tmp=tmp_path)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 1, err
    assert out.splitlines()[-1] == str(tmp_path / "s" / "index.html") and "Traceback" not in err
    cells = store.cells(tmp_path / "s", live=False)
    assert [cell.state for cell in cells] == ["done", "done", "failed", "failed"] and cells[0].settings["prompt"] == "a ${b}, 'c'"
    assert all(cell.recipe for cell in cells[:2]) and not (tmp_path / "s" / "multirun.yaml").exists()
    assert (tmp_path / "s" / "index.html").read_text().count('data-state="failed"') == 2
    running = process(*words, f"resume={tmp_path / 's'}", tmp=tmp_path)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 1 and "2 of them done" in err and len(out.splitlines()) == 1


def test_a_sweeper_of_hydra_gets_a_sheet_of_what_it_made(tmp_path):
    words = ["-m", "mode=t2v", "prompt=x", "width=256,300", *SMALL[1:], f"hydra.sweep.dir={tmp_path / 's'}", "hydra/sweeper=basic"]
    running = process(*words, tmp=tmp_path)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 1, err
    assert out.splitlines()[-1] == str(tmp_path / "s" / "index.html")
    assert [cell.state for cell in store.cells(tmp_path / "s", live=False)] == ["done", "failed"]


def test_an_unknown_launcher_is_one_clear_message(sweep):
    code, out, err = sweep("seed=1,2", "hydra/launcher=rya")
    assert code == 2 and "rya" in err and "Traceback" not in err and not out


def test_a_damaged_manifest_is_said(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        store.cells(tmp_path, live=False)
    (tmp_path / "manifest.json").write_text('{"manifest": 2, "aio": "9"}')
    with pytest.raises(InputError, match="newer aio"):
        store.cells(tmp_path, live=False)
