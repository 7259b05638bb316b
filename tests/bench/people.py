"""Several people: association, identities and ghosts against the truth, and against association by an oracle.

The worlds: cameras of 1920 x 1080 and f = 1100 px on a ring of 5 m round a room of 5 x 5 m, people who walk
through each other's ways, meet in the middle, leave and come back (`make_strollers`), 10 s at 60 frames/s; 2 px
noise, 10 % outliers, 15 % missing (half of it in bursts), joints behind other bodies missing, 5 % false people,
the places in every frame shuffled (`make_crowd`). Association knows nothing but pixels, sigmas and the rig.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from recon3d import io
from recon3d.geometry import Camera, CameraRig, Intrinsics
from recon3d.geometry.threads import single_threaded
from recon3d.geometry.triangulation import RobustSettings, triangulate_robust
from recon3d.io import KeypointOptions, read_openpose
from recon3d.metrics.people import PeopleScores, judge_people
from recon3d.multiview import MultiviewSettings, NoiseScale, Views, align_in_time, reconstruct, synchronise
from recon3d.multiview.frames import to_rig_pixels
from recon3d.multiview.people import Identities
from recon3d.multiview.people.points import claims_of, points_of
from recon3d.multiview.reconstruct import people_tracker, reconstruct_windows
from recon3d.multiview.subject import SubjectTracker, subject_only
from recon3d.records import Keypoints2D, Keypoints3D
from recon3d.records.keypoints3d import concatenate
from recon3d.skeleton import Layout, body_links
from recon3d.synthetic import Crowd, make_crowd, make_person, make_rig, make_strollers, make_world
from recon3d.synthetic.rigs import look_at
from tests.bench.main_job import BALANCE4
from tests.bench.table import Result, result

SEEDS = (0, 1, 2, 3, 4)
FRAMES, WINDOW = 600, 200
SOUND_PX = 8.0  # four sigmas: a detection nearer to the truth is sound
SEGMENTS = (
    ("shoulder", "elbow"),
    ("elbow", "wrist"),
    ("hip", "knee"),
    ("knee", "ankle"),
    ("shoulder", "hip"),
)  # fmt: skip


def ring(cameras: int, seed: int) -> CameraRig:
    """Cameras 5 m from the centre of the room, about 2 m high."""
    rng = np.random.default_rng([seed, cameras])
    k = np.array([[1100.0, 0, 959.5], [0, 1100.0, 539.5], [0, 0, 1]])
    out = []
    for n in range(cameras):
        angle = 2 * np.pi * n / cameras + rng.uniform(-0.1, 0.1)
        centre = np.array([5 * np.cos(angle), 5 * np.sin(angle), rng.uniform(1.8, 2.6)])
        out.append(Camera(f"cam{n + 1:02d}", Intrinsics((1920, 1080), k), look_at(centre, np.array([0, 0, 0.95]))))
    return CameraRig(tuple(out))


def limbs(layout: Layout) -> list[tuple[int, int]]:
    return [(layout.index(f"{side}_{a}"), layout.index(f"{side}_{b}")) for side in ("left", "right") for a, b in SEGMENTS]


def views_of(crowd: Crowd) -> list[Views]:
    seen = list(crowd.seen)
    return list(synchronise(seen, align_in_time(seen, crowd.rig), WINDOW))


def sound(crowd: Crowd) -> Bool[np.ndarray, "frames people joints"]:
    """Joints that two views or more see where they are."""
    clean = crowd.rig.project(np.nan_to_num(crowd.people).reshape(-1, 3)).reshape(len(crowd.rig), *crowd.people.shape[:3], 2)
    count = np.zeros(crowd.people.shape[:3], int)
    for v, seen in enumerate(crowd.seen):
        for person in range(crowd.people.shape[1]):
            at = crowd.owner[v] == person
            slot = at.argmax(1)
            xy = seen.xy[np.arange(len(slot)), slot]
            off = np.linalg.norm(xy - clean[v, :, person], axis=-1)
            count[:, person] += (off < SOUND_PX) & at.any(1)[:, None]
    return count >= 2


def oracle(crowd: Crowd, views: Sequence[Views]) -> Keypoints3D:
    """Everybody's points with every detection given to whom it is of."""
    people, start = np.arange(crowd.people.shape[1]), 0
    parts = []
    for part in views:
        owner = crowd.owner[:, start : start + len(part)]
        same = owner[..., None] == people
        slot = np.where(same.any(2), same.argmax(2), -1)
        swapped = np.zeros((*slot.shape, 2), bool)
        one, robust, links = (
            np.ones(len(crowd.rig)),
            RobustSettings(min_linked_confidence=MultiviewSettings().min_certainty),
            body_links(crowd.layout),
        )
        parts.append(points_of(part, crowd.rig, people, slot, swapped, one, 0.3, robust, links))
        start += len(part)
    return concatenate(parts)


@dataclass(frozen=True)
class Run:
    ours: PeopleScores
    oracle: PeopleScores
    fps: float
    identities: Identities


def run_world(cameras: int, people: int, seed: int, frames: int = FRAMES) -> Run:
    crowd = make_crowd(ring(cameras, seed), make_strollers(people, frames, seed), seed=seed)
    views = views_of(crowd)
    noise = NoiseScale(np.ones(cameras), np.ones(cameras), 1)
    tracker = people_tracker(crowd.rig, crowd.layout, noise, MultiviewSettings())
    start = time.perf_counter()
    windows = [(part, tracker.follow(part)) for part in views]
    identities = tracker.identities()
    seconds = time.perf_counter() - start
    found = concatenate(list(reconstruct_windows(windows, claims_of(identities), crowd.rig, noise)))
    counted = sound(crowd)
    ours, best = (judge_people(np.array(k.xyz), crowd.people, limbs(crowd.layout), counted) for k in (found, oracle(crowd, views)))
    return Run(ours, best, frames / seconds, identities)


def run() -> list[Result]:
    with single_threaded():
        small = [run_world(5, 4, seed) for seed in SEEDS]
        large = [run_world(8, 10, seed) for seed in SEEDS]
    ratios = [r.ours.mpjpe_mm / r.oracle.mpjpe_mm for r in small]
    mm = f"{np.median([r.ours.mpjpe_mm for r in small]):.2f} mm, oracle {np.median([r.oracle.mpjpe_mm for r in small]):.2f} mm"
    ghosts = [float(sum(r.ours.ghosts for r in (*small, *large)))]
    refused = sum(len(r.identities.refused) for r in (*small, *large))
    mota = f"MOTA {np.median([r.ours.mota for r in small]):.4f}, oracle's IDF1 {np.median([r.oracle.idf1 for r in small]):.4f}"
    return [
        result("people.pcp", [r.ours.pcp for r in small], "share", 0.98, "higher", SEEDS, _pcp(small)),
        result("people.mpjpe_mm", ratios, "x oracle", 1.1, "lower", SEEDS, mm),
        result("people.idf1", [r.ours.idf1 for r in small], "share", 0.99, "higher", SEEDS, mota),
        result("people.ghosts", ghosts, "people", 0, "lower", SEEDS, f"in all seeds of both worlds; {refused} refused"),
        result("people.fps_4x5", [r.fps for r in small], "frames/s", 600, "higher", SEEDS, "one thread"),
        result("people.fps_10x8", [r.fps for r in large], "frames/s", 100, "higher", SEEDS, "one thread"),
        result("people.idf1_10x8", [r.ours.idf1 for r in large], "share", 0.97, "higher", SEEDS, _pcp(large)),
        unchanged(),
    ]


def _pcp(runs: Sequence[Run]) -> str:
    return f"PCP {np.median([r.ours.pcp for r in runs]):.4f}, oracle {np.median([r.oracle.pcp for r in runs]):.4f}"


def unchanged() -> Result:
    """One person's takes against every view's nearest detection of the one subject, triangulated in the same way."""
    off, points = [], 0
    for seed in SEEDS:
        rig = make_rig("ring", 5, seed=seed)
        off.append(_apart(make_world(rig, make_person("dance", 300, seed=seed), seed=seed).keypoints2d(), rig))
    rig = io.read_rig(BALANCE4 / "Calib.qca.txt")
    options = [KeypointOptions(60.0, camera.intrinsics.size) for camera in rig]
    seen = [read_openpose(BALANCE4 / "openpose" / c.name, c.name, o) for c, o in zip(rig, options, strict=True)]
    off.append(_apart([to_rig_pixels(view, camera, "letterbox") for view, camera in zip(seen, rig, strict=True)], rig))
    points = sum(len(part) for part in off)
    return result(
        "people.single_unchanged_mm", [max(float(part.max()) for part in off)], "mm", 0.01, "lower", SEEDS, f"largest of {points} points"
    )


def _apart(seen: list[Keypoints2D], rig: CameraRig) -> np.ndarray:
    """Distances of the points of one person's take, mm; infinite where only one has an answer."""
    found, known, _ = reconstruct(seen, rig)
    (views,) = synchronise(seen, align_in_time(seen, rig), 100_000)
    xy, sigma = subject_only(views, SubjectTracker(rig, 0.3), 0.3)
    sigma = sigma * known.noise.scale[:, None, None]
    robust = RobustSettings(min_linked_confidence=MultiviewSettings().min_certainty)
    old = triangulate_robust(rig, xy.reshape(len(rig), -1, 2), sigma.reshape(len(rig), -1), robust, body_links(views.layout)).xyz
    new = found.xyz[:, 0].reshape(-1, 3) if len(found.people) == 1 else np.full_like(old, np.nan)
    one, other = np.isfinite(old[:, 0]), np.isfinite(new[:, 0])
    off = np.where(one & other, 1e3 * np.linalg.norm(old - new, axis=-1), np.inf)
    return off[one | other]
