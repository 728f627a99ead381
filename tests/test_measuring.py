"""The commands that measure: compare, store check, evaluate --baselines, and plots from the command line."""

import csv
import json
from pathlib import Path

import pytest

from tests.commands import SETTINGS, autotts, make_store

QUICK = ("--seeds", "2", "--workers", "2")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "measured", n_questions=12)


def test_compare_prints_a_row_for_each_beta_one_of_areas_and_a_verdict(store: Path) -> None:
    done = autotts("compare", "sc", "asc", store, *QUICK)
    assert (done.code, done.err.startswith("note: model/b has 12 branches")) == (0, True)
    lines = [line.split() for line in done.out.splitlines() if line.strip()]
    assert done.out.startswith("A is sc, B is asc; intervals of 95 % over 12 questions")
    assert [line[0] for line in lines if line[0] in {"0.0", "0.5", "1.0", "area"}] == ["0.0", "0.5", "1.0", "area"]
    assert done.out.rstrip().endswith("of frontier area can't be told from chance on these 12 questions.")


def test_compare_gives_json_and_csv(store: Path) -> None:
    told = json.loads(autotts("compare", "sc@0.5", "asc(n=4)", store, *QUICK, "--json").out)
    assert (told["a"], told["b"], told["questions"]) == ("sc@0.5", "asc(n=4)", 12)
    assert told["verdict"].endswith("on these 12 questions.")
    (row,) = told["rows"]
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert row["ratio"] == pytest.approx(row["tokens_a"] / row["tokens_b"])
    rows = list(csv.DictReader(autotts("compare", "sc", "asc", store, *QUICK, "--csv").out.splitlines()))
    assert [entry["beta"] for entry in rows] == [*(f"{step / 10:.1f}" for step in range(11)), "area"]


def test_compare_refuses_a_curve_against_a_setting(store: Path) -> None:
    done = autotts("compare", "sc", "asc@0.5", store, *QUICK)
    assert done.code == 1
    assert done.err.startswith("error: sc and asc@0.5 can't be compared: one is a whole curve, the other one setting\n")
    assert "hint: " in done.err


def test_compare_refuses_a_controller_that_does_not_run(store: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import os\n")
    done = autotts("compare", broken, "sc", store, *QUICK)
    assert done.code == 1 and "broken.py can't be scored: rejected" in done.err


def test_store_check_says_what_a_store_leaves_open(store: Path) -> None:
    done = autotts("store", "check", store, store)
    assert done.code == 0
    assert done.out.count("model/b: There is ") == 2
    assert "majority of n" in done.out and "any of n" in done.out
    (told,) = json.loads(autotts("store", "check", store, "--json").out)
    assert told["sc_1"] <= told["pass_12"] <= 1 and told["pass_1"] == pytest.approx(told["single_branch"])


def test_store_check_of_stores_of_different_widths_is_one_table(store: Path, tmp_path: Path) -> None:
    narrow = make_store(tmp_path / "narrow", n_questions=3, n_branches=4)
    rows = list(csv.DictReader(autotts("store", "check", store, narrow, "--csv").out.splitlines()))
    assert [row["sc_12"] != "" for row in rows] == [True, False]


def test_baselines_are_scored_at_their_published_settings_and_can_be_drawn(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "baselines.svg"
    done = autotts("evaluate", store, "--baselines", *QUICK, "--json", "--plot", path)
    assert done.code == 0
    names = [row["controller"] for row in json.loads(done.out)]
    assert len(names) == 8 and {"sc(n=64)", "cmc@0.5", "cmc@1", "parallel_probe(n=64)"} <= set(names)
    assert all(f">{name}<" in path.read_text() for name in names)


def test_probes_cost_what_they_are_said_to(store: Path) -> None:
    free, dear = (
        json.loads(autotts("evaluate", store, "parallel_probe@1", *QUICK, "--probe-cost", cost, "--json").out)[0]
        for cost in (0, 30)
    )
    assert dear["accuracy"] == free["accuracy"] and dear["tokens"] > free["tokens"]


def test_the_front_of_a_run_can_be_drawn(store: Path, tmp_path: Path) -> None:
    archive, path = tmp_path / "archive.sqlite", tmp_path / "front.svg"
    discovered = autotts("discover", store, "--budget", 0, "--iterations", 3, *SETTINGS, "--archive", archive)
    assert discovered.code == 0
    assert autotts("archive", "front", "--archive", archive, "--plot", path).code == 0
    text = path.read_text()
    assert all(f">{name}<" in text for name in ("cmc", "asc", "one branch"))


@pytest.mark.parametrize("command", [["evaluate", "STORE", "sc"], ["archive", "front"]])
def test_a_plot_of_an_unknown_form_is_refused_at_once(store: Path, command: list[str]) -> None:
    done = autotts(*(store if word == "STORE" else word for word in command), "--plot", "plot.pdf")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: plot.pdf can't be drawn")
