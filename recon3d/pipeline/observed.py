"""Everybody of a take as solvers see them, window by window: their detections, from the take's stages."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recon3d import io, motion
from recon3d.errors import InputError
from recon3d.geometry import CameraRig
from recon3d.io.files import read_toml
from recon3d.monocular import Lifted, NetworkLifter, shipped
from recon3d.monocular.many import with_expected
from recon3d.monocular.world import observe
from recon3d.multiview import (
    Agreement,
    Calibrated,
    Claim,
    MultiviewSettings,
    NoiseScale,
    align_in_time,
    check_cameras,
    see_people,
)
from recon3d.pipeline.one_view import views_of
from recon3d.pipeline.people import cast_of, identities_of
from recon3d.pipeline.settings import Settings, settings_of
from recon3d.pipeline.synchronised import Synchronised
from recon3d.pipeline.take import Stage, StoredKeypoints, Take, world_readers
from recon3d.skeleton import STATURE_M, Layout, armature_of
from recon3d.skeleton.armature_file import HUMAN

_AGREEMENT = ("residual_px", "joint_residual_px", "left_out_px", "offset_px", "scatter_px")


@dataclass(frozen=True, slots=True, eq=False)
class ObservedPeople:
    """The people of a take.

    Attributes:
        names: by id.
        layout: of their keypoints.
        frames: of the take.
        settings: it was made with.
        windows: everybody's detections, from the first window again whenever it is asked; with the lifter's word on limbs that are
            hardly seen, or without it.
        told_height_m: that everybody was taken to have, in takes of one camera.
    """

    names: Mapping[int, str]
    layout: Layout
    frames: int
    settings: Settings
    windows: Callable[[bool], Iterator[dict[int, motion.Observed]]]
    told_height_m: float | None = None


def rig_windows(
    rig: CameraRig,
    views: Synchronised,
    whose: Stage,
    worlds: Stage,
    people: Sequence[int],
    claims: Sequence[Claim],
    noise: NoiseScale,
    settings: MultiviewSettings,
) -> Callable[[bool], Iterator[dict[int, motion.Observed]]]:
    """`ObservedPeople.windows` of several cameras."""
    lifter = NetworkLifter(shipped(), mirrored=False) if asks_the_lifter(views.layout) else None

    def windows(expected: bool) -> Iterator[dict[int, motion.Observed]]:
        found = (io.read_association(path) for path in whose.windows("whose"))
        triples = zip(views, found, (reader() for reader in world_readers(worlds.windows("people"))), strict=True)
        for part in see_people(triples, people, claims, rig, noise, settings):
            more = expected and lifter is not None
            yield {person: with_expected(one, lifter) for person, one in part.items()} if more and lifter is not None else part

    return windows


def asks_the_lifter(layout: Layout) -> bool:
    """About limbs that few cameras see: it knows people only."""
    return armature_of(layout.name) == HUMAN


def people_in(take: Take) -> ObservedPeople:
    """Everybody of a take that was reconstructed or lifted.

    Raises:
        InputError: its stages are gone, or its people were edited since.
    """
    path = take.folder / "take.toml"
    told = read_toml(path)
    tables = {name: told[name] for name in ("detect", "multiview", "motion", "lift", "export") if name in told}
    settings = settings_of(tables, path)
    rig = io.read_rig(take.folder / "rig.toml")
    evidence, whose, worlds = (take.needed_stage(name) for name in ("keypoints2d", "people", "keypoints3d"))
    seen = [StoredKeypoints(evidence.windows(name)) for name in rig.names if evidence.windows(name)]
    lifted = told.get("job", {}).get("kind") == "lift"
    first, last = int(seen[0].frame[0]), int(seen[0].frame[-1])
    timeline = None if lifted else align_in_time(seen, rig := check_cameras(seen, rig))
    if timeline is not None:
        first, last = int(timeline.frame[0]), int(timeline.frame[-1])
    cast = cast_of(identities_of(whose.facts()), take, first, last)
    names = {person: name for name, person in take.people().items()}
    if not set(names.items()) <= set(cast.names.items()):
        raise InputError(f"{take.folder}: people.toml was changed since the take was made; run `recon3d reconstruct` or `lift` again")
    claims = [claim for claim in cast.claims if claim.person in names]
    if timeline is None:
        return _of_one_camera(rig, seen[0], worlds, names, claims, settings)
    known = calibrated_of(whose.facts(), rig)
    views = Synchronised(seen, timeline, settings.multiview.window)
    windows = rig_windows(rig, views, whose, worlds, list(names), claims, known.noise, settings.multiview)
    return ObservedPeople(names, seen[0].layout, len(timeline.frame), settings, windows)


def _of_one_camera(
    rig: CameraRig, seen: StoredKeypoints, worlds: Stage, names: Mapping[int, str], claims: Sequence[Claim], settings: Settings
) -> ObservedPeople:
    height = settings.lift.height or STATURE_M
    armature = motion.Stature(height, 0.0).of(motion.chosen_armature(settings.motion, seen.layout))

    def of_person(person: int) -> Iterator[motion.Observed]:
        for k, view in enumerate(views_of(rig.cameras[0], seen, claims, person, settings.multiview.min_confidence)):
            yield observe(view, Lifted.load(worlds.path(f"lifted{person}", k)), armature, person)

    def windows(expected: bool) -> Iterator[dict[int, motion.Observed]]:
        for parts in zip(*(of_person(person) for person in names), strict=True):
            yield dict(zip(names, parts, strict=True))

    return ObservedPeople(names, seen.layout, len(seen.frame), settings, windows, height)


def facts_of(known: Calibrated) -> dict[str, object]:
    """What is kept of noise and agreement."""
    noise, agreement = known.noise, known.agreement
    facts: dict[str, object] = {"noise_scale": noise.scale, "noise_residual_px": noise.residual_px, "noise_points": noise.points}
    return facts | {name: getattr(agreement, name) for name in _AGREEMENT}


def calibrated_of(facts: Mapping[str, list[float]], rig: CameraRig) -> Calibrated:
    """The same again."""
    array = {k: np.array(facts[k], dtype=float) for k in ("noise_scale", "noise_residual_px", *_AGREEMENT)}
    noise = NoiseScale(array["noise_scale"], array["noise_residual_px"], int(np.asarray(facts["noise_points"])))
    return Calibrated(noise, Agreement(rig.names, *(array[name] for name in _AGREEMENT)))
