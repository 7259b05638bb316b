"""Keypoints with the sigma that was learned of their detector's scores."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from recon3d import io
from recon3d.errors import InputError
from recon3d.records import Keypoints2D


def with_scores(path: Path, layout: str | None = None, score_kind: str | None = None) -> Callable[[Keypoints2D], Keypoints2D]:
    """What turns a record into the same with learned sigmas.

    Args:
        path: of the file that `recon3d calibrate scores` wrote.
        layout: of the keypoints to come, where it is known already.
        score_kind: of their scores.

    Raises:
        InputError: the file cannot be used, or is of another layout or kind of score; where these are not known yet, later.
    """
    sigma, own_layout, own_kind = io.read_scores(path)

    def check(layout: str, score_kind: str, whose: str) -> None:
        if (layout, score_kind) != (own_layout, own_kind):
            raise InputError(
                f"{path} was learned of {own_layout} points with scores of the kind {own_kind}; {whose} {layout} points with "
                f"{score_kind}: learn scores from a take that was made with the same --speed or --detector"
            )

    def apply(seen: Keypoints2D) -> Keypoints2D:
        check(seen.layout.name, seen.score_kind, f"camera {seen.camera} has")
        unknown = sorted(set(sigma.points) - set(seen.layout.points))
        if unknown:
            raise InputError(f"{path}: layout {seen.layout.name} has no point {', '.join(unknown)}")
        return replace(seen, sigma_px=sigma.of(seen))

    if layout is not None and score_kind is not None:
        check(layout, score_kind, "the detector gives")

    return apply
