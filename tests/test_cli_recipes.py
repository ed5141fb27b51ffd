"""`emolens recipes` and `emolens studies`: what there is by name, without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from emolens.cli import app
from emolens.cli.recipes import paper
from emolens.learn.config import changed
from emolens.learn.recipes import RECIPES, recipe
from emolens.learn.studies import STUDIES


def said(*arguments: str, code: int = 0) -> str:
    ran = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "120"})
    assert ran.exit_code == code, ran.output
    return ran.output


def test_every_recipe_is_listed_with_its_data_net_epochs_and_paper() -> None:
    lines = {line.split()[0]: line.split() for line in said("recipes").splitlines() if line.strip()}
    assert set(RECIPES) <= set(lines)
    assert lines["dan_rafdb"] == ["dan_rafdb", "rafdb", "dan", "40", "Wen", "et", "al.", "2023"]
    assert lines["expression_ferplus_lite0"][2] == "tf_efficientnet_lite0"
    listed = json.loads(said("recipes", "--json", "-"))
    assert [(one["name"], one["source"]) for one in listed] == [(name, recipe(name).source) for name in RECIPES]
    assert {one["task"] for one in listed} == {"expression", "evoked", "group", "stimuli"}


def test_a_recipe_is_shown_with_every_setting_that_set_takes() -> None:
    text = said("recipes", "dan_ferplus")
    assert "DAN on the votes of FER+ at 48 px, from scratch" in text
    assert "Wen et al. 2023, arXiv 2109.07270" in text
    found = json.loads(said("recipes", "dan_ferplus", "--json", "-"))
    for one in found["settings"]:
        assert one["name"] in text
    assert {"optim.lr", "net.heads", "data.taxonomy", "seed", "augment.erase_side"} <= {
        one["name"] for one in found["settings"]
    }
    again = changed(recipe("dan_ferplus"), [f"{one['name']}={one['text']}" for one in found["settings"]])
    assert again == recipe("dan_ferplus")


def test_the_legacy_is_shown_as_it_was() -> None:
    rotate = {
        legacy: next(
            one["value"]
            for one in json.loads(said("recipes", "dan_ck_raf_aff", "--json", "-", *legacy))["settings"]
            if one["name"] == "augment.rotate"
        )
        for legacy in ((), ("--legacy",))
    }
    assert rotate == {(): 15, ("--legacy",): 120}
    assert "name it" in said("recipes", "--legacy", code=2)


def test_a_name_that_is_none_points_to_the_list() -> None:
    text = said("recipes", "dan_ferpluss", code=2)
    assert "Did you mean 'dan_ferplus'?" in text
    assert "'emolens recipes' says what each is" in text


@pytest.mark.parametrize(
    ("source", "brief"),
    [
        ("Wen et al. 2023, arXiv 2109.07270, at 48 px", "Wen et al. 2023"),
        ("Gong, Wang, Wu, S. Gao 2025, Information Sciences 704", "Gong et al. 2025"),
        ("after Barsoum et al. 2016, arXiv 1608.01041", "Barsoum et al. 2016"),  # the column is headed so
        ("Machajdik and Hanbury 2010; You et al. 2016 (data)", "Machajdik and Hanbury 2010"),
        ("mine", "mine"),
    ],
)
def test_a_paper_in_brief_is_its_first_author_and_year(source: str, brief: str) -> None:
    assert paper(source) == brief


def test_every_study_is_listed_with_its_data_and_options() -> None:
    found = {one["name"]: one for one in json.loads(said("studies", "--json", "-"))}
    assert set(found) == {*STUDIES, "group_ensemble"}
    assert found["emotion_wheel"]["options"] == ["--seeds", "--epochs", "--as-published"]
    assert found["split_leak"]["data"] == "fer2013"
    text = said("studies")
    assert all(name in text for name in found)


@pytest.mark.parametrize("arguments", [["recipes"], ["recipes", "group_hybrid"], ["studies"]])
def test_no_torch_is_loaded(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom emolens.cli import app\n"
        f"try: app({arguments!r})\nexcept SystemExit as left: assert left.code in (0, None), left.code\n"
        "assert not {'torch', 'timm', 'lightning'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
