"""The section `registry` of the configuration, declared: which weight files aio can fetch. Anybody may write an entry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from aio.fields.amounts import KEY, Whole

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPO = re.compile(r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?/[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
"""As huggingface_hub's validate_repo_id: at most 96 characters, neither end a dot or dash, and no `--` or `..` in between."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One weight file that aio can fetch. See conf/registry/ltx23.yaml.

    Attributes:
        name: file name as workflows use it. folder: ComfyUI models/<folder>.
        repo, path, revision: where it lies on the Hub. size: bytes, None when unknown; rounded if `size_approx`.
        sha256: of the file, hex; None: the Hub's own is checked.
        base: the model that a LoRA was made for. note: for people.
    """

    name: str = field(metadata=KEY)
    repo: str
    path: str
    revision: str = "main"
    size: Whole | None = None
    size_approx: bool = False
    sha256: str | None = None
    folder: str = "checkpoints"
    base: str = ""
    note: str = ""

    def faults(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong with it beyond its type)."""
        if not (_REPO.fullmatch(self.repo) and not re.search(r"\.\.|--", self.repo)):
            yield "repo", f"{self.repo!r} is not OWNER/NAME"
        for key in ("name", "path", "folder", "revision"):
            if not contained(value := getattr(self, key)):
                yield "" if key == "name" else key, f"{value!r} leaves its folder"
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            yield "sha256", f"{self.sha256!r} is not 64 lower-case hex digits"


def contained(name: str) -> bool:
    """Whether `name` is a relative path that stays inside the folder it is put in, on every platform.

    Windows drops dots and spaces at a name's end, and opens a device for names such as `nul.pt`.
    """
    parts = name.split("/")
    odd = any(not part or part[-1] in ". " or _DEVICE.fullmatch(part) for part in parts)   # "." and ".." end with a dot
    return not odd and not re.search(r'[\x00-\x1f\x7f\ud800-\udfff\\:*?"<>|]', name)
