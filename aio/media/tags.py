"""Say in a finished mp4 what its colours are: a copy packet by packet, in which no pixel and no sample changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aio.machine import whole
from aio.media.colour import BT709, UNSAID
from aio.media.streams import opened, picture_stream

_FILTER = "h264_metadata=matrix_coefficients={}:colour_primaries={}:transfer_characteristics={}:video_full_range_flag=0"

_OF_FORMAT = ("major_brand", "minor_version", "compatible_brands", "encoder")
"""Tags that the writer of an mp4 makes itself."""


def tag(path: Path, matrix: int) -> bool:
    """Tag an untagged mp4 in place with the matrix that its pixels have, BT.709's primaries and curve, and the range of video.

    The old file stays until the new one is whole.

    Args:
        matrix: `colour.BT601` or `colour.BT709`.

    Returns:
        Whether it was tagged: a stream that is no H.264, or has tags, is left alone.

    Raises:
        OSError, MediaError, av.error.FFmpegError: it could not be; the file is as it was.
    """
    with opened(path) as source:
        picture = picture_stream(source)
        if picture is None or picture.codec.canonical_name != "h264" or picture.codec_context.colorspace != UNSAID:
            return False
        with whole.filled(path, synced=True) as (_, part):   # synced: the only other copy goes
            _copy(source, picture, part, _FILTER.format(matrix, BT709, BT709))
    return True


def _copy(source: Any, picture: Any, part: Path, filtering: str) -> None:
    import av
    from av.bitstream import BitStreamFilterContext

    options = {"movflags": "+faststart+use_metadata_tags"}
    with av.open(str(part), "w", format="mp4", options=options) as target:
        target.metadata.update({key: value for key, value in source.metadata.items() if key not in _OF_FORMAT})
        streams = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in source.streams if stream.codec_context}
        tagged = BitStreamFilterContext(filtering, picture, streams[picture.index])
        for packet in source.demux([stream for stream in source.streams if stream.index in streams]):
            if packet.dts is None:
                continue   # the end of a stream
            index = packet.stream.index
            for copied in tagged.filter(packet) if index == picture.index else [packet]:
                copied.stream = streams[index]
                target.mux(copied)
