"""People nobody follows yet, from detections that are left: a place in space that many views agree on.

Every pair of detections in different views is a hypothesis: its points are where the two views' rays meet.
All other views vote with the detection that fits best. What wins is taken out, and the rest is asked again: so
a detection is of one person, and all pairs of a person's detections agree through its place (cycle consistency).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.geometry import CameraRig
from recon3d.geometry.links import Links
from recon3d.multiview.people.bodies import FAR_CHI2, Look, Sides, compare
from recon3d.multiview.people.evidence import MIN_POINTS, bones_of, prepare, sides_of, unlike
from recon3d.multiview.sync import Views

GATE = 15.0
"""Mean squared sigmas of a detection's points (each at most `FAR_CHI2`) beyond which it is of somebody else."""
_PLACE_M = 0.04  # how far the meeting points of two views are from the person's
_MEET_CHI2 = 12.0  # mean of the points above which two rays' detections are not of one person
_LEAST_SINE = 0.05  # rays nearer to parallel have no meeting point
_SHARED = 0.5  # share of the smaller detection's points that both must have
_MOST_TRIED = 64  # best pairs whose hypotheses are looked at
_ROUNDS = 2
_CLEAR, _ENOUGH = 0.5, 3  # least share of the views that show the place which must show the person, and views that are enough
_CLOSE = 0.35  # of the gate, a view: two that fit as well as this may be of somebody whom all others do not see
_BONE_SIGMAS = 4.0
_WRONG_BONES = 0.4  # share of bones that may be of no human length
_SIZES = (0.25, 1.6)  # of a body, over the table's


@dataclass(frozen=True, slots=True, eq=False)
class Birth:
    """Somebody new.

    Attributes:
        xyz: m, NaN where two views do not tell.
        slot: of each view, -1 where it does not show the person.
        sure: whether enough of the views that have the place in their image show the person.
    """

    xyz: Float[np.ndarray, "joints 3"]
    slot: Int[np.ndarray, "views"]
    sure: bool


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A frame's detections and cameras.

    Attributes:
        poses: cam_from_world.
        uv: normalised image points.
        variance: of each coordinate.
        there: points that are there.
        low: least normalised coordinates in the images.
        high: largest.
        sides: left and right.
        bones: lengths of the body, over the points that are looked at; none of what has no known proportions.
        looks: what each detection looks like, of unit length or zero; of no features where nobody says.
    """

    poses: Float[np.ndarray, "views 3 4"]
    uv: Float[np.ndarray, "views slots joints 2"]
    variance: Float[np.ndarray, "views slots joints"]
    there: Bool[np.ndarray, "views slots joints"]
    low: Float[np.ndarray, "views 2"]
    high: Float[np.ndarray, "views 2"]
    sides: Sides
    bones: Links
    looks: Float[np.ndarray, "views slots features"]

    def compare(self, xyz: Float[np.ndarray, "people joints 3"], sigma: Float[np.ndarray, "people joints"]) -> Look:
        """People against all detections."""
        return compare(xyz, sigma, self.poses, self.uv, self.variance, self.there, self.sides, float(sigma.min(initial=_PLACE_M)))

    def showing(self, xyz: Float[np.ndarray, "joints 3"]) -> int:
        """How many views have most of a person inside their image."""
        return int(self.at(xyz).showing(self.low, self.high)[0])

    def at(self, xyz: Float[np.ndarray, "joints 3"]) -> Look:
        """One place against all detections."""
        return self.compare(xyz[None], np.full((1, len(xyz)), _PLACE_M))


def agreed_on(instant: Views, rig: CameraRig, min_confidence: float, most: int = 0) -> list[Int[np.ndarray, "views"]]:
    """Slots of the people that two views or more agree on in one instant, -1 where a view does not show them.

    Where somebody is seen by three views, those who are seen by two and stand behind another camera are onlookers,
    and do not count. With ``most``, only so many are kept, those that most views see.
    """
    evidence = prepare(instant, rig, np.ones(len(rig)), min_confidence)
    sides, bones = sides_of(instant.layout, evidence.points), bones_of(instant.layout, evidence.points)
    frame = (evidence.uv[0], evidence.variance[0], evidence.there[0])
    scene = Scene(evidence.poses(0), *frame, evidence.low, evidence.high, sides, bones, evidence.looks[0])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        found = births(scene, evidence.somebody[0], GATE)
        behind = [int(scene.at(one.xyz).behind[0]) for one in found]
    checked = any((one.slot >= 0).sum() >= _ENOUGH for one in found)
    inside = [one.slot for one, away in zip(found, behind, strict=True) if not (checked and away and (one.slot >= 0).sum() < _ENOUGH)]
    return inside[:most] if most else inside


def births(scene: Scene, free: Bool[np.ndarray, "views slots"], gate: float) -> list[Birth]:
    """New people among the free detections, the surest first.

    Args:
        scene: the frame.
        free: detections that nobody has.
        gate: mean chi2 below which a detection may be of a person.
    """
    free = free.copy()
    out: list[Birth] = []
    view, slot = np.nonzero(free)
    points, a, b = _meetings(scene, view, slot)
    while len(a):
        found = _best(scene, free, points, np.stack([view[a], slot[a]]), np.stack([view[b], slot[b]]), gate)
        if found is None:
            break
        out.append(found)
        shown = np.flatnonzero(found.slot >= 0)
        free[shown, found.slot[shown]] = False
        still = free[view[a], slot[a]] & free[view[b], slot[b]]
        points, a, b = points[still], a[still], b[still]
    return out


def _meetings(
    scene: Scene, view: Int[np.ndarray, "found"], slot: Int[np.ndarray, "found"]
) -> tuple[Float[np.ndarray, "pairs joints 3"], Int[np.ndarray, "pairs"], Int[np.ndarray, "pairs"]]:
    """Pairs of detections whose rays meet, the best first: where they do (m), and which they are."""
    a, b = np.nonzero(view[:, None] < view)
    if not len(a):
        return np.zeros((0, scene.uv.shape[2], 3)), a, b
    uv, variance, there = scene.uv[view, slot], scene.variance[view, slot], scene.there[view, slot]
    rotation = scene.poses[view][:, :, :3]
    centre = -np.einsum("mji,mj->mi", rotation, scene.poses[view][:, :, 3])
    ray = np.concatenate([uv, np.ones((*uv.shape[:2], 1))], -1) @ rotation  # found joints 3, depth 1
    between = (centre[b] - centre[a])[:, None]
    aa, bb, ab = (ray[a] ** 2).sum(-1), (ray[b] ** 2).sum(-1), (ray[a] * ray[b]).sum(-1)
    ad, bd = (ray[a] * between).sum(-1), (ray[b] * between).sum(-1)
    det = aa * bb - ab * ab
    parallel = det < _LEAST_SINE**2 * aa * bb
    safe = np.where(parallel, 1.0, det)
    s, t = (bb * ad - ab * bd) / safe, (ab * ad - aa * bd) / safe
    first, second = centre[a][:, None] + s[..., None] * ray[a], centre[b][:, None] + t[..., None] * ray[b]
    apart = ((first - second) ** 2).sum(-1)
    chi2 = apart / (variance[a] * s * s + variance[b] * t * t + _PLACE_M**2)
    both = there[a] & there[b]
    good = both & ~parallel & (s > 0) & (t > 0)
    chi2 = np.where(good, np.minimum(chi2, FAR_CHI2), FAR_CHI2) * both
    number = both.sum(-1)
    least = np.maximum(min(MIN_POINTS, uv.shape[1]), _SHARED * np.minimum(there[a].sum(-1), there[b].sum(-1)))
    mean = np.where(number >= least, chi2.sum(-1) / np.maximum(number, 1), np.inf)
    mean += unlike(scene.looks[view[a], slot[a]], scene.looks[view[b], slot[b]])
    points = np.where((good & (chi2 < FAR_CHI2))[..., None], 0.5 * (first + second), np.nan)
    order = np.argsort(mean, kind="stable")
    order = order[mean[order] < _MEET_CHI2]
    human = is_human(points[order], scene.bones)
    order = order[human]
    return points[order], a[order], b[order]


def _best(
    scene: Scene,
    free: Bool[np.ndarray, "views slots"],
    points: Float[np.ndarray, "pairs joints 3"],
    first: Int[np.ndarray, "2 pairs"],
    second: Int[np.ndarray, "2 pairs"],
    gate: float,
) -> Birth | None:
    """The hypothesis that most views agree on; None where none is good enough."""
    points, first, second = points[:_MOST_TRIED], first[:, :_MOST_TRIED], second[:, :_MOST_TRIED]
    slot, cost = _votes(scene, free, points, gate, first, second)
    for k in np.argsort((cost - 1e3 * (slot >= 0).sum(0)), kind="stable").tolist():
        own, xyz = slot[:, k], points[k]
        if (own >= 0).sum() < 2:
            return None
        for _ in range(_ROUNDS):
            xyz = meeting_point(scene, own, xyz)
            voted, _ = _votes(scene, free, xyz[None], gate)
            own = voted[:, 0]
        # Two views' rays meet somewhere for many a pair of people; a view that looks there and sees nobody says no.
        told = np.isfinite(xyz[:, 0]).sum() >= min(MIN_POINTS, len(xyz))
        count = int((own >= 0).sum())
        sure = count >= min(_CLEAR * scene.showing(xyz), _ENOUGH)
        if count >= 2 and (sure or float(cost[k]) < _CLOSE * count) and told and is_human(xyz[None], scene.bones)[0]:
            return Birth(xyz, own, sure)
    return None


def _votes(
    scene: Scene,
    free: Bool[np.ndarray, "views slots"],
    points: Float[np.ndarray, "some joints 3"],
    gate: float,
    *own: Int[np.ndarray, "2 some"],
) -> tuple[Int[np.ndarray, "views some"], Float[np.ndarray, "some"]]:
    """Each view's detection for each hypothesis (-1 for none), and their mean cost over the gate."""
    look = scene.compare(points, np.full(points.shape[:2], _PLACE_M))
    cost = np.where(free[:, :, None], look.cost, np.inf)
    column = np.arange(points.shape[0])
    for view, slot in own:  # the pair itself stands by its own detections
        cost[view, :, column] = np.where(
            np.arange(free.shape[1]) == slot[:, None], np.minimum(cost[view, slot, column], 0.99 * gate)[:, None], np.inf
        )
    best = cost.argmin(1)
    least = cost.min(1)
    slot = np.where(least < gate, best, -1)
    return slot, np.where(least < gate, least / gate, 0.0).sum(0)


def meeting_point(scene: Scene, slot: Int[np.ndarray, "views"], near: Float[np.ndarray, "joints 3"]) -> Float[np.ndarray, "joints 3"]:
    """Where the views' rays to each point meet, m; those far from where it should be count less. NaN with fewer than two."""
    shown = np.flatnonzero(slot >= 0)
    uv, variance, there = scene.uv[shown, slot[shown]], scene.variance[shown, slot[shown]], scene.there[shown, slot[shown]]
    poses = scene.poses[shown]
    camera = np.einsum("vij,kj->vki", poses[:, :, :3], near) + poses[:, None, :, 3]
    known = np.isfinite(camera[..., 2]) & (camera[..., 2] > 0)
    depth = np.where(known, camera[..., 2], np.nanmedian(np.where(known, camera[..., 2], np.nan)) if known.any() else 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        chi2 = ((uv - camera[..., :2] / camera[..., 2:]) ** 2).sum(-1) / (variance + (_PLACE_M / depth) ** 2)
    weight = there / (variance * depth**2) / (1 + np.where(known, chi2 / 9.0, 0.0) ** 2)
    rows = (poses[:, None, :2] - uv[..., None] * poses[:, None, 2:]) * np.sqrt(weight)[..., None, None]  # views joints 2 4
    rows = rows.transpose(1, 0, 2, 3).reshape(len(near), -1, 4)
    left, right = rows[..., :3], -rows[..., 3:]
    normal = left.swapaxes(-1, -2) @ left
    enough = (there & (np.where(known, chi2, 0.0) < FAR_CHI2)).sum(0) >= 2
    ridge = 1e-9 * np.trace(normal, axis1=-2, axis2=-1)[:, None, None] * np.eye(3)
    normal = np.where(enough[:, None, None], normal + ridge, np.eye(3))
    xyz = np.linalg.solve(normal, left.swapaxes(-1, -2) @ right)[..., 0]
    return np.where(enough[:, None], xyz, np.nan)


def is_human(xyz: Float[np.ndarray, "people joints 3"], bones: Links) -> Bool[np.ndarray, "people"]:
    """Whether most bones are as long as a body's of some size; true where too few are known to tell."""
    if not len(bones.pairs):
        return np.ones(len(xyz), bool)
    length = np.linalg.norm(xyz[:, bones.pairs[:, 0]] - xyz[:, bones.pairs[:, 1]], axis=-1)
    return human_lengths(length, bones)


def human_lengths(length: Float[np.ndarray, "people bones"], bones: Links) -> Bool[np.ndarray, "people"]:
    """Whether most of these lengths (m; NaN unknown) are those of a body of some size."""
    known = np.isfinite(length)
    ratio = np.where(known, length / bones.length_m, np.inf)
    count = known.sum(-1)
    size = np.take_along_axis(np.sort(ratio, -1), np.maximum(count - 1, 0)[:, None] // 2, -1)[:, 0]
    size = np.where(np.isfinite(size), size, 1.0)
    with np.errstate(invalid="ignore"):
        wrong = known & (np.abs(length - bones.length_m * size[:, None]) > _BONE_SIGMAS * bones.sigma_m * size[:, None])
    sized = (size > _SIZES[0]) & (size < _SIZES[1])
    return (count < MIN_POINTS) | (sized & (wrong.sum(-1) <= _WRONG_BONES * count))
