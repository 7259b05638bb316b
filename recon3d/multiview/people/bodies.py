"""The people who are there, as points in space that move: predicted, compared with detections, corrected.

Each point is a filter of its own (constant velocity; what one camera sees moves it across that camera's ray
alone). It decides who is who and is never an answer: positions come from `triangulate_robust` afterwards.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.multiview.people.evidence import MIN_POINTS, Sides

MOST = 0.7
"""Share of a person's points that must be in an image for it to show the person."""
FAR_CHI2 = 25.0
"""A point farther off than this, in squared sigmas, says no more than one at this."""
_DOUBT_CHI2 = 9.0  # beyond, a sighting moves its point less and less
_PLACE_M = 0.015  # where on a joint a detector puts its point
_HURRY = 12.0  # m/s2, half the acceleration of a limb's end
_LOST = 1.0  # m/s, by which an unseen point grows uncertain
_MOST_M = 0.5
_INERTIA_S, _COAST_S = 0.08, 0.3  # velocity is averaged over the first, and of an unseen point fades in the other
_FITS_CHI2 = 6.5  # mean of a detection's points up to which nothing is wrong with it
_SWAP_CHI2 = 9.0  # mean of a limb pair's points above which they may be exchanged
_SWAP_GAIN = 0.4  # and by how much the exchange must lower it
_ASIDE = 4.6  # squared tangent of the angle off the axis from which somebody stands beside a camera
_NEAR = 1e-6


@dataclass(slots=True, eq=False)
class Bodies:
    """Positions (m), velocities (m/s) and ages (s since told) of people's points; NaN where never told."""

    xyz: Float[np.ndarray, "people joints 3"]
    velocity: Float[np.ndarray, "people joints 3"] = field(init=False)
    age: Float[np.ndarray, "people joints"] = field(init=False)
    fresh: float = _PLACE_M
    """Sigma of a point that was seen in the frame before, m."""

    def __post_init__(self) -> None:
        self.velocity = np.zeros_like(self.xyz)
        self.age = np.zeros(self.xyz.shape[:2])

    def __len__(self) -> int:
        return len(self.xyz)

    def add(self, xyz: Float[np.ndarray, "joints 3"]) -> None:
        """One more."""
        self.xyz = np.concatenate([self.xyz, xyz[None]])
        self.velocity = np.concatenate([self.velocity, np.zeros((1, *xyz.shape))])
        self.age = np.concatenate([self.age, np.zeros((1, len(xyz)))])

    def keep(self, which: Bool[np.ndarray, "people"]) -> None:
        """Only some."""
        self.xyz, self.velocity, self.age = self.xyz[which], self.velocity[which], self.age[which]

    def move(self, seconds: float) -> Float[np.ndarray, "people joints"]:
        """Go on for this long; the standard deviation of each coordinate then, m."""
        self.fresh = _PLACE_M + _HURRY * seconds * seconds
        self.velocity *= np.where(self.age > 0, np.exp(-seconds / _COAST_S), 1.0)[..., None]
        self.xyz = self.xyz + self.velocity * seconds
        unseen = self.age + seconds
        return np.minimum(_PLACE_M + _LOST * self.age + _HURRY * unseen * unseen, _MOST_M)

    def correct(self, look: "Look", slot: Int[np.ndarray, "views people"], seconds: float) -> Int[np.ndarray, "people joints"]:
        """Take what was assigned as what they are now; how many views told each point.

        A view's sighting counts the less the farther off it is: one step of iteratively reweighted least
        squares from the prediction, which is the prior.
        """
        views, people = slot.shape
        at = np.maximum(slot, 0)
        v, p = np.arange(views)[:, None], np.arange(people)
        off, chi2 = look.off[v, at, p], look.chi2[v, at, p]
        there = look.counted[v, at, p] & (slot >= 0)[..., None]
        weight = np.where(there, 1 / (1 + (chi2 / _DOUBT_CHI2) ** 2), 0.0)
        told = (weight > 0.5).sum(0)
        # Rows of both coordinates, whitened.
        scale = np.sqrt(weight / look.variance[v, at])
        slope = look.slope * scale[..., None, None]  # views people joints 2 3
        off = off * scale[..., None]
        rows = slope.transpose(1, 2, 0, 3, 4).reshape(people, -1, 2 * views, 3)
        seen = off.transpose(1, 2, 0, 3).reshape(people, -1, 2 * views, 1)
        normal = rows.swapaxes(-1, -2) @ rows
        normal[..., range(3), range(3)] += 1 / (look.sigma * look.sigma)[..., None]
        step = np.linalg.solve(normal, rows.swapaxes(-1, -2) @ seen)[..., 0]
        self.xyz = self.xyz + step
        if seconds > 0:
            share = 1 - np.exp(-seconds / _INERTIA_S)
            sure = (told >= 2)[..., None]
            self.velocity = self.velocity + np.where(sure, share / seconds * step, 0.0)
        self.age = np.where(told >= 2, 0.0, self.age + seconds)
        return told


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Everybody's prediction against every detection of a frame.

    Attributes:
        sigma: of the predictions, m.
        slope: d image point / d position of each prediction.
        off: from prediction to detection, normalised; left and right of the detection exchanged where it is swapped.
        chi2: squared, over its variance, at most `FAR_CHI2`.
        variance: of the detections.
        counted: points that both have.
        swapped: limb pairs that fit only when exchanged.
        cost: mean of chi2 over the points, more for vague predictions; infinite with too few points.
        image: where the predictions are, normalised; NaN where unknown or behind a camera.
        behind: of how many cameras most of a person is behind, or beside: farther than 65 degrees off the axis.
    """

    sigma: Float[np.ndarray, "people joints"]
    slope: Float[np.ndarray, "views people joints 2 3"]
    off: Float[np.ndarray, "views slots people joints 2"]
    chi2: Float[np.ndarray, "views slots people joints"]
    variance: Float[np.ndarray, "views slots joints"]
    counted: Bool[np.ndarray, "views slots people joints"]
    swapped: Bool[np.ndarray, "views slots people groups"]
    cost: Float[np.ndarray, "views slots people"]
    image: Float[np.ndarray, "views people joints 2"]
    behind: Int[np.ndarray, "people"]

    def showing(self, low: Float[np.ndarray, "views 2"], high: Float[np.ndarray, "views 2"]) -> Int[np.ndarray, "people"]:
        """How many views have most of a person within these bounds."""
        inside = ((self.image > low[:, None, None]) & (self.image < high[:, None, None])).all(-1).sum(-1)
        known = np.isfinite(self.image[..., 0]).any(0).sum(-1)
        return (inside > MOST * known).sum(0)


def compare(
    xyz: Float[np.ndarray, "people joints 3"],
    sigma: Float[np.ndarray, "people joints"],
    poses: Float[np.ndarray, "views 3 4"],
    uv: Float[np.ndarray, "views slots joints 2"],
    variance: Float[np.ndarray, "views slots joints"],
    there: Bool[np.ndarray, "views slots joints"],
    sides: Sides,
    fresh: float,
) -> Look:
    """Predictions of people against a frame's detections.

    Args:
        xyz: m.
        sigma: of each coordinate, m.
        poses: cam_from_world.
        uv: of the detections, normalised.
        variance: of each coordinate.
        there: points that are there.
        sides: left and right.
        fresh: sigma of a point that was seen in the frame before, m.
    """
    people, joints = sigma.shape
    views = len(poses)
    flat = xyz.reshape(-1, 3)
    camera = poses[:, :, :3] @ flat.T + poses[:, :, 3:]  # views 3 points
    known = camera[:, 2] > _NEAR  # NaN is not
    inverse = 1 / np.where(known, camera[:, 2], 1.0)
    image = np.where(known[:, None], camera[:, :2] * inverse[:, None], 0.0)
    rotation = poses[:, None, :, :3]
    slope = (rotation[:, :, :2] - image.transpose(0, 2, 1)[..., None] * rotation[:, :, 2:]) * inverse[..., None, None]
    inverse, known = inverse.reshape(views, people, joints), known.reshape(views, people, joints)
    image = image.reshape(views, 2, people, joints).transpose(0, 2, 3, 1)
    spread = (sigma * inverse) ** 2
    off = uv[:, :, None] - image[:, None]
    chi2 = _chi2(off, variance[:, :, None] + spread[:, None])
    counted = there[:, :, None] & known[:, None]
    # Twice the negative log likelihood, against that of a point that was seen a moment ago: whose place is
    # hardly known comes near to everything, and may not take what is of others.
    vague = 4 * np.log(sigma / fresh)
    cost = _cost(chi2, counted, vague)
    swapped = np.zeros((*cost.shape, sides.group.shape[1]), bool)
    # Exchanged limbs are looked for in detections that fit nobody well.
    view, slot = np.nonzero((cost.min(2, initial=np.inf) > _FITS_CHI2) & there.any(2)) if people else ((), ())
    if len(view):
        crossed = uv[view, slot][:, None, sides.mirror] - image[view]
        crossed_chi2 = _chi2(crossed, variance[view, slot][:, None, sides.mirror] + spread[view])
        both = counted[view, slot] & there[view, slot][:, None, sides.mirror]
        count = both @ sides.group
        plain, turned = (chi2[view, slot] * both) @ sides.group, (crossed_chi2 * both) @ sides.group
        swap = (plain > _SWAP_CHI2 * count) & (turned < _SWAP_GAIN * plain) & (count >= MIN_POINTS)
        if swap.any():
            points = (swap @ sides.group.T > 0) & both
            off[view, slot] = np.where(points[..., None], crossed, off[view, slot])
            chi2[view, slot] = np.where(points, crossed_chi2, chi2[view, slot])
            cost[view, slot] = _cost(chi2[view, slot], counted[view, slot], vague)
            swapped[view, slot] = swap
    placed = np.where(known[..., None], image, np.nan)
    aside = (camera[:, 0] ** 2 + camera[:, 1] ** 2 > _ASIDE * camera[:, 2] ** 2) | (camera[:, 2] <= _NEAR)
    behind = (aside.reshape(views, people, joints).mean(-1) > 0.5).sum(0)
    return Look(sigma, slope.reshape(views, people, joints, 2, 3), off, chi2, variance, counted, swapped, cost, placed, behind)


def _chi2(off: Float[np.ndarray, "*batch 2"], variance: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    x, y = off[..., 0], off[..., 1]
    return np.minimum((x * x + y * y) / variance, FAR_CHI2)


def _cost(
    chi2: Float[np.ndarray, "*some people joints"],
    counted: Bool[np.ndarray, "*some people joints"],
    vague: Float[np.ndarray, "people joints"],
) -> Float[np.ndarray, "*some people"]:
    number = counted.sum(-1)
    total = (np.minimum(chi2 + vague, FAR_CHI2) * counted).sum(-1)
    return np.where(number >= min(MIN_POINTS, chi2.shape[-1]), total / np.maximum(number, 1), np.inf)
