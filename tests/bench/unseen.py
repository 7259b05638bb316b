"""Four cameras and a limb that too few of them see: the lifter's prior against what the take alone tells of habits.

People of the motion capture that the lifter has not seen; detections with errors that last (4 px) and that change (2 px).
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from jaxtyping import Float

from recon3d import io
from recon3d.monocular.points import POINTS
from recon3d.monocular.train.mocap import Clips
from recon3d.pipeline import Job, Settings, Take, observed
from recon3d.pipeline import run as run_job
from recon3d.pipeline.settings import ExportSettings
from recon3d.skeleton import load_layout
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world
from tests.bench.table import Result, result

SEEDS = (0, 1, 2)
FRAMES, CLIPS = 90, 3  # of each set of people, a seed
# Points, the cameras that see them all the same.
CASES = (
    (("left_ankle", "right_ankle"), ()),
    (("left_elbow", "left_wrist"), ()),
    (("left_knee", "left_ankle"), (1,)),
    (("left_elbow", "left_wrist", "right_elbow", "right_wrist"), (1,)),
)


def unseen_limbs(sets: tuple[Clips, ...]) -> list[Result]:
    ratio: list[float] = []
    errors: dict[str, list[float]] = {"with": [], "without": []}
    for seed in SEEDS:
        off: dict[str, list[float]] = {"with": [], "without": []}
        for people in sets:
            for k, places in enumerate(_chosen(people, seed)):
                points, keep = CASES[(seed + k) % len(CASES)]
                off["with"].append(_error(places, points, keep, seed))
                with mock.patch.object(observed, "with_expected", lambda seen, lifter: seen):
                    off["without"].append(_error(places, points, keep, seed))
        ratio.append(float(np.mean(off["with"]) / np.mean(off["without"])))
        for name, values in off.items():
            errors[name].append(1000 * float(np.mean(values)))
    beside = ", ".join(f"{name} the prior {np.median(values):.0f} mm" for name, values in errors.items())
    return [result("lifting.unseen_limb_ratio", ratio, "x", 0.9, "lower", SEEDS, beside)]


def _chosen(people: Clips, seed: int) -> Iterator[Float[np.ndarray, "frames points 3"]]:
    rng, every = np.random.default_rng(seed), people.points()
    long = np.flatnonzero(np.diff(people.start) >= FRAMES)
    for clip in rng.choice(long, CLIPS, replace=False):
        first = people.start[clip] + rng.integers(0, people.start[clip + 1] - people.start[clip] - FRAMES + 1)
        places = every[first : first + FRAMES].astype(float)
        middle = places[:, POINTS.index("left_hip")].mean(0)
        yield places - [middle[0], middle[1], np.nanmin(places[..., 2])]


def _error(places: Float[np.ndarray, "frames points 3"], points: tuple[str, ...], keep: tuple[int, ...], seed: int) -> float:
    """Of the hidden joints, m."""
    rng, layout = np.random.default_rng(seed), load_layout("coco_17")
    world = make_world(make_rig("ring", 4, "none", 1), make_person("gait", FRAMES, 30.0, 1, layout.name), NoiseSettings(), 1)
    own = places[:, [POINTS.index(name) for name in layout.points]]
    hidden = [layout.points.index(name) for name in points]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        io.write_rig(folder / "rig.toml", world.rig)
        (folder / "keypoints").mkdir()
        for k, (camera, like) in enumerate(zip(world.rig.cameras, world.keypoints2d(), strict=True)):
            xy = camera.project(own)[..., :2]
            xy = xy + rng.normal(0, 2.0, xy.shape) + rng.normal(0, 4.0, (1, *xy.shape[1:]))
            if k not in keep:
                xy[:, hidden] = np.nan
            seen = np.isfinite(xy[..., 0])[:, None]
            sigma = np.full(seen.shape, 4.5, np.float32)
            made = replace(like, xy=xy[:, None].astype(np.float32), confidence=np.where(seen, 0.9, 0.0).astype(np.float32), sigma_px=sigma)
            io.write_keypoints2d(folder / "keypoints" / f"{camera.name}.npz", [lambda made=made: made])
        settings = Settings(export=ExportSettings(("csv",)))
        run_job(Job(folder / "rig.toml", (str(folder / "keypoints"),), folder / "take", settings))
        found = io.read_motion(Take(folder / "take").motion("0"))
    there = found.poses().translation[:, [found.armature.index(name) for name in points]]
    true = places[:, [POINTS.index(name) for name in points]]
    return float(np.nanmean(np.linalg.norm(there - true, axis=-1)))
