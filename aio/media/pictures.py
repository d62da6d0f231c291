"""Pictures: the one place where Pillow opens a file that is not our own. What a file is, its content says; none starts another program."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aio.errors import MediaError
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


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's header says. format, mode: Pillow's names. width, height: pixels, upright."""

    format: str
    mode: str
    width: int
    height: int
    animated: bool


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
        across = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)   # Orientation: a quarter turn
        size = image.size[::-1] if across else image.size
        return Header(image.format or "", image.mode, *size, bool(getattr(image, "is_animated", False)))


def verify(path: Path, limits: Limits = USUAL) -> None:
    """Find a bad checksum and a missing end. Raises as `header`."""
    with _opened(path, limits) as image, _decoding(path):
        image.verify()   # it needs a file of its own
    with _opened(path, limits) as image, _decoding(path):
        image.load()


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
            if image.format == "TIFF" and image.tag_v2.get(254) == 1 and any(tag in image.tag_v2 for tag in _RAW_TAGS):
                raise MediaError(f"{path.name} is a camera's RAW file, which aio does not read; save it as JPEG or PNG")
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
