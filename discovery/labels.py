"""Puts names beside the points of a plot so that they cover neither each other nor the points."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DISTANCES = (9.0, 18.0, 30.0, 44.0, 60.0)
_ANGLES = (0, 30, -30, 60, -60, 90, -90, 120, -120, 150, -150, 180)
_SPACING = 6.0
"""Pixels between the points by which a line is kept clear."""

_NEAR = 12.0
"""Pixels beyond which a line leads from a label to its point."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Label:
    """A name for a point.

    Attributes:
        text: The name.
        at: The point, in the units of the axes.
        colour: Of the text.
    """

    text: str
    at: tuple[float, float]
    colour: str


def place(axes: "Axes", labels: Sequence[Label], lines: Sequence[Sequence[tuple[float, float]]]) -> None:
    """Draws labels, each where it covers least: greedily, the topmost point first.

    Args:
        axes: Where; their limits have to be final.
        labels: What.
        lines: Points, and what joins them, that should stay free, in the units of the axes.
    """
    figure = axes.figure
    figure.canvas.draw()
    scale = figure.dpi / 72
    points = np.concatenate([_along(axes.transData.transform(np.array(line, float))) for line in lines if len(line)])
    room = axes.get_window_extent().extents
    taken: list[Floats] = []
    for label in sorted(labels, key=lambda label: -label.at[1]):
        drawn = axes.annotate(label.text, label.at, color=label.colour, fontweight="bold", annotation_clip=False)
        extent = drawn.get_window_extent()
        size = np.array([extent.width, extent.height])
        anchor = axes.transData.transform(label.at)
        boxes = [_box(anchor, distance * scale, angle, size) for distance, angle in product(_DISTANCES, _ANGLES)]
        costs = [_cost(box, taken, points, room) for box in boxes]
        best = boxes[int(np.argmin(costs))]
        taken.append(best)
        drawn.remove()
        _draw(axes, label, best, anchor, scale)


def _along(corners: Floats) -> Floats:
    """Points on a line through corners, and the corners."""
    between = [corners[:1]]
    for start, end in pairwise(corners):
        n_steps = max(1, int(np.hypot(*(end - start)) / _SPACING))
        between.append(start + (end - start) * np.linspace(0, 1, n_steps + 1)[1:, None])
    return np.concatenate(between)


def _box(anchor: Floats, distance: float, degrees: float, size: Floats) -> Floats:
    """(left, bottom, right, top) in pixels of a text whose near edge is so far from its point."""
    direction = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    centre = anchor + direction * (distance + np.array([size[0] / 2, size[1] / 2]) * np.abs(direction))
    return np.concatenate([centre - size / 2, centre + size / 2])


def _cost(box: Floats, taken: Sequence[Floats], points: Floats, room: npt.ArrayLike) -> float:
    """How bad a place is: other labels covered, points covered, pixels beyond the axes."""
    left, bottom, right, top = box
    overlaps = sum(
        1 for other in taken if left < other[2] and other[0] < right and bottom < other[3] and other[1] < top
    )
    margin = 4
    inside = (
        (points[:, 0] > left - margin)
        & (points[:, 0] < right + margin)
        & (points[:, 1] > bottom - margin)
        & (points[:, 1] < top + margin)
    )
    edges = np.asarray(room, float)
    beyond = np.maximum(0, [edges[0] - left, edges[1] - bottom, right - edges[2], top - edges[3]]).sum()
    return 50 * overlaps + int(inside.sum()) + float(beyond)


def _draw(axes: "Axes", label: Label, box: Floats, anchor: Floats, scale: float) -> None:
    offset = ((box[:2] + box[2:]) / 2 - anchor) / scale
    gap = np.maximum(0, np.maximum(box[:2] - anchor, anchor - box[2:]))
    leads = float(np.hypot(*gap)) / scale > _NEAR
    axes.annotate(
        label.text,
        label.at,
        xytext=(float(offset[0]), float(offset[1])),
        textcoords="offset points",
        ha="center",
        va="center",
        color=label.colour,
        fontweight="bold",
        annotation_clip=False,
        arrowprops={"arrowstyle": "-", "color": label.colour, "linewidth": 0.7, "alpha": 0.6} if leads else None,
        bbox={"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.7},
        zorder=6,
    )
