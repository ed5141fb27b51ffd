import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from emolens.errors import OutputError
from emolens.evaluation.expression import judge
from emolens.evaluation.judging import report_on
from emolens.evaluation.page import report_page
from emolens.evaluation.plots import confusion_plot, on_page, risk_plot
from emolens.evaluation.report import Report, Shown, _plots, figures, write_report
from emolens.evaluation.storing import read_predictions
from emolens.evaluation.training import training_curves
from fakes_predictions import table

NAMES = {"classes", "confusion", "reliability", "risk_coverage"}


@pytest.fixture(scope="module")
def report() -> Report:
    features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    sets = np.array(["CK+48", "RAF", "aff"] * 20)
    rows = table(features=features, attributes={"gender": np.array(["f", "m"] * 30), "collection": sets})
    return report_on(rows, against=table(seed=1, model="<other> & co"), by=["gender"], notes=["one <note>"])


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(report, tmp_path_factory.mktemp("made") / "report")


def test_the_folder_holds_figures_rows_plots_and_a_page(page: Path) -> None:
    folder = page.parent
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures.json",
        "index.html",
        "plots",
        "predictions.parquet",
    ]
    drawn = {path.name for path in (folder / "plots").iterdir()}
    assert drawn == {f"{name}.{kind}" for name in NAMES | {"embedding"} for kind in ("png", "svg")}
    assert len(read_predictions(folder / "predictions.parquet")) == 60


def test_the_json_says_what_the_table_gives(page: Path) -> None:
    found = json.loads((page.parent / "figures.json").read_text())
    rows = table()
    (subset,) = found["subsets"]
    right = (rows.truth == rows.guess).mean()
    assert subset["figures"]["accuracy"]["value"] == pytest.approx(right)
    assert subset["figures"]["accuracy"]["n"] == subset["n"] == np.sum(subset["confusion"]) == 60
    assert found["comparisons"][0]["second"] == "<other> & co"
    assert [one["value"] for one in found["groups"]["gender"]] == ["f", "m"]
    assert found["sources"][-1]["value"] == "macro mean of 3"


def test_the_page_asks_nobody_for_anything(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "<script" not in text
    asked = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(link.startswith(("data:", "#")) for link in asked)
    assert "@import" not in text
    assert set(re.findall(r"https?://[^\s\"<]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_the_page_is_whole_and_escapes_names(page: Path) -> None:
    class Tags(HTMLParser):
        open: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "img", "br"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            pass

    text = page.read_text(encoding="utf-8")
    parser = Tags()
    parser.feed(text)
    assert parser.open == []
    assert "&lt;other&gt; &amp; co" in text
    assert "<other>" not in text
    assert "one &lt;note&gt;" in text
    assert "1,172 of RAF-DB and 1,729 of AffectNet" in text


@pytest.mark.parametrize("features", [np.ones((60, 16)), np.full((60, 4), np.nan), np.arange(60.0)[:, None]])
def test_features_that_cannot_be_placed_are_said_not_drawn(features: np.ndarray, tmp_path: Path) -> None:
    page = write_report(report_on(table(features=features.astype(np.float32))), tmp_path / "report")
    assert "Not drawn: the features are" in page.read_text(encoding="utf-8")
    assert not (page.parent / "plots" / "embedding.png").exists()


def test_the_names_of_rows_are_escaped_and_the_other_model_is_in_the_json(tmp_path: Path) -> None:
    named = [table(seed=seed, subset="under <b>30", model=f"_model {seed}$") for seed in (0, 1)]
    page = write_report(report_on(named[0], against=named[1]), tmp_path / "report")
    assert "under &lt;b&gt;30" in page.read_text(encoding="utf-8")
    assert "<b>30" not in page.read_text(encoding="utf-8")
    found = json.loads((page.parent / "figures.json").read_text())
    assert found["against"]["figures"]["aurc"]["value"] == pytest.approx(judge(named[1]).risk.area)
    legend = risk_plot([(one.name, judge(one).risk) for one in named]).axes[0].get_legend()
    assert len(legend.get_texts()) == 2


def test_tied_votes_are_counted_and_excuse_an_answer() -> None:
    votes = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.6, 0.4, 0.0], [0.0, 0.0, 1.0]] * 5, np.float32)
    said = np.array([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]] * 5, np.float32)
    found = report_on(table(n=20, targets=votes, probabilities=said))
    assert found.judgements[0].figures["accuracy"].value == 0.25
    (note,) = found.notes
    assert note.startswith("In 10 of 20 rows several classes have the most votes")
    assert note.endswith("any of them counts: 0.5000.")


def test_every_picture_is_named_by_its_row(report: Report) -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    shown = [Shown(f"fear/{at}<b>", grey, "fear 90%", "people: anger 60%", grey) for at in range(2)]
    drawn = {name: on_page(figure, name) for name, figure in _plots(report).items()}
    page = report_page(replace(report, worst=shown, looked=shown[:1]), drawn)
    assert page.count("<code>fear/0&lt;b&gt;</code>") == 2
    assert page.count("<code>fear/1&lt;b&gt;</code>") == 1
    rows = report.judgements[0].predictions
    assert f"2 of {(rows.truth != rows.guess).sum()} wrong answers, the surest. A class that" in page


def test_a_page_says_which_of_its_subsets_the_plots_are_of(report: Report) -> None:
    drawn = {name: on_page(figure, name) for name, figure in _plots(report).items()}
    assert "Here and below" not in report_page(report, drawn)
    (one,) = report.judgements
    assert "Here and below: all, n = 60." in report_page(replace(report, judgements=[one, one]), drawn)
    assert all(f'aria-label="plot: {name.replace("_", " ")}"' in svg for name, svg in drawn.items())


def test_a_few_of_many_are_not_none_of_them() -> None:
    axes = confusion_plot(np.array([[998, 2], [0, 1]]), ["a", "b"]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["100%", "998", "<1%", "2", "", "0", "100%", "1"]


def test_plots_take_the_colours_of_the_page_and_parse(report: Report) -> None:
    seen: set[str] = set()
    for name, figure in _plots(replace(report, judgements=report.judgements)).items():
        svg = on_page(figure, name)
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("svg")
        assert "currentColor" in svg
        assert "#1b1c1e" not in svg
        assert "DejaVu" not in svg
        ids = set(re.findall(r' id="([^"]+)"', svg))
        assert not ids & seen  # plots stand in one document
        seen |= ids
        assert {link[1:] for link in re.findall(r'href="(#[^"]+)"', svg)} <= ids


def test_a_report_takes_the_place_of_a_report_and_of_nothing_else(report: Report, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="holds something that is no report"):
        write_report(report, tmp_path / "mine")
    bare = report_on(table())
    write_report(bare, tmp_path / "out")
    (tmp_path / "out" / "old").write_text("")
    write_report(bare, tmp_path / "out")
    assert not (tmp_path / "out" / "old").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


def test_what_is_not_defined_is_null(report: Report) -> None:
    rows = table()
    never = rows.probabilities.copy()
    never[:, 2] = 0
    found = figures(report_on(replace(rows, probabilities=never / never.sum(axis=1, keepdims=True))))
    third = found["subsets"][0]["per_class"][2]
    assert third["precision"]["value"] is None
    assert third["recall"]["value"] == 0
    json.dumps(found, allow_nan=False)


def test_training_curves_go_over_resumes(tmp_path: Path) -> None:
    for version, rows in enumerate(("0,9,1.5,\n0,9,,0.4\n1,19,1.2,\n", "1,19,1.1,\n1,19,,0.6\n")):
        folder = tmp_path / "metrics" / f"version_{version}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(f"epoch,step,train_loss,val_accuracy\n{rows}")
    found = training_curves(tmp_path)
    assert found is not None
    assert found.lines == {"train_loss": ([0, 1], [1.5, 1.1]), "val_accuracy": ([0, 1], [0.4, 0.6])}
    assert found.by_kind() == (["train_loss"], ["val_accuracy"])
    assert training_curves(tmp_path / "nothing") is None
