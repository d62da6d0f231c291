"""The header of a safetensors file: what tensors it holds, without reading one of them. Anyone may have written it."""

from __future__ import annotations

import functools
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from aio.machine.outside import TEXT_MAX, json_of

BITS = {
    "F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8,
}
"""Bits of a number by the format's name of its type (safetensors, src/tensor.rs); of other types the size is not compared."""

DIMENSIONS = 16
"""Most dimensions of a tensor; those of a video network have 5."""


@dataclass(frozen=True)
class Header:
    """tensors: name -> (type, shape). metadata: texts that the file says about itself."""

    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    metadata: Mapping[str, str]


def header(path: Path) -> Header:
    """The header of a safetensors file; kept until the file is another one.

    Raises:
        OSError: it cannot be read. ValueError: it is no sound safetensors file; its text says why.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a regular file")
    return _header(path, found.st_ino, found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _header(path: Path, _inode: int, size: int, _mtime_ns: int) -> Header:
    # The format: 8 bytes with the length of the header, the header (JSON), the tensors.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))   # a pipe would wait for a writer
    with os.fdopen(handle, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(TEXT_MAX, size - 8):
            raise ValueError(f"it is no safetensors file (its header claims {length:,} bytes, the file has {size:,})" if length > size - 8
                             else f"its header has {length:,} bytes, more than {TEXT_MAX:,}")
        content = file.read(length)
    try:
        data = json_of(content)
    except ValueError as error:   # UnicodeDecodeError is one
        raise ValueError(f"its header is not JSON ({error})") from None
    if not isinstance(data, dict) or not data:
        raise ValueError("its header names no tensors")
    said = data.pop("__metadata__", None)
    metadata = {key: value for key, value in said.items() if isinstance(value, str)} if isinstance(said, dict) else {}
    return Header({name: _tensor(name, entry, size - 8 - length) for name, entry in data.items()}, metadata)


def _tensor(name: str, entry: object, room: int) -> tuple[str, tuple[int, ...]]:
    """Type and shape of an entry that holds together with the `room` bytes behind the header."""
    told: dict[str, Any] = entry if isinstance(entry, dict) else {}
    kind, shape, place = told.get("dtype"), told.get("shape"), told.get("data_offsets")
    if not isinstance(kind, str) or not _counts(shape) or len(shape) > DIMENSIONS or not _counts(place) or len(place) != 2:
        raise ValueError(f"its header's entry {name[:80]!r} has no type, shape and place")
    begin, end = place
    if not begin <= end <= room:
        raise ValueError(f"the tensor {name[:80]!r} would lie at bytes {begin:,} to {end:,} of {room:,}")
    if kind in BITS and math.prod(shape) * BITS[kind] != (end - begin) * 8:
        raise ValueError(f"the tensor {name[:80]!r} of {' x '.join(map(str, shape))} {kind} numbers has {end - begin:,} bytes")
    return kind, tuple(shape)


def _counts(value: object) -> TypeGuard[list[int]]:
    """Whether a value is a list of whole numbers of a size that a file can have."""
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)
