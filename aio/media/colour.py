"""What the numbers of a video's pixels mean: its tags, what stands for missing ones, and the way to BT.709, which all that we encode is.

Sources: ITU-T H.273 (the numbers of the tags), ITU-R BT.2408 (203 nits: where HDR has its white), ITU-R BT.2390 (the curve towards it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aio.errors import MediaError

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

UNSAID, RGB, BT709, BT601 = 2, 0, 1, 6
"""H.273: no tag; no matrix; BT.709, whatever is tagged; the matrix of BT.601 (SMPTE 170M)."""

LIMITED, FULL = 1, 2
"""FFmpeg's AVColorRange: black is 16 or 0, white 235 or 255, of 8 bit."""

HD_LINES = 720
"""From so many lines on, a video without tags counts as BT.709, below as BT.601: what Chromium shows (media/base/video_color_space.cc)."""

EXACT = 0x2 | 0x40000 | 0x2000 | 0x4000
"""libswscale/swscale.h: bilinear, accurate rounding, full chroma in and out; without them RGB comes out up to 4 too dark."""

_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc"}
"""Those that swscale converts; others, such as ICtCp and the one of Dolby Vision's profile 5, would come out in false colours."""

HDR = {16: ("PQ", 0.7518, 0.5806), 18: ("HLG", 1.0, 0.75)}
"""Transfer -> its name, and the signal of 1000 and of 203 nits in it (BT.2408, table 1)."""

_WIDE = {9: "bt2020", 11: "smpte431", 12: "smpte432"}
"""Primaries of wide gamuts; those of BT.601 are so near BT.709's that no player turns one into the other."""


def tag(context: VideoCodecContext) -> None:
    """Say of an encoder's stream that it is BT.709 in the range of video. `to_709` and `of_rgb` give such frames."""
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED


def of_rgb(frame: Any) -> Any:
    """A frame as yuv420p in BT.709; one that is so already is given back."""
    return frame.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED)


def image_of(frame: Any) -> Any:
    """A frame as a Pillow picture, by its own tags."""
    return frame.to_image(interpolation=EXACT)


def has_alpha(frame: Any) -> bool:
    """Whether a frame's format knows transparency; a palette may."""
    return frame.format.name == "pal8" or any(part.is_alpha for part in frame.format.components)


def is_transparent(frame: Any) -> bool:
    """Whether some of a frame's pixels are not opaque."""
    return has_alpha(frame) and bool((frame.to_ndarray(format="rgba")[..., 3] < 255).any())


def on_ground(frame: Any, ground: str) -> Any:
    """A frame with its transparent pixels on a colour, `#rrggbb`; an opaque one is given back."""
    import av
    import numpy as np

    if not has_alpha(frame):
        return frame
    pixels = frame.to_ndarray(format="rgba", interpolation=EXACT).astype(np.uint32)
    alpha, behind = pixels[..., 3:], np.array(list(bytes.fromhex(ground.lstrip("#"))), np.uint32)
    flat = av.VideoFrame.from_ndarray(((pixels[..., :3] * alpha + behind * (255 - alpha) + 127) // 255).astype(np.uint8), format="rgb24")
    flat.pts, flat.time_base = frame.pts, frame.time_base
    return flat


def note(frame: Any, name: str) -> str:
    """What a user should know of a video's colours before it is used, a sentence; empty for all ordinary ones.

    Args:
        frame: its first one, which tells more than the container does. name: of the file.

    Raises:
        MediaError: they are in a form that cannot be converted.
    """
    if frame.colorspace not in (*_MATRICES, UNSAID, RGB):
        raise MediaError(f"{name} keeps its colours in a form that aio cannot convert (matrix {int(frame.colorspace)} of H.273); "
                         "export it as ordinary video (SDR, BT.709)")
    if frame.color_trc in HDR:
        return f"{name} is HDR ({HDR[frame.color_trc][0]}); its brightness and colours are brought down to ordinary video (SDR, BT.709)"
    return ""


def to_709(frame: Any) -> tuple[list[str], list[str]]:
    """Filters for frames like this one, `name=arguments`: before and after they are scaled. The result is yuv420p in BT.709."""
    rgb = frame.format.is_rgb or frame.format.name == "pal8"
    matrix = frame.colorspace if frame.colorspace in _MATRICES else BT709 if frame.height >= HD_LINES else BT601
    full = rgb or frame.color_range == FULL or frame.format.name.startswith("yuvj")
    before = [f"setparams=range={'pc' if full else 'tv'}" + ("" if rgb else f":colorspace={_MATRICES[int(matrix)]}")]
    wide, hdr = frame.color_primaries in _WIDE, HDR.get(frame.color_trc)
    after = ["scale=out_color_matrix=bt709:out_range=tv:flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp", "format=yuv420p"]
    if hdr or wide:   # as RGB: from yuv with these flags swscale 9.5 gives false colours
        given = "bt709" if frame.color_primaries == BT709 else _WIDE.get(frame.color_primaries, "bt2020")
        before[0] += f":color_primaries={given}" + ("" if hdr else ":color_trc=bt709")
        curve = [_darkened(*hdr[1:])] if hdr else []
        after[:0] = ["format=gbrp12le", *curve, "scale=out_primaries=bt709:out_transfer=bt709", "format=gbrp"]
    return before, after


def _darkened(peak: float, white: float) -> str:
    """BT.2390's curve on each channel's signal: dark tones stay, `peak` becomes `white`."""
    most = white / peak
    knee = 1.5 * most - 0.5
    part = f"(min(val/maxval/{peak},1)-{knee:.5f})/{1 - knee:.5f}"
    curve = (f"st(0,{part})*0+{peak}*((2*ld(0)^3-3*ld(0)^2+1)*{knee:.5f}+(ld(0)^3-2*ld(0)^2+ld(0))*{1 - knee:.5f}"
             f"+(3*ld(0)^2-2*ld(0)^3)*{most:.5f})")
    channel = f"'if(lt(val/maxval/{peak},{knee:.5f}),val,maxval*({curve}))'"
    return f"lutrgb=r={channel}:g={channel}:b={channel}"
