"""What belongs to another model family: LoRAs whose weights stand in another family's registry, and not in this one's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aio.config.patches import Patch
from aio.config.places import choices, facts
from aio.config.sections import Root


def parted(root: Root, config_dirs: Sequence[Path]) -> tuple[Root, tuple[Patch, ...]]:
    """The sections without the LoRAs of other families and their fields, and for each of these a patch that says what the mode lacks.

    A file that no registry holds is the user's own, and taken at their word.

    Raises:
        ConfigError: a registry is broken.
    """
    unknown = {name: lora.file for name, lora in root.loras.items() if lora.file and lora.file not in root.registry}
    if not unknown:
        return root, ()
    held = {file: registry for registry in choices("registry", config_dirs) for file in facts("registry", registry, config_dirs)}
    others = {name: file for name, file in unknown.items() if file in held}
    lacking = tuple(Patch(name, (), source=f"lora/{name}.yaml", lacks=((f"use for {held[file]}'s weight file", file),))
                    for name, file in others.items())
    sources = {patch.source for patch in lacking}
    return dataclasses.replace(
        root, loras={name: lora for name, lora in root.loras.items() if name not in others},
        fields={name: field for name, field in root.fields.items() if field.source not in sources}), lacking
