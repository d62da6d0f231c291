"""Groups: what one is stands in configuration once; help, plan, page, API, recipe, tables and sweeps read it."""

import ast
import json
from pathlib import Path

import pytest

from aio import config as configuration
from aio.check import check, plan
from aio.command import help as helping
from aio.errors import ConfigError
from aio.graph.draw import draw
from aio.job import Job
from aio.recipe import provenance
from aio.request import checked
from aio.sweep import jobs_table

ROOT = Path(__file__).resolve().parent.parent

OWN_MEANING = {
    "aio/check/__init__.py": {"preset", "model", "lora", "mode"},   # rows have a column for each; LoRAs are proven from one composition
    "aio/check/constants.py": {"preset", "model"},   # the official record speaks of modes, presets and models
    "aio/check/doctor.py": {"preset", "model", "lora", "mode"},   # cases of their own: tiny weights, ports, packs
    "aio/check/fidelity.py": {"preset", "model", "lora", "memory", "mode"},   # the axes of the official record
    "aio/command/__init__.py": {"lora", "mode"},   # fields of a mode, and of LoRAs
    "aio/engines.py": {"model"},   # its section says which devices can compute it
    "aio/machine/device.py": {"platform"},   # which devices suit a model stands in the platform's file
    "aio/machine/here.py": {"platform"},   # a Space runs on zerogpu
    "aio/config/places.py": {"platform"},   # its file says what a device chooses
    "aio/request/__init__.py": {"preset", "model"},   # a preset needs what a model does not offer
}
"""File -> groups that it names, as they mean something to it that no declaration says. `mode` is checked nowhere else: it is what a job is."""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "look").mkdir()
    (tmp_path / "groups.yaml").write_text("look: {title: Look}\n", encoding="utf-8")
    for name, crf in (("warm", 12), ("grainy", 30)):
        text = f"# @package _global_\nlook: {{name: {name}, summary: Rather {name}}}\nvalues: {{crf: {crf}}}\n"
        (tmp_path / "look" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def of(mine, *words):
    config = configuration.compose(["mode=t2v", *words], [mine])
    return config, checked(Job(config, {"prompt": "x"}))


def test_a_group_of_ones_own_is_chosen_like_any_other(mine):
    config, drawn = of(mine, "look=warm")
    assert config.choices["look"] == "warm" and drawn.request.values["crf"] == 12
    assert of(mine)[1].request.values["crf"] == 19
    with pytest.raises(ConfigError, match=r"look: 'wram' is unknown\. Did you mean 'warm'"):
        of(mine, "look=wram")


def test_help_plan_and_check_show_it(mine):
    config, drawn = of(mine, "look=warm")
    assert "\nLook\n  grainy              Rather grainy\n" in helping.text(config, [mine])
    assert "look warm" in plan.text(plan.examine(drawn))
    assert {"look warm", "look grainy"} <= {row.variant for row in check(["t2v"], [mine])}


def test_the_recipe_records_it_as_part_of_the_clip(mine):
    warm, none = (provenance.foresee(of(mine, *words)[1], "preview") for words in (["look=warm"], []))
    assert warm["choices"]["look"] == "warm" and "look" not in none["choices"] and warm["hash"] != none["hash"]


def test_a_table_has_a_column_of_it(mine, tmp_path):
    (tmp_path / "t.csv").write_text("look,prompt\nwarm,a\n", encoding="utf-8")
    rows, _ = jobs_table.read(str(tmp_path / "t.csv"), [mine])
    assert rows[0].overrides == ("look=warm",) and rows[0].params == {"prompt": "a"}


def test_a_usual_choice_is_made_unless_another_is(mine):
    (mine / "groups.yaml").write_text("look: {title: Look, usual: grainy}\n", encoding="utf-8")
    assert of(mine)[0].choices["look"] == "grainy" and of(mine, "look=warm")[0].choices["look"] == "warm"


def test_a_group_may_take_several(mine):
    (mine / "groups.yaml").write_text("look: {many: true}\n", encoding="utf-8")
    assert of(mine, "look=[warm,grainy]")[0].choices["look"] == ["warm", "grainy"]
    assert of(mine, "look=[]")[0].choices["look"] == of(mine)[0].choices["look"] == []


@pytest.mark.parametrize(("line", "said"), [
    ("look: {titel: x}", "groups.look.titel: unknown key. Did you mean 'title'?"),
    ("look: {page: advancd}", "groups.look.page: 'advancd' is unknown. Did you mean 'advanced'?"),
    ("lok: {title: x}", "lok: there is no file"),
    ("look: {usual: wram}", "look: 'wram' is unknown. Did you mean 'warm'?"),
])
def test_a_declaration_with_a_fault_is_named(mine, line, said):
    (mine / "groups.yaml").write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        of(mine)
    assert said in str(error.value)


def test_the_page_and_its_endpoint_offer_it_and_the_memory_policies(mine):
    pytest.importorskip("gradio")
    from aio.ui import catalogue, forms, handlers, recipes

    offered, faults = catalogue.read(["engine=preview"], [mine])
    form = forms.form(offered, "t2v")
    assert not faults and [choice.title for choice in offered.choices["look"]] == ["Grainy", "Warm"]
    names = handlers.order(form)
    assert names[:4] == ["prompt", "preset", "model", "lora"] and names[-1] == "memory" and "look" in names   # positions of old calls stay
    given = {"prompt": "x", "look": "warm", "memory": "tiled", "tile_size": 256}
    config = form.compose(given)
    assert (config.choices["look"], config.choices["memory"]) == ("warm", "tiled") and form.params(config, given)["tile_size"] == 256
    assert form.compose({"prompt": "x"}) is form.config and form.config.choices["memory"] == "keep_warm"
    assert form.added["tile_size"] == "memory low or tiled"
    assert not form.effective(form.config, {})["tile_size"] and form.effective(config, given)["tile_size"]
    recipe = json.loads(json.dumps(provenance.foresee(draw(form_request(form, given)), "preview")))
    values, _ = recipes.refill(form, recipe, mine)
    assert (values["look"], values["memory"], values["tile_size"]) == ("warm", "tiled", 256)
    assert recipes.beyond(form, {"mode": "t2v", "choices": {"look": "blue"}}) == ["look blue"]


def form_request(form, given):
    return checked(form.job(given)).request


def test_no_module_names_a_group_but_where_it_means_something():
    groups, found = {*configuration.declared()} - {"mode", "duration", "ui"}, {}   # a second, a section, and what a job is
    for path in (ROOT / "aio").rglob("*.py"):
        names = {word for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
                 for arg in node.args if isinstance(arg, ast.Constant) and isinstance(word := arg.value, str) and word in groups
                 if (isinstance(node.func, ast.Attribute) and node.func.attr in ("choices", "choice", "facts", "get")) or
                 (isinstance(node.func, ast.Name) and node.func.id in ("choices", "choice", "facts"))}
        if names - OWN_MEANING.get(str(path.relative_to(ROOT)), set()):
            found[str(path.relative_to(ROOT))] = names
    assert set(found) <= {"aio/check/nodecheck.py", "aio/weights/lorafit.py"}, found   # inputs of nodes
