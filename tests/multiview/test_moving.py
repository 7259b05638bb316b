"""Cameras that move."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import io
from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3
from recon3d.metrics import mpjpe_mm
from recon3d.multiview import reconstruct
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world


def panning(frames=40):
    """Four cameras, one of which turns and travels by 20 cm while it films."""
    rig = make_rig("ring", 4)
    still = rig.cameras[1].cam_from_world
    share = np.linspace(0, 1, frames)
    pushes = SE3.exp(np.column_stack([0.2 * share, 0 * share, 0 * share, 0 * share, 0.05 * share, 0 * share]))
    poses = pushes @ SE3(SO3(np.broadcast_to(still.rotation.matrix, (frames, 3, 3))), np.broadcast_to(still.translation, (frames, 3)))
    moving = replace(rig.cameras[1], cam_from_world=poses, pose_frame=np.arange(frames))
    return replace(rig, cameras=(rig.cameras[0], moving, *rig.cameras[2:]))


def seen_by(rig, frames=40):
    """What the cameras report of a walk, the moving one from where it is in each frame."""
    person = make_person("gait", frames)
    noise = NoiseSettings(sigma_px=1.0, outliers=0.03, missing=0.05)
    records = []
    for k in range(frames):
        standing = replace(rig, cameras=tuple(c.at_frame(k) for c in rig))
        one = replace(person, motion=replace(person.motion), keypoints=person.keypoints[k : k + 1].copy())
        world = make_world(standing, replace(one, motion=one_frame(person, k)), noise, seed=k)
        records.append(world.xy[:, 0])
    xy = np.stack(records, 1)
    whole = make_world(replace(rig, cameras=tuple(c.at_frame(0) for c in rig)), person, noise).keypoints2d()
    out = []
    for v, record in enumerate(whole):
        own = xy[v][:, None].astype(np.float32)
        absent = ~np.isfinite(own[..., 0])
        out.append(
            replace(
                record,
                xy=own,
                confidence=np.where(absent, 0, 0.9).astype(np.float32),
                sigma_px=np.where(absent, np.nan, 1.0).astype(np.float32),
            )
        )
    return out, person


def one_frame(person, k):
    names = ("frame", "time", "translation", "rotation", "covariance", "state", "misfit", "contact")
    return replace(person.motion, **{name: getattr(person.motion, name)[k : k + 1].copy() for name in names})


def test_points_through_a_camera_that_moves():
    rig = panning()
    seen, person = seen_by(rig)
    found, known, _ = reconstruct(seen, rig)
    assert mpjpe_mm(found.xyz[:, 0], person.keypoints) < 8
    assert (found.state > 0).mean() > 0.95
    assert known.agreement.cameras == rig.names
    assert known.agreement.residual_px.max() < 4
    # As if it stood where it started, the same evidence fits far worse.
    wrong = replace(rig, cameras=tuple(c.at_frame(0) for c in rig))
    _, still, _ = reconstruct(seen, wrong)
    assert still.agreement.residual_px.max() > 3 * known.agreement.residual_px.max()


def test_poses_between_frames_and_outside():
    camera = panning().cameras[1]
    few = replace(
        camera,
        cam_from_world=SE3(SO3(camera.cam_from_world.rotation.matrix[::39]), camera.cam_from_world.translation[::39]),
        pose_frame=np.array([0, 39]),
    )
    between, true = few.at_frame(20), camera.at_frame(20)
    np.testing.assert_allclose(between.centre, true.centre, atol=0.02)
    assert not between.moves
    with pytest.raises(CameraError, match="frames 0 to 39; frame 40 lies outside"):
        few.at_frame(40)
    with pytest.raises(CameraError, match="ask for it at one frame"):
        few.project(np.zeros(3))
    with pytest.raises(CameraError, match="must rise"):
        replace(few, pose_frame=np.array([3, 3]))


def test_moving_rigs_through_the_file(tmp_path):
    rig = panning()
    io.write_rig_toml(tmp_path / "rig.toml", rig)
    back = io.read_rig(tmp_path / "rig.toml")
    assert back.moving == ("cam02",)
    np.testing.assert_allclose(back.cameras[1].at_frame(17).centre, rig.cameras[1].at_frame(17).centre, atol=1e-9)
