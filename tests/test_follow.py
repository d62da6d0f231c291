"""What is left out follows the input: a clip has the shape of its picture or video and the length of its sound or video; what is cut is said."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from graphs import CLIPS
from likeness import similarity
from PIL import Image
from realcomfyui import comfy, comfy_folder  # noqa: F401
from recipes_made import job_of, recipe_of

from aio import check, config, request
from aio.cli import main
from aio.command import parse
from aio.errors import ConfigError, InvalidParams
from aio.fields import geometry
from aio.graph.clip import clip_of
from aio.graph.draw import Drawn, draw
from aio.job import Job
from aio.machine import folders
from aio.media import Clip, probe, stage_media
from aio.media.streams import frames_of, write_mp4, write_wav
from aio.preview import storyboard
from aio.preview.engine import PreviewEngine
from aio.replay import line, replay
from aio.stop import Stop
from aio.ui import cards, catalogue, forms
from aio.values import Media, ignore

CASES = Path(__file__).parent / "cases"
SHAPES = {   # a picture's size -> the clip's
    "9:16": ((1080, 1920), (704, 1280)), "1:1": ((512, 512), (960, 960)), "4:3": ((1024, 768), (1088, 832)), "16:9": ((1920, 1080), (1280, 704)),
    "21:9": ((2560, 1080), (1472, 640)), "3:2": ((600, 400), (1152, 768)), "4:1": ((1600, 400), (1792, 448)), "1:4": ((300, 1200), (448, 1792)),
}


def picture(path: Path, size: tuple[int, int] = (512, 512), exif: int = 1) -> str:
    """The astronaut, pressed into a size, stored in an orientation of EXIF."""
    tags = Image.Exif()
    tags[0x0112] = exif
    Image.open(folders.ROOT / "samples" / "astronaut.png").convert("RGB").resize(size).save(path, exif=tags)
    return str(path)


def sound(path: Path, seconds: float, rate: int = 22050) -> str:
    write_wav(path, 0.3 * np.sin(np.arange(round(seconds * rate), dtype=np.float32) / 20)[None], rate)
    return str(path)


def film(
    path: Path, size: tuple[int, int] = (128, 64), count: int = 12, fps: float = 24.0, sound_seconds: float = 0.0, pixel: Fraction = Fraction(1)
) -> str:
    """A video of a white rectangle, a quarter as wide and as high as the picture, on blue.

    Args:
        pixel: the shape of its pixels. sound_seconds: of its sound, none without.
    """
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 2] = 200
    pixels[size[1] * 3 // 8 : size[1] * 5 // 8, size[0] * 3 // 8 : size[0] * 5 // 8] = 255
    if pixel == 1:
        wave = 0.3 * np.ones((1, round(sound_seconds * 48000)), np.float32) if sound_seconds else None
        write_mp4(path, (pixels for _ in range(count)), size, fps, wave, 48000 if sound_seconds else 0, options={"preset": "ultrafast"})
        return str(path)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        (stream.width, stream.height), stream.pix_fmt, stream.codec_context.sample_aspect_ratio = size, "yuv420p", pixel
        for _ in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


def checked(mode: str, *words: str, **params) -> request.Request:
    return request.validate(Job(config.compose([f"mode={mode}", *words]), {"prompt": "x", **params}))


def size(made: request.Request) -> tuple[int, int]:
    return made.values["width"], made.values["height"]


# The shape

@pytest.mark.parametrize(("given", "wanted"), SHAPES.values(), ids=SHAPES)
def test_a_clip_has_the_shape_of_its_picture(tmp_path, given, wanted):
    made = checked("i2v", image=picture(tmp_path / "p.png", given))
    assert size(made) == wanted and not made.warnings
    assert made.origins == dict.fromkeys(("width", "height"), f"the shape of image ({given[0]}x{given[1]})")


def test_every_usual_shape_is_kept_at_nearly_the_pixels_of_the_default_size():
    unsaid = config.compose().input.cut_share
    for step in range(-200, 201):
        aspect, legal = 4 ** (step / 200), range(256, 1921, 64)
        width, height = geometry.shape(aspect, 1280 * 704, legal, legal)
        assert width in legal and height in legal and abs(width * height / (1280 * 704) - 1) < 0.11
        assert geometry.kept(aspect, width / height) > 1 - unsaid


def test_a_longer_panorama_is_bounded_and_said_to_be_cut(tmp_path):
    made = checked("i2v", image=picture(tmp_path / "p.png", (4000, 300)))
    assert size(made) == (1920, 256)
    assert [text for text in made.warnings if text.startswith("image: 56 % of the picture is kept") and "fit=pad" in text and "width=" not in text]


@pytest.mark.parametrize("given", [(30000, 10), (4, 4000)])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_sliver_is_refused_before_a_node_is_left_without_pixels(tmp_path, given, fit):
    with pytest.raises(InvalidParams, match=rf"image: p\.png is {given[0]}x{given[1]}, a sliver beside a video of \d+x\d+; cut it"):
        checked("i2v", image=picture(tmp_path / "p.png", given), fit=fit)


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
def test_a_picture_counts_as_it_is_seen(tmp_path, turn):
    assert size(checked("lipsync", image=picture(tmp_path / "p.jpg", (640, 360), turn), audio=sound(tmp_path / "s.wav", 1))) == (704, 1280)


def test_a_video_counts_as_it_is_seen(tmp_path):
    assert size(checked("style", video=str(CASES / "topred90.mp4"))) == (704, 1280)
    assert probe(Path(film(tmp_path / "a.mp4", (360, 288), pixel=Fraction(16, 11))), "video", "video").width == 524
    assert size(checked("style", video=str(tmp_path / "a.mp4"))) == size(checked("style", video=film(tmp_path / "b.mp4", (524, 288))))
    assert size(checked("style", video=film(tmp_path / "c.mp4", (256, 128), pixel=Fraction(1, 2)))) == (960, 960)


@pytest.mark.parametrize("pixel", [Fraction(2), Fraction(16, 11), Fraction(1), Fraction(1, 2)])
@pytest.mark.parametrize("pad", [False, True])
def test_a_video_of_pixels_that_are_not_square_is_staged_without_distortion(tmp_path, pixel, pad):
    source = probe(Path(film(tmp_path / "a.mp4", (320, 256), pixel=pixel)), "video", "video")
    name, _ = stage_media(source, "video", tmp_path / "in", clip=Clip(512, 320, 9, 24.0, pad=pad))
    frame = next(frames_of(tmp_path / "in" / name)).to_ndarray(format="rgb24")
    white = (frame > 180).all(axis=2)
    across, down = (int(white.any(axis=axis).sum()) for axis in (0, 1))
    assert across / down == pytest.approx(source.width / source.height, rel=0.05)
    assert bool(max(across / 512, down / 320) == pytest.approx(0.25, abs=0.02)) is pad   # all of it is there
    assert (int(frame[0, 256].max()) < 20 or int(frame[160, 0].max()) < 20) is pad       # black bars


@pytest.mark.parametrize(("given", "wanted"), [({"width": 512}, (512, 896)), ({"height": 512}, (320, 512)), ({"width": 1920}, (1920, 1920))])
def test_of_two_sides_one_given_leads_the_other(tmp_path, given, wanted):
    made = checked("i2v", image=picture(tmp_path / "p.png", (720, 1280)), **given)
    assert size(made) == wanted and set(made.origins) == {"width", "height"} - set(given)


def test_keyframe_and_style_take_the_shape_of_what_comes_first_and_say_what_is_cut_of_the_rest(tmp_path):
    tall, square = picture(tmp_path / "t.png", (720, 1280)), picture(tmp_path / "q.png")
    made = checked("keyframe", first_frame=tall, last_frame=square)
    assert size(made) == (704, 1280)
    assert [text for text in made.warnings if text.startswith("last_frame: 55 % of the picture is kept")]
    made = checked("style", video=film(tmp_path / "v.mp4"), image=tall)
    assert size(made) == (1280, 640)
    assert [text for text in made.warnings if text.startswith("image: 28 % of the picture is kept")]
    assert not checked("keyframe", first_frame=tall, last_frame=square, fit="pad").warnings


def test_what_a_given_size_cuts_is_said_with_the_sizes_that_do_not(tmp_path):
    tall = picture(tmp_path / "p.png", (720, 1280))
    for mode, given in {"i2v": {"image": tall}, "lipsync": {"image": tall, "audio": sound(tmp_path / "s.wav", 1)},
                        "keyframe": {"first_frame": tall, "last_frame": tall}, "style": {"video": film(tmp_path / "v.mp4", (72, 128))}}.items():
        made = checked(mode, **given, width=1280, height=704)
        said = [text for text in made.warnings if "31 % of the picture is kept, the rest is cut off" in text]
        ways = "width=704 height=1280 keeps 98 % of it, fit=pad keeps all of it, with bars"
        assert len(said) == (2 if mode == "keyframe" else 1) and all(text.endswith(ways) for text in said)
        for other in ({"width": 704, "height": 1280}, {"width": 1280, "height": 704, "fit": "pad"}):
            assert not checked(mode, **given, **other).warnings


def test_what_only_comes_from_multiples_of_64_is_not_said_unless_the_configuration_asks(tmp_path):
    wide = picture(tmp_path / "p.png", (1280, 720))
    assert not checked("i2v", image=wide, width=1280, height=704).warnings
    assert checked("i2v", "input.cut_share=0.01", image=wide).warnings and not checked("i2v", "input.cut_share=null", image=wide, width=256).warnings


def test_a_size_of_the_users_own_config_is_the_measure_of_every_shape(tmp_path):
    made = checked("i2v", "fields.width.default=768", "fields.height.default=512", image=picture(tmp_path / "p.png"))
    assert size(made) == (640, 640)
    assert size(checked("t2v")) == (1280, 704)


def test_plan_says_where_size_and_length_come_from(tmp_path, capsys):
    words = ["plan", "mode=lipsync", "prompt=x", f"image={picture(tmp_path / 'p.png', (720, 1280))}", f"audio={sound(tmp_path / 's.wav', 1.948)}"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "704   from the shape of image (720x1280)" in said and "704x1280, 49 frames at 24 fps, 2.04 s" in said
    assert "2.041667   from the length of audio (1.948 s), rounded up to 49 frames" in said
    assert main([*words, "width=704", "height=704", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data["origins"]) == {"seconds"} and "56 % of the picture is kept" in data["warnings"][0]


# The same everywhere

def test_a_table_of_pictures_makes_clips_of_their_shapes(tmp_path, capsys):
    shapes = {"tall": (90, 160), "square": (100, 100), "wide": (160, 90)}
    rows = ["image,width,seconds", *(f"{picture(tmp_path / f'{name}.png', given)},,0.4" for name, given in shapes.items())]
    (tmp_path / "jobs.csv").write_text("\n".join(rows))
    words = ["mode=i2v", "prompt=x", "engine=preview", "fields.width.default=512", "fields.height.default=256"]
    assert main(["-m", *words, f"jobs=@{tmp_path / 'jobs.csv'}", f"hydra.sweep.dir={tmp_path / 's'}"]) == 0
    made = [probe(Path(path), "video", "video") for path in capsys.readouterr().out.splitlines()[:-1]]
    assert [(one.width, one.height) for one in made] == [(256, 448), (384, 384), (448, 256)]


def test_a_replay_has_the_recorded_size_whatever_the_rule_says_now_and_follows_another_picture(tmp_path):
    square, tall = picture(tmp_path / "q.png"), picture(tmp_path / "t.png", (720, 1280))
    recipe = recipe_of(job_of("mode=i2v", "prompt=x", f"image={square}", "seconds=0.4", "engine=preview"), tmp_path / "in")
    clip = tmp_path / "clip.json"
    clip.write_text(json.dumps(recipe))

    def again(*words: str) -> Job:
        return replay(parse(["replay", str(clip), *words], ("replay",))).job

    assert recipe["values"]["width"] == 960 and "width" not in recipe["params"]
    assert "width" not in again().params and size(request.validate(again())) == (960, 960)
    assert size(request.validate(again(f"image={tall}"))) == (704, 1280)
    old = {**recipe, "values": {**recipe["values"], "width": 1280, "height": 704}}   # as it was before the shape followed the picture
    clip.write_text(json.dumps(old))
    assert size(request.validate(again())) == size(request.validate(again("seed=7"))) == (1280, 704)
    assert "width=1280 height=704" in line(old, (), (tmp_path,)) and "width" not in line(recipe, (), (tmp_path,))
    assert size(request.validate(again(f"image={tall}"))) == (704, 1280) and size(request.validate(again("width=512"))) == (512, 512)


def test_the_page_leaves_the_size_to_the_picture_and_says_so(tmp_path):
    form = forms.form(catalogue.read(["engine=preview"])[0], "i2v")
    assert {"width", "height"} <= form.following and form.default("width") is None
    assert "<b>Size</b> shape of the image" in cards.consequences(*form.outlook({"prompt": "x"}))
    assert "<b>Size</b> 704 × 1280" in cards.consequences(*form.outlook({"image": picture(tmp_path / "t.png", (720, 1280))}))   # no prompt yet
    given = {"prompt": "x", "image": picture(tmp_path / "p.png"), "width": "", "height": None}
    assert "<b>Size</b> 960 × 960" in cards.consequences(*form.outlook(given))
    said = cards.consequences(*form.outlook({**given, "width": 1280, "height": "704"}))   # the default's numbers, but given
    assert "1280 × 704" in said and "Image: 55 % of the picture is kept" in said and "width=960 height=960" in said
    assert form.job({**given, "width": 1280}).params["width"] == 1280 and "width" not in form.job(given).params


def test_the_page_says_what_it_knows_while_other_inputs_are_missing(tmp_path):
    form = forms.form(catalogue.read(["engine=preview"])[0], "lipsync")
    tall, speech = picture(tmp_path / "t.png", (720, 1280)), sound(tmp_path / "s.wav", 1.948)
    said = cards.consequences(*form.outlook({"image": tall}))
    assert "<b>Size</b> 704 × 1280" in said and "<b>Length</b> length of the audio" in said
    said = cards.consequences(*form.outlook({"audio": speech}))
    assert "<b>Size</b> shape of the image" in said and "<b>Length</b> 49 frames, 2.04 s" in said
    assert "Image: 31 % of the picture is kept" in cards.consequences(*form.outlook({"image": tall, "width": "1280", "height": 704}))


# The whole picture, with bars

@pytest.mark.parametrize("mode", ["i2v", "lipsync", "keyframe", "style"])
def test_fit_pad_splices_a_node_before_each_that_cuts_and_crop_leaves_the_graph_as_it_was(mode):
    made = {}
    for fit in ("crop", "pad"):
        job = check.sample(config.compose([f"mode={mode}"]), {"fit": fit, **({"image": "aio/image"} if mode == "style" else {})})
        made[fit] = draw(job).prompt
    whole, none = ({name: node for name, node in made[fit].items() if node["class_type"] == "ResizeAndPadImage"} for fit in ("pad", "crop"))
    assert len(whole) == (2 if mode == "keyframe" else 1) and not none
    for name, node in whole.items():
        assert (node["inputs"]["target_width"], node["inputs"]["target_height"]) == (1280, 704)
        assert [one["class_type"] for one in made["pad"].values() if [name, 0] in one["inputs"].values()] == ["ImageScale"]


def previewed(folder: Path, mode: str, **params) -> tuple[list[np.ndarray], Drawn, Path]:
    """The frames of a preview, its graph, and the folder of its staged inputs."""
    engine = PreviewEngine(work_dir=folder / "work")
    made = draw(request.stage(checked(mode, seconds=0.4, **params), engine.input_dir))
    video = engine.execute(made, ignore, Stop()).video
    return [frame.to_ndarray(format="rgb24") for frame in frames_of(video)], made, engine.input_dir


def free(frame: np.ndarray) -> np.ndarray:
    """A frame without the badge at the top and the caption below."""
    return frame[64 : math.floor(frame.shape[0] * (1 - storyboard.PANEL_MAX)) + 64]


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_the_preview_shows_a_picture_as_it_is_fitted(tmp_path, fit):
    from PIL import ImageOps

    tall, wide = picture(tmp_path / "t.png", (360, 640)), picture(tmp_path / "w.png", (700, 400))
    way = {"crop": ImageOps.fit, "pad": ImageOps.pad}
    frames, _, _ = previewed(tmp_path, "keyframe", first_frame=tall, last_frame=wide, width=512, height=576, fit=fit)
    for frame, given in ((frames[0], tall), (frames[-1], wide)):
        for name, made in way.items():
            right = np.asarray(made(Image.open(given), (512, 576), Image.Resampling.LANCZOS))
            assert (similarity(free(frame), free(right)) >= 0.95) is (name == fit), name


def test_a_stretched_picture_is_shown_stretched(tmp_path):
    engine = PreviewEngine(work_dir=tmp_path / "work")
    made = request.stage(checked("i2v", image=picture(tmp_path / "p.png", (360, 640)), width=576, height=512, seconds=0.4), engine.input_dir)
    drawn = draw(made)
    drawn.prompt["51"]["inputs"]["crop"] = "disabled"
    frame = next(frames_of(engine.execute(drawn, ignore, Stop()).video)).to_ndarray(format="rgb24")
    right = np.asarray(Image.open(tmp_path / "p.png").resize((576, 512), Image.Resampling.LANCZOS))
    assert similarity(free(frame), free(right)) >= 0.95


@pytest.mark.comfyui
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_the_model_gets_what_the_preview_shows(comfy, tmp_path, fit):  # noqa: F811
    import nodes

    given = {"image": picture(tmp_path / "p.png", (360, 640)), "width": 576, "height": 512, "fit": fit}
    frames, planned, staged = previewed(tmp_path, "i2v", **given)
    classes, known = nodes.NODE_CLASS_MAPPINGS, {}
    comfy.engine.input_dir.joinpath("aio").mkdir(parents=True, exist_ok=True)
    for file in (staged / "aio").glob("*.png"):
        (comfy.engine.input_dir / "aio" / file.name).write_bytes(file.read_bytes())
    for name in ("50", *(["image_whole"] if fit == "pad" else []), "51"):
        node = planned.prompt[name]
        inputs = {key: known[value[0]] if isinstance(value, list) else value for key, value in node["inputs"].items()}
        kind = classes[node["class_type"]]
        result = getattr(kind(), kind.FUNCTION)(**inputs)
        known[name] = result[0]
    model = (known["51"][0].numpy() * 255).round().astype(np.uint8)
    assert model.shape == (512, 576, 3) and similarity(free(frames[0]), free(model)) >= 0.95


# The length

@pytest.mark.parametrize("fps", [24, 24000 / 1001, 25, 30000 / 1001, 30, 50])
def test_a_length_taken_from_a_file_loses_no_frame_and_keeps_legal_ones(fps):
    for count in range(1, 500):
        seconds = round(count / fps, 6)
        made = geometry.frames(CLIPS, geometry.covering(CLIPS, seconds, fps), fps)
        assert made % 8 == 1 and count <= made < max(count + 8, 10)
    assert geometry.frames(CLIPS, geometry.covering(CLIPS, 121 / fps, fps), fps) == 121


def test_the_length_of_a_sound_is_rounded_up_to_the_next_legal_one():
    assert geometry.frames(CLIPS, geometry.covering(CLIPS, 1.948, 24), 24) == 49
    assert geometry.covering(CLIPS, 4.6, 24) >= 4.6


@pytest.mark.parametrize("mode", ["a2v", "lipsync"])
@pytest.mark.parametrize(("seconds", "frames"), [(1.948, 49), (121 / 24, 121), (121 / 24 + 0.01, 129), (1.3, 33), (0.05, 9), (20.04, 481)])
def test_no_word_is_lost_of_a_sound_that_sets_the_length(tmp_path, inputs, mode, seconds, frames):
    given = {"image": inputs["image"]} if mode == "lipsync" else {}
    made = checked(mode, audio=sound(tmp_path / "s.wav", seconds), **given)
    assert clip_of(made).frames == frames and clip_of(made).seconds >= seconds - 0.001
    assert "the length of audio" in made.origins["seconds"] and not made.warnings


@pytest.mark.parametrize(("fps", "typed"), [
    (24, 24), (Fraction(24000, 1001), 23.976), (Fraction(24000, 1001), 24000 / 1001), (25, 25), (Fraction(30000, 1001), 29.97), (30, 30), (50, 50)])
def test_a_legal_length_is_not_rounded_further(tmp_path, fps, typed):
    for count in (121, 241):
        video = film(tmp_path / f"{count}.mp4", (64, 64), count, float(fps), sound_seconds=float(count / fps))
        assert clip_of(checked("style", video=video, fps=typed)).frames == count
        assert clip_of(checked("a2v", audio=sound(tmp_path / "s.wav", float(count / fps), 48000), fps=typed)).frames == count


def test_no_frame_is_lost_of_a_video_that_sets_the_length(tmp_path):
    made = checked("style", video=film(tmp_path / "v.mp4", (64, 64), 115, 25.0, sound_seconds=4.6))
    assert clip_of(made).frames == 113 and clip_of(made).seconds > 4.6 and not made.warnings
    assert made.origins["seconds"] == "the length of video (4.600 s), rounded up to 113 frames"


def test_no_word_is_lost_where_the_sound_of_a_video_is_longer_than_its_picture(tmp_path):
    made = checked("style", video=film(tmp_path / "v.mp4", (64, 64), 24, 24.0, sound_seconds=2.5))
    assert clip_of(made).seconds >= 2.5
    assert [text for text in made.warnings if text.startswith("video: its sound goes on for 1.5") and "the last frame is held so long" in text]
    staged = request.stage(made, tmp_path / "in").media["video"]
    assert staged.frames == clip_of(made).frames == 65 and staged.sound_end == pytest.approx(65 / 24, abs=0.03)


def test_what_the_longest_clip_leaves_out_is_said(tmp_path):
    made = checked("a2v", audio=sound(tmp_path / "s.wav", 30, 8000))
    assert made.values["seconds"] == 20 and "audio lasts 30.00 s; only the first 20.04 s are used, the longest clip" in made.warnings


def test_typed_seconds_keep_the_formula_and_a_longer_video_is_asked_for(tmp_path):
    assert clip_of(checked("a2v", audio=sound(tmp_path / "s.wav", 3), seconds=2.3)).frames == 49
    with pytest.raises(InvalidParams, match=r"seconds: 3 is longer than video, which lasts 0\.50 s"):
        checked("style", video=film(tmp_path / "v.mp4"), seconds=3)


@pytest.mark.parametrize("name", ["frames", "num_frames", "length", "duration"])
def test_other_names_for_the_length_lead_to_seconds(name, capsys):
    with pytest.raises(InvalidParams, match=rf"{name}: no field of mode t2v\. Write seconds=… instead\."):
        checked("t2v", **{name: 5})
    assert main(["mode=t2v", "prompt=x", f"{name}=5", "engine=preview"]) == 2
    assert "rite seconds=" in capsys.readouterr().err


# A mode of one's own

OWN = """# @package _global_
defaults: [base/ltx23, base/two_stage, base/made_sound, _self_]
mode: {name: mine, title: Mine, summary: A start of my own, workflow: i2v.json}
fields:
  start: {type: IMAGE}
  width: {size_of: [start]}
  height: {size_of: [start]}
nodes: {start_1: {id: "53", class_type: LTXVImgToVideoInplace}, start_2: {id: "54", class_type: LTXVImgToVideoInplace}}
ports: {vae: {start_1: vae, start_2: vae}}
patches:
  start:
    - {op: replace, path: /50/inputs/image, value: "${value:start}"}
    - {op: replace, path: /51/inputs/width, value: "${value:width}"}
    - {op: replace, path: /51/inputs/height, value: "${value:height}"}
"""


def own(folder: Path, text: str) -> list[str]:
    (folder / "mode").mkdir(parents=True)
    (folder / "mode" / "mine.yaml").write_text(text)
    return ["--config-dir", str(folder), "mode=mine"]


def test_a_mode_of_ones_own_follows_its_inputs_by_its_file_alone(tmp_path, capsys):
    words = own(tmp_path / "mine", OWN)
    assert main(["check", *words]) == 0, capsys.readouterr().out
    assert main(["plan", *words, "prompt=x", f"start={picture(tmp_path / 't.png', (720, 1280))}"]) == 0
    assert "704x1280, 121 frames" in capsys.readouterr().out


def test_a_mode_that_offers_bars_and_draws_none_is_a_fault(tmp_path, capsys):
    words = own(tmp_path / "mine", OWN.replace("base/made_sound", "base/made_sound, base/pictures"))
    assert main(["check", *words]) == 1
    assert "field fit is read by no operation" in capsys.readouterr().out


@pytest.mark.parametrize(("fields", "words"), [
    ("  width: {size_of: [imgae]}", "fields.width.size_of: 'imgae' is no IMAGE or VIDEO input of the mode. Did you mean 'image'?"),
    ("  fps: {size_of: [image]}", "fields.fps.size_of: only width and height follow a shape"),
    ("  width: {default: null}", "fields.width: with size_of it needs type: INT and a default"),
    ("  seconds: {default: null, length_of: image}", "fields.seconds.length_of: 'image' is no AUDIO or VIDEO input of the mode. Inputs: none"),
])
def test_check_names_what_a_modes_file_gets_wrong_of_it(tmp_path, capsys, fields, words):
    given = own(tmp_path / "mine", "# @package _global_\ndefaults: [i2v, _self_]\nmode: {name: mine, workflow: i2v.json}\nfields:\n" + fields + "\n")
    assert main(["check", *given]) == 1
    assert words in capsys.readouterr().out
    with pytest.raises(ConfigError):
        config.compose(["mode=mine"], [tmp_path / "mine"])


def test_a_video_with_pixels_of_an_impossible_shape_counts_as_square(tmp_path):
    found = probe(Path(film(tmp_path / "a.mp4", (64, 64), pixel=Fraction(50))), "video", "video")
    assert isinstance(found, Media) and (found.width, found.height) == (64, 64)
