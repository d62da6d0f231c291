"""Every mp4 knows how it was made, and can be made again."""

import dataclasses
import hashlib
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import av
import pytest

from aio import config, replay
from aio.cli import main
from aio.command import parse
from aio.errors import ConfigError, InvalidParams, MediaError
from aio.machine import folders
from aio.recipe import provenance, sidecar
from aio.sweep import plan
from aio.sweep.axes import Spec

SMALL = ["width=256", "height=256", "seconds=0.4", "fps=24", "engine=preview"]
TEXT = "A cat, running: in {rain}, it's (wet) = fun 🙂 ${oc.env:HOME}"


@pytest.fixture
def made(tmp_path, monkeypatch, capsys):
    """Run a command in a folder of its own; its mp4."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        assert main([*words]) == 0
        return Path(capsys.readouterr().out.splitlines()[-1])

    return run


def tags(path):
    with av.open(str(path)) as container:
        return {key: json.loads(value) for key, value in container.metadata.items() if key in ("aio", "prompt")}


def frames(path):
    with av.open(str(path)) as container:
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(video=0)]


def again(*words):
    return replay.replay(parse(["replay", *map(str, words)], ("replay",)))


def edit(path, **changes):
    data = json.loads(path.read_text())
    data["aio"].update(changes)
    path.write_text(json.dumps(data))


def test_the_mp4_holds_the_graph_and_the_recipe_and_the_same_json_lies_beside_it(made):
    video = made("mode=t2v", f"prompt={TEXT}", "seed=5", *SMALL)
    found = tags(video)
    assert json.loads(video.with_suffix(".json").read_text()) == found
    assert found["prompt"]["4"]["inputs"]["text"] == TEXT   # API format: node -> class_type, inputs
    recipe = found["aio"]
    assert recipe["params"]["seed"] == recipe["values"]["seed"] == recipe["seed"] == 5
    assert recipe["choices"]["preset"] == "balanced" and recipe["engine"].startswith("preview ")
    assert re.fullmatch(r"[0-9a-f]{40}", recipe["pins"]["comfyui"])
    assert recipe["models"] and all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in recipe["models"].values())
    assert recipe["hash"] == provenance.fingerprint(recipe)


def absolute(value, key=""):
    """Absolute paths in a JSON value; an operation's own pointers are none."""
    if isinstance(value, dict):
        return [path for name, item in value.items() if not (name in ("path", "from") and "op" in value) for path in absolute(item, name)]
    if isinstance(value, list):
        return [path for item in value for path in absolute(item, key)]
    return [value] if isinstance(value, str) and re.match(r"/|~|[A-Za-z]:\\", value) else []


@pytest.mark.parametrize("mode", config.choices("mode"))
def test_the_metadata_names_no_path_no_environment_and_no_token(mode, made, inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    own = {name: shutil.copy(path, tmp_path / Path(path).name) for name, path in inputs.items()}
    given = [f"{name}={own[name]}" for name, field in config.compose([f"mode={mode}"]).fields.items() if name in own]
    mirror = "comfyui.mirror=https://me:hf_secretsecretsecret@example.org"
    video = made(f"mode={mode}", "prompt=x", *SMALL, *given, mirror, f"output.dir={tmp_path}/o")
    found = tags(video)
    text = json.dumps(found)
    assert not absolute(found)
    for word in (str(tmp_path), str(Path.home()), "hf_secret", "example.org", folders.ROOT.as_posix()):
        assert word not in text
    staged = {item["staged"] for item in found["aio"]["inputs"].values()}   # what the operations call the inputs: by content
    assert set(re.findall(r'"(aio/[^"]*)"', json.dumps(found["aio"]["operations"]))) == staged
    assert all(re.fullmatch(r"aio/[0-9a-f]{16}[\w.-]*", name) for name in staged)


def test_a_file_that_is_no_recipe_is_not_replaced(made):
    Path("outputs").mkdir()
    Path("outputs/clip.preview.json").write_text("mine")
    made("mode=t2v", "prompt=x", "output.name=clip", *SMALL)
    assert Path("outputs/clip.preview.json").read_text() == "mine"


def test_the_hash_is_known_before_the_run_and_covers_what_determines_the_result(made, inputs, tmp_path):
    base = {"prompt": "x", "width": 256, "height": 256, "seconds": 0.4, "fps": 24, "image": inputs["image"]}
    words = ("mode=i2v", "engine=preview")
    video = made(*words, *(f"{name}={value}" for name, value in base.items()))
    found = tags(video)["aio"]["hash"]

    def foreseen(overrides=words, **changes):
        return plan.foresee(Spec(0, overrides, {**base, **changes}), ())["hash"]

    renamed = shutil.copy(inputs["image"], tmp_path / "renamed.png")
    (tmp_path / "other.png").write_bytes(Path(inputs["image"]).read_bytes() + b"\0")
    assert foreseen() == foreseen(image=str(renamed)) == foreseen(seed=42) == found   # 42 is the default
    others = [foreseen(seed=1), foreseen(prompt="y"), foreseen(image=str(tmp_path / "other.png")), foreseen((*words, "preset=fast")),
              foreseen((*words, "values.audio_cfg=2"))]
    assert len({found, *others}) == 6


@pytest.mark.parametrize("mode", ["t2v", "lipsync", "style"])
def test_the_preview_engine_replays_to_identical_frames(mode, made, inputs, tmp_path):
    given = []
    for name, field in config.compose([f"mode={mode}"]).fields.items():
        if name in inputs and field.required:
            given.append(f"{name}={shutil.copy(inputs[name], tmp_path)}")
    first = made(f"mode={mode}", f"prompt={TEXT}", "seed=9", "preset=fast", *SMALL, *given)
    second = made("replay", str(first))
    assert first != second and frames(first) == frames(second)
    assert tags(first)["aio"]["hash"] == tags(second)["aio"]["hash"]


def test_a_replay_is_varied_by_fields_and_choices(made):
    first = made("mode=t2v", f"prompt={TEXT}", "seed=9", "lora=detailer", "detailer=0.5", *SMALL)
    second = tags(made("replay", str(first), "seed=10", "preset=quality"))["aio"]
    assert second["values"]["seed"] == 10 and second["choices"]["preset"] == "quality" and second["values"]["steps"] == 30
    assert second["values"]["prompt"] == TEXT and second["values"]["detailer"] == 0.5 and second["choices"]["lora"] == ["detailer"]


def test_the_command_line_of_a_clip_makes_it(made, inputs, tmp_path, capsys):
    image = shutil.copy(inputs["image"], tmp_path / "my face.png")
    words = ["mode=i2v", f"prompt=@@home, {TEXT}\nline two", f"image={image}", "negative_prompt='\"", "preset=fast", "values.stages=3"]
    first = made(*words, *SMALL)
    assert main(["replay", "--command", str(first)]) == 0
    line = capsys.readouterr().out
    assert "++values.stages=3" in line and "'image=my face.png'" in line
    second = made(*shlex.split(line)[3:])
    assert tags(second)["aio"]["hash"] == tags(first)["aio"]["hash"]


def test_an_input_is_found_by_its_content_beside_the_clip_or_here_or_is_given_again(made, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("aio.replay.inputs.staging", list)
    image = shutil.copy(inputs["image"], tmp_path / "face.png")
    video = made("mode=i2v", "prompt=x", f"image={image}", *SMALL)
    Path(image).rename(tmp_path / "outputs" / "renamed.png")
    assert Path(again(video).job.params["image"]).name == "renamed.png"
    (tmp_path / "outputs" / "renamed.png").write_bytes(b"x" * Path(inputs["image"]).stat().st_size)   # same size, other content
    with pytest.raises(InvalidParams, match=r"^image: face.png \(sha256 [0-9a-f]{12}…\) is neither beside t2v|^image: face.png .* give image=…$"):
        again(video)
    assert again(video, f"image={inputs['image']}").job.params["image"] == inputs["image"]
    assert "image=face.png" in again("--command", video).command_line()


def test_another_configuration_than_then_is_said(made):
    video = made("mode=t2v", "prompt=x", *SMALL)
    beside = video.with_suffix(".json")
    edit(beside, models={"gone.safetensors": ""}, aio="0.0.9")
    data = json.loads(beside.read_text())
    edit(beside, hash=provenance.fingerprint(data["aio"]))
    notes = again(beside).notes
    assert notes[0].startswith("the clip was made by aio 0.0.9, this is ")
    assert notes[1].startswith("not as it was then: the weights gone.safetensors are not used now; ") and notes[1].endswith("; the clip may differ")


def test_a_default_that_changed_since_is_set_back(made):
    video = made("mode=t2v", "prompt=x", *SMALL)
    beside = video.with_suffix(".json")
    data = json.loads(beside.read_text())
    data["aio"]["values"]["cfg"] = 2.0
    edit(beside, values=data["aio"]["values"], hash=provenance.fingerprint(data["aio"]))
    assert again(beside).job.params["cfg"] == 2.0
    assert "cfg" not in again(beside, "preset=quality").job.params   # the new preset's own


def test_a_missing_recipe_is_said_and_the_one_beside_the_clip_is_used(made, tmp_path):
    video = made("mode=t2v", "prompt=x", *SMALL)
    with av.open(str(video)) as source, av.open(str(tmp_path / "bare.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(MediaError, match=r"bare.mp4: holds no recipe: .* nor is bare.json beside it"):
        sidecar.read(tmp_path / "bare.mp4")
    shutil.copy(video.with_suffix(".json"), tmp_path / "bare.json")
    read = sidecar.read(tmp_path / "bare.mp4")
    assert read.data["values"]["prompt"] == "x" and "bare.json beside it is used" in read.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"aio": {"recipe": 1', "damaged, it is not JSON"),
        (b'{"aio": {"recipe": 1, "aio": "0.1.0"}}', "damaged: engine, mode"),
        (b'{"aio": {"recipe": 99, "aio": "9.0"}}', "newer (version 99, by aio 9.0)"),
        (b"[]", "holds no recipe of aio"),
    ],
)
def test_a_damaged_or_newer_recipe_is_said_plainly(content, said, tmp_path):
    (tmp_path / "clip.json").write_bytes(content)
    with pytest.raises(MediaError, match=re.escape(said)):
        sidecar.read(tmp_path / "clip.json")
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    (tmp_path / "clip.json").unlink()
    with pytest.raises(MediaError, match="cannot be read as a video"):
        sidecar.read(tmp_path / "clip.mp4")


def test_an_edited_recipe_is_used_and_said(made):
    beside = made("mode=t2v", "prompt=x", "seed=1", *SMALL).with_suffix(".json")
    data = json.loads(beside.read_text())["aio"]
    edit(beside, values={**data["values"], "seed": 2})
    made_again = again(beside)
    assert "edited after the clip was made (seed: the one in `values` counts)" in made_again.notes[0]
    assert made_again.job.params["seed"] == 2


@pytest.mark.parametrize(
    ("where", "name"), [("choices", "preset"), ("machine", "memory"), ("settings", "preset"), ("settings", "stages"), ("engine", "")])
def test_a_recipe_by_somebody_else_cannot_smuggle_an_interpolation(where, name, made, monkeypatch):
    monkeypatch.setenv("SECRET", "s3cret")
    beside = made("mode=t2v", "prompt=x", *SMALL).with_suffix(".json")
    data = json.loads(beside.read_text())["aio"]
    edit(beside, **{where: {**data[where], name: "${oc.env:SECRET}"} if name else "${oc.env:SECRET}"})
    try:
        found = again(beside)
        assert where == "settings" and name not in (set(found.job.config.values) - {"stages"}) and "s3cret" not in str(found)
    except (ConfigError, MediaError) as error:
        assert ("is damaged: engine" in str(error) or "is unknown" in str(error)) and "s3cret" not in str(error)


def test_a_replay_without_a_file_or_of_an_unknown_mode_is_refused(made, tmp_path):
    with pytest.raises(ConfigError, match="give the mp4"):
        again()
    with pytest.raises(MediaError, match="no such file"):
        again("gone.mp4")
    beside = made("mode=t2v", "prompt=x", *SMALL).with_suffix(".json")
    edit(beside, choices={"mode": "loop"})
    with pytest.raises(ConfigError, match="needs its --config-dir"):
        again(beside)


def test_a_recipe_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        sidecar.Recipe({}, Path("x")).path = Path("y")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A finished clip without anything beside it."""
    from aio.job import Job
    from aio.preview.engine import PreviewEngine
    from aio.run import run

    folder = tmp_path_factory.mktemp("made")
    job = Job(config.compose(["mode=t2v", "engine=preview", f"output.dir={folder}"]), {"prompt": "x", "width": 256, "height": 256, "seconds": 0.4})
    video = run(job, PreviewEngine(work_dir=folder / "work")).video
    video.with_suffix(".json").unlink()
    return video


@pytest.mark.parametrize("name", ["clip:1.mp4", "12:30 a.mp4", "http:x.mp4", "concat:a|b.mp4", "-x.mp4", "été %d.mp4", "a\nb.mp4", "X.MP4"])
def test_a_clip_is_read_whatever_its_name(name, clip, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(clip, name)
    assert sidecar.read(Path(name)).data["mode"] == "t2v"
    assert sidecar.read(tmp_path / name).data["mode"] == "t2v"


@pytest.mark.parametrize("text", [
    "ffconcat version 1.0\nfile fifo.mp4\n", "#EXTM3U\n#EXTINF:1,\nfifo.mp4\n", "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 96\r\n",
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
])
def test_a_playlist_that_is_called_mp4_opens_no_other_file(text, tmp_path):
    os.mkfifo(tmp_path / "fifo.mp4")   # whoever opens it waits for ever
    (tmp_path / "pl.mp4").write_text(text)
    with pytest.raises(MediaError, match=r"pl\.mp4: cannot be read as a video \(.*\); nor is pl\.json beside it"):
        sidecar.read(tmp_path / "pl.mp4")


GOOD = {"recipe": 1, "aio": "0.1.0", "engine": "preview", "mode": "t2v", "choices": {}, "params": {}, "inputs": {}, "values": {}, "operations": [],
        "hash": "x"}
HOSTILE = [b"", b"\xff\xfe", b"[" * 200_000, b'{"aio":' * 100_000, b'"' + b"x" * 17_000_000 + b'"', b'{"recipe": NaN}', b"9" * 5000, b'"\\"[[[["']
HOSTILE += [json.dumps({"aio": {**GOOD, key: value}}).encode() for key, value in [
    ("recipe", "1"), ("recipe", 10**30), ("recipe", [1]), ("inputs", {"image": 5}), ("inputs", {"image": [1]}), ("inputs", []), ("workflow", 5),
    ("hash", 5), ("hash", None), ("choices", 5), ("values", [1]), ("params", None), ("operations", {"a": {"b": []}} | {"staged": 1}),
    ("inputs", {"image": {"staged": []}}), ("aio", {"x": "\x1b[2J"}),
]]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_recipe_that_anyone_may_have_written_is_refused_in_words_or_read(content, tmp_path):
    (tmp_path / "clip.json").write_bytes(content)
    try:
        sidecar.read(tmp_path / "clip.json")
    except MediaError as error:
        assert str(error).startswith(f"{tmp_path / 'clip.json'}") and "\x1b" not in str(error) and len(str(error)) < 600


@pytest.mark.parametrize("tag", ["[" * 200_000, "\x1b[2J", "{}", '{"recipe": 99, "aio": "\x1b]0;x"}'.replace("\x1b", "\\u001b"), '"\\u001b"'])
def test_a_hostile_tag_in_a_clip_is_refused_in_words(tag, clip, tmp_path, capsys):
    from aio.media.streams import write_mp4

    frames = (av.VideoFrame(64, 64, "yuv420p") for _ in range(2))
    write_mp4(tmp_path / "evil.mp4", frames, (64, 64), 8, options={"crf": "30"}, metadata={"aio": tag})
    assert main(["replay", str(tmp_path / "evil.mp4")]) == 2
    said = capsys.readouterr().err
    assert "evil.mp4" in said and "Traceback" not in said and "\x1b" not in said


def test_a_recipe_beside_a_clip_is_written_again_from_the_one_inside(clip, tmp_path):
    video = Path(shutil.copyfile(clip, tmp_path / "x.mp4"))
    sidecar.restore(video)
    assert json.loads((tmp_path / "x.json").read_text()) == tags(video)
    (tmp_path / "x.json").write_text("mine")
    sidecar.restore(video)
    assert (tmp_path / "x.json").read_text() == "mine"
    (tmp_path / "y.mp4").write_bytes(b"no video")
    sidecar.restore(tmp_path / "y.mp4")
    assert not (tmp_path / "y.json").exists()


def test_the_clips_own_recipe_is_believed_before_the_one_beside_it(clip, tmp_path):
    video = Path(shutil.copyfile(clip, tmp_path / "x.mp4"))
    (tmp_path / "x.json").write_text(json.dumps({"aio": {**GOOD, "hash": "another clip's"}}))
    assert sidecar.hash_of(video) == tags(video)["aio"]["hash"]
