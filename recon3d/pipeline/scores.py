"""Keypoints with the sigma that was learned of their detector's scores."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from recon3d import io
from recon3d.errors import InputError
from recon3d.records import Keypoints2D


def with_scores(path: Path) -> Callable[[Keypoints2D], Keypoints2D]:
    """What turns a record into the same with learned sigmas.

    Raises:
        InputError: the file cannot be used; later, keypoints of another layout or with another kind of score.
    """
    sigma, layout, score_kind = io.read_scores(path)

    def apply(seen: Keypoints2D) -> Keypoints2D:
        if (seen.layout.name, seen.score_kind) != (layout, score_kind):
            raise InputError(
                f"{path} was learned of {layout} points with scores of the kind {score_kind}; camera {seen.camera} has "
                f"{seen.layout.name} points with {seen.score_kind}"
            )
        return replace(seen, sigma_px=sigma.of(seen))

    return apply
