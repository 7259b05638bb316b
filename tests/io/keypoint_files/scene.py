"""One scene that every format's files are written from, and the check that a record holds it.

Two people in frames 0, 2 and 11, the second of them not in frame 2; one point of the first is absent in frame 0.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon3d.io.keypoints import KeypointOptions
from recon3d.records import Keypoints2D
from recon3d.skeleton import load_layout
from recon3d.synthetic import make_person, make_rig

SIZE = (1920, 1080)
OPTIONS = KeypointOptions(fps=30.0, size=SIZE)
FRAMES = (0, 2, 11)
ABSENT = 9  # of the first person in frame 0
COCO_NAMES = load_layout("coco_17").points


@dataclass
class Seen:
    """A person in a frame; NaN and a score of 0 where a point is absent."""

    frame: int
    person: int
    points: np.ndarray

    @property
    def there(self) -> np.ndarray:
        return np.isfinite(self.points[:, 0])

    def absent_as(self, *values: float) -> np.ndarray:
        return np.where(self.there[:, None], self.points, values)

    @property
    def xyxy(self) -> list[float]:
        xy = self.points[self.there, :2]
        return np.round([*(xy.min(0) - 5), *(xy.max(0) + 5)], 2).tolist()

    @property
    def xywh(self) -> list[float]:
        x, y, right, bottom = self.xyxy
        return [x, y, right - x, bottom - y]


@functools.cache
def scene(layout: str = "coco_17", seed: int = 0) -> tuple[Seen, ...]:
    rng = np.random.default_rng(seed)
    body = make_person("gait", 30, layout=layout).keypoints
    body = np.where(np.isfinite(body), body, np.nanmean(body, axis=1, keepdims=True) + rng.normal(0, 0.05, body.shape[1:]))
    rows = []
    for frame in FRAMES:
        xy = make_rig("ring", 4).cameras[1].project(body[frame])
        for person in (0, 1):
            if person == 1 and frame == 2:
                continue
            points = np.round(np.c_[xy + [person * 250, person * 20], rng.uniform(0.3, 0.95, len(xy))], 3)
            if person == 0 and frame == 0 and len(xy) > ABSENT:
                points[ABSENT] = [np.nan, np.nan, 0]
            rows.append(Seen(frame, person, points))
    return tuple(rows)


def check(
    found: Keypoints2D, rows: tuple[Seen, ...] | list[Seen], layout: str, ids: bool = True, scores: bool = True, atol: float = 2e-3
) -> None:
    """The record holds the scene, in the file's order within a frame."""
    assert found.layout is load_layout(layout)
    assert found.frame.tolist() == sorted({row.frame for row in rows})
    np.testing.assert_allclose(found.time, found.frame / 30.0)
    assert int(np.isfinite(found.xy[..., 0]).any(-1).sum()) == len(rows)
    for frame in found.frame.tolist():
        at = found.frame.tolist().index(frame)
        for slot, row in enumerate([row for row in rows if row.frame == frame]):
            assert found.person_id[at, slot] == (row.person if ids else -1)
            np.testing.assert_allclose(found.xy[at, slot], row.points[:, :2], atol=atol)
            if scores:
                np.testing.assert_allclose(found.confidence[at, slot], row.points[:, 2], atol=1e-3)
            else:
                np.testing.assert_array_equal(found.confidence[at, slot] > 0, row.there)
            assert np.isfinite(found.box[at, slot]).all()
    assert (found.person_id[~np.isfinite(found.xy[..., 0]).any(-1)] == -1).all()


def frames_of(rows: tuple[Seen, ...]) -> dict[int, list[Seen]]:
    """Frames from 0 to the last, with nobody in most."""
    return {frame: [row for row in rows if row.frame == frame] for frame in range(FRAMES[-1] + 1)}


def single(layout: str) -> np.ndarray:
    """The first person in frames 0, 1 and 2."""
    return np.stack([row.points for row in scene(layout) if row.person == 0])


def dump(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path
