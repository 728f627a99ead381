"""The names that a person can give a controller, and what is said of wrong ones."""

from pathlib import Path

import pytest

from discovery.controllers import NamedController, find_controller, parse_value
from replay.baselines import NAMES, baseline_source
from replay.errors import ControllerNameError
from replay.scoring import BETAS

SOURCE = "def schedule(beta):\n    return {}\n"
CANDIDATES = {"12": "twelve", "monday:3": "three"}


def find(text: str) -> NamedController:
    return find_controller(text, CANDIDATES.get)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "winner.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_alone_is_a_whole_curve(name: str) -> None:
    assert find(name) == NamedController(name, baseline_source(name), BETAS, {})


@pytest.mark.parametrize(
    ("text", "beta"), [("cmc@0.5", 0.5), ("cmc@0", 0.0), ("cmc@1", 1.0), ("cmc@1.0", 1.0), ("cmc@.25", 0.25)]
)
def test_a_beta_picks_one_point_of_the_curve(text: str, beta: float) -> None:
    found = find(text)
    assert (found.name, found.betas) == (f"cmc@{beta:g}", (beta,))
    assert found.source == baseline_source("cmc")


@pytest.mark.parametrize(
    ("text", "values", "name"),
    [
        ("sc(n=16)", {"n": 16}, "sc(n=16)"),
        ("asc( n = 8 , threshold=0.9 )", {"n": 8, "threshold": 0.9}, "asc(n=8, threshold=0.9)"),
        ("cmc(warm=True,kind=fast)", {"warm": True, "kind": "fast"}, "cmc(warm=True, kind=fast)"),
        ("cmc(kind='fast')", {"kind": "fast"}, "cmc(kind=fast)"),
        ("sc()", {}, "sc()"),
        ("sc(n=16,)", {"n": 16}, "sc(n=16)"),
    ],
)
def test_constants_replace_those_of_the_schedule_at_beta_1(text: str, values: dict[str, object], name: str) -> None:
    found = find(text)
    assert (found.overrides, found.betas, found.name) == (values, (1.0,), name)
    assert {key: type(value) for key, value in found.overrides.items()} == {k: type(v) for k, v in values.items()}


def test_a_file_is_a_controller_with_or_without_a_beta(file: Path) -> None:
    assert find(str(file)) == NamedController("winner.py", SOURCE, BETAS, {})
    assert find(f"{file}@0.5") == NamedController("winner.py@0.5", SOURCE, (0.5,), {})
    assert find(f"{file}(n=3)") == NamedController("winner.py(n=3)", SOURCE, (1.0,), {"n": 3})


def test_a_file_s_name_may_hold_signs_that_mean_something_elsewhere(tmp_path: Path) -> None:
    for name in ("a@0.5", "b(n=1).py", "c @ (d).py"):
        path = tmp_path / "mail@home" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SOURCE)
        assert find(str(path)) == NamedController(name, SOURCE, BETAS, {})
        assert find(f"{path}@0.5").betas == (0.5,)


def test_a_file_called_like_a_baseline_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sc").write_text(SOURCE)
    assert find("sc").source == baseline_source("sc")
    assert find("./sc").source == SOURCE


@pytest.mark.parametrize(("text", "source"), [("12", "twelve"), ("monday:3", "three"), ("monday:3@0.5", "three")])
def test_a_candidate_is_found_by_run_and_number(text: str, source: str) -> None:
    assert find(text).source == source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no controller is called ''"),
        ("cmd", "no controller is called 'cmd'"),
        ("13", "no controller is called '13'"),
        ("missing.py", "no controller is called 'missing.py'"),
        ("@0.5", "no controller is called '@0.5'"),
        ("(n=3)", "no controller is called"),
        ("sc(n=3", "no controller is called 'sc(n=3'"),
        ("sc@0.5(n=3)", "no controller is called"),
        ("sc(n=3)@0.5", "no controller is called"),
        ("x" * 5_000, "no controller is called"),
        ("a\0b", "no controller is called"),
        ("sc@", "beta is ''"),
        ("sc@half", "beta is 'half'"),
        ("sc@1.5", "beta is '1.5'; it is a number from 0 to 1"),
        ("sc@-1", "beta is '-1'"),
        ("sc@nan", "beta is 'nan'"),
        ("sc@1_0", "beta is '1_0'"),
        ("sc@0..5", "beta is '0..5'"),
        ("sc(16)", "expected key=value, found '16'"),
        ("sc(n)", "expected key=value, found 'n'"),
        ("sc(1n=3)", "expected key=value, found '1n=3'"),
        ("sc(n=)", "n is ''; it must be a finite value"),
        ("sc(n=nan)", "n is 'nan'; it must be a finite value"),
        ("sc(n=-inf)", "n is '-inf'"),
        ("sc(n=1, n=2)", "n is given twice"),
    ],
)
def test_a_wrong_form_is_told_with_a_way_out(text: str, message: str) -> None:
    with pytest.raises(ControllerNameError) as caught:
        find(text)
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.py"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ControllerNameError, match=r"can't be read as a controller"):
        find(str(path))


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("-3", -3), ("0.5", 0.5), ("1e3", 1000.0), ("True", True), ("true", "true")]
)
def test_a_value_keeps_its_kind(text: str, value: object) -> None:
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)
