"""Clocks below a frame in the reconstruction itself."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d.geometry import Clock
from recon3d.metrics import mpjpe_mm
from recon3d.multiview import align_in_time, reconstruct, synchronise
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world
from tests.worlds import gait

OFFSETS = (0.0, 0.0121, -0.0083, 0.0049)


def late_cameras(line_time=0.0, frames=90, fps=30.0):
    """Four cameras at 30 frames/s whose shutters open at their own moments; the rig knows their clocks."""
    rig = make_rig("ring", 4)
    rig = replace(rig, cameras=tuple(replace(c, clock=Clock(o, 0.0, line_time)) for c, o in zip(rig, OFFSETS, strict=True)))
    noise = NoiseSettings(sigma_px=0.3, outliers=0, missing=0)
    stamps = np.arange(frames) / fps
    seen = []
    for v, camera in enumerate(rig):
        filmed = make_person("dance", time=camera.clock.to_world(stamps))
        world = make_world(rig.select([camera.name]), filmed, noise, v)
        record = world.keypoints2d()[0]
        if line_time:
            step = 1e-3
            later = rig.select([camera.name]).project(make_person("dance", time=camera.clock.to_world(stamps) + step).keypoints)[0]
            speed = (later - world.clean[0]) / step
            xy = record.xy[:, 0] + speed * (line_time * record.xy[:, 0, :, 1:])
            record = replace(record, xy=xy[:, None].astype(np.float32))
        seen.append(replace(record, time=stamps))
    return rig, seen, make_person("dance", time=stamps)


def test_clocks_below_a_frame_are_interpolated():
    """12 ms are a third of a frame and 2 cm of a dancer's hand: taken off, what is left is the noise."""
    rig, seen, truth = late_cameras()
    found, *_ = reconstruct(seen, rig)
    rows = np.searchsorted(truth.motion.time, found.time - 1e-6)
    good = np.abs(truth.motion.time[np.minimum(rows, 89)] - found.time) < 1e-6
    error = mpjpe_mm(found.xyz[good, 0], truth.keypoints[rows[good]])
    ignorant = replace(rig, cameras=tuple(replace(c, clock=Clock()) for c in rig))
    blind, *_ = reconstruct(seen, ignorant)
    assert error < 2.5
    assert mpjpe_mm(blind.xyz[:, 0], truth.keypoints[: len(blind.time)]) > 2 * error


def test_a_rolling_shutter_is_taken_off():
    rig, seen, truth = late_cameras(line_time=1.5e-5)
    found, *_ = reconstruct(seen, rig)
    ignored = replace(rig, cameras=tuple(replace(c, clock=replace(c.clock, line_time=0.0)) for c in rig))
    blind, *_ = reconstruct(seen, ignored)

    def error(answer):
        rows = np.clip(np.searchsorted(truth.motion.time, answer.time - 1e-6), 0, 89)
        return mpjpe_mm(answer.xyz[2:-2, 0], truth.keypoints[rows[2:-2]])

    assert error(found) < 3
    assert error(found) < 0.5 * error(blind)


def test_synchronous_cameras_are_taken_as_they_are():
    world = gait(4, 20)
    seen = world.keypoints2d()
    timeline = align_in_time(seen, world.rig)
    assert np.array_equal(timeline.rows, timeline.neighbour)
    (views,) = synchronise(seen, timeline, 100)
    np.testing.assert_array_equal(views.xy[1, :, 0], seen[1].xy[:, 0])


@pytest.mark.parametrize("identities", [True, False])
def test_people_are_not_mixed_between_frames(identities):
    """Two people change slots from frame to frame: each is interpolated with itself."""
    rig, seen, _ = late_cameras(frames=30)
    swapped = []
    for s in seen:
        other = s.xy + np.array([400, 0], np.float32)
        xy = np.concatenate([s.xy, other], 1)
        person = np.tile([0, 1], (len(s), 1))
        xy[1::2], person[1::2] = xy[1::2, ::-1].copy(), person[1::2, ::-1].copy()
        doubled = {name: np.concatenate([getattr(s, name)] * 2, 1) for name in ("confidence", "sigma_px", "box")}
        swapped.append(replace(s, xy=xy, person_id=person if identities else np.full_like(person, -1), **doubled))
    single = next(iter(synchronise(seen, align_in_time(seen, rig), 100)))
    both = next(iter(synchronise(swapped, align_in_time(swapped, rig), 100)))
    nearest = np.abs(both.xy - single.xy[:, :, :1]).max((3, 4))
    assert np.nanmax(np.fmin.reduce(nearest, 2)) < 1e-2
