"""Models: reading the registry, finding what a prompt names, and making it present, against a fake Hub on loopback."""

from __future__ import annotations

import errno
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import fakehub
import pytest
import yaml
from fakehub import COMMIT, DATA, KEY, NAME, REF, REPO, FakeHub, child, ensure, entry, part_of, sha256
from sections import section

from aio.errors import Cancelled, ConfigError, ModelMissing, OutputError
from aio.graph.models import ModelRef, models_of
from aio.weights import download
from aio.weights.download import hub as transfer
from aio.weights.registry import cache as disk
from aio.weights.registry import status

cache, hub = fakehub.cache, fakehub.hub   # fixtures

ROOT = Path(__file__).resolve().parents[1]


# -- the registry and the prompt


def test_an_unknown_registry_key_names_the_nearest_one_and_all_faults_come_together():
    with pytest.raises(ConfigError) as error:
        bad = {"repo": "nothing", "path": "b", "sha256": "XY"}
        section("registry", {"a.pt": {"repo": "o/n", "path": "a", "shasum": "x"}, "b.pt": bad, "c.pt": {"repo": "o/n", "path": "c", "size": "9"}})
    text = str(error.value)
    assert "registry.a.pt.shasum: unknown key" in text and "registry.b.pt.repo: 'nothing' is not OWNER/NAME" in text
    assert "registry.b.pt.sha256: 'XY' is not" in text and "registry.c.pt.size: '9' is not a whole number" in text
    with pytest.raises(ConfigError, match=r"revison: unknown key\. Did you mean 'revision'"):
        section("registry", {"a.safetensors": {"repo": "o/n", "path": "a", "revison": "main"}})


@pytest.mark.parametrize("name", ["../up.safetensors", "/abs.safetensors", "a/../../b.safetensors", "C:\\x.pt", "a\x00.pt", "./a", "a//b"])
def test_a_name_that_leaves_its_folder_is_refused_in_the_registry_and_in_the_prompt(name, tmp_path, hub):
    with pytest.raises(ConfigError, match=r"leaves its folder"):
        section("registry", {name: {"repo": "o/n", "path": "a"}})
    with pytest.raises(ModelMissing, match=r"leaves the models folder"):
        ensure([ModelRef("loras", name, "1", "lora_name")], {NAME: entry()}, tmp_path / "models")
    assert hub.log == []


def test_the_committed_registry_can_be_read_and_every_entry_is_pinned_by_sha256():
    entries = section("registry", yaml.safe_load((ROOT / "conf/registry/ltx23.yaml").read_text()))
    assert len(entries) == 27
    for one in entries.values():
        assert one.sha256 and one.size, one.name
        assert one.name == one.path.rsplit("/", 1)[-1], one.name
        assert ("19b" in one.name) == (one.base == "ltx-2-19b"), one.name
        assert one.base != "ltx-2-19b" or "unverified" in one.note
    assert len({one.sha256 for one in entries.values()}) == len(entries)


def test_every_file_that_a_workflow_names_is_in_the_committed_registry():
    from aio.graph import schema, workflow

    entries = section("registry", yaml.safe_load((ROOT / "conf/registry/ltx23.yaml").read_text()))
    workflows = sorted((ROOT / "workflows").glob("*.json"))
    assert len(workflows) >= 6
    for path in workflows:
        refs = models_of(workflow.load(path), schema.load())
        assert refs, path
        assert {ref.name for ref in refs} <= set(entries), path
        assert all(entries[ref.name].folder == ref.folder for ref in refs), path


SCHEMA = {
    "Loader": SimpleNamespace(inputs={"ckpt": SimpleNamespace(files="checkpoints"), "vae": SimpleNamespace(files="vae")}),
    "Unet": SimpleNamespace(inputs={"unet_name": SimpleNamespace(files="unet")}),
    "LoadImage": SimpleNamespace(inputs={"image": SimpleNamespace(files="input")}),
    "Text": SimpleNamespace(inputs={"text": SimpleNamespace(files=None)}),
}


def test_models_are_found_by_the_schema_once_each_and_guessed_only_for_unknown_classes():
    prompt = {
        "1": {"class_type": "Loader", "inputs": {"ckpt": "a.safetensors", "vae": "pixel_space"}},
        "2": {"class_type": "Loader", "inputs": {"ckpt": "a.safetensors", "vae": ["1", 0]}},
        "3": {"class_type": "LoadImage", "inputs": {"image": "face.pt"}},
        "4": {"class_type": "Text", "inputs": {"text": "my file.safetensors"}},
        "5": {"class_type": "SomePack", "inputs": {"unet": "x.gguf", "note": "line\nx.gguf", "n": 3}},
        "6": {"class_type": "Unet", "inputs": {"unet_name": "sub/b.safetensors"}},
    }
    assert models_of(prompt, SCHEMA) == (
        ModelRef("checkpoints", "a.safetensors", "1", "ckpt"),
        ModelRef("", "x.gguf", "5", "unet", guessed=True),
        ModelRef("diffusion_models", "sub/b.safetensors", "6", "unet_name"),
    )


def test_status_tells_present_cached_missing_unknown_and_corrupt_apart_without_network(tmp_path, hub, cache):
    models = tmp_path / "models"
    own = models / "loras" / "own.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    (models / "loras" / "short.safetensors").write_bytes(b"12")
    blob = cache / "models--owner--weights" / "blobs" / sha256(DATA)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(DATA)
    names = ("own.safetensors", "short.safetensors", NAME, "far.safetensors", "nowhere.safetensors")
    entries = {name: entry(name=name) for name in (NAME, "short.safetensors")}
    entries["far.safetensors"] = entry(name="far.safetensors", sha256="0" * 64)
    refs = [ModelRef("loras", name, "1", "lora_name") for name in names]
    found = status(refs, entries, models)
    assert [one.state for one in found] == ["present", "corrupt", "cached", "missing", "unknown"]
    assert [one.bytes for one in found] == [4, 2, len(DATA), len(DATA), None]
    assert found[2].path == blob and hub.log == []
    assert [one.state for one in status([REF], entries, None)] == ["cached"]


def test_a_guessed_model_goes_to_the_folder_that_its_registry_entry_names(tmp_path, hub):
    ensure([ModelRef("", NAME, "1", "x", guessed=True)], {NAME: entry(folder="vae")}, tmp_path / "models")
    assert (tmp_path / "models" / "vae" / NAME).read_bytes() == DATA


def test_a_file_in_the_second_place_that_comfyui_lists_counts_as_present(tmp_path, hub):
    own = tmp_path / "models" / "unet" / "own.gguf"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    assert status([ModelRef("diffusion_models", "own.gguf", "1", "unet_name")], {}, tmp_path / "models")[0].path == own


# -- fetching


def test_a_missing_model_is_fetched_verified_linked_and_shown_to_the_hubs_own_tools(tmp_path, hub, cache):
    from huggingface_hub import try_to_load_from_cache

    events = []
    models = tmp_path / "models"
    found = ensure([REF], {NAME: entry()}, models, events.append)
    place = models / "loras" / NAME
    assert place.is_symlink() and place.read_bytes() == DATA
    assert found[0].state == "present" and found[0].verified
    assert Path(try_to_load_from_cache(REPO, f"split/{NAME}", cache_dir=cache)).read_bytes() == DATA
    assert (cache / "models--owner--weights" / "refs" / "main").read_text() == COMMIT
    assert events[-1].kind == "download" and events[-1].fraction == 1.0
    assert {event.message for event in events} == {f"Downloading {NAME}, 0.4 MB"}   # one line in a log
    assert not list(cache.rglob("*.part"))


def test_the_token_is_sent_to_the_hub_and_never_to_its_storage(tmp_path, hub, monkeypatch):
    hub.gated.add(REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    resolve = [asked for asked in hub.log if "/resolve/" in asked.path]
    assert resolve and all(asked.token == "hf_good" for asked in resolve)
    assert hub.gets() and all(asked.token is None and asked.host.startswith("localhost") for asked in hub.gets())


def test_a_dropped_connection_is_resumed_where_it_broke(tmp_path, hub):
    hub.cut[KEY] = [160_000, 48_000]
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    asked = [one.range for one in hub.gets()]
    assert asked[0] is None and len(asked) == 3
    starts = [int(one.removeprefix("bytes=").removesuffix("-")) for one in asked[1:]]
    assert 0 < starts[0] <= 180_000 and starts[0] < starts[1]
    assert (tmp_path / "models" / "loras" / NAME).read_bytes() == DATA


def test_a_server_that_ignores_ranges_starts_the_file_over(tmp_path, hub):
    hub.ranges = False
    hub.cut[KEY] = [160_000, 48_000]
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert (tmp_path / "models" / "loras" / NAME).read_bytes() == DATA


def test_a_busy_storage_is_asked_again_and_a_lasting_fault_is_told(tmp_path, hub):
    hub.broken = [503, 429, 500]
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    hub.broken = [503] * 20
    with pytest.raises(ModelMissing, match=r"has failed \(503\), again and again. Run again later: it goes on where it stopped, or put the file"):
        ensure([REF], {NAME: entry()}, tmp_path / "other", cache=tmp_path / "cache2")


CHILD = """
import sys
from pathlib import Path
from aio.graph.models import ModelRef
from aio.config.registry import RegistryEntry
from aio.weights.ensure import ensure
entries = {sys.argv[2]: RegistryEntry(sys.argv[2], repo=sys.argv[1], path="split/" + sys.argv[2], folder="loras")}
ensure([ModelRef("loras", sys.argv[2], "1", "lora_name")], entries, Path(sys.argv[3]))
"""


def start(models: Path, hub: FakeHub, cache: Path) -> subprocess.Popen:
    return subprocess.Popen(**child(models, hub, cache, CHILD, REPO, NAME))


def test_a_killed_download_is_resumed_by_the_next_process(tmp_path, hub, cache):
    hub.delay = 0.05
    process = start(tmp_path / "models", hub, cache)
    deadline = time.monotonic() + 15
    while not (part_of(cache).is_file() and part_of(cache).stat().st_size > 60_000):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = part_of(cache).stat().st_size
    assert kept < len(DATA)
    hub.delay, before = 0.0, len(hub.gets())
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert hub.gets()[before].range == f"bytes={kept}-"
    assert (tmp_path / "models" / "loras" / NAME).read_bytes() == DATA


def test_two_processes_that_need_the_same_file_fetch_it_once(tmp_path, hub, cache):
    hub.delay = 0.03
    both = [start(tmp_path / f"models{n}", hub, cache) for n in (1, 2)]
    assert [process.wait(timeout=20) for process in both] == [0, 0]
    assert len(hub.gets()) == 1
    assert all((tmp_path / f"models{n}" / "loras" / NAME).read_bytes() == DATA for n in (1, 2))


def test_two_threads_that_ensure_the_same_models_fetch_them_once(tmp_path, hub):
    hub.delay, failures = 0.005, []

    def one() -> None:
        try:
            ensure([REF], {NAME: entry()}, tmp_path / "models")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert failures == [] and len(hub.gets()) == 1


def test_damaged_data_is_removed_and_refused(tmp_path, hub, cache):
    hub.damaged.add(KEY)
    with pytest.raises(ModelMissing, match=r"damaged .* was removed; run again"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert not list(cache.rglob("*.part")) and not (tmp_path / "models" / "loras" / NAME).exists()
    with pytest.raises(ModelMissing, match=r"damaged"):   # the Hub's own sha256 does it as well
        ensure([REF], {NAME: entry(sha256=None)}, tmp_path / "models")
    hub.damaged.clear()
    ensure([REF], {NAME: entry()}, tmp_path / "models")


def test_a_damaged_file_in_the_cache_is_fetched_anew_and_one_of_the_users_is_left_alone(tmp_path, hub, cache):
    blob = cache / "models--owner--weights" / "blobs" / sha256(DATA)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"\0" * len(DATA))
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert blob.read_bytes() == DATA
    own = tmp_path / "mine" / "loras" / NAME
    own.parent.mkdir(parents=True)
    own.write_bytes(b"\1" * len(DATA))
    with pytest.raises(ModelMissing, match=r"not the file that the registry records"):
        ensure([REF], {NAME: entry()}, tmp_path / "mine")
    assert own.read_bytes() == b"\1" * len(DATA)
    assert status([REF], {NAME: entry()}, tmp_path / "mine")[0].state == "corrupt"


def test_a_blob_that_huggingface_hub_shares_by_another_link_is_judged_by_its_own_name(tmp_path, hub, cache):
    store, repo = cache / "shared" / ("f" * 64), cache / "models--owner--weights"
    blob, pointer = repo / "blobs" / sha256(DATA), repo / "snapshots" / COMMIT / "split" / NAME
    for path in (store, blob, pointer):
        path.parent.mkdir(parents=True)
    store.write_bytes(DATA)
    blob.symlink_to(store)
    pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    ensure([REF], {NAME: entry(sha256=None, revision=COMMIT)}, tmp_path / "models")
    assert hub.log == [] and store.read_bytes() == DATA
    store.write_bytes(DATA[::-1])
    ensure([REF], {NAME: entry(sha256=None, revision=COMMIT)}, tmp_path / "models")
    assert (tmp_path / "models" / "loras" / NAME).read_bytes() == DATA
    assert not blob.is_symlink() and store.read_bytes() == DATA[::-1]   # the store is not ours to change


def test_a_file_that_the_hub_exchanged_is_refused_before_the_download(tmp_path, hub):
    with pytest.raises(ModelMissing, match=r"holds another file there now .* if you trust the new one"):
        ensure([REF], {NAME: entry(sha256="1" * 64)}, tmp_path / "models")
    assert hub.gets() == []


def test_a_users_file_that_no_registry_knows_is_accepted_where_the_node_looks(tmp_path, hub):
    own = tmp_path / "models" / "loras" / "own.ckpt"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    assert ensure([ModelRef("loras", "own.ckpt", "1", "x")], {}, tmp_path / "models")[0].state == "present"
    assert hub.log == []


def test_all_problems_are_told_together_before_the_first_byte(tmp_path, hub):
    hub.files["owner/shut", "g.safetensors"] = b"g"
    hub.gated.add("owner/shut")
    entries = {
        NAME: entry(),
        "g.safetensors": entry(name="g.safetensors", repo="owner/shut", path="g.safetensors", sha256=None),
        "gone.safetensors": entry(name="gone.safetensors", repo="owner/gone", sha256=None),
        "moved.safetensors": entry(name="moved.safetensors", path="moved", sha256=None),
        "old.safetensors": entry(name="old.safetensors", revision="v9", sha256=None),
        "pickle.ckpt": entry(name="pickle.ckpt", sha256=None),
    }
    names = [*entries, "modle.safetensors"]
    with pytest.raises(ModelMissing) as error:
        ensure([ModelRef("loras", name, "5", "x") for name in names], entries, tmp_path / "models")
    text = str(error.value)
    assert "Accept the licence at https://huggingface.co/owner/shut, then `hf auth login`" in text
    assert "owner/gone): no such repository, or a private one" in text
    assert "no file moved at revision main" in text and "no revision v9" in text
    assert "pickle.ckpt (node 5): only safetensors" in text
    assert "modle.safetensors (node 5): not in the registry and not in models/loras. Did you mean 'model.safetensors'?" in text
    assert len(text.splitlines()) == 6 and hub.gets() == []


def test_a_pickle_is_fetched_where_the_registry_states_its_sha256(tmp_path, hub):
    ensure([ModelRef("loras", "m.ckpt", "1", "x")], {"m.ckpt": entry(name="m.ckpt")}, tmp_path / "models")
    assert (tmp_path / "models" / "loras" / "m.ckpt").read_bytes() == DATA


def test_a_refused_token_and_a_private_repository_say_to_log_in(tmp_path, hub, monkeypatch):
    hub.private.add(REPO)
    with pytest.raises(ModelMissing, match=r"hf auth login"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    monkeypatch.setenv("HF_TOKEN", "hf_bad")
    with pytest.raises(ModelMissing, match=r"refuses your token \(401\). `hf auth login`"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")


def test_offline_is_told_at_once_and_what_is_cached_still_works(tmp_path, hub, cache, monkeypatch):
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    ensure([REF], {NAME: entry()}, tmp_path / "again")
    other = {"o.safetensors": entry(name="o.safetensors", sha256="0" * 64)}
    started = time.monotonic()
    with pytest.raises(ModelMissing, match=r"cannot reach the Hub .* Check the connection"):
        ensure([ModelRef("loras", "o.safetensors", "1", "x")], other, tmp_path / "models")
    print(f"refused connection told after {time.monotonic() - started:.2f} s")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelMissing, match=r"HF_HUB_OFFLINE is set: unset it, or put the file"):
        ensure([ModelRef("loras", "o.safetensors", "1", "x")], other, tmp_path / "models")


def test_a_full_disk_is_told_before_the_download_and_during_it(tmp_path, hub, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download.place.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(OutputError, match=r"0.4 MB to fetch into .*hub, and only 1.0 kB free: make room, or set HF_HOME"):
            ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert hub.gets() == []
    monkeypatch.setattr(transfer, "_stream", full)
    with pytest.raises(OutputError, match=r"the disk is full; make room and run again: it goes on where it stopped, or set HF_HOME"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")


def test_a_models_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path, hub):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(OutputError, match=r"models: a part of this path is a file, not a folder; move that file away, or set AIO_MODELS_DIR"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")


def test_cancelling_keeps_what_came_and_the_next_run_goes_on(tmp_path, hub, cache):
    hub.delay = 0.02

    def stop(event):
        if event.fraction > 0.2:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        ensure([REF], {NAME: entry()}, tmp_path / "models", stop)
    kept = part_of(cache).stat().st_size
    assert 0 < kept < len(DATA)
    hub.delay, before = 0.0, len(hub.gets())
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert hub.gets()[before].range == f"bytes={kept}-"


def test_one_file_that_two_folders_need_is_fetched_once(tmp_path, hub):
    refs = [REF, ModelRef("vae", NAME, "8", "vae_name")]
    ensure(refs, {NAME: entry()}, tmp_path / "models")
    assert len(hub.gets()) == 1
    assert (tmp_path / "models" / "vae" / NAME).read_bytes() == (tmp_path / "models" / "loras" / NAME).read_bytes() == DATA


def test_a_repeated_ensure_of_twelve_files_hashes_nothing_and_asks_nobody(tmp_path, hub, monkeypatch):
    entries, refs = {}, []
    for n in range(12):
        name, data = f"m{n}.safetensors", DATA[: 10_000 + n]
        hub.files[REPO, name] = data
        entries[name] = entry(name=name, path=name, size=len(data), sha256=sha256(data) if n % 2 else None)
        refs.append(ModelRef("loras", name, "1", "lora_name"))
    ensure(refs, entries, tmp_path / "models")
    asked = len(hub.log)
    monkeypatch.setattr(download, "complete", None)   # would fail if it were called
    times = []
    for _ in range(50):
        started = time.perf_counter()
        assert all(one.state == "present" for one in ensure(refs, entries, tmp_path / "models"))
        times.append(time.perf_counter() - started)
    print(f"12 files in place: median {statistics.median(times) * 1000:.2f} ms")
    assert len(hub.log) == asked


def test_a_file_changed_behind_our_back_is_hashed_again(tmp_path, hub):
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    blob = (tmp_path / "models" / "loras" / NAME).resolve()
    blob.write_bytes(DATA[::-1])
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert blob.read_bytes() == DATA and len(hub.gets()) == 2


def test_a_damaged_memory_of_hashes_is_only_a_slower_run(tmp_path, hub):
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    (tmp_path / "models" / ".aio-verified.json").write_text("{")
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert len(hub.gets()) == 1 and disk.remembered(tmp_path / "models")


def test_importing_the_registry_loads_neither_the_hub_nor_torch():
    heavy = ("huggingface_hub", "torch", "gradio", "filelock")
    code = f"import sys, aio.weights.registry, aio.weights.download, aio.comfyui.provision; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
