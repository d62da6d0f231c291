"""Results on disk: never over an existing file, never half a file, and a clear word when the disk refuses."""

import contextlib
import errno
import hashlib
import io
import os
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aio import config as configuration
from aio import engines
from aio.cli import main
from aio.errors import Cancelled, ConfigError, OutputError
from aio.machine import whole
from aio.preview.engine import PreviewEngine
from aio.recipe import outputs, sidecar
from aio.stop import Stop
from aio.sweep import folder as store
from aio.sweep.axes import Spec
from aio.sweep.runner import Runner


def made(tmp_path, name="made.mp4", data=b"video"):
    path = tmp_path / "work" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_results_are_numbered_and_never_overwritten(tmp_path):
    names = [outputs.publish(made(tmp_path), tmp_path, "t2v", ".mp4", numbered=True).name for _ in range(3)]
    assert names == ["t2v-0001.mp4", "t2v-0002.mp4", "t2v-0003.mp4"]


def test_a_given_name_gets_a_number_only_when_it_is_taken(tmp_path):
    names = [outputs.publish(made(tmp_path), tmp_path, "clip", ".mp4", numbered=False).name for _ in range(2)]
    assert names == ["clip.mp4", "clip-0002.mp4"]


def test_many_writers_get_a_name_each(tmp_path):
    files = [made(tmp_path, f"{i}.mp4", str(i).encode()) for i in range(20)]
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda file: outputs.publish(file, tmp_path, "x", ".mp4", numbered=True), files))
    assert len(set(paths)) == 20
    assert {path.read_bytes() for path in paths} == {str(i).encode() for i in range(20)}


def test_nothing_but_the_result_is_left(tmp_path):
    path = outputs.publish(made(tmp_path), tmp_path, "x", ".mp4", numbered=True)
    assert [entry for entry in tmp_path.iterdir() if entry.is_file()] == [path]


@pytest.mark.parametrize("name", ["../x", "a/b", "", " ", "..", "a\\b", "a\0"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"output\.name"):
        outputs.prepare(tmp_path, name)


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"output\.dir: cannot write .*file.*; choose another folder"):
        outputs.prepare(tmp_path / "file")


def test_an_unwritable_folder_is_named(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)   # root may write everywhere
    with pytest.raises(OutputError, match="Permission denied"):
        outputs.prepare(tmp_path)


SMALL = ["mode=t2v", "prompt=x", "engine=preview", "width=256", "height=256", "seconds=0.4", "fps=8"]
NO_LINKS = [errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV, errno.EINVAL]


def refusing(code):
    """What a disk without such a call says."""

    def refuse(*args, **rest):
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.fixture(params=["links", "none", "bare"])
def disk(request, monkeypatch):
    """A disk that knows hard links, one that knows a rename which never replaces, and one that knows neither."""
    if request.param != "links":
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    if request.param == "bare":
        monkeypatch.setattr(whole, "_renamed", refusing(errno.EINVAL))
    return request.param


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The engine's own temporary folder."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("AIO_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setattr(engines, "_engines", {})
    return tmp_path / "tmp"


@pytest.fixture
def tiny(tmp_path):
    """Mounts a small disk of its own: tiny(bytes)."""
    mounted = []

    def mount(size):
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        if shutil.which("mount") is None or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]).returncode:
            pytest.skip("mounting is not allowed here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=True)


def run(*words):
    """A command in this process: (exit code, stdout lines, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*words])
    return code, out.getvalue().splitlines(), err.getvalue()


@pytest.mark.parametrize("code", NO_LINKS)
@pytest.mark.parametrize("rename", [True, False])
def test_a_result_never_replaces_a_file_and_leaves_nothing_where_there_are_no_hard_links(code, rename, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refusing(code))
    if not rename:
        monkeypatch.setattr(whole, "_renamed", refusing(code))
    (tmp_path / "x-0001.mp4").write_bytes(b"mine")
    outputs.prepare(tmp_path)
    names = [outputs.publish(made(tmp_path), tmp_path, "x", ".mp4", numbered=True).name for _ in range(2)]
    assert names == ["x-0002.mp4", "x-0003.mp4"] and (tmp_path / "x-0001.mp4").read_bytes() == b"mine"
    assert sorted(os.listdir(tmp_path)) == ["work", "x-0001.mp4", *names] and os.listdir(tmp_path / "work") == []


def test_many_processes_get_a_name_each_on_any_disk(disk, tmp_path):
    def work(number):
        for index in range(25):
            outputs.publish(made(tmp_path, f"{number}-{index}.mp4", f"{number}-{index}".encode()), tmp_path, "x", ".mp4", numbered=True)

    def child(number):
        try:
            work(number)
        finally:
            os._exit(0)

    children = [os.fork() or child(number) for number in range(4)]
    for pid in children:
        os.waitpid(pid, 0)
    contents = [path.read_text() for path in tmp_path.glob("x-*.mp4")]
    assert len(contents) == 100 and set(contents) == {f"{number}-{index}" for number in range(4) for index in range(25)}
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_what_a_killed_process_reserved_blocks_no_other_name(disk, tmp_path):
    whole_name = hashlib.sha256(b"x-0001.mp4").hexdigest()[:16]
    (tmp_path / f".aio-{whole_name}.part").touch()
    path = outputs.publish(made(tmp_path), tmp_path, "x", ".mp4", numbered=True)
    assert path.name == ("x-0002.mp4" if disk == "bare" else "x-0001.mp4")


def test_a_run_and_a_sweep_end_well_on_any_disk(disk, elsewhere, tmp_path):
    code, out, err = run(*SMALL, f"output.dir={tmp_path / 'o'}")
    assert code == 0, err
    assert Path(out[-1]).name == "t2v-0001.preview.mp4" and sidecar.read(Path(out[-1])).data["mode"] == "t2v"
    code, out, err = run("-m", *SMALL, "seed=1,2", f"hydra.sweep.dir={tmp_path / 's'}")
    assert code == 0, err
    assert not [path for place in (tmp_path / "o", tmp_path / "s") for path in place.rglob(".aio-*")]
    assert not list(elsewhere.rglob("*.mp4*"))


@pytest.mark.parametrize("failing", ["link", "rename", "chmod"])
def test_preparing_takes_the_very_steps_of_publishing(failing, disk, tmp_path, monkeypatch):
    monkeypatch.setattr(os, failing, refusing(errno.EROFS))
    expected = {"links": {"link": True, "rename": True}, "none": {"rename": True}, "bare": {"rename": False}}
    works = failing == "chmod" or expected[disk].get(failing, True)
    if works:
        outputs.prepare(tmp_path)
        outputs.publish(made(tmp_path), tmp_path, "x", ".mp4", numbered=True)
    else:
        with pytest.raises(OutputError, match="Read-only file system"):
            outputs.prepare(tmp_path)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_name_that_no_disk_takes_is_refused_before_the_run(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"output\.name: 'nnn.* is too long"):
        outputs.prepare(tmp_path, "n" * 250)
    outputs.prepare(tmp_path, "n" * 230)
    assert outputs.publish(made(tmp_path), tmp_path, "n" * 230, ".preview.mp4", numbered=False).exists()
    real = os.link

    def fat(source, target):
        if ":" in os.path.basename(target):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(source, target)

    monkeypatch.setattr(os, "link", fat)
    monkeypatch.setattr(whole, "_renamed", refusing(errno.EINVAL))
    monkeypatch.setattr(os, "rename", refusing(errno.EINVAL))
    with pytest.raises(ConfigError, match=r"output\.name: the disk of .* takes no file name like 'a:b'"):
        outputs.prepare(tmp_path, "a:b")


def kept(error):
    """The file that a message names, and its command line."""
    lines = str(error).splitlines()
    where = next(line for line in lines if "the finished clip is kept: " in line).split("kept: ")[1]
    return Path(where), shlex.split(next(line for line in lines if "to take it from there: " in line).split("there: ")[1])


def test_a_clip_that_finds_no_room_stays_where_it_is_and_the_message_says_how_to_take_it(tiny, tmp_path):
    folder = tiny("16k")
    clip = made(tmp_path, "it's (1).mp4", os.urandom(200_000))
    with pytest.raises(OutputError, match="the disk is full at") as error:
        outputs.publish(clip, folder, "x", ".mp4", numbered=True)
    assert os.listdir(folder) == [] and clip.stat().st_size == 200_000
    where, command = kept(error.value)
    assert where == clip and command == ["mv", str(clip), str(folder)]
    subprocess.run(["mount", "-o", "remount,size=1m", folder], check=True)
    assert subprocess.run(command).returncode == 0 and (folder / clip.name).stat().st_size == 200_000


@pytest.mark.parametrize("trouble", ["gone", "read-only", "file"])
def test_a_folder_that_goes_while_the_clip_is_made_loses_no_clip(trouble, tiny, tmp_path):
    folder, clip = tiny("1m"), made(tmp_path)
    outputs.prepare(folder)
    if trouble == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    target = folder if trouble == "read-only" else folder / "deeper"
    if trouble == "file":
        target.write_text("x")
    with pytest.raises(OutputError, match=r"output\.dir: cannot write") as error:
        outputs.publish(clip, target, "x", ".mp4", numbered=True)
    assert kept(error.value) == (clip, ["mv", str(clip), "."]) and clip.read_bytes() == b"video"


def test_an_interrupted_copy_keeps_the_clip_and_says_so(tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    for name in ("_linked", "_renamed", "_reserved"):
        monkeypatch.setattr(whole, name, refusing(errno.EXDEV))
    monkeypatch.setattr(whole.shutil, "copyfileobj", stop)
    clip = made(tmp_path)
    with pytest.raises(Cancelled) as error:
        outputs.publish(clip, tmp_path, "x", ".mp4", numbered=True)
    assert kept(error.value)[0] == clip and clip.exists() and os.listdir(tmp_path) == ["work"]


def test_a_full_disk_after_the_rendering_ends_the_command_with_the_clip_and_its_place(tiny, elsewhere):
    folder = tiny("24k")   # room for what `prepare` tries, not for a clip
    code, out, err = run(*SMALL, f"output.dir={folder}")
    where, command = kept("\n".join(line.removeprefix("aio: ") for line in err.splitlines()))
    assert code == 1 and out == [] and "Traceback" not in err and os.listdir(folder) == []
    assert whole.mp4(where) and sidecar.read(where).data["mode"] == "t2v" and command[:2] == ["mv", str(where)]


def test_a_sweep_whose_disk_was_full_takes_the_finished_clip_when_it_goes_on(elsewhere, tmp_path, monkeypatch):
    real, rendered = outputs.whole.move, []
    monkeypatch.setattr(outputs.whole, "move", lambda *args: refusing(errno.ENOSPC)())
    code, _, err = run("-m", *SMALL, "seed=1,2", f"hydra.sweep.dir={tmp_path / 's'}")
    assert code == 1 and err.count("the finished clip is kept: ") == 2
    monkeypatch.setattr(outputs.whole, "move", real)
    execute = PreviewEngine.execute
    monkeypatch.setattr(PreviewEngine, "execute", lambda *args, **rest: rendered.append(1) or execute(*args, **rest))
    code, _, err = run("-m", *SMALL, "seed=1,2", f"resume={tmp_path / 's'}")
    assert (code, rendered) == (0, []), err
    assert sorted(path.parent.name for path in (tmp_path / "s").glob("*/t2v-0001.preview.json")) == ["0", "1"]
    assert not list(elsewhere.rglob("*.mp4"))


@pytest.mark.parametrize("trouble", ["cannot", "foreign", "folder"])
def test_a_recipe_that_cannot_lie_beside_the_clip_fails_neither_a_run_nor_a_job(trouble, elsewhere, tmp_path, monkeypatch):
    beside = "t2v-0001.preview.json"
    for place in (tmp_path / "o", tmp_path / "s" / "0"):
        place.mkdir(parents=True)
        if trouble == "foreign":
            (place / beside).write_text('{"notes": [1, 2]}')
        elif trouble == "folder":
            (place / beside).mkdir()
    if trouble == "cannot":
        write = whole.write
        monkeypatch.setattr(whole, "write", lambda target, content: refusing(errno.ENOSPC)() if target.name == beside else write(target, content))
    code, out, err = run(*SMALL, f"output.dir={tmp_path / 'o'}")
    assert code == 0 and sidecar.hash_of(Path(out[-1])), err
    assert ("no recipe beside t2v-0001.preview.mp4" in err) == (trouble == "cannot")
    store.write_manifest(tmp_path / "s", [])
    config = configuration.compose(SMALL[:1] + ["engine=preview"])
    spec = Spec(0, ("mode=t2v", "engine=preview"), dict(word.split("=") for word in SMALL if word.split("=")[0] in config.fields))
    cell = Runner(tmp_path / "s", (), lambda error: 1).run(spec, store.Cell(0), Stop())
    assert (cell.state, cell.video) == ("done", "t2v-0001.preview.mp4") and cell.recipe == sidecar.hash_of(tmp_path / "s" / "0" / cell.video)


def test_a_clip_goes_to_another_disk_whole_and_nothing_stays_behind(disk, tiny, tmp_path):
    folder, content, mask = tiny("1m"), os.urandom(300_000), os.umask(0o027)
    os.umask(mask)
    (folder / "x-0001.mp4").write_bytes(b"mine")
    path = outputs.publish(made(tmp_path, data=content), folder, "x", ".mp4", numbered=True)
    assert path.name == "x-0002.mp4" and path.read_bytes() == content and os.listdir(tmp_path / "work") == []
    assert sorted(os.listdir(folder)) == ["x-0001.mp4", "x-0002.mp4"] and path.stat().st_mode & 0o777 == 0o666 & ~mask
