"""Pictures: the one place where Pillow opens a file that is not our own. What a file is, its content says; none starts another program.

`seen` makes of any picture what a viewer shows: upright, in sRGB, 8 bit, opaque. Engines get that and nothing else, so that the preview shows what
the model sees: ComfyUI's LoadImage knows no mirroring, no colour profile and no transparency.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aio.errors import MediaError
from aio.media import colour
from aio.media.bounds import USUAL, Limits, regular

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
"""Pillow's decoders that may read a user's file. Others start programs (EPS: Ghostscript) or are seldom used and seldom tested."""

_SIGNATURES = (
    (rb"8BPS", "a Photoshop file"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript file"),
    (rb"\s*%PDF", "a PDF document"),
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL \x0d\x0a", "a JPEG XL picture"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (rb"\x00\x00[\x01\x02]\x00[^\x00]\x00", "an icon (ICO)"),
    (rb"icns", "an icon (ICNS)"),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (rb"DDS \x7c", "a DDS texture"),
    (rb"....ftyp(?=.{4,60}?(?:heic|heix|hevc|hevx|heim|heis|hevm|hevs|mif1|msf1))(?!.{4,60}?avi[fs])", "a HEIC picture"),
    (rb"....ftypcrx |FUJIFILMCCD-RAW|II\x55\x00|II(?:RO|RS)|MMOR|FOVb|(?:II\x2a\x00|MM\x00\x2a)....CR", "a camera's RAW file"),
    (rb"(?:\xef\xbb\xbf)?\s*<(?:[?!][^\x00]*?<)?(?:\w+:)?svg\b", "an SVG drawing"),
)
"""How files begin that people take for pictures aio could read. Sources: Pillow's plugins, libheif's and LibRaw's lists of brands and marks."""

_RAW_TAGS = (50706, 330)
"""DNGVersion, SubIFDs: a TIFF whose first picture is a thumbnail (NewSubfileType 1) and that has one of them is a camera's RAW file."""


WHITE = "#ffffff"
"""What shows behind transparent pixels, unless a field names another colour: as on paper and on web pages, where dark ink stays readable."""


_TRANSFER = re.compile(rb"colrnclx..(..)|\x00\x00\x00\x04cICP.(.)", re.DOTALL)
"""Where an AVIF, or a PNG, says what its numbers mean: the transfer of H.273."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's header says. format, mode: Pillow's names. width, height: pixels, upright. plain: an engine may read the file itself."""

    format: str
    mode: str
    width: int
    height: int
    plain: bool


def unread(path: Path) -> str:
    """What a file is that aio knows but does not read, such as `a HEIC picture`; empty for all others.

    Raises:
        OSError, MediaError: it cannot be opened.
    """
    with regular(path) as file:
        head = file.read(2048)
    return next((name for mark, name in _SIGNATURES if re.match(mark, head, re.DOTALL)), "")


def header(path: Path, limits: Limits = USUAL) -> Header:
    """Read a picture's header, and no pixel.

    Raises:
        MediaError: it is no picture that aio reads, damaged, or has too many pixels. OSError: it cannot be opened.
    """
    with _opened(path, limits) as image, _decoding(path):
        deep = any(";16" in str(part.args) for part in image.tile)
        turn = image.getexif().get(ORIENTATION, 1)
        width, height = image.size[::-1] if turn in (5, 6, 7, 8) and image.format != "TIFF" else image.size   # of a TIFF Pillow tells the upright one
        plain = (image.format == "PNG" and image.mode == "RGB" and not deep and turn == 1
                 and "transparency" not in image.info and not _profile(image) and not getattr(image, "is_animated", False))
        return Header(image.format or "", image.mode, width, height, plain)


def examined(path: Path, limits: Limits = USUAL) -> tuple[bool, tuple[str, ...]]:
    """Decode a picture, to find damage; tell whether it is transparent somewhere, and in sentences what else `seen` changes. Raises as `header`."""
    with _opened(path, limits) as image, _decoding(path):
        image.verify()   # it needs a file of its own
    with _opened(path, limits) as image, _decoding(path):
        several = getattr(image, "is_animated", False) and image.format != "MPO"   # a phone's picture holds its own thumbnails
        notes = [f"{path.name} holds several pictures; only the first is used"] if several else []
        image.load()
        if image.mode in _UNBOUNDED:
            raise MediaError(f"{path.name} holds 32-bit numbers, of which nobody knows which one is white; save it with 8 or 16 bit a colour")
        profile = _profile(image)
        if profile and _to_srgb(image, profile)[1] is None:
            notes.append(f"{path.name} has a colour profile that cannot be used; its colours are taken for sRGB")
        if image.mode == "CMYK" and not profile:
            notes.append(f"{path.name} is CMYK without a colour profile; its colours are guessed")
        return _alpha(image) is not None, tuple(notes)


def picture(path: Path, limits: Limits = USUAL, draft: tuple[int, int] | None = None) -> Image:
    """A decoded picture, upright; of an animation the first one. Its `getexif()` no longer tells an orientation.

    Args:
        draft: width and height; a JPEG that is much larger is decoded smaller, but not below them.

    Raises:
        MediaError, OSError: see `header`.
    """
    from PIL import ImageOps

    with _opened(path, limits) as image, _decoding(path):
        if draft:
            image.draft("RGB", draft)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)   # a copy of the largest picture would take 400 MB
        return image


def seen(path: Path, limits: Limits = USUAL, background: str = WHITE) -> Image:
    """A picture as a viewer shows it: upright, RGB of 8 bit in sRGB, on a background.

    Args:
        background: colour behind transparent pixels, `#rrggbb`.

    Raises:
        MediaError, OSError: see `header`.
    """
    from PIL import Image

    image = picture(path, limits)
    with _decoding(path):
        alpha, profile = _alpha(image), _profile(image)
        if image.mode.startswith("I;16"):
            image = _eight_bit(image)
        mode, transform = _to_srgb(image, profile) if profile or image.mode == "LAB" else ("RGB", None)
        image = image if image.mode == mode else image.convert(mode)
        image = transform.apply(image) if transform else image
        if alpha is None:
            return image
        flat = Image.new("RGB", image.size, background)
        flat.paste(image, mask=alpha)
        return flat


ORIENTATION = 0x0112
"""EXIF's tag."""

_UNBOUNDED = ("I", "F")
"""Modes of 32-bit whole and broken numbers."""


def _alpha(image: Image) -> Image | None:
    """How opaque each pixel is; None where all are."""
    from PIL import Image as images

    if image.mode.startswith("I;16") and "transparency" in image.info:
        import numpy as np

        alpha = images.fromarray(np.where(np.asarray(image) == image.info["transparency"], 0, 255).astype(np.uint8))
    elif image.has_transparency_data:
        alpha = (image if "A" in image.getbands() else image.convert("RGBA")).getchannel("A")
    else:
        return None
    return None if alpha.getextrema()[0] == 255 else alpha


def _eight_bit(image: Image) -> Image:
    """A grey picture of 9 to 16 bit, in 8."""
    import numpy as np
    from PIL import Image

    bits = getattr(image, "tag_v2", {}).get(258, (16,))[0] if image.format == "TIFF" else 16
    white = 2**bits - 1
    return Image.fromarray(((np.asarray(image).astype(np.uint32) * 255 + white // 2) // white).clip(0, 255).astype(np.uint8))


def _profile(image: Image) -> bytes | None:
    """A picture's colour profile; None where it has none, or that of sRGB."""
    import io

    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        if profile and "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))):
            return None
    return profile


def _to_srgb(image: Image, profile: bytes | None) -> tuple[str, Any]:
    """What brings a picture's colours from its profile to sRGB, and the mode that it takes; RGB and None where the profile is of no use."""
    import io

    from PIL import ImageCms

    grey = image.mode.startswith("I;16") or image.mode in ("1", "L", "LA")
    own = "L" if grey else image.mode if image.mode in ("CMYK", "LAB") else "RGB"
    for mode in dict.fromkeys((own, "RGB")):   # many a grey picture has a profile of colours
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else ImageCms.createProfile("LAB")
            return mode, ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC,
                                                 ImageCms.Flags.BLACKPOINTCOMPENSATION)
    return "RGB", None


@contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[Any]:
    """A picture whose pixels are still to be decoded; damage shows again then."""
    from PIL import Image, UnidentifiedImageError

    if name := unread(path):
        raise MediaError(f"{path.name} is {name}, which aio does not read; save it as JPEG or PNG")
    with regular(path) as file:
        with _decoding(path):
            try:
                image = Image.open(file, formats=FORMATS)
            except UnidentifiedImageError:
                raise NotAPicture(f"{path.name} is no picture that aio reads; save it as JPEG or PNG") from None
            except Image.DecompressionBombError:
                raise MediaError(f"{path.name} has far more than {limits.megapixels:g} megapixels (input.limits.megapixels); scale it down") from None
            if image.format == "TIFF" and (tags := getattr(image, "tag_v2", {})).get(254) == 1 and any(tag in tags for tag in _RAW_TAGS):
                raise MediaError(f"{path.name} is a camera's RAW file, which aio does not read; save it as JPEG or PNG")
            file.seek(0)
            curve = _TRANSFER.search(file.read(65536)) if image.format in ("PNG", "AVIF") else None
            file.seek(0)
            if curve and (hdr := colour.HDR.get(int.from_bytes(curve[1] or curve[2], "big"))):
                raise MediaError(f"{path.name} is an HDR picture ({hdr[0]}), which aio does not read; save it as an ordinary one (SDR), JPEG or PNG")
        limits.check("megapixels", image.width * image.height / 1e6, path.name, "has {} megapixels", "scale it down")
        yield image


class NotAPicture(MediaError):
    """A file that is of no picture format that aio reads."""


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Make one error of all that Pillow's decoders raise on bad bytes, which is nearly everything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")   # the limits are ours, and a reader's doubts about a tag help nobody
            yield
    except MediaError:
        raise
    except Exception as error:
        raise MediaError(f"{path.name} is damaged or incomplete ({str(error)[:120] or type(error).__name__}); copy or export it again") from None
