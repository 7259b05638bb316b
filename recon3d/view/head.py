"""Axes of heads drawn over images, and the course of their angles as a picture."""

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.geometry import SE3, Camera
from recon3d.io.files import atomic
from recon3d.opencv import import_cv2

_AXES = (((66, 135, 245), (1.0, 0.0, 0.0)), ((235, 80, 70), (0.0, -1.0, 0.0)), ((120, 220, 120), (0.0, 0.0, 1.0)))
"""RGB and direction in the head's axes: to its left, where it looks, up."""
_LONG_M = 0.15
_SHIFT = 4
_COLOURS = ("#4287f5", "#eb5046", "#5fb85f")
_WIDTH, _HEIGHT, _MARGIN = 900, 260, 48


def draw_head(
    image: UInt8[np.ndarray, "height width 3"], world_from_head: SE3, camera: Camera, label: str = ""
) -> UInt8[np.ndarray, "height width 3"]:
    """A copy of an image with a head's axes: blue to its left, red where it looks, green up; from between its ears."""
    cv2, out = import_cv2(), image.copy()
    ends = np.array([(0.0, 0.0, 0.0), *(np.array(axis) * _LONG_M for _, axis in _AXES)])
    xy = camera.project(world_from_head @ ends)
    if not np.isfinite(xy).all() or np.abs(xy).max() > 1e5:
        return out
    at = np.rint(xy * (1 << _SHIFT)).astype(int).tolist()
    width = max(2, image.shape[0] // 300)
    for (colour, _), end in zip(_AXES, at[1:], strict=True):
        cv2.arrowedLine(out, at[0], end, colour, width, cv2.LINE_AA, _SHIFT, 0.15)
    if label:
        corner = (int(xy[:, 0].min()), int(xy[:, 1].max()) + 8 * width)
        cv2.putText(out, label, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.25 * width, (255, 255, 255), max(1, width // 2), cv2.LINE_AA)
    return out


def write_curves(
    path: Path, title: str, time: Float[np.ndarray, "frames"], lines: dict[str, Float[np.ndarray, "frames"]], unit: str
) -> None:
    """An SVG with lines over time; gaps stay gaps."""
    values = np.concatenate([v[np.isfinite(v)] for v in lines.values()] or [np.zeros(1)])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    high = high if high > low else low + 1.0
    first, last = float(time[0]), float(time[-1]) if time[-1] > time[0] else float(time[0]) + 1.0

    def x(t: float) -> float:
        return _MARGIN + (t - first) / (last - first) * (_WIDTH - 2 * _MARGIN)

    def y(v: float) -> float:
        return _HEIGHT - _MARGIN - (v - low) / (high - low) * (_HEIGHT - 2 * _MARGIN)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_MARGIN}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for value in np.linspace(low, high, 5).tolist():
        out.append(f'<line x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="4" y="{y(value) + 4:.1f}">{round(value, 1) + 0.0:g}{escape(unit)}</text>')
    for value in np.linspace(first, last, 6).tolist():
        out.append(f'<text x="{x(value):.1f}" y="{_HEIGHT - 26}" text-anchor="middle">{value:.2f} s</text>')
    for k, (name, course) in enumerate(lines.items()):
        colour = _COLOURS[k % len(_COLOURS)]
        for run in np.split(np.arange(len(time)), np.flatnonzero(np.diff(np.isfinite(course).astype(int))) + 1):
            if np.isfinite(course[run]).all():
                points = " ".join(f"{x(float(time[r])):.1f},{y(float(course[r])):.1f}" for r in run)
                out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>')
        out.append(f'<text x="{_MARGIN + 110 * k}" y="{_HEIGHT - 8}" fill="{colour}">{escape(name)}</text>')
    with atomic(path) as stream:
        stream.write("\n".join([*out, "</svg>"]) + "\n")
