"""How many edges Canny draws beside the reference's, on any pictures: the source of canny_low and canny_high in conf/mode/style.yaml.

    pip install --target cv opencv-python-headless         # for this bench alone
    PYTHONPATH=cv python bench/canny.py PICTURE_OR_VIDEO ...
    PYTHONPATH=cv python bench/canny.py --grid PICTURE_OR_VIDEO ...    # all pairs of thresholds, the best last

V (Lightricks/ComfyUI-LTXVideo, LTX-2.3_ICLoRA_Union_Control_Distilled.json) scales the shorter side to 544 (lanczos), then its
CannyEdgePreprocessor [92, 200, 512] scales the shorter side to 512 and calls cv2.Canny(RGB, 92, 200): L1 gradient, no blur.
ComfyUI's Canny is kornia's: grey, Gaussian 5x5, L2 gradient, and it runs here on the guide, half the clip's size. Densities are the
shares of pixels that are edges, each in its own picture; the ratio is ours over V's. The worst is the factor of the farthest picture.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CLIPS = ((1280, 704), (704, 1280), (960, 960), (768, 512), (1920, 1088))
"""Pixels of width and height of clips; the guide is half as large."""

V_LOW, V_HIGH, V_SHORT_BEFORE, V_SHORT = 92, 200, 544, 512
LOWS, HIGHS = [round(0.06 + 0.02 * i, 2) for i in range(13)], [round(0.14 + 0.04 * i, 2) for i in range(13)]
FRAMES_OF_VIDEO = 3


def pictures(paths: list[Path]) -> dict[str, Any]:
    """RGB pictures by name; of a video a few frames, spread over it."""
    from PIL import Image, UnidentifiedImageError

    from aio.media.streams import frames_of

    found: dict[str, Any] = {}
    for path in paths:
        try:
            found[path.name] = Image.open(path).convert("RGB")
        except UnidentifiedImageError:
            frames = [frame.to_image() for frame in frames_of(path)]
            wanted = [round(len(frames) * (i + 0.5) / FRAMES_OF_VIDEO) for i in range(FRAMES_OF_VIDEO)]
            found |= {f"{path.name}:{number}": frames[number] for number in wanted}
    return found


def reference(picture: Any, size: tuple[int, int]) -> float:
    """V's edge density of a picture, cropped to the shape of a clip."""
    import cv2
    import numpy as np
    from PIL import Image

    shape = (size[0] / size[1]) / (picture.width / picture.height)
    width, height = picture.width * min(1, shape), picture.height * min(1, 1 / shape)
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    for short, scaler in ((V_SHORT_BEFORE, Image.Resampling.LANCZOS), (V_SHORT, Image.Resampling.BOX)):
        box = (left, top, left + width, top + height)
        goal = (round(width * short / min(width, height)), round(height * short / min(width, height)))
        picture = picture.resize(goal, scaler, box)
        left, top, (width, height) = 0, 0, goal
    return float((cv2.Canny(np.asarray(picture), V_LOW, V_HIGH) > 0).mean())


def guide(picture: Any, size: tuple[int, int]) -> Any:
    """A picture as it comes to ComfyUI's Canny: staged to the clip's size, then scaled to half by ImageScale (area). (1, 3, h, w)."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    staged = np.asarray(ImageOps.fit(picture, size, Image.Resampling.BILINEAR), np.float32) / 255
    return torch.nn.functional.interpolate(torch.from_numpy(staged).permute(2, 0, 1)[None], size=(size[1] // 2, size[0] // 2), mode="area")


def ours(given: Any, low: float, high: float) -> float:
    """Edge density of ComfyUI's Canny."""
    from kornia.filters import canny

    return float(canny(given, low, high)[1].mean())


def slopes(given: Any) -> Any:
    """What ComfyUI's Canny thresholds: the thinned slope, (h, w)."""
    from kornia.filters import canny

    return canny(given, 0.1, 0.2, hysteresis=False)[0][0, 0].numpy()


def traced(slope: Any, low: float, high: float) -> float:
    """`ours`, faster: what is above `low` and joined to something above `high`."""
    import numpy as np
    from scipy.ndimage import label

    parts, count = label(slope > low, np.ones((3, 3)))
    sure = np.zeros(count + 1, bool)
    sure[parts[slope > high]] = True
    return float(sure[parts].mean())


def factor(ratio: float) -> float:
    """How far a ratio is from one, upwards or downwards."""
    return math.inf if ratio <= 0 else max(ratio, 1 / ratio)


def main() -> None:
    """Print a table of densities for the configured thresholds, or the best pairs of the grid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--thresholds", type=float, nargs=2, metavar=("LOW", "HIGH"), help="instead of the configured ones")
    asked = parser.parse_args()

    from aio import config

    fields = config.compose(["mode=style"]).fields
    chosen = tuple(asked.thresholds or (fields["canny_low"].default, fields["canny_high"].default))
    given = pictures(asked.files)
    known = {(name, size): reference(picture, size) for name, picture in given.items() for size in CLIPS}
    guides = {(name, size): guide(picture, size) for name, picture in given.items() for size in CLIPS}
    pairs = [pair for pair in itertools.product(LOWS, HIGHS) if pair[0] < pair[1]]
    if asked.grid:
        thinned = {key: slopes(one) for key, one in guides.items()}
        found = {pair: {key: traced(one, *pair) / max(known[key], 1e-9) for key, one in thinned.items()} for pair in pairs}
    else:
        found = {chosen: {key: ours(one, *chosen) / max(known[key], 1e-9) for key, one in guides.items()}}
        print(f"{f'V %, x ours, {chosen}':24}" + "".join(f"{f'{w}x{h}':>16}" for w, h in CLIPS))
        for name in given:
            cells = (f"{100 * known[name, size]:.2f} x{found[chosen][name, size]:.2f}" for size in CLIPS)
            print(f"{name:24}" + "".join(f"{cell:>16}" for cell in cells))
    rows = []
    for pair, ratios in found.items():
        medians = [statistics.median(ratios[name, size] for name in given) for size in CLIPS]
        rows.append((max(map(factor, medians)), max(map(factor, ratios.values())), statistics.median(ratios.values()), medians, pair))
    for worst_median, worst, median, medians, (low, high) in sorted(rows, reverse=True)[-15:]:
        sizes = " ".join(f"{one:.2f}" for one in medians)
        print(f"{low:.2f}/{high:.2f}  median x{median:.2f} (by size {sizes}, farthest {worst_median:.2f}), worst picture {worst:.2f}")


if __name__ == "__main__":
    main()
