"""The documentation of the sandbox is true: its tests exist, its layers are all there, the dialect is current."""

import re
from pathlib import Path

from sandbox.confine import LAYERS
from sandbox.dialect import describe_dialect

PROJECT = Path(__file__).parents[1]
HEADING = "# The dialect\n\nMade from the code by `describe_dialect`, and the same text that an explorer gets.\n\n"


def test_every_test_that_the_page_names_exists() -> None:
    page = (PROJECT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "tests").glob("test_sandbox_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 30
    assert {name for name in named if f"def {name}(" not in sources} == set()


def test_the_page_knows_every_layer() -> None:
    page = (PROJECT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert {name for name in LAYERS if f"| `{name}` |" not in page} == set()


def test_the_dialect_on_paper_is_that_of_the_code() -> None:
    assert (PROJECT / "docs" / "dialect.md").read_text(encoding="utf-8") == HEADING + describe_dialect()
