"""Simple measures of what a face does, from its landmarks in space: free of the head's turn and of its size.

Eyes and mouth: the opening over the width (Soukupova and Cech 2016, equation 1, for eyes). Brows: height over the eye, over the distance
between the eyes. All are ratios of one face; what is usual for it is its own median.
"""

import numpy as np
from jaxtyping import Float

from recon3d.geometry import SE3
from recon3d.head.faces import IBUG_68
from recon3d.skeleton import Layout, load_layout

MEASURES = ("left_eye_open", "right_eye_open", "mouth_open", "left_brow_up", "right_brow_up")


def measures_of(layout: Layout, seen: Float[np.ndarray, "frames points 2"]) -> dict[str, Float[np.ndarray, "frames"]]:
    """Of points in a picture that was turned to face the head, or in the head's own plane (x to the left, z up).

    Args:
        layout: of the points: 300W's 68, alone or as WholeBody's, or MediaPipe's 468.
        seen: left and up, in any unit.
    """
    ibug = load_layout("face_68").points
    names = [f"face_{k}" for k in IBUG_68] if layout.name == "face_468" else [n if n in layout.points else f"face_{n}" for n in ibug]
    if not set(names) <= set(layout.points):
        return {}
    p = seen[:, layout.indices(names)]
    apart = np.linalg.norm(p[:, 36:42].mean(1) - p[:, 42:48].mean(1), axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "left_eye_open": _open(p, 42),
            "right_eye_open": _open(p, 36),
            "mouth_open": np.linalg.norm(p[:, 61:64] - p[:, [67, 66, 65]], axis=-1).mean(1) / np.linalg.norm(p[:, 60] - p[:, 64], axis=-1),
            "left_brow_up": (p[:, 22:27, 1].mean(1) - p[:, 42:48, 1].mean(1)) / apart,
            "right_brow_up": (p[:, 17:22, 1].mean(1) - p[:, 36:42, 1].mean(1)) / apart,
        }


def on_face_plane(
    rays: Float[np.ndarray, "frames points 3"], cam_from_head: SE3, depth: Float[np.ndarray, "points"]
) -> Float[np.ndarray, "frames points 2"]:
    """Where rays of a camera meet the face: each at the depth that its point has on the head (y), as x and z in the head's axes, m."""
    back = cam_from_head.inverse()
    begin, along = back.translation, np.einsum("fij,fpj->fpi", back.rotation.matrix, rays)
    with np.errstate(invalid="ignore", divide="ignore"):
        far = (depth - begin[:, None, 1]) / along[..., 1]
    met = begin[:, None] + far[..., None] * along
    return np.where(far[..., None] > 0, met[..., [0, 2]], np.nan)


def _open(p: np.ndarray, first: int) -> Float[np.ndarray, "frames"]:
    a, b, c, d, e, f = (p[:, first + k] for k in range(6))
    return 0.5 * (np.linalg.norm(b - f, axis=-1) + np.linalg.norm(c - e, axis=-1)) / np.linalg.norm(a - d, axis=-1)
