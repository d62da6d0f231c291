"""Downloads against a Hub that is slow, lies, loses files and refuses, and onto disks that refuse links, room or writing."""

from __future__ import annotations

import email.utils
import errno
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import fakehub
import pytest
import yaml
from fakehub import COMMIT, DATA, KEY, NAME, REF, REPO, child, ensure, entry, part_of, sha256
from sections import section

from aio.config.download import Download
from aio.errors import Cancelled, ConfigError, ModelMissing, OutputError
from aio.graph.models import ModelRef
from aio.machine import whole
from aio.weights import download
from aio.weights.registry import cache as disk
from aio.weights.registry import status

cache, hub = fakehub.cache, fakehub.hub   # fixtures

ROOT = Path(__file__).resolve().parents[1]
HASTY = {"slowest_kb_s": 20, "for_s": 0.4, "retries": 2, "silent_s": 5}
"""Download of a test: what a user waits a minute for takes half a second."""


def got(models: Path) -> bool:
    return (models / "loras" / NAME).read_bytes() == DATA


# -- too slow


def trickle(handler, data, start):
    """Two bytes a moment, honest in everything else."""
    handler.whole(206 if start else 200, b"", Content_Length=len(data) - start, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
    handler.drip(data[start:], 0.05, 2)


def slow_header(handler, data, start):
    handler.drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000, 0.05)


def silent(handler, data, start):
    time.sleep(3)
    handler.close_connection = True


def trickle_without_length(handler, data, start):
    handler.whole(200, b"", Content_Type="application/octet-stream", Connection="close")
    handler.drip(data, 0.05, 2)


@pytest.mark.parametrize("lie", [trickle, slow_header, silent, trickle_without_length])
def test_a_transfer_below_the_slowest_pace_is_dropped_and_taken_up_again(lie, tmp_path, hub):
    hub.lies = [lie, lie]
    started = time.monotonic()
    ensure([REF], {NAME: entry()}, tmp_path / "models", rules=HASTY)
    assert got(tmp_path / "models") and len(hub.gets()) == 3
    assert time.monotonic() - started < 10
    if lie is trickle:
        assert [asked.range for asked in hub.gets()][1:] != [None, None]   # what came was kept


@pytest.mark.parametrize("lie", [trickle, slow_header, trickle_without_length])
def test_a_line_that_stays_too_slow_is_told_with_its_pace_and_what_came_is_kept(lie, tmp_path, hub, cache):
    hub.lies = [lie] * 9
    with pytest.raises(ModelMissing, match=r"too slow: [\d.e-]+ kB/s over 0.4 s, and 3 attempts in a row stayed below 20 kB/s") as error:
        ensure([REF], {NAME: entry()}, tmp_path / "models", rules=HASTY)
    assert "download.slowest_kb_s=0" in str(error.value) and len(hub.gets()) == 3
    if lie is trickle:
        assert re.search(r"What came, \d+ bytes of 0.4 MB, stays, and the next run goes on there", str(error.value))
        kept = part_of(cache).stat().st_size
        hub.lies = []
        ensure([REF], {NAME: entry()}, tmp_path / "models")
        assert hub.gets()[3].range == f"bytes={kept}-" and got(tmp_path / "models")


def test_a_slow_but_honest_line_finishes_where_its_pace_is_allowed(tmp_path, hub):
    hub.files[KEY] = DATA[:40_000]

    def honest(handler, data, start):
        handler.whole(200, b"", Content_Length=len(data))
        handler.drip(data, 0.05, 2000)   # 40 kB/s

    small = entry(size=40_000, sha256=sha256(DATA[:40_000]))
    for allowed in (20, 0):
        hub.lies = [honest]
        ensure([REF], {NAME: small}, tmp_path / f"models{allowed}", cache=tmp_path / f"hf{allowed}", rules={**HASTY, "slowest_kb_s": allowed})
        assert (tmp_path / f"models{allowed}" / "loras" / NAME).stat().st_size == 40_000


def test_a_server_that_closes_after_a_few_bytes_again_and_again_ends_too(tmp_path, hub):
    hub.cut[KEY] = [1] * 50   # one chunk and away
    with pytest.raises(ModelMissing, match=r"the next run goes on there"):
        ensure([REF], {NAME: entry()}, tmp_path / "models", rules={"slowest_kb_s": 10**6, "retries": 3})
    assert len(hub.gets()) == 4


def test_a_hub_that_answers_a_question_byte_by_byte_is_given_up(tmp_path, hub):
    hub.slow_headers = 0.05
    started = time.monotonic()
    with pytest.raises(ModelMissing, match=r"cannot reach the Hub \(no whole answer in 0.4 s\)"):
        ensure([REF], {NAME: entry()}, tmp_path / "models", rules=HASTY)
    assert time.monotonic() - started < 5


def test_a_stop_ends_a_silent_transfer_at_once(tmp_path, hub):
    hub.lies = [silent]
    started = time.monotonic()

    def stop(event):
        if time.monotonic() - started > 0.5:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        ensure([REF], {NAME: entry()}, tmp_path / "models", stop)
    assert time.monotonic() - started < 2


def test_the_rules_of_the_config_are_those_of_a_run_without_one_and_odd_ones_are_named():
    assert section("download", yaml.safe_load((ROOT / "conf/config.yaml").read_text())["download"]) == Download()
    with pytest.raises(ConfigError) as error:
        section("download", {"slowest_kb": 1, "for_s": "long", "retries": 1.5, "silent_s": 0, "parallel": 0, "pause_s": float("nan"), "wait_s": True})
    text = str(error.value)
    assert "download.slowest_kb: unknown key. Did you mean 'slowest_kb_s'?" in text and "download.for_s: 'long' is not a number" in text
    assert "download.retries: 1.5 is not a whole number" in text and text.count("\n") == 6
    with pytest.raises(ConfigError, match=r"download: 5 is no section"):
        section("download", 5)


# -- refusals


@pytest.mark.parametrize(
    ("code", "headers", "words"),
    [
        (404, {}, r"the storage behind the Hub does not have it \(404\), though the Hub lists it"),
        (410, {}, r"the storage behind the Hub has removed it for good \(410\)"),
        (403, {}, r"refuses the address that the Hub has just signed \(403\). A firewall or a proxy"),
        (401, {}, r"refuses the address that the Hub has just signed \(401\)"),
        (407, {}, r"the proxy wants a login \(407\): write it into HTTPS_PROXY"),
        (416, {}, r"not the file: it has no byte 0 of 400000"),
        (418, {}, r"refuses the request \(418\)"),
        (429, {"Retry_After": "1000"}, r"is asked too often \(429\). Run again in 1000 s"),
        (451, {}, r"may not give it out where you are, for legal reasons \(451\)"),
        (500, {}, r"the storage behind the Hub has failed \(500\), again and again"),
        (503, {"Retry_After": email.utils.formatdate(time.time() + 5000)}, r"is out of service \(503\). Run again in 49\d\d s"),
        (511, {}, r"this network wants a login first \(511\)"),
    ],
)
def test_each_refusal_of_the_storage_says_what_it_means(code, headers, words, tmp_path, hub):
    hub.broken = [(code, headers)] * 9
    with pytest.raises(ModelMissing, match=words):
        ensure([REF], {NAME: entry()}, tmp_path / "models", rules={"retries": 1})


@pytest.mark.parametrize(
    ("code", "headers", "words"),
    [
        (404, {}, r"the Hub does not have it \(404\)"),
        (403, {}, r"the Hub refuses your token \(403\)"),
        (429, {"Retry_After": "77"}, r"the Hub is asked too often \(429\). Run again in 77 s, it goes on where it stopped; `hf auth login` gives"),
        (451, {}, r"the Hub may not give it out where you are"),
        (502, {}, r"the Hub has failed \(502\)"),
    ],
)
def test_each_refusal_of_the_hub_itself_says_what_it_means(code, headers, words, tmp_path, hub):
    hub.hub_broken = [(code, headers)] * 9
    with pytest.raises(ModelMissing, match=words):
        ensure([REF], {NAME: entry()}, tmp_path / "models")


def test_an_expired_signature_is_asked_for_anew_and_a_short_wait_is_kept(tmp_path, hub):
    hub.cut[KEY] = [160_000]
    hub.broken = [403, (429, {"Retry_After": "1"}), (503, {"Retry_After": "soon"})]
    started = time.monotonic()
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert got(tmp_path / "models") and time.monotonic() - started > 1


# -- lies


def lying(code=206, **changed):
    """A Range answer that says, or holds, something else than was asked for."""
    def lie(handler, data, start):
        body = changed.get("body", data[start:])
        headers = {"Content_Length": len(body), "Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}", **changed.get("headers", {})}
        handler.whole(code, body, **{name: value for name, value in headers.items() if value is not None})
    return lie


@pytest.mark.parametrize(
    "lie",
    [
        lying(headers={"Content_Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}, body=DATA),
        lying(headers={"Content_Range": "bytes 5-9/12"}),
        lying(headers={"Content_Range": None}),
        lying(headers={"Content_Range": "pages 1-2"}),
        lying(416, body=b""),
        lying(204, body=b""),
        lying(headers={"Content_Range": f"bytes 147456-{len(DATA) + 5}/{len(DATA) + 6}"}),
        lying(headers={"Content_Encoding": "gzip"}),
    ],
)
def test_a_range_answer_that_lies_is_not_written_and_the_whole_file_is_asked_for(lie, tmp_path, hub):
    hub.cut[KEY] = [147_456]
    first = [False]

    def once(handler, data, start):
        if start and not first[0]:
            first[0] = True
            return lie(handler, data, start)
        hub.lies.append(once)
        hub.lies.pop()
        return handler.whole(200, data, Content_Length=len(data))

    ensure_part(tmp_path, hub)
    hub.lies = [once, once, once]
    if "gzip" in str(lie.__closure__[0].cell_contents):
        with pytest.raises(ModelMissing, match=r"not the file: it came compressed \(gzip\)"):
            ensure([REF], {NAME: entry()}, tmp_path / "models")
        return
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert got(tmp_path / "models")


def ensure_part(tmp_path: Path, hub: fakehub.FakeHub, size: int = 147_456) -> Path:
    """Leave a part of the file in the cache, as a kill does."""
    part = part_of(tmp_path / "hf" / "hub")
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA[:size])
    return part


def test_the_login_page_of_a_hotel_is_told_and_costs_nothing_that_came(tmp_path, hub):
    part = ensure_part(tmp_path, hub)

    def page(handler, data, start):
        handler.whole(200, b"<html>Welcome</html>", Content_Length=20, Content_Type="text/html; charset=utf-8")

    hub.lies = [page] * 3
    with pytest.raises(ModelMissing, match=r"not the file: 20 bytes of text/html came instead of 400000. A network that wants you to log in first"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert part.read_bytes() == DATA[:147_456] and len(hub.gets()) == 1
    ensure_again(tmp_path, hub)
    assert hub.gets()[-1].range == "bytes=147456-"


def ensure_again(tmp_path: Path, hub: fakehub.FakeHub) -> None:
    hub.lies = []
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert got(tmp_path / "models")


def test_a_server_without_ranges_does_not_cost_what_came(tmp_path, hub):
    part = ensure_part(tmp_path, hub)
    inode = part.stat().st_ino
    hub.ranges = False
    hub.cut[KEY] = [10_000]   # less than what is here
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert got(tmp_path / "models") and (tmp_path / "models" / "loras" / NAME).stat().st_ino == inode


@pytest.mark.parametrize("body", [DATA[:-1], DATA + b"more", DATA[::-1], b""])
def test_a_whole_answer_of_other_bytes_never_becomes_the_file(body, tmp_path, hub, cache):
    def lie(handler, data, start):
        handler.whole(200, body, Content_Type="application/octet-stream", Connection="close")   # no length that could give it away

    hub.lies = [lie] * 9
    if body == DATA + b"more":   # its first bytes are the file, and its sha256 says so
        ensure([REF], {NAME: entry()}, tmp_path / "models")
        assert got(tmp_path / "models")
        return
    with pytest.raises(ModelMissing, match=r"damaged \(sha256|the connection closed after 0 bytes"):
        ensure([REF], {NAME: entry()}, tmp_path / "models", rules={"retries": 1})
    assert not (tmp_path / "models" / "loras" / NAME).exists()


def test_a_part_that_is_longer_than_the_file_is_begun_anew(tmp_path, hub):
    ensure_part(tmp_path, hub).write_bytes(DATA + b"x")
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert got(tmp_path / "models")


def test_a_damaged_part_is_removed_and_the_words_say_that_it_came_in_pieces(tmp_path, hub):
    ensure_part(tmp_path, hub).write_bytes(b"\0" * 147_456)
    with pytest.raises(ModelMissing, match=r"in 2 pieces is damaged .* and was removed; run again"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    ensure_again(tmp_path, hub)


def test_an_answer_that_is_no_hubs_is_told_before_the_download(tmp_path, hub, monkeypatch):
    hub.hub_broken = [(200, {"Content_Type": "text/html"})]
    with pytest.raises(ModelMissing, match=r"answered without size, ETag or commit: is HF_ENDPOINT a Hub\?"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    for odd in ("huggingface.co", "ftp://x", "http://[::1", "file:///etc", "http://"):
        monkeypatch.setenv("HF_ENDPOINT", odd)
        with pytest.raises(ConfigError, match=rf"HF_ENDPOINT={re.escape(odd)} is no address of a Hub"):
            ensure([REF], {NAME: entry()}, tmp_path / "models")


def test_a_variable_that_keeps_the_hubs_library_from_loading_is_told(tmp_path, hub, cache):
    arguments = child(tmp_path / "models", hub, cache, FETCH, REPO, NAME, "link", sha256(DATA), HF_HUB_ETAG_TIMEOUT="soon")
    done = subprocess.run(**arguments, capture_output=True, text=True)
    assert "ConfigError: huggingface_hub does not load (invalid literal for int() with base 10: 'soon')" in done.stderr


def test_a_size_that_the_registry_has_wrong_is_told_and_not_fetched_again_and_again(tmp_path, hub):
    with pytest.raises(ModelMissing, match=r"holds 400000 bytes, the registry says 7 of the same sha256: correct size in the registry"):
        ensure([REF], {NAME: entry(size=7)}, tmp_path / "models")
    assert hub.gets() == []
    ensure([REF], {NAME: entry(size=7, size_approx=True)}, tmp_path / "models")


# -- gone from main


OLD = "0" * 39 + "1"


def test_a_file_that_main_replaced_is_taken_from_the_commit_that_had_it(tmp_path, hub, cache):
    hub.files[KEY] = b"another file"
    hub.older[REPO] = [("a" * 40, {KEY[1]: b"neither"}), ("b" * 40, {}), (OLD, {KEY[1]: DATA})]
    events = []
    ensure([REF], {NAME: entry()}, tmp_path / "models", events.append)
    assert got(tmp_path / "models")
    told = next(event.message for event in events if event.kind == "warning")
    assert "at revision main holds another file there now" in told and sha256(DATA) in told
    assert f"lay there at commit {OLD} and is taken from there. Write `revision: {OLD}` into its registry entry" in told
    assert not (cache / "models--owner--weights" / "refs").exists()   # main is not that commit
    ensure([REF], {NAME: entry()}, tmp_path / "again", events.append)
    assert len(hub.gets()) == 1


def test_a_file_that_was_renamed_is_taken_from_its_new_name(tmp_path, hub, cache):
    hub.files = {(REPO, "new/name.safetensors"): DATA}
    events = []
    ensure([REF], {NAME: entry()}, tmp_path / "models", events.append)
    assert got(tmp_path / "models")
    assert "has no file split/model.safetensors" in events[-2].message or any("Write `path: new/name.safetensors`" in e.message for e in events)
    assert (cache / "models--owner--weights" / "refs" / "main").read_text() == COMMIT


def test_a_commit_that_is_gone_is_replaced_by_where_the_bytes_lie_now(tmp_path, hub):
    events = []
    ensure([REF], {NAME: entry(revision="9" * 40)}, tmp_path / "models", events.append)
    assert got(tmp_path / "models")
    assert any("is not there any more" in event.message and COMMIT in event.message for event in events if event.kind == "warning")


def test_a_file_that_is_nowhere_any_more_is_named_with_its_sha256(tmp_path, hub):
    hub.files[KEY] = b"another file"
    hub.older[REPO] = [(f"{n:040x}", {KEY[1]: b"%d" % n}) for n in range(1, 9)]
    with pytest.raises(ModelMissing) as error:
        ensure([REF], {NAME: entry()}, tmp_path / "models", rules={"history": 5})
    text = str(error.value)
    assert sha256(DATA) in text and "at its newest 5 commits" in text and "Look for that sha256 elsewhere" in text
    assert hub.gets() == []


def test_a_new_place_that_leaves_its_folder_is_not_believed(tmp_path, hub, cache):
    hub.files = {(REPO, "../../../evil.safetensors"): DATA}
    with pytest.raises(ModelMissing, match=r"no file of it has the registry's sha256"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert not list(tmp_path.rglob("evil*"))


# -- disks


def refuse(monkeypatch, *names: str, number: int = errno.EPERM, where: str = "/models[^/]*/loras") -> None:
    """Make os.symlink and os.link fail under a folder, as a file system without them does."""
    for name in names:
        real = getattr(os, name)

        def fails(source, target, *more, real=real, **named):
            if re.search(where, str(target)):
                raise OSError(number, os.strerror(number), str(source), None, str(target))
            return real(source, target, *more, **named)

        monkeypatch.setattr(os, name, fails)


def test_without_symbolic_links_a_hard_link_does(tmp_path, hub, monkeypatch):
    refuse(monkeypatch, "symlink")
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    place = tmp_path / "models" / "loras" / NAME
    assert got(tmp_path / "models") and not place.is_symlink() and place.stat().st_nlink == 2


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EINVAL, errno.EACCES])
def test_where_links_are_refused_the_file_is_copied_once_verified_and_told(number, tmp_path, hub, monkeypatch):
    refuse(monkeypatch, "symlink", "link", number=number)
    events = []
    found = ensure([REF], {NAME: entry()}, tmp_path / "models", events.append)
    place = tmp_path / "models" / "loras" / NAME
    assert got(tmp_path / "models") and place.stat().st_nlink == 1 and found[0].state == "present" and found[0].verified
    assert any("takes no links to the Hugging Face cache" in event.message for event in events if event.kind == "warning")
    assert any(event.message.startswith(f"Copying {NAME} into the models folder") for event in events if event.kind == "download")
    written = place.stat().st_mtime_ns
    monkeypatch.setattr(download, "complete", None)   # would fail if it were called
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert place.stat().st_mtime_ns == written and len(hub.gets()) == 1
    assert sorted(path.name for path in place.parent.iterdir()) == [NAME]


def test_a_file_of_the_cache_is_copied_without_the_network_and_never_unchecked(tmp_path, hub, cache, monkeypatch):
    refuse(monkeypatch, "symlink", "link")
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ensure([REF], {NAME: entry()}, tmp_path / "models2")
    assert got(tmp_path / "models2")
    blob = cache / "models--owner--weights" / "blobs" / sha256(DATA)
    blob.write_bytes(DATA[::-1])
    with pytest.raises(ModelMissing):
        ensure([REF], {NAME: entry()}, tmp_path / "models3", verify=False)
    assert not (tmp_path / "models3" / "loras" / NAME).exists()


def test_a_cache_without_links_keeps_what_was_fetched(tmp_path, hub, cache, monkeypatch):
    refuse(monkeypatch, "symlink", "link", where="/hf/hub/")
    refuse(monkeypatch, "symlink", "link")
    for models, one in (("a", entry()), ("b", entry(sha256=None))):
        ensure([REF], {NAME: one}, tmp_path / f"models-{models}")
        assert got(tmp_path / f"models-{models}")
        ensure([REF], {NAME: one}, tmp_path / f"models-{models}-again")
    assert len(hub.gets()) <= 2


def test_a_link_that_cannot_be_followed_counts_as_none(tmp_path, hub, monkeypatch):
    real = os.symlink
    monkeypatch.setattr(os, "symlink", lambda source, target, *_: real("/nowhere" if "/models/" in str(target) else source, target))
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert got(tmp_path / "models")


def test_the_room_on_both_disks_is_known_before_the_download(tmp_path, hub, cache, monkeypatch):
    refuse(monkeypatch, "symlink", "link")
    real = os.stat
    free = {}

    def two_disks(path, *more, **named):
        found = real(path, *more, **named)
        return os.stat_result((*found[:2], 77, *found[3:])) if str(path).endswith("/models") else found

    monkeypatch.setattr(download.place.os, "stat", two_disks)
    side = {True: "models", False: "cache"}
    monkeypatch.setattr(download.place.shutil, "disk_usage", lambda path: SimpleNamespace(free=free[side[str(path).endswith("/models")]]))
    (tmp_path / "models").mkdir()
    for free["cache"], free["models"], words in (
        (10**9, 1000, r"^0.4 MB to copy, for want of links, into .*/models, and only 1.0 kB free: make room, or set AIO_MODELS_DIR"),
        (1000, 10**9, r"^0.4 MB to fetch into .*/hub, and only 1.0 kB free: make room, or set HF_HOME"),
        (1000, 1000, r"to fetch into .*\n.*to copy, for want of links, into"),
    ):
        with pytest.raises(OutputError, match=words):
            ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert hub.gets() == []


def test_one_disk_for_both_must_have_room_for_both(tmp_path, hub, monkeypatch):
    refuse(monkeypatch, "symlink", "link")
    monkeypatch.setattr(download.place.shutil, "disk_usage", lambda path: SimpleNamespace(free=500_000))
    with pytest.raises(OutputError, match=r"to fetch into .* and 0.4 MB to copy, .*, and only 0.5 MB free: make room, or set HF_HOME .* or set AIO"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; make room"),
        (errno.EDQUOT, "your quota on that disk is used up"),
        (errno.EROFS, "mounted read-only; mount it writable"),
        (errno.EACCES, "you may not write there; give yourself the right"),
        (errno.EPERM, "a rule of the system does not allow it"),
        (errno.ENAMETOOLONG, "the path is too long"),
        (errno.ELOOP, "links lead in a circle"),
        (errno.EMFILE, "too many files are open in this process; raise the limit"),
        (errno.EFBIG, "FAT32 takes 4 GB"),
        (errno.EIO, "the disk reports a fault"),
    ],
)
def test_each_fault_of_a_disk_has_its_own_words_and_remedy(number, words, tmp_path, hub, monkeypatch):
    real = whole.part

    def fails(folder, **rest):
        if "/models/" in str(folder):
            raise OSError(number, os.strerror(number), str(folder))
        return real(folder, **rest)

    monkeypatch.setattr(whole, "part", fails)
    with pytest.raises(OutputError, match=re.escape(words)) as error:
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert str(tmp_path / "models") in str(error.value) and hub.gets() == []


def test_what_stands_in_the_way_is_told_before_the_download(tmp_path, hub, cache):
    place = tmp_path / "models" / "loras" / NAME
    place.mkdir(parents=True)
    with pytest.raises(ModelMissing, match=rf"{NAME}: a folder is in the way: move it away"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "loras").symlink_to("/nowhere/at/all")
    with pytest.raises(OutputError, match=r"other/loras: a link to /nowhere/at/all, which is not there: mount that disk"):
        ensure([REF], {NAME: entry()}, tmp_path / "other")
    assert hub.gets() == []
    place.rmdir()
    place.symlink_to("/nowhere/at/all")   # a link of ours whose cache has moved
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert got(tmp_path / "models")


def test_a_home_of_the_cache_that_is_a_file_is_told_before_the_download(tmp_path, hub, cache):
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("not a folder")
    with pytest.raises(OutputError, match=r"hf: a part of this path is a file, not a folder; move that file away, or set HF_HOME"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert hub.gets() == []


def test_a_folder_where_the_cache_would_put_the_file_is_told(tmp_path, hub, cache):
    (cache / "models--owner--weights" / "blobs" / sha256(DATA)).mkdir(parents=True)
    with pytest.raises(ModelMissing, match=rf"{sha256(DATA)}: a folder is in the way: move it away"):
        ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert hub.gets() == []


def test_a_read_only_cache_that_holds_the_file_is_enough(tmp_path, hub, cache, monkeypatch):
    def tree() -> dict[str, int]:
        return {str(path): path.lstat().st_mtime_ns for path in (cache, *cache.rglob("*"))}

    ensure([REF], {NAME: entry()}, tmp_path / "first")
    before = tree()
    for folder, _, _ in os.walk(cache):
        os.chmod(folder, 0o555)
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    refuse(monkeypatch, "symlink", "link")
    ensure([REF], {NAME: entry()}, tmp_path / "models-copied")
    assert tree() == before   # root may write anyway
    for folder, _, _ in os.walk(cache):
        os.chmod(folder, 0o755)
    assert got(tmp_path / "models") and got(tmp_path / "models-copied") and len(hub.gets()) == 1


def test_a_models_folder_that_may_only_be_read_works_and_says_that_it_is_checked_each_time(tmp_path, hub, monkeypatch):
    own = tmp_path / "models" / "loras" / NAME
    own.parent.mkdir(parents=True)
    own.write_bytes(DATA)

    def fails(*_):
        raise OSError(errno.EROFS, "Read-only file system", "x")

    monkeypatch.setattr(whole, "write", fails)
    events = []
    ensure([REF], {NAME: entry()}, tmp_path / "models", events.append)
    assert any("mounted read-only" in event.message and "checks these files anew" in event.message for event in events)


def test_models_tells_what_each_disk_must_take_and_which_lacks_room(tmp_path, hub, cache, monkeypatch):
    models = tmp_path / "models"
    (models / "loras").mkdir(parents=True)
    states = status([REF], {NAME: entry()}, models)
    assert re.fullmatch(rf"0.4 MB to fetch into {cache}, where [\d.]+ [GM]B are free", *download.disks(states, models, cache))
    ensure_part(tmp_path, hub, 300_000)
    refuse(monkeypatch, "symlink", "link")
    monkeypatch.setattr(download.place.shutil, "disk_usage", lambda path: SimpleNamespace(free=450_000))
    fetched, copied, short = download.disks(states, models, cache)
    assert fetched == f"0.1 MB to fetch into {cache}, where 0.5 MB are free"   # what came before counts
    assert copied == f"0.4 MB to copy, for want of links, into {models}, where 0.5 MB are free"
    assert short.startswith(f"too little room: 0.1 MB to fetch into {cache} and 0.4 MB to copy, for want of links, into {models}, and only 0.5 MB")
    monkeypatch.undo()
    (models / "loras").rmdir()
    (models / "loras").symlink_to("/nowhere/at/all")
    assert "loras: a link to /nowhere/at/all, which is not there" in download.disks(states, models, cache)[-1]
    assert download.disks([], models, cache) == []


# -- kills and fights


FETCH = """
import sys
from pathlib import Path
from aio.config.registry import RegistryEntry
from aio.graph.models import ModelRef
from aio.weights.ensure import ensure
import os
if sys.argv[3] == "copy":
    def no(*_, **__): raise OSError(1, "refused")
    os.symlink = os.link = no
entries = {sys.argv[2]: RegistryEntry(name=sys.argv[2], repo=sys.argv[1], path="split/" + sys.argv[2], folder="loras", sha256=sys.argv[4])}
ensure([ModelRef("loras", sys.argv[2], "1", "lora_name")], entries, Path(sys.argv[5]))
"""


@pytest.mark.parametrize("how", ["link", "copy"])
def test_a_download_that_is_killed_at_any_moment_is_finished_by_the_next(how, tmp_path, hub, cache):
    hub.delay = 0.01
    chance = random.Random(5)
    arguments = child(tmp_path / "models", hub, cache, FETCH, REPO, NAME, how, sha256(DATA))
    for _ in range(3):
        process = subprocess.Popen(**arguments)
        time.sleep(chance.uniform(0.3, 1.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
    hub.delay = 0.0
    assert subprocess.run(**arguments).returncode == 0
    assert got(tmp_path / "models")
    assert not list(tmp_path.rglob("*.part"))


def test_two_processes_that_must_copy_the_same_file_both_succeed(tmp_path, hub, cache):
    arguments = child(tmp_path / "models", hub, cache, FETCH, REPO, NAME, "copy", sha256(DATA))
    both = [subprocess.Popen(**arguments) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert got(tmp_path / "models") and len(hub.gets()) == 1


def test_a_copy_never_goes_over_a_file_that_came_meanwhile(tmp_path, hub, monkeypatch):
    refuse(monkeypatch, "symlink", "link")
    own = tmp_path / "models" / "loras" / NAME

    def meanwhile(event):
        if event.message.startswith("Downloading"):
            own.write_bytes(b"mine")

    with pytest.raises(OutputError, match=rf"loras/{NAME}: something else is in the way; move it away and run again"):
        ensure([REF], {NAME: entry()}, tmp_path / "models", meanwhile)
    assert own.read_bytes() == b"mine"


def test_a_copy_that_is_stopped_leaves_nothing_and_starts_again(tmp_path, hub, monkeypatch):
    refuse(monkeypatch, "symlink", "link")
    monkeypatch.setattr(download.place, "_CHUNK", 1000)
    real = download.place.copy

    def slow(source, place, models_dir, sha256, count, stop):
        return real(source, place, models_dir, sha256, lambda size: (count(size), time.sleep(0.005)), stop)

    def stop(event):
        if event.message.startswith("Copying") and event.fraction > 0.1:
            raise Cancelled("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(download.place, "copy", slow)
        with pytest.raises(Cancelled):
            ensure([REF], {NAME: entry()}, tmp_path / "models", stop)
    assert list((tmp_path / "models" / "loras").iterdir()) == []
    ensure([REF], {NAME: entry()}, tmp_path / "models")
    assert got(tmp_path / "models") and len(hub.gets()) == 1


# -- the registry


@pytest.mark.parametrize("key", ["path", "revision", "folder"])
@pytest.mark.parametrize(
    "value",
    ["..", "../x", "a/../../x", "/abs", "a\\..\\b", "C:x", "C:/x", "a\x00b", "refs/../../x", "", " ", "a/.. /b", "nul", "a/COM1.pt", "\ud800", "x."],
)
def test_nothing_of_an_entry_leaves_its_folder(key, value):
    with pytest.raises(ConfigError, match=rf"{key}"):
        section("registry", {NAME: {"repo": "o/n", "path": "a", key: value}})


@pytest.mark.parametrize(
    "repo", ["../..", "o/..", "./n", "o/n/x", "o", "/n", "o/", "o\\n", "-o/n", "o/n.", "o--x/n", "o/n\n", "ö/n", "o/" + "n" * 97]
)
def test_a_repository_is_an_owner_and_a_name(repo):
    with pytest.raises(ConfigError, match=r"is not OWNER/NAME"):
        section("registry", {NAME: {"repo": repo, "path": "a"}})


@pytest.mark.parametrize("key", ["repo", "path", "revision", "folder", "base", "note"])
@pytest.mark.parametrize("value", [5, 1.5, True, ["a"], {"a": 1}])
def test_a_value_of_an_odd_type_gives_words(key, value):
    with pytest.raises(ConfigError, match=rf"{key}: .* is not text"):
        section("registry", {NAME: {"repo": "o/n", "path": "a", key: value}})


def test_a_registry_that_is_no_mapping_and_other_odd_values_give_words():
    for odd in (5, "x", ["a"], True):
        with pytest.raises(ConfigError, match=r"registry: .* is not a mapping"):
            section("registry", odd)
    with pytest.raises(ConfigError, match=r"size_approx: 'yes' is not true or false"):
        section("registry", {NAME: {"repo": "o/n", "path": "a", "size_approx": "yes"}})
    assert section("registry", {NAME: {"repo": "o/n", "path": "a", "revision": "refs/pr/7"}})[NAME].revision == "refs/pr/7"


def test_what_cannot_be_looked_for_is_told_not_raised(tmp_path, hub, cache):
    (tmp_path / "loras").mkdir()
    found = status([ModelRef("loras", "n" * 300 + ".safetensors", "4", "x")], {}, tmp_path)
    assert found[0].state == "unknown" and "cannot be looked for: File name too long" in found[0].note
    refs = cache / "models--owner--weights" / "refs" / "main"
    refs.parent.mkdir(parents=True)
    for odd in (b"../../../../etc", b"\xff\xfe", b"x" * 100_000):
        refs.write_bytes(odd)
        assert status([REF], {NAME: entry()}, tmp_path)[0].state == "missing"
    for odd in ("[" * 100_000, "[]", '{"a": [1]}'):
        (tmp_path / ".aio-verified.json").write_text(odd)
        assert disk.remembered(tmp_path) == {}
