"""A verb refuses a word that it does not use; what a run takes, plan and check take."""

import json

import pytest

from aio import __version__
from aio.cli import VERBS, main
from aio.command import usage

SMALL = ["mode=t2v", "prompt=x", "width=256", "height=256", "seconds=0.4", "engine=preview"]


def test_every_verb_says_what_it_takes():
    assert set(usage.TAKES) == set(VERBS)


@pytest.mark.parametrize(("line", "said"), [
    ("doctor family=x", "doctor: family=x is not used here. It takes mode=a,b and --config-dir"),
    ("doctor mdoe=t2v", "doctor: mdoe=t2v is not used here. Did you mean 'mode'? It takes"),
    ("doctor preset=fast", "doctor: preset=fast is not used here."),
    ("doctor -m", "doctor: -m is not used here."),
    ("doctor --fetch", "--fetch: unknown flag for doctor."),
    ("check widht=3 mode=t2v", "check: widht: no field of the chosen modes. Did you mean 'width'?"),
    ("check --regenerate", "--regenerate: unknown flag for check. Did you mean 'regenerate-schema'?"),
    ("plan -m seed=1,2", "plan: -m is not used here."),
    ("plan --cfg job", "plan: --cfg is not used here."),
    ("plan --seed=3", "--seed=3: unknown flag for plan. Write seed=3, without the dashes."),
    ("models sed=1", "models: sed: no field of the chosen modes. Did you mean 'seed'?"),
    ("models prset=fast", "models: prset: no field of the chosen modes. Did you mean 'preset'?"),
    ("models output.dir=x", "models: output.dir=x is not used here."),
    ("models engine=preview", "models: engine=preview is not used here."),
    ("setup seed=1", "setup: seed=1 is not used here."),
    ("setup output.name=x", "setup: output.name=x is not used here."),
    ("setup prset=x", "setup: prset=x is not used here. Did you mean 'preset'?"),
    ("replay x.mp4 -m", "replay: -m is not used here."),
    ("sheet x=1", "sheet: x=1 is not used here. It takes a sweep's folder"),
    ("sheet --config-dir . x", "sheet: --config-dir "),
    ("ui prompt=x", "ui: prompt=x is not used here."),
    ("ui --shared", "--shared: unknown flag for ui. Did you mean 'share'?"),
    ("space prompt=x", "space: prompt=x is not used here."),
    ("space output.dir=x", "space: output.dir=x is not used here."),
    (f"ui prompt={'x' * 500}", f"ui: prompt={'x' * 72}… is not used here."),
])
def test_a_word_that_a_verb_does_not_use_is_refused(line, said, capsys):
    assert main(line.split()) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"aio: {said}") and shown.out == ""


def test_plan_takes_whatever_a_run_takes(tmp_path, capsys):
    assert main(["plan", "--json", *SMALL, f"output.dir={tmp_path}", "output.name=clip", "memory=tiled", "preset=fast"]) == 0
    assert json.loads(capsys.readouterr().out)["fields"]["prompt"] == "x"


def test_check_takes_whatever_a_run_takes_and_proves_it(tmp_path, capsys):
    assert main(["check", *SMALL, f"output.dir={tmp_path}", "seed=3"]) == 0
    assert "as given" in capsys.readouterr().out
    assert main(["check", "mode=t2v", "width=300"]) == 1
    assert "width: 300 is not a multiple of 64; use 256 or 320" in capsys.readouterr().out


def test_a_field_that_only_some_of_the_modes_have_counts_for_those(capsys):
    assert main(["models", "mode=t2v,i2v", "image=x.png"]) in (0, 1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", [["--version"], ["-V"], ["version"], ["mode=t2v", "--version"], ["ui", "-V"]])
def test_the_version_is_aios_own(words, capsys):
    assert main(words) == 0
    assert capsys.readouterr().out == f"aio {__version__}\n"


def test_help_is_a_word_too(capsys):
    assert main(["help", "mode=style"]) == 0
    assert "Fields of mode style" in capsys.readouterr().out
