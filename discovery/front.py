"""Which points are nondominated: higher accuracy, lower cost ratio."""

import moocore
import numpy as np
import numpy.typing as npt

_MAXIMISE = [True, False]


def nondominated(points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Marks the points that no other point dominates; of equal points, the first.

    Args:
        points: (n, 2); column 0 is accuracy in [0, 1], maximised; column 1 is the cost ratio, minimised.
    """
    table = np.asarray(points, float).reshape(-1, 2)
    if not len(table):
        return np.zeros(0, np.bool_)
    return np.asarray(moocore.is_nondominated(table, maximise=_MAXIMISE), np.bool_)


def hypervolume(points: npt.ArrayLike, reference_point: tuple[float, float] = (0.0, 1.0)) -> float:
    """Area dominated by `points`, in accuracy x cost ratio.

    Args:
        points: (n, 2); as for `nondominated`.
        reference_point: (accuracy, cost ratio), no better than any point that is to count.

    Raises:
        ValueError: If a value is not finite.
    """
    table = np.asarray(points, float).reshape(-1, 2)
    if not np.isfinite(table).all():
        raise ValueError("points must be finite")
    if not len(table):
        return 0.0
    return float(moocore.hypervolume(table, ref=list(reference_point), maximise=_MAXIMISE))
