"""Where everybody's points are, once it is known which detections are whose: one robust triangulation for all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.geometry import CameraRig
from recon3d.geometry.links import Links
from recon3d.geometry.triangulation import RobustSettings, Verdict, triangulate_robust
from recon3d.multiview.people.identity import Identities
from recon3d.multiview.sync import Views
from recon3d.records import Association, Keypoints3D, State
from recon3d.skeleton import Layout

HOLLOW = "the cameras that see it agree on hardly any of its points"
"""Why people who are `hollow` are refused."""
_POINTS, _FRAMES = 4, 5
_ARM = ("shoulder", "elbow", "wrist", "hand", "thumb", "index", "middle", "ring", "pinky", "little", "finger")
_LEG = ("hip", "knee", "ankle", "heel", "toe", "foot")


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """Whose a track is, for some frames.

    Attributes:
        track: its id.
        person: id.
        first: frame number from which.
        stop: frame number before which.
    """

    track: int
    person: int
    first: int = -(1 << 62)
    stop: int = 1 << 62


def claims_of(identities: Identities) -> list[Claim]:
    """All frames of every track that is somebody."""
    return [Claim(track, one.id) for one in identities.people for track in one.tracks]


def slots_of(
    found: Association, claims: Sequence[Claim], min_views: int = 2
) -> tuple[Int[np.ndarray, "people"], Int[np.ndarray, "views frames people"], Bool[np.ndarray, "views frames people groups"]]:
    """The people of a window (ids), each one's slot in every view and frame, and which limb pairs are exchanged there.

    Frames in which fewer views than ``min_views`` see somebody are left out.
    """
    column = {int(track): k for k, track in enumerate(found.track)}
    ours: list[tuple[Claim, np.ndarray]] = []
    for claim in claims:
        if claim.track in column:
            rows = np.flatnonzero((found.frame >= claim.first) & (found.frame < claim.stop))
            rows = rows[(found.slot[rows, column[claim.track]] >= 0).sum(1) >= min_views]
            if len(rows):
                ours.append((claim, rows))
    people = np.unique([claim.person for claim, _ in ours]).astype(np.int64)
    frames, _, views = found.slot.shape
    slot = np.full((frames, len(people), views), -1)
    swapped = np.zeros((*slot.shape, found.swapped.shape[-1]), bool)
    for claim, rows in ours:
        at, own = int(np.searchsorted(people, claim.person)), column[claim.track]
        # Where two tracks are one person at once, the one that more views see.
        rows = rows[(found.slot[rows, own] >= 0).sum(1) >= (slot[rows, at] >= 0).sum(1)]
        slot[rows, at], swapped[rows, at] = found.slot[rows, own], found.swapped[rows, own]
    return people, slot.transpose(2, 0, 1), swapped.transpose(2, 0, 1, 3)


def answered(worlds: Iterable[Keypoints3D]) -> dict[int, int]:
    """For each person the frames in which it has enough points to be somebody."""
    out: dict[int, int] = {}
    for world in worlds:
        least = min(_POINTS, len(world.layout))
        count = ((world.state == State.OBSERVED).sum(-1) >= least).sum(0)
        for person, frames in zip(world.people.tolist(), count.tolist(), strict=True):
            out[person] = out.get(person, 0) + frames
    return out


def hollow(frames: Mapping[int, int], total: int) -> list[int]:
    """People of whom next to nothing could be triangulated, in a take of so many frames."""
    return [person for person, count in frames.items() if count < min(_FRAMES, -(-total // 2))]


def limb_groups(layout: Layout, groups: int) -> Bool[np.ndarray, "groups joints"]:
    """Points that change places when a limb pair is exchanged: arms with hands, legs with feet; all pairs where there is one group."""
    paired = layout.mirror != np.arange(len(layout))
    if groups == 1:
        return paired[None]
    names = [name.split("_", 1)[-1] for name in layout.points]
    parts = [np.array([any(word in name for word in words) for name in names]) for words in (_ARM, _LEG)]
    return np.stack([part & paired for part in parts])


def points_of(
    views: Views,
    rig: CameraRig,
    people: Int[np.ndarray, "people"],
    slot: Int[np.ndarray, "views frames people"],
    swapped: Bool[np.ndarray, "views frames people groups"],
    scale: Float[np.ndarray, "views"],
    min_confidence: float,
    robust: RobustSettings,
    links: Links | None,
) -> Keypoints3D:
    """3D keypoints of the people of a window.

    Args:
        views: what cameras that stand saw.
        rig: these cameras.
        people: ids.
        slot: of each in each view and frame, -1 where it is not seen.
        swapped: limb pairs whose left and right are exchanged in a detection.
        scale: factor on each camera's sigmas.
        min_confidence: detections below are not used.
        robust: priors.
        links: rough distances between a body's points, where they are known.
    """
    count, joints = len(slot), len(views.layout)
    out = _empty(views, people)
    frame, person = np.nonzero((slot >= 0).sum(0) >= 2)
    if not len(frame):
        return out
    xy, sigma = detections_of(views, frame, slot[:, frame, person], swapped[:, frame, person], scale, min_confidence)
    found = triangulate_robust(rig, xy.reshape(count, -1, 2), sigma.reshape(count, -1), robust, links)
    used = (found.inlier > 0.5) & np.isfinite(found.residual_px)
    square = np.where(used, found.residual_px, 0.0) ** 2
    answered = found.verdict == Verdict.ANSWERED
    residual = np.where(answered, np.sqrt(square.sum(0) / np.maximum(used.sum(0), 1)), np.nan)
    shape = (len(frame), joints)
    values = {
        "xyz": found.xyz.reshape(*shape, 3),
        "confidence": found.confidence.reshape(shape),
        "covariance": found.covariance.reshape(*shape, 3, 3),
        "views": np.where(answered, used.sum(0), 0).astype(np.uint8).reshape(shape),
        "state": np.where(answered, State.OBSERVED, State.MISSING).astype(np.uint8).reshape(shape),
        "residual_px": residual.reshape(shape),
    }
    arrays = {name: np.array(getattr(out, name)) for name in values}
    for name, value in values.items():
        arrays[name][frame, person] = value
    return Keypoints3D(views.layout, views.frame, views.time, people, **arrays)


def detections_of(
    views: Views,
    frame: Int[np.ndarray, "bodies"],
    slot: Int[np.ndarray, "views bodies"],
    swapped: Bool[np.ndarray, "views bodies groups"],
    scale: Float[np.ndarray, "views"],
    min_confidence: float,
) -> tuple[Float[np.ndarray, "views bodies joints 2"], Float[np.ndarray, "views bodies joints"]]:
    """Pixels (NaN where there is none) and sigmas of bodies, each in one frame, with limbs that were exchanged put right."""
    joints = len(views.layout)
    view, at = np.arange(len(slot))[:, None], np.maximum(slot, 0)
    xy = views.xy[view, frame, at].astype(float)
    confidence, sigma = views.confidence[view, frame, at], views.sigma_px[view, frame, at].astype(float)
    if swapped.any():
        order = np.broadcast_to(np.arange(joints), sigma.shape)
        for group, points in enumerate(limb_groups(views.layout, swapped.shape[-1])):
            order = np.where(swapped[..., group, None] & points, views.layout.mirror, order)
        xy = np.take_along_axis(xy, order[..., None], 2)
        confidence, sigma = np.take_along_axis(confidence, order, 2), np.take_along_axis(sigma, order, 2)
    absent = (slot < 0)[..., None] | (confidence < min_confidence) | ~np.logical_and.reduce(np.isfinite(xy), -1)
    xy[absent] = np.nan
    return xy, np.where(absent, 1.0, sigma) * scale[:, None, None]


def _empty(views: Views, people: Int[np.ndarray, "people"]) -> Keypoints3D:
    shape = (len(views), len(people), len(views.layout))
    return Keypoints3D(
        layout=views.layout,
        frame=views.frame,
        time=views.time,
        people=people,
        xyz=np.full((*shape, 3), np.nan),
        confidence=np.zeros(shape),
        covariance=np.full((*shape, 3, 3), np.nan),
        views=np.zeros(shape, np.uint8),
        state=np.full(shape, State.MISSING, np.uint8),
        residual_px=np.full(shape, np.nan),
    )
