"""BlazePose's world landmarks as a lifter: 33 points in metres about the hips, which its network guesses from each image alone.

Bazarevsky et al., "BlazePose: On-device real-time body pose tracking", 2020; Grishchenko et al., "BlazePose GHUM Holistic", 2022.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from recon3d.arrays import finite_median
from recon3d.detect import Network, load_card
from recon3d.detect.affine import warped
from recon3d.monocular.lifter import STANDARD_M, Lifted, PointsOfView
from recon3d.monocular.points import JOINTS, POINTS
from recon3d.monocular.virtual import look_at
from recon3d.monocular.world import PersonView
from recon3d.records import Frame
from recon3d.skeleton import Layout

_VALUES = 117  # 39 landmarks, of which 33 are of the body
_CARD = "blazepose_full"
# Errors about the hips, m of a standard body, across and along the line of sight: set by hand, wider along it.
_SIGMA = {"wrist": (0.05, 0.18), "elbow": (0.05, 0.12), "ankle": (0.06, 0.12), "toes": (0.07, 0.13), "knee": (0.05, 0.10)}
_OTHER_SIGMA = (0.04, 0.09)
_ROOT_SIGMA = (0.05, 0.05, 0.08)
_LEAST_POINTS = 6


class BlazePoseLifter:
    """Answers for the frames that were looked at."""

    def __init__(self, time: Float[np.ndarray, "frames"], joints: Float[np.ndarray, "frames joints 3"]):
        """What was seen.

        Args:
            time: s.
            joints: `JOINTS` about the pelvis, m, x right, y down, z away from who looks straight at the person; NaN where unknown.
        """
        self._time, self._joints = time, joints

    @staticmethod
    def watching(frames: Iterable[Frame], view: PersonView, card: str = _CARD) -> "BlazePoseLifter":
        """Look at one person in all frames of a video that it is seen in.

        Args:
            frames: of the video, in order, in the pixels of the view.
            view: of the person: where it is, and when by the world's clock.
            card: of the network.
        """
        network = Network(load_card(card))
        points = network.card.points
        out = np.full((len(view), len(JOINTS), 3), np.nan)
        row = {int(number): k for k, number in enumerate(view.frame)}
        known: np.ndarray = np.logical_and.reduce(np.isfinite(view.xy), axis=-1)
        for frame in frames:
            k = row.get(frame.number)
            if k is not None and known[k].sum() >= _LEAST_POINTS:
                xy = np.where(known[k, :, None], view.xy[k], np.nan)
                out[k] = _looked(network, frame, xy, known[k].astype(float), view.layout, points)
        return BlazePoseLifter(view.time.copy(), out)

    def lift(self, seen: PointsOfView) -> Lifted:
        """One person's points of one camera; frames that were not looked at stay unknown."""
        at = np.clip(np.searchsorted(self._time, seen.time - 1e-6), 0, len(self._time) - 1)
        joints = np.where((np.abs(self._time[at] - seen.time) < 1e-3)[:, None, None], self._joints[at], np.nan)
        joints = joints * (STANDARD_M / finite_median(_size(joints))) if np.isfinite(joints).any() else joints
        view = look_at(seen.ray)
        back = np.swapaxes(view.turn, -1, -2)
        turned = np.einsum("fij,fpj->fpi", back, joints)
        covariance = np.zeros((*joints.shape, 3))
        for k, name in enumerate(JOINTS):
            across, along = next((s for part, s in _SIGMA.items() if part in name), _OTHER_SIGMA)
            covariance[:, k] = back @ np.diag([across**2, across**2, along**2]) @ view.turn
        covariance[~np.isfinite(joints)[..., 0]] = np.nan
        root = _root(seen.ray, turned)
        gone: np.ndarray = ~np.logical_and.reduce(np.isfinite(root), axis=-1)
        turned[gone], covariance[gone] = np.nan, np.nan
        return Lifted(turned, covariance, root, np.where(gone[:, None], np.nan, np.array(_ROOT_SIGMA)))


def _looked(
    network: Network, frame: Frame, xy: Float[np.ndarray, "joints 2"], score: Float[np.ndarray, "joints"], layout: Layout, points: Layout
) -> Float[np.ndarray, "lifted 3"]:
    to_input = network.crop(xy, score, layout)
    outputs = [output.reshape(-1) for output in network.run(warped(frame.image, to_input, network.card.input))]
    there = next(float(output[0]) for output in outputs if len(output) == 1)
    if there < network.card.min_score:
        return np.full((len(JOINTS), 3), np.nan)
    landmarks = next(output for output in outputs if len(output) == _VALUES).reshape(-1, 3)[: len(points)].astype(float)
    # The crop stands upright with the trunk: back to the image's own axes.
    turn = to_input[:, :2] / np.sqrt(np.linalg.det(to_input[:, :2]))
    landmarks[:, :2] = landmarks[:, :2] @ turn
    return _as_joints({name: landmarks[k] for k, name in enumerate(points.points)})


def _as_joints(at: dict[str, np.ndarray]) -> Float[np.ndarray, "lifted 3"]:
    """Our joints from BlazePose's points; those inside the trunk by shares of the way."""
    hips, shoulders = (0.5 * (at[f"left_{part}"] + at[f"right_{part}"]) for part in ("hip", "shoulder"))
    trunk = shoulders - hips
    ears = 0.5 * (at["left_ear"] + at["right_ear"])
    neck = shoulders + 0.08 * trunk
    found = {"pelvis": hips, "spine": hips + 0.3 * trunk, "chest": hips + 0.7 * trunk, "neck": neck, "head": neck + 0.4 * (ears - neck)}
    found["head_top"] = ears + 0.7 * (ears - neck)
    for side in ("left", "right"):
        found[f"{side}_clavicle"] = neck + 0.15 * (at[f"{side}_shoulder"] - neck)
        found[f"{side}_toes"] = at[f"{side}_foot_index"]
        found |= {f"{side}_{part}": at[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}
    return np.stack([found[name] for name in JOINTS]) - hips


def _size(joints: Float[np.ndarray, "frames joints 3"]) -> Float[np.ndarray, "frames"]:
    """Thigh, shank and trunk."""
    at = {name: joints[:, k] for k, name in enumerate(JOINTS)}
    total = np.linalg.norm(at["neck"] - at["pelvis"], axis=-1)
    for side in ("left", "right"):
        for a, b in (("hip", "knee"), ("knee", "ankle")):
            total = total + 0.5 * np.linalg.norm(at[f"{side}_{a}"] - at[f"{side}_{b}"], axis=-1)
    return total


def _root(ray: Float[np.ndarray, "frames points 2"], joints: Float[np.ndarray, "frames joints 3"]) -> Float[np.ndarray, "frames 3"]:
    """Where the pelvis is so that joints lie on their lines of sight: least squares, linear since depth multiplies the ray."""
    inside = ("pelvis", "neck", "spine", "head_top")  # detectors' and motion capture's are not quite the same
    pairs = [(POINTS.index(name), j) for j, name in enumerate(JOINTS) if name in POINTS and name not in inside]
    seen, body = ray[:, [p for p, _ in pairs]], joints[:, [j for _, j in pairs]]
    weight = (np.isfinite(seen).all(-1) & np.isfinite(body).all(-1)).astype(float)
    u, b = np.where(weight[..., None] > 0, seen, 0.0), np.where(weight[..., None] > 0, body, 0.0)
    # u (z + Z) = x + X: rows (1, 0, -u) and (0, 1, -v) times (x, y, z) are u Z - X and v Z - Y.
    one, none = np.ones_like(weight), np.zeros_like(weight)
    rows = np.stack([np.stack([one, none, -u[..., 0]], -1), np.stack([none, one, -u[..., 1]], -1)], 2) * weight[..., None, None]
    right = (u * b[..., 2:] - b[..., :2]) * weight[..., None]
    flat, goal = rows.reshape(len(rows), -1, 3), right.reshape(len(right), -1)
    good = weight.sum(1) >= _LEAST_POINTS
    normal = np.einsum("fri,frj->fij", flat, flat) + 1e-9 * np.eye(3)
    found = np.linalg.solve(normal, np.einsum("fri,fr->fi", flat, goal)[..., None])[..., 0]
    return np.where((good & (found[:, 2] > 0.1))[:, None], found, np.nan)
