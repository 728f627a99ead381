"""Known controllers, written in the dialect and read as text: they run by the same road as candidates."""

from importlib.resources import files

NAMES = ("sc", "asc", "esc", "parallel_probe", "short_m_k", "adaptive_short", "cmc")


def baseline_source(name: str) -> str:
    """The source of a baseline.

    Raises:
        KeyError: If there is no baseline of that name.
    """
    if name not in NAMES:
        raise KeyError(name)
    return (files(__name__) / f"{name}.py").read_text(encoding="utf-8")
