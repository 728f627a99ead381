"""Fixtures that several test files share."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test depends on how busy the machine is.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

pytest.register_assert_rewrite("tests.conformance", "tests.refusals")


@pytest.fixture(scope="session")
def recorded_folder() -> Path:
    """The folder beside the project that holds real recorded trajectories and reference figures."""
    folder = Path(__file__).parents[2] / "shared"
    if not (folder / "reference").is_dir() or not (folder / "data" / "public").is_dir():
        pytest.skip("needs recorded trajectories and their reference figures, which are not part of the project")
    return folder
