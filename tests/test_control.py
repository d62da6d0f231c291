"""What the style mode follows: its edges, depth and poses, drawn by the real ComfyUI."""

import statistics
import sys
from pathlib import Path

import pytest
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import check, config
from aio.comfyui import tinyweights
from aio.graph.draw import draw
from aio.media.probe import probe
from aio.media.stage import Clip, stage_media
from aio.media.streams import frames_of

pytestmark = pytest.mark.comfyui
SAMPLES = Path(__file__).resolve().parent.parent / "samples"

V_EDGES = {12: 0.1250, 60: 0.1089, 108: 0.1181, "astronaut.png": 0.0523}
"""Shares of edge pixels of V's reference (cv2 4, Canny 92/200, 512 pixels of the shorter side, cropped to 1280x704): the sample video's
frames at 24 a second, and the sample picture. Measured by bench/canny.py."""


def batch(images):
    """Pictures as ComfyUI holds them: (count, height, width, 3), 0 to 1."""
    import numpy as np
    import torch

    return torch.from_numpy(np.stack([np.asarray(image, np.float32) / 255 for image in images]))


def test_canny_draws_as_many_edges_as_the_reference(comfy, tmp_path):  # noqa: F811
    import nodes
    from PIL import Image, ImageOps

    fields = config.compose(["mode=style"]).fields
    name, _ = stage_media(probe(SAMPLES / "bigbuckbunny.mp4", "video", "video"), "video", tmp_path, clip=Clip(1280, 704, 109, 24.0))
    pictures = {number: frame.to_image() for number, frame in enumerate(frames_of(tmp_path / name)) if number in V_EDGES}
    pictures["astronaut.png"] = ImageOps.fit(Image.open(SAMPLES / "astronaut.png").convert("RGB"), (1280, 704), Image.Resampling.BILINEAR)
    (small,) = nodes.ImageScale().upscale(batch(pictures.values()), "area", 640, 352, "center")
    drawn = nodes.NODE_CLASS_MAPPINGS["Canny"].execute(small, fields["canny_low"].default, fields["canny_high"].default).result[0]
    ratios = [float(one.mean()) / V_EDGES[name] for one, name in zip(drawn, pictures, strict=True)]
    assert 1 / 1.5 < statistics.median(ratios) < 1.5
    assert all(1 / 1.5 < ratio < 1.5 for ratio in ratios)


def test_each_person_is_cut_out_and_drawn_at_the_source_shape(comfy):  # noqa: F811
    import nodes
    import torch

    boxes = [[{"x": 100, "y": 50, "width": 200, "height": 480}, {"x": 600.5, "y": 90, "width": 150, "height": 400}], []]
    with tinyweights.narrow(), torch.inference_mode():
        model, _, vae = nodes.CheckpointLoaderSimple().load_checkpoint("sdpose_wholebody_fp16.safetensors")
        picture, seen, encode = torch.rand(2, 563, 1024, 3), [], vae.encode
        vae.encode = lambda pixels: seen.append(tuple(pixels.shape)) or encode(pixels)
        found = nodes.NODE_CLASS_MAPPINGS["SDPoseKeypointExtractor"].execute(model, vae, picture, 16, boxes).result[0]
    assert [len(frame["people"]) for frame in found] == [2, 1]   # a frame without anybody is looked at whole
    assert len(seen) == 3 and {shape[0] for shape in seen} == {1}
    first, second = (statistics.median(person["face_keypoints_2d"][0::3]) for person in found[0]["people"])
    assert 100 <= first <= 300 and 600 <= second <= 751
    drawn = nodes.NODE_CLASS_MAPPINGS["SDPoseDrawKeypoints"].execute(found, **drawing()).result[0]
    assert drawn.shape == picture.shape


def test_a_person_found_at_any_source_shape_lies_where_the_picture_shows_him(comfy, monkeypatch):  # noqa: F811
    import nodes
    import torch

    class Net:   # all it knows: one person in the left half, another one in the right quarter, a car everywhere
        def __call__(self, picture, size):
            assert tuple(picture.shape[1:]) == (3, 640, 640)
            boxes = torch.tensor([[0.1, 0.2, 0.4, 0.9], [0.8, 0.3, 0.95, 0.8], [0.0, 0.0, 1.0, 1.0], [0.2, 0.2, 0.3, 0.3]])
            one = {"boxes": boxes * torch.tensor([*size, *size]), "labels": torch.tensor([0, 0, 2, 0]),
                   "scores": torch.tensor([0.9, 0.8, 0.99, 0.49])}
            return [one] * len(picture)

    memory = sys.modules["comfy.model_management"]
    monkeypatch.setattr(memory, "load_model_gpu", lambda model: None)
    model = type("Patcher", (), {"model": type("Model", (), {"diffusion_model": Net()})()})()
    for height, width in ((563, 1024), (1024, 563), (576, 576)):
        found = nodes.NODE_CLASS_MAPPINGS["RTDETR_detect"].execute(model, torch.zeros(3, height, width, 3), 0.5, "person", 2).result[0]
        assert len(found) == 3
        for box, (left, top, right, bottom) in zip(found[0], ((0.1, 0.2, 0.4, 0.9), (0.8, 0.3, 0.95, 0.8)), strict=True):
            corners = box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]
            assert corners == pytest.approx((left * width, top * height, right * width, bottom * height), abs=0.1)


def drawing(**changes):
    """The inputs of the node that draws poses, as the style mode gives them."""
    prompt = draw(check.sample(config.compose(["mode=style"]), {"control": "pose"})).prompt
    return {name: value for name, value in prompt["pose_image"]["inputs"].items() if name != "keypoints"} | changes


@pytest.mark.parametrize(("score", "seen"), [(0.45, False), (0.55, True)])
def test_a_joint_that_is_not_sure_is_not_drawn(comfy, score, seen):  # noqa: F811
    import nodes

    joints = [number for x, y in [(300, 60), (300, 120)] + [(300 + 20 * (i % 4), 140 + 20 * i) for i in range(16)] for number in (x, y, score)]
    empty = {"face_keypoints_2d": [0.0] * 210, "hand_right_keypoints_2d": [0.0] * 63, "hand_left_keypoints_2d": [0.0] * 63}
    frames = [{"canvas_width": 1024, "canvas_height": 563, "people": [{"pose_keypoints_2d": joints, **empty}]}]
    drawn = nodes.NODE_CLASS_MAPPINGS["SDPoseDrawKeypoints"].execute(frames, **drawing()).result[0]
    assert tuple(drawn.shape) == (1, 563, 1024, 3)
    assert bool(drawn.any()) is seen
