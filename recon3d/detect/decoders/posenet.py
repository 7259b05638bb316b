"""PoseNet (Papandreou 2018): heatmaps, short offsets, and displacements along the skeleton; one person or several."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders.outputs import sigmoid, squeezed
from recon3d.detect.decoders.peaks import local_peaks
from recon3d.detect.people import People

OPTIONS = {"stride": 16, "people": 6, "apart_px": 20.0, "root_score": 0.5}
_TREE = (
    ("nose", "left_eye"), ("left_eye", "left_ear"), ("nose", "right_eye"), ("right_eye", "right_ear"), ("nose", "left_shoulder"),
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("left_shoulder", "left_hip"), ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"), ("nose", "right_shoulder"), ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("right_shoulder", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
)  # fmt: skip
"""The edges that the displacement maps follow, in their order."""
_ROUNDS = 2  # of moving a displaced point by the short offsets


def posenet(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """Heatmap logits ``(rows, columns, 17)``, offsets ``(.., 34)``, displacements forward and backward ``(.., 32)``; y before x, px."""
    maps, offset, forward, backward = (squeezed(output, 3).astype(float) for output in outputs[:4])
    score = sigmoid(maps)
    rows, columns, joints = score.shape
    offset = offset.reshape(rows, columns, 2, joints)
    moves = [output.reshape(rows, columns, 2, len(_TREE)) for output in (forward, backward)]
    stride, most = float(card.option("stride")), int(card.option("people"))
    which, cells, height = local_peaks(score.transpose(2, 0, 1), float(card.option("root_score")))
    if not len(which):
        return People(np.zeros((0, joints, 2)), np.zeros((0, joints)), np.zeros(0))
    poses: list[np.ndarray] = []
    scores: list[np.ndarray] = []
    for k in np.argsort(-height, kind="stable").tolist():
        joint, (x, y) = int(which[k]), cells[k].tolist()
        root = np.array([x, y]) * stride + offset[y, x, ::-1, joint]
        if any(np.linalg.norm(pose[joint] - root) < float(card.option("apart_px")) for pose in poses):
            continue
        xy, own = _grown(joint, root, float(height[k]), score, offset, moves, card, stride)
        poses.append(xy)
        scores.append(own)
        if len(poses) == most:
            break
    confidence = np.stack(scores)
    return People(np.stack(poses), confidence, confidence.mean(1)).best_first(card.min_score)


def _grown(
    root: int,
    at: Float[np.ndarray, "2"],
    height: float,
    score: Float[np.ndarray, "rows columns joints"],
    offset: Float[np.ndarray, "rows columns 2 joints"],
    moves: list[np.ndarray],
    card: ModelCard,
    stride: float,
) -> tuple[Float[np.ndarray, "joints 2"], Float[np.ndarray, "joints"]]:
    """A whole person from one of its points, along the tree both ways."""
    names = card.points
    edges = [(names.index(a), names.index(b)) for a, b in _TREE]
    rows, columns, joints = score.shape
    xy, own = np.full((joints, 2), np.nan), np.zeros(joints)
    xy[root], own[root] = at, height

    def cell(point: np.ndarray) -> tuple[int, int]:
        x, y = np.rint(point / stride).astype(int)
        return int(np.clip(y, 0, rows - 1)), int(np.clip(x, 0, columns - 1))

    def follow(source: int, target: int, move: np.ndarray) -> None:
        y, x = cell(xy[source])
        point = xy[source] + move[y, x, ::-1]
        for _ in range(_ROUNDS):
            y, x = cell(point)
            point = np.array([x, y]) * stride + offset[y, x, ::-1, target]
        y, x = cell(point)
        xy[target], own[target] = point, score[y, x, target]

    for edge in reversed(range(len(edges))):
        parent, child = edges[edge]
        if own[child] > 0 and own[parent] == 0:
            follow(child, parent, moves[1][..., edge])
    for edge, (parent, child) in enumerate(edges):
        if own[parent] > 0 and own[child] == 0:
            follow(parent, child, moves[0][..., edge])
    return xy, own
