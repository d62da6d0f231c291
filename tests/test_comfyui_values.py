"""What aio lets through and refuses is what the real ComfyUI takes and refuses."""

import dataclasses

import pytest
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio.errors import WorkflowError
from aio.graph import bounds, schema
from aio.graph.draw import draw
from aio.recipe import provenance, sidecar

pytestmark = pytest.mark.comfyui
T2V = ("mode=t2v", "preset=fast")


@pytest.mark.parametrize("seed", [2**64 - 1, 2**63])
def test_a_seed_of_64_bit_runs_and_stands_in_the_recipe(comfy, seed):  # noqa: F811
    request, prompt = comfy.case(*T2V, params={"seed": str(seed)})
    assert prompt["20"]["inputs"]["noise_seed"] == seed
    made = comfy.execute(request, prompt, metadata=provenance.metadata(draw(request), "comfyui"))
    assert sidecar.read(made.video).data["seed"] == str(seed)   # as text: JavaScript would round the number


def test_levels_that_end_above_0_run(comfy):  # noqa: F811
    request, prompt = comfy.case(*T2V, params={"sigmas": "1.0, 0.5"})
    assert comfy.execute(request, prompt).video.is_file() and any("noise stays" in warning for warning in request.warnings)


def test_comfyui_refuses_what_is_refused_here_and_takes_what_is_offered_instead(comfy):  # noqa: F811
    request, _ = comfy.case(*T2V)
    long = dataclasses.replace(request, values={**request.values, "seconds": 20.0, "fps": 50.0})
    drawn = draw(long)
    (problem,) = bounds.refused(drawn)
    with pytest.raises(WorkflowError, match=r"frames_number.*1001 bigger than max of 1000"):
        comfy.execute(long, drawn.prompt)
    assert "give seconds=19.9 or fps=49" in problem.message


def test_every_range_of_a_graph_is_comfyuis_own(comfy):  # noqa: F811
    """Each number of the graph one step beyond its bounds: both refuse it; at the bound neither does."""
    import asyncio

    import execution

    _, prompt = comfy.case(*T2V)
    for node_id, node in prompt.items():
        for wanted in schema.load()[node["class_type"]].inputs.values():
            if not isinstance(node["inputs"].get(wanted.name), (int, float)) or wanted.type not in ("INT", "FLOAT"):
                continue
            for bound, away in ((wanted.min, -1), (wanted.max, 1)):
                for value in (bound, bound + away) if bound is not None else ():
                    own = {**node, "inputs": {**node["inputs"], wanted.name: value}}
                    _, errors, _ = asyncio.run(execution.validate_inputs("x", {**prompt, node_id: own}, node_id, {}))
                    mine = [one for one in errors if one["extra_info"].get("input_name") == wanted.name]
                    assert bounds.fits(wanted, value) is not bool(mine), (node["class_type"], wanted.name, value, errors)
