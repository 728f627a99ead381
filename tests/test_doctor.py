"""What `autotts doctor` finds, and what it never shows."""

from pathlib import Path

import pytest

from discovery.diagnosis import Finding, diagnose


def found(*args: object, **keywords: object) -> dict[str, Finding]:
    return {finding.subject: finding for finding in diagnose(*args, **keywords)}  # type: ignore[arg-type]


def test_every_layer_of_the_sandbox_is_stated(tmp_path: Path) -> None:
    subjects = found(tmp_path / "runs")
    assert subjects["sandbox language"].state.startswith("on")
    assert {"python", "cores", "disk", "keys"} <= subjects.keys()
    assert subjects["disk"].advice == ""


def test_a_key_is_named_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    findings = found(tmp_path, "openai/gpt-4o-mini")
    assert "OPENAI_API_KEY" in findings["keys"].state
    assert "sk-very-secret" not in repr(findings)
    assert findings["model"].advice == ""


def test_an_unknown_price_comes_with_the_options_that_give_it(tmp_path: Path) -> None:
    findings = found(tmp_path, "m", "http://127.0.0.1:9")
    assert "--price-input" in findings["price"].advice
    assert "can't be reached" in findings["endpoint"].state
    assert findings["endpoint"].advice


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "--archive" in found(tmp_path)["disk"].advice
