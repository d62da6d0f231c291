"""The contact sheet: true, light, offline, for one job and for five hundred."""

import errno
import html
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from chromium import CHROMIUM, MISSING
from PIL import Image

from aio.cli import main
from aio.engines import create
from aio.errors import ConfigError
from aio.machine import folders, whole
from aio.sweep import contact, sheet
from aio.sweep import folder as store
from aio.sweep.folder import Cell

EVIL = "</script><script>alert(1)</script> @CELLS@ & \"'<b>"


class Page(HTMLParser):
    """The cells of a page, what it loads and what its scripts append."""

    def __init__(self, text):
        super().__init__()
        self.states, self.loads, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag == "figure":
            self.states.append(attributes["data-state"])
        self.loads += [value for name, value in attrs if name in ("src", "href", "data-video") and value]


def finished(folder, number, settings, color="#336699", size=(64, 36)):
    """A done job's files; the clip itself is never opened."""
    place = folder / str(number)
    place.mkdir(parents=True)
    (place / "t2v-0001.preview.mp4").write_bytes(b"mp4")
    Image.new("RGB", size, color).save(place / sheet.THUMB)
    cell = Cell(number, settings, "done", 12.34, video="t2v-0001.preview.mp4", recipe=f"r{number}")
    store.write_state(folder, cell)
    return cell


def sweep_of(folder, count):
    """A folder as a sweep leaves it: of every ten jobs one failed, one waits, eight are done."""
    cells = [Cell(number, {"preset": "fast", "seed": str(number)}, recipe=f"r{number}") for number in range(count)]
    store.write_manifest(folder, cells)
    for cell in cells:
        if cell.number % 10 == 1:
            store.write_state(folder, Cell(cell.number, cell.settings, "failed", 1.0, "out of memory: <give> a smaller width"))
        elif cell.number % 10 != 2:
            finished(folder, cell.number, cell.settings)
    return cells


@pytest.mark.parametrize("count", [1, 7, 500])
def test_a_sheet_has_a_cell_a_job_and_is_light(count, tmp_path):
    sweep_of(tmp_path, count)
    page = sheet.build(tmp_path).read_text()
    parsed = Page(page)
    assert len(parsed.states) == count
    assert parsed.states[:3] == ["done", "failed", "pending"][:count]
    assert len(page) < 10_000 + 900 * count
    assert page.count('loading="lazy"') == parsed.states.count("done")
    assert all((tmp_path / path).is_file() for path in parsed.loads)   # everything lies in the folder, nothing on the net
    with Image.open(tmp_path / sheet.PICTURE) as picture:
        assert 0.3 < picture.width / picture.height < 4
        assert picture.width * picture.height < 1.2 * contact.PIXELS


def test_what_varied_stands_in_the_cells_and_what_did_not_above(tmp_path):
    sweep_of(tmp_path, 7)
    page = sheet.build(tmp_path).read_text()
    assert "All jobs: preset <b>fast</b>" in page
    assert page.count("<dt>seed</dt>") == 7 and "<dt>preset</dt>" not in page
    assert "<span>12.3 s</span>" in page


def test_a_failure_is_drawn_as_a_failure_with_its_reason(tmp_path):
    sweep_of(tmp_path, 2)
    page = sheet.build(tmp_path).read_text()
    assert "Failed\nout of memory: &lt;give&gt; a smaller width" in page
    with Image.open(tmp_path / sheet.PICTURE) as picture:
        red = sum(1 for r, g, b in picture.convert("RGB").get_flattened_data() if r > 200 and g < 150 and b < 150)
    assert red > 500


def test_no_text_of_a_user_becomes_markup(tmp_path):
    store.write_manifest(tmp_path, [Cell(0, {"prompt": EVIL}), Cell(1, {"prompt": "x"})])
    page = Page(sheet.build(tmp_path).read_text())
    assert page.tags.count("script") == 1 and "b" in page.tags and len(page.states) == 2
    shown = sheet.Sheet(tmp_path, store.cells(tmp_path, live=True))
    shown.update(Cell(0, {"prompt": EVIL}, "failed", reason=EVIL))
    text = (tmp_path / sheet.PAGE).read_text()
    assert text.count("</script>") == 2 and html.escape(EVIL) in text
    with pytest.raises(ValueError, match="substring not found"):
        text.index("<script>alert")


def test_a_running_sweep_costs_one_line_a_change_and_the_end_is_the_same_as_a_rebuild(tmp_path):
    cells = [Cell(number, {"seed": str(number)}, recipe=f"r{number}") for number in range(3)]
    store.write_manifest(tmp_path, cells)
    shown = sheet.Sheet(tmp_path, cells)
    before = len((tmp_path / sheet.PAGE).read_text())
    shown.update(Cell(1, {"seed": "1"}, "running"))
    text = (tmp_path / sheet.PAGE).read_text()
    assert 'data-live="1"' in text and text[before:].startswith("<script>set(1, ") and text[before:].count("\n") == 1
    done = finished(tmp_path, 1, {"seed": "1"})
    shown.update(done)
    shown.write(live=False)
    last = (tmp_path / sheet.PAGE).read_text()
    assert "set(1" not in last and 'data-live="0"' in last
    (tmp_path / sheet.PAGE).unlink()
    assert sheet.build(tmp_path).read_text() == last


def test_a_sheet_is_rebuilt_from_the_clips_alone(tmp_path, capsys):
    small = ["width=256", "height=256", "seconds=0.4", "engine=preview"]
    assert main(["-m", "mode=t2v", "prompt=x", "seed=1,2", *small, f"hydra.sweep.dir={tmp_path / 's'}"]) == 0
    for name in ("manifest.json", "index.html", "contact_sheet.png", "0/job.json", "0/thumb.jpg"):
        (tmp_path / "s" / name).unlink()
    capsys.readouterr()
    assert main(["sheet", str(tmp_path / "s")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "s" / "index.html")
    assert Page((tmp_path / "s" / "index.html").read_text()).states == ["done", "done"]
    assert (tmp_path / "s" / "0" / "thumb.jpg").is_file() and (tmp_path / "s" / "contact_sheet.png").is_file()


def test_a_folder_that_is_no_sweep_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is not a sweep's folder"):
        sheet.build(tmp_path)
    assert main(["sheet"]) == 2 and main(["sheet", str(tmp_path / "none")]) == 2


def test_a_sheet_of_a_folder_that_nobody_locked_locks_nothing(tmp_path):
    sweep_of(tmp_path, 1)
    sheet.build(tmp_path)
    assert not (tmp_path / ".lock").exists()


def test_a_damaged_clip_leaves_a_cell_without_a_picture(tmp_path):
    finished(tmp_path, 0, {})
    (tmp_path / "0" / sheet.THUMB).unlink()
    assert "no picture" in sheet.build(tmp_path).read_text()


def test_the_template_is_offline():
    text = (folders.DATA / "sheet.html").read_text()
    assert not re.search(r"https?://|//cdn|@import|url\(", text)


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_a_browser_shows_the_last_word_of_a_running_sweep(tmp_path):
    cells = [Cell(number, {"seed": str(number)}) for number in range(4)]
    shown = sheet.Sheet(tmp_path, cells)
    finished(tmp_path, 0, {"seed": "0"})
    shown.update(Cell(0, {"seed": "0"}, "running"))
    shown.update(store.cells(tmp_path, live=True)[0])
    shown.update(Cell(1, {"seed": "1"}, "failed", reason=EVIL))
    shown.update(Cell(2, {"seed": "2"}, "running"))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, (tmp_path / sheet.PAGE).as_uri()], capture_output=True, text=True, timeout=60)
    page = Page(done.stdout)
    assert page.states == ["done", "failed", "running", "pending"]
    assert "4 jobs: 1 done, 1 failed, 1 running, 1 pending" in done.stdout
    assert re.findall(r'<button aria-pressed="\w+">(\w+)<', done.stdout) == ["all", "done", "failed", "running", "pending"]
    assert "<video" not in done.stdout
    with open(tmp_path / sheet.PAGE, "a") as page:
        page.write("<script>document.querySelector('img').dispatchEvent(new PointerEvent('pointerover', { bubbles: true }))</script>")
    done = subprocess.run([*command, (tmp_path / sheet.PAGE).as_uri()], capture_output=True, text=True, timeout=60)
    assert '<video src="0/t2v-0001.preview.mp4"' in done.stdout   # hovering plays the clip


def test_thumbnails_are_the_middle_frame_and_small(tmp_path):
    from aio import config
    from aio.job import Job
    from aio.run import run

    base = config.compose(["mode=t2v", "engine=preview", f"output.dir={tmp_path}"])
    made = run(Job(base, {"prompt": "x", "width": 512, "height": 256, "seconds": 0.4}), create("preview", base))
    assert contact.thumbnail(made.video, tmp_path / "t.jpg")
    with Image.open(tmp_path / "t.jpg") as image:
        assert image.format == "JPEG" and image.size == (contact.THUMB_SIZE, contact.THUMB_SIZE // 2)


ODD = [b"", b"{", b"[]", b"5", b"null", b'"x"', b"[" * 200_000, b'{"state":' * 100_000, b"\xff\xfe\x00", b"{}" * 2]
ODD += [b'{"state": "weird"}', b'{"state": ["done"]}']
DONE = {"state": "done", "seconds": 1.0, "reason": "", "video": "t2v-0001.mp4", "recipe": "r", "settings": {"seed": "1"}}
ODD += [json.dumps({**DONE, key: value}).encode() for key, value in [
    ("state", "weird"), ("state", {}), ("seconds", "1"), ("seconds", None), ("seconds", 10**400), ("seconds", -1), ("reason", 5),
    ("reason", ["x"]), ("video", 5), ("video", "../../x.mp4"), ("video", "a\0b"),
    ("recipe", 5), ("recipe", {}), ("settings", []), ("settings", {"seed": 1}), ("settings", "x"), ("settings", {"seed": None}),
]]
ODD += [json.dumps(DONE)[:-1].encode() + b', "seconds": NaN}', json.dumps(DONE)[:-1].encode() + b', "seconds": 1e999}', b"x" * 20_000_000]


@pytest.mark.parametrize("content", ODD, ids=range(len(ODD)))
def test_a_damaged_note_of_a_job_is_no_more_than_a_missing_one(content, tmp_path, capsys):
    sweep_of(tmp_path, 3)
    (tmp_path / "0" / "job.json").write_bytes(content)
    assert main(["sheet", str(tmp_path)]) == 0
    assert Page((tmp_path / sheet.PAGE).read_text()).states == ["pending", "failed", "pending"]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("make", ["folder", "pipe", "link"])
def test_what_is_no_plain_file_is_no_note_either(make, tmp_path):
    sweep_of(tmp_path, 3)
    note = tmp_path / "0" / "job.json"
    note.unlink()
    {"folder": note.mkdir, "pipe": lambda: os.mkfifo(note), "link": lambda: note.symlink_to("/dev/zero")}[make]()
    assert main(["sheet", str(tmp_path)]) == 0
    assert Page((tmp_path / sheet.PAGE).read_text()).states == ["pending", "failed", "pending"]


JOB = {"number": 0, "settings": {}, "recipe": None}
MANIFESTS = [b"", b"[]", b"5", b"[" * 200_000, b'{"manifest": 1}', b"\xff"] + [json.dumps(data).encode() for data in [
    {"jobs": [JOB], "manifest": 99, "aio": "\x1b[2J"}, {"jobs": 5}, {"jobs": {"number": 1}}, {"jobs": [5]}, {"jobs": [{}]},
    *({"jobs": [JOB | wrong]} for wrong in [
        {"number": "x"}, {"number": -1}, {"number": True}, {"number": 1.5}, {"settings": 5}, {"settings": {"seed": 5}}, {"recipe": 5},
        {"settings": None}, {"settings": ["\x1b"]}, {"recipe": {"\x1b]0;": 1}},
    ]),
]]


@pytest.mark.parametrize("content", MANIFESTS, ids=range(len(MANIFESTS)))
@pytest.mark.parametrize("words", [["sheet", "{}"], ["-m", "mode=t2v", "prompt=x", "seed=1,2", "engine=preview", "resume={}"]], ids=["sheet", "-m"])
def test_a_damaged_manifest_is_said_in_words(content, words, tmp_path, capsys):
    sweep_of(tmp_path, 2)
    (tmp_path / "manifest.json").write_bytes(content)
    assert main([word.format(tmp_path) for word in words]) == 2
    said = capsys.readouterr().err
    assert "manifest.json is damaged (" in said or "was written by a newer aio" in said
    assert "Traceback" not in said and "\x1b" not in said


@pytest.mark.parametrize("name", ["thumb.jpg", "t2v-0001.preview.mp4"])
@pytest.mark.parametrize("content", [
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n", b"ffconcat version 1.0\nfile fifo.mp4\n", b"\xff\xd8\xff\xe0", b"x" * 99,
])
def test_nothing_else_is_opened_for_a_picture_of_a_sheet(name, content, tmp_path):
    sweep_of(tmp_path, 2)
    os.mkfifo(tmp_path / "0" / "fifo.mp4")   # whoever opens it waits for ever
    if name != sheet.THUMB:
        (tmp_path / "0" / sheet.THUMB).unlink()
    (tmp_path / "0" / name).write_bytes(content)
    assert main(["sheet", str(tmp_path)]) == 0


@pytest.mark.parametrize("failing", ["index.html", "contact_sheet.png", "thumb.jpg"])
def test_a_sweep_goes_on_and_says_its_last_lines_when_the_sheet_cannot_be_written(failing, tmp_path, monkeypatch, capsys):
    small = ["width=256", "height=256", "seconds=0.4", "fps=8", "engine=preview"]
    write, calls = whole.write, []

    def full(target, content):
        calls.append(target.name)
        if target.name == failing and (failing == "thumb.jpg" or calls.count(failing) > 1):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(target, content)

    monkeypatch.setattr(whole, "write", full)
    assert main(["-m", "mode=t2v", "prompt=x", "seed=1,2", *small, f"hydra.sweep.dir={tmp_path / 's'}"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == str(tmp_path / "s" / "index.html") and "sweep: 2 of 2 jobs done" in said.err
    assert ("the sheet is not up to date: output.dir: the disk is full at" in said.err) == (failing != "thumb.jpg") and "Traceback" not in said.err


def test_a_sweep_on_a_full_disk_ends_with_its_summary_the_way_on_and_its_sheet(tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    if shutil.which("mount") is None or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", disk]).returncode:
        pytest.skip("mounting is not allowed here")
    small = ["width=256", "height=256", "seconds=0.4", "fps=8", "engine=preview"]
    try:
        assert main(["-m", "mode=t2v", "prompt=x", f"seed={','.join(map(str, range(12)))}", *small, f"hydra.sweep.dir={disk / 's'}"]) == 1
        said = capsys.readouterr()
        assert said.out.splitlines()[-1] == str(disk / "s" / "index.html") and (disk / "s" / "index.html").is_file()
        assert re.search(r"sweep: \d of 12 jobs done.* not done: the same command with resume=", said.err) and "Traceback" not in said.err
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
