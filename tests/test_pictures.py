"""What a picture is to a viewer, the model gets and the preview shows: upright, opaque, in sRGB, whatever its file is like."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageCms
from realcomfyui import comfy, comfy_folder  # noqa: F401

from aio import config, request
from aio.check import plan
from aio.errors import InvalidParams, MediaError
from aio.job import Job
from aio.media import Clip, originals, pictures, probe, sha256, stage_media

RED, BLUE, WHITE, GREEN = (224, 32, 32), (32, 32, 192), (255, 255, 255), (0, 255, 0)
ORIENTATIONS = {1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180], 4: [Image.Transpose.FLIP_TOP_BOTTOM],
                5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE], 8: [Image.Transpose.ROTATE_270]}
"""EXIF's orientation -> how an upright picture is stored."""


def upright() -> Image.Image:
    """A red square at the top left of a blue picture of 96 x 64."""
    image = Image.new("RGB", (96, 64), BLUE)
    image.paste(RED, (0, 0, 32, 32))
    return image


def turned(path: Path, orientation: int) -> None:
    image, exif = upright(), Image.Exif()
    exif[0x0112] = orientation
    for turn in ORIENTATIONS[orientation]:
        image = image.transpose(turn)
    options = {".webp": {"lossless": True}, ".png": {}, ".tiff": {}}.get(path.suffix, {"quality": 100, "subsampling": "4:4:4"})
    image.save(path, exif=exif, **options)


def cut_out(box: int = 16) -> Image.Image:
    """A red square on green that is transparent."""
    image = Image.new("RGBA", (96, 64), (*GREEN, 0))
    image.paste((*RED, 255), (box, box, box + 32, box + 32))
    return image


def ramp() -> np.ndarray:
    """Grey of 16 bit that rises to 0.9 of white; its mean is 0.45."""
    return np.tile(np.linspace(0, 0.9 * 65535, 200), (50, 1)).round().astype(np.uint16)


def deep(path: Path) -> None:
    """A 16-bit RGB PNG, which Pillow cannot write: red at the left, the grey ramp beside it."""
    pixels = np.repeat(ramp()[..., None], 3, 2)
    pixels[:, :20] = np.array(RED) * 257
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        (stream.width, stream.height), stream.pix_fmt = (200, 50), "rgb48be"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb48be")))


def srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def swapped() -> bytes:
    """sRGB's profile with the primaries of red and blue exchanged: applied, it exchanges the colours; ignored, it does nothing."""
    raw = bytearray(srgb().tobytes().replace(b"s\0R\0G\0B", b"o\0d\0d\0 ").replace(b"\0s\0R\0G\0B", b"\0o\0d\0d\0 ").replace(b"sRGB", b"odd "))
    places = [raw.index(name, 128) for name in (b"rXYZ", b"bXYZ")]
    one, other = (raw[place + 4 : place + 12] for place in places)
    raw[places[0] + 4 : places[0] + 12], raw[places[1] + 4 : places[1] + 12] = other, one
    return bytes(raw)


def animation(path: Path) -> None:
    options = {"lossless": True} if path.suffix == ".webp" else {}
    cut_out().save(path, save_all=True, append_images=[Image.new("RGBA", (96, 64), (0, 0, 255, 255))], **options)


PICTURES: dict[str, Callable[[Path], object]] = {
    **{f"{number}.{ending}": lambda path, number=number: turned(path, number)
       for number in ORIENTATIONS for ending in ("jpg", "png", "webp", "tiff", "avif")},
    "grey16.png": lambda path: Image.fromarray(ramp()).save(path),
    "grey16.tiff": lambda path: Image.fromarray(ramp()).save(path),
    "rgb16.png": deep,
    "one.png": lambda path: upright().convert("1").save(path),
    "grey.png": lambda path: upright().convert("L").save(path),
    "grey.jpg": lambda path: upright().convert("L").save(path),
    "palette.png": lambda path: upright().quantize(4).save(path),
    "colours.jpg": lambda path: Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)).save(path, quality=60),
    "lossy.webp": lambda path: upright().save(path, quality=80),
    "rgba.png": lambda path: cut_out().save(path),
    "rgba.webp": lambda path: cut_out().save(path, lossless=True),
    "rgba.tiff": lambda path: cut_out().save(path),
    "rgba.avif": lambda path: cut_out().save(path),
    "la.png": lambda path: cut_out().convert("LA").save(path),
    "palette_alpha.png": lambda path: cut_out().quantize(8).save(path),
    "one_colour.png": lambda path: upright().save(path, transparency=BLUE),
    "one_grey.png": lambda path: upright().convert("L").save(path, transparency=upright().convert("L").getpixel((90, 60))),
    "animated.gif": animation, "animated.webp": animation, "animated.png": animation, "pages.tiff": animation,
    "cmyk.jpg": lambda path: upright().convert("CMYK").save(path, quality=100),
    "cmyk.tiff": lambda path: upright().convert("CMYK").save(path),
    "profile.jpg": lambda path: upright().save(path, quality=100, subsampling=0, icc_profile=swapped()),
    "profile.png": lambda path: upright().save(path, icc_profile=swapped()),
    "plain.png": lambda path: upright().save(path),
    "plain.bmp": lambda path: upright().save(path),
}


@pytest.fixture
def made(tmp_path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        PICTURES[name](tmp_path / name)
        return tmp_path / name

    return make


def staged(path: Path, background: str = pictures.WHITE) -> Path:
    name, _ = stage_media(probe(path, "image", "image"), "image", path.parent / "input", background=background)
    return path.parent / "input" / name


def pixels(path: Path) -> np.ndarray:
    """A staged copy, of which nothing is left to be interpreted: an RGB PNG of 8 bit."""
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB") and ";16" not in str(image.tile)
        assert "transparency" not in image.info and not getattr(image, "is_animated", False)
        assert image.getexif().get(0x0112, 1) == 1
        return np.asarray(image).astype(int)


def like(found: np.ndarray, wanted: tuple[int, int, int], most: int = 6) -> bool:
    return abs(found - wanted).max() <= most


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_picture_stands_upright_whatever_its_orientation(made, orientation, ending):
    path = made(f"{orientation}.{ending}")
    found = pixels(staged(path))
    assert found.shape == (64, 96, 3)
    assert (probe(path, "image", "image").width, probe(path, "image", "image").height) == (96, 64)
    assert like(found[5, 5], RED) and like(found[5, -5], BLUE) and like(found[-5, 5], BLUE) and like(found[-5, -5], BLUE)


@pytest.mark.parametrize("name", ["grey16.png", "grey16.tiff"])
def test_grey_of_16_bit_keeps_its_gradient(made, name):
    found = pixels(staged(made(name)))
    assert found.mean() / 255 == pytest.approx(0.45, abs=0.003)
    assert abs(found[25, :, 0] - ramp()[25] / 257).max() <= 1


def test_a_grey_tiff_of_12_bit_is_as_light_as_it_was(tmp_path):
    values = (ramp().astype(int) >> 4).reshape(-1, 2)
    data = np.stack([values[:, 0] >> 4, (values[:, 0] & 15) << 4 | values[:, 1] >> 8, values[:, 1] & 255], 1).astype(np.uint8).tobytes()
    tags = {256: 200, 257: 50, 258: 12, 259: 1, 262: 1, 273: 122, 277: 1, 278: 50, 279: len(data)}   # size, bits, uncompressed, black is 0, one strip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    (tmp_path / "a.tiff").write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + struct.pack("<I", 0) + data)
    assert pixels(staged(tmp_path / "a.tiff")).mean() / 255 == pytest.approx(0.45, abs=0.003)


def test_colours_of_16_bit_stay(made):
    found = pixels(staged(made("rgb16.png")))
    assert like(found[25, 5], RED, 1) and abs(found[25, 30:, 1] - ramp()[25, 30:] / 257).max() <= 1


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_of_32_bit_are_refused_in_words(tmp_path, mode):
    Image.fromarray(ramp().astype(np.int32 if mode == "I" else np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(MediaError, match=r"image: a\.tiff holds 32-bit numbers, .* save it with 8 or 16 bit a colour"):
        probe(tmp_path / "a.tiff", "image", "image")


TRANSPARENT = ["rgba.png", "rgba.webp", "rgba.tiff", "rgba.avif", "palette_alpha.png", "animated.webp", "animated.png", "animated.gif", "pages.tiff"]


@pytest.mark.parametrize("background", ["#ffffff", "#102030"])
@pytest.mark.parametrize("name", TRANSPARENT)
def test_no_hidden_colour_comes_to_light(made, name, background):
    found = pixels(staged(made(name), background))
    assert like(found[5, 5], tuple(bytes.fromhex(background[1:]))) and like(found[32, 32], RED)


@pytest.mark.parametrize("name", ["one_colour.png", "one_grey.png", "la.png"])
def test_other_kinds_of_transparency_count_too(made, name):
    found = pixels(staged(made(name), "#00c000"))
    assert like(found[-5, -5], (0, 192, 0)) and not like(found[24, 24], (0, 192, 0))


def test_half_transparent_pixels_are_mixed(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(tmp_path / "a.png")
    assert like(pixels(staged(tmp_path / "a.png", "#0000ff"))[4, 4], (128, 0, 127), 1)


def test_the_background_is_in_the_name_of_the_copy_where_it_shows_and_only_there(made, tmp_path):
    assert staged(made("rgba.png"), "#102030") != staged(made("rgba.png"), "#FFFFFF") != staged(made("grey.png"))
    assert staged(made("grey.png"), "#102030") == staged(made("grey.png"))


def test_an_alpha_channel_that_is_opaque_everywhere_is_none(tmp_path):
    Image.new("RGBA", (8, 8), (*RED, 255)).save(tmp_path / "a.png")
    assert not probe(tmp_path / "a.png", "image", "image").transparent
    assert like(pixels(staged(tmp_path / "a.png"))[4, 4], RED, 0)


@pytest.mark.parametrize(("name", "words"), [
    ("animated.gif", "holds several pictures; only the first is used"), ("animated.png", "holds several pictures; only the first is used"),
    ("pages.tiff", "holds several pictures; only the first is used"), ("cmyk.jpg", "is CMYK without a colour profile; its colours are guessed"),
])
def test_what_is_changed_is_said(made, name, words):
    assert probe(made(name), "image", "image").notes == (f"{name} {words}",)


@pytest.mark.parametrize("name", ["1.jpg", "6.jpg", "grey16.png", "one.png", "palette.png", "profile.jpg", "plain.png", "plain.bmp"])
def test_what_needs_no_word_gets_none(made, name):
    found = probe(made(name), "image", "image")
    assert found.notes == () and not found.transparent


@pytest.mark.parametrize("name", ["cmyk.jpg", "cmyk.tiff"])
def test_cmyk_keeps_its_colours(made, name):
    found = pixels(staged(made(name)))
    assert like(found[5, 5], RED, 8) and like(found[-5, -5], BLUE, 8)


@pytest.mark.parametrize("name", ["profile.jpg", "profile.png"])
def test_the_colour_profile_is_applied(made, name):
    found = pixels(staged(made(name)))
    assert like(found[5, 5], RED[::-1], 8) and like(found[-5, -5], BLUE[::-1], 8)


def test_a_profile_that_cannot_be_used_is_left_out_and_said(tmp_path):
    upright().save(tmp_path / "a.png", icc_profile=b"no profile" * 20)
    assert probe(tmp_path / "a.png", "image", "image").notes == ("a.png has a colour profile that cannot be used; its colours are taken for sRGB",)
    assert like(pixels(staged(tmp_path / "a.png"))[5, 5], RED, 0)


def test_a_grey_picture_with_a_profile_of_colours_is_as_it_was(tmp_path):
    upright().convert("L").save(tmp_path / "a.png", icc_profile=swapped())
    assert probe(tmp_path / "a.png", "image", "image").notes == ()
    assert abs(pixels(staged(tmp_path / "a.png"))[..., 1] - np.asarray(upright().convert("L"))).max() <= 2


def test_a_plain_png_keeps_its_bytes_with_the_profile_of_srgb_too(tmp_path):
    upright().save(tmp_path / "a.png", icc_profile=srgb().tobytes())
    assert staged(tmp_path / "a.png").read_bytes() == (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("head", [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"])
def test_heic_is_refused_by_its_name_with_the_remedy(tmp_path, head):
    (tmp_path / "photo.jpg").write_bytes(head + bytes(400))
    with pytest.raises(MediaError, match=r"image: photo\.jpg is a HEIC picture, which aio does not read; save it as JPEG or PNG"):
        probe(tmp_path / "photo.jpg", "image", "image")


@pytest.mark.parametrize(("transfer", "curve"), [(16, "PQ"), (18, "HLG")])
def test_hdr_pictures_are_refused_with_the_remedy_and_marked_sdr_ones_are_read(tmp_path, transfer, curve):
    def marked(number: int) -> Path:
        buffer = io.BytesIO()
        upright().save(buffer, "PNG")
        chunk = b"cICP" + bytes([9, number, 0, 1])
        path = tmp_path / f"{number}.png"
        path.write_bytes(buffer.getvalue()[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + buffer.getvalue()[33:])
        return path

    assert probe(marked(13), "image", "image").notes == ()
    with pytest.raises(MediaError, match=rf"{transfer}\.png is an HDR picture \({curve}\), which aio does not read; save it as an ordinary one"):
        probe(marked(transfer), "image", "image")
    upright().save(tmp_path / "a.avif")
    raw = (tmp_path / "a.avif").read_bytes()
    at = raw.index(b"colrnclx") + 10
    (tmp_path / "a.avif").write_bytes(raw[:at] + struct.pack(">H", transfer) + raw[at + 2 :])
    with pytest.raises(MediaError, match=rf"a\.avif is an HDR picture \({curve}\)"):
        probe(tmp_path / "a.avif", "image", "image")


@pytest.mark.parametrize("name", PICTURES)
def test_the_preview_draws_what_is_staged(made, name):
    copy = staged(made(name))
    assert (np.asarray(pictures.picture(copy)) == pixels(copy)).all()


@pytest.mark.comfyui
def test_comfyui_loads_what_the_preview_draws(comfy, made):  # noqa: F811
    import nodes

    for name in PICTURES:
        path = made(name)
        copy, _ = stage_media(probe(path, "image", "image"), "image", comfy.engine.input_dir)
        image, _mask = nodes.LoadImage().load_image(copy)
        drawn = np.asarray(pictures.picture(comfy.engine.input_dir / copy))
        assert tuple(image.shape) == (1, *drawn.shape), name
        assert abs(image[0].numpy() * 255 - drawn).max() < 0.01, name


# Through the command's own path

def job(path: Path, *words: str, **params) -> Job:
    return Job(config.compose(words), {"prompt": "x", **params})


FIELDS = {"mode=i2v": "image", "mode=keyframe": "first_frame", "mode=lipsync": "image", "mode=style": "image"}


@pytest.mark.parametrize("mode", FIELDS)
def test_run_and_plan_say_what_shows_behind_a_transparent_picture(made, inputs, mode):
    field = FIELDS[mode]
    given = {name: value for name, value in inputs.items() if name in config.compose([mode]).fields} | {field: str(made("rgba.png"))}
    asked = Job(config.compose([mode]), {"prompt": "x", "background": "#00C000", **given})
    words = "rgba.png is transparent in places, where #00c000 shows (background=…)"
    assert words in request.validate(asked).warnings and f"warning: {words}" in plan.text(plan.plan(asked))


def test_staging_takes_the_background_and_keeps_the_original(made, tmp_path):
    path = made("rgba.png")
    asked = request.validate(Job(config.compose(["mode=i2v"]), {"prompt": "x", "image": str(path), "background": "#102030"}))
    got = request.stage(asked, tmp_path / "engine")
    assert got.values["image"] == f"aio/{sha256(path)[:16]}-seen-102030.png"
    assert like(pixels(tmp_path / "engine" / got.values["image"])[5, 5], (16, 32, 48), 0)
    assert originals.find(sha256(path), tmp_path / "engine").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("value", ["reddish", "#12345", "../../etc", "#gggggg", "ffffff"])
def test_a_background_that_is_no_colour_is_refused(made, value):
    with pytest.raises(InvalidParams, match=r"background: .*#"):
        request.validate(Job(config.compose(["mode=i2v"]), {"prompt": "x", "image": str(made("rgba.png")), "background": value}))


def test_a_background_may_have_a_name_and_is_written_down_as_digits(made):
    given = {"prompt": "x", "image": str(made("rgba.png")), "background": " Red "}
    assert request.validate(Job(config.compose(["mode=i2v"]), given)).values["background"] == "#ff0000"


@pytest.mark.parametrize("ending", [".gif", ".mov"])
def test_no_hidden_colour_of_a_video_comes_to_light_either(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    if ending == ".gif":
        animation(path)
    else:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("qtrle", rate=24)
            (stream.width, stream.height), stream.pix_fmt = (96, 64), "argb"
            for _ in range(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(cut_out()), format="rgba").reformat(format="argb")))
            container.mux(stream.encode(None))
    found = probe(path, "video", "video")
    assert found.transparent
    name, _ = stage_media(found, "video", tmp_path / "in", clip=Clip(96, 64, 2, 24.0), background="#102030")
    assert name.endswith("-709-102030.mp4")
    with av.open(str(tmp_path / "in" / name)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert like(frame[5, 5], (16, 32, 48)) and like(frame[32, 32], RED, 8)
