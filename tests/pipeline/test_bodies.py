"""Bodies of a take's people: files, options, what is refused."""

import json
import shutil

import cv2
import numpy as np
import pytest

from recon3d import io, pipeline
from recon3d.body import load_open_body
from recon3d.body.fit import Known
from recon3d.errors import InputError
from recon3d.geometry.raster import silhouette
from recon3d.pipeline import BodyJob, Job, LiftJob, Settings, SkinFolders, Take
from recon3d.pipeline.bodies import posed
from recon3d.pipeline.settings import ExportSettings
from tests.body import charts
from tests.body.charts import drawn, surface_map
from tests.body.smpl_file import smpl_arrays
from tests.worlds import BALANCE4

FEW = Settings(export=ExportSettings(("csv",)))
OPENPOSE = str(BALANCE4 / "openpose")


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    out = tmp_path_factory.mktemp("take") / "a"
    return pipeline.run(Job(BALANCE4 / "Calib.qca.txt", (OPENPOSE,), out, FEW, fps=60.0, stop=40)).take


@pytest.fixture(scope="module")
def fitted(take):
    job = BodyJob(take, {"": Known(height_m=1.80)}, None, ("glb", "usdc", "fbx", "ply", "obj"), every=20)
    return pipeline.fit_take(job)[0]


def test_a_body_of_a_take(take, fitted):
    assert fitted.measured["height"].value == pytest.approx(1.80, abs=0.02)
    assert 0 < fitted.measured["height"].sigma < 0.02 < fitted.measured["waist girth"].sigma
    assert "weight" in fitted.fit.guessed()
    names = {path.name for path in fitted.files}
    assert names == {"0.npz", "0.json", "0.body.glb", "0.body.usdc", "0.body.fbx", "0.body.ply", "0.body.obj"}
    told = json.loads((take.folder / "body" / "0.json").read_text(encoding="utf-8"))
    assert told["model"] == "open" and set(told["guessed"]) == set(fitted.fit.guessed())
    assert told["measurements"]["mass"]["unit"] == "kg"
    params = io.read_body(take.body("0"))
    np.testing.assert_array_equal(params.betas, fitted.fit.body.values)
    np.testing.assert_array_equal(params.informed, fitted.fit.informed)
    assert len(params.motion) == 40 and params.motion.present().all()


def test_it_lies_over_the_person(take, fitted):
    """Its points are where the skeleton's are, and its head is above its feet."""
    params, skeleton = io.read_body(take.body("0")).motion, io.read_motion(take.motion("0"))
    for joint in ("left_wrist", "right_wrist", "left_ankle", "right_ankle", "left_knee", "right_elbow"):
        own, other = (one.poses().translation[:, one.armature.index(joint)] for one in (params, skeleton))
        assert np.median(np.linalg.norm(own - other, axis=1)) < 0.05, joint
    vertices = posed(fitted.fit.body, io.read_body(take.body("0")), np.arange(2))
    head, foot = (params.poses().translation[:2, params.armature.index(name)] for name in ("head", "left_ankle"))
    assert (head[:, 2] > foot[:, 2] + 0.5).all()
    assert np.isfinite(vertices).all()


def test_meshes_as_files_read_back(take, fitted):
    """PLY and OBJ by another's reader; the GLB's skin moves as the body does."""
    import trimesh

    folder = take.folder / "exports"
    model, params = load_open_body(), io.read_body(take.body("0"))
    want = posed(fitted.fit.body, params, np.array([20]))[0]
    ply, obj = (trimesh.load(folder / f"0.body.{kind}" / f"{params.motion.frame[20]:06d}.{kind}", process=False) for kind in ("ply", "obj"))
    np.testing.assert_allclose(ply.vertices, want, atol=1e-5)
    np.testing.assert_array_equal(ply.faces, model.faces)
    np.testing.assert_allclose(np.asarray(obj.vertices)[:, [0, 2, 1]] * [1, -1, 1], want, atol=1e-5)
    moved = io.ANIMATION_READERS[".glb"](folder / "0.body.glb")
    assert len(moved) == 40 and len(moved.joints) == len(model.skeleton.joints)
    scene = trimesh.load(folder / "0.body.glb")
    assert sum(len(one.faces) for one in scene.geometry.values()) == len(model.faces)
    assert len(list((folder / "0.body.ply").iterdir())) == 2


def test_a_take_solved_again_forgets_bodies(take, fitted, tmp_path):
    copy = tmp_path / "take"
    shutil.copytree(take.folder, copy)
    pipeline.run(pipeline.with_motion(pipeline.job_of(Take.existing(copy)), None, 0.4, None))
    assert not list((copy / "body").iterdir())
    assert not list((copy / "exports").glob("*.body.*"))


def heavy_bodies(take, rows):
    """Of somebody heavier who moves as the take's person does."""
    model, params = load_open_body(), io.read_body(take.body("0"))
    heavy = model.shaped(np.where(np.array(model.parameters) == "weight", 0.95, params.betas))
    return {int(params.motion.frame[row]): posed(heavy, params, np.array([row]))[0] for row in rows}


def found_heavier(take, fitted, copy, skins, surface_map=None):
    shutil.copytree(take.folder, copy)
    found = pipeline.fit_take(BodyJob(Take(copy), {"": Known(height_m=1.80)}, None, (), skins=skins, surface_map=surface_map))[0]
    weight = load_open_body().parameters.index("weight")
    return found.fit.informed[weight], found.fit.body.values[weight] - fitted.fit.body.values[weight]


def test_silhouettes_from_a_folder(take, fitted, tmp_path):
    """Masks of a heavy body tell its weight."""
    rig, model = io.read_rig(take.folder / "rig.toml"), load_open_body()
    for frame, vertices in heavy_bodies(take, (3, 30)).items():
        for camera in rig:
            inside = silhouette(camera.project(vertices), model.faces, camera.intrinsics.size)
            path = tmp_path / "masks" / camera.name / f"{frame:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), 255 * inside.astype(np.uint8))
    skins = SkinFolders(tmp_path / "masks")
    informed, heavier = found_heavier(take, fitted, tmp_path / "take", skins)
    assert informed > 0.5 and heavier > 0.15
    (tmp_path / "masks" / "cam01" / "notes.png").write_bytes(b"none")
    with pytest.raises(InputError, match="not the number of a frame"):
        pipeline.fit_take(BodyJob(Take(tmp_path / "take"), {}, None, (), skins=skins))


def test_depth_images_from_a_folder(take, fitted, tmp_path):
    """Drawn by another's ray casting, with a floor: mm in PNG, m in NPY."""
    import open3d as o3d

    rig, model = io.read_rig(take.folder / "rig.toml"), load_open_body()
    for frame, vertices in heavy_bodies(take, (3, 30)).items():
        scene = o3d.t.geometry.RaycastingScene()
        scene.add_triangles(o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(model.faces.astype(np.uint32)))
        floor = np.array([[-9, -9, 0], [9, -9, 0], [9, 9, 0], [-9, 9, 0]], np.float32)
        scene.add_triangles(o3d.core.Tensor(floor), o3d.core.Tensor(np.array([[0, 1, 2], [0, 2, 3]], np.uint32)))
        for camera in rig.select(rig.names[:2]):
            width, height = camera.intrinsics.size
            y, x = np.indices((height, width))
            xy, _ = camera.intrinsics.undistort(np.stack([x, y], -1).reshape(-1, 2).astype(float))
            ray = np.concatenate([xy, np.ones((len(xy), 1))], -1) @ camera.cam_from_world.rotation.matrix  # a depth of 1 m each
            begin = np.broadcast_to(camera.centre, ray.shape)
            hit = scene.cast_rays(o3d.core.Tensor(np.concatenate([begin, ray], -1).astype(np.float32)))["t_hit"].numpy()
            depth = np.where(np.isfinite(hit), hit, 0.0).reshape(height, width)
            folder = tmp_path / "depths" / camera.name
            folder.mkdir(parents=True, exist_ok=True)
            if frame == 3:
                np.save(folder / f"{frame:06d}.npy", depth)
            else:
                cv2.imwrite(str(folder / f"{frame:06d}.png"), np.round(1000 * depth).astype(np.uint16))
    informed, heavier = found_heavier(take, fitted, tmp_path / "take", SkinFolders(depths=tmp_path / "depths"))
    assert informed > 0.5 and heavier > 0.15
    cv2.imwrite(str(next((tmp_path / "depths").glob("*/*.png"))), np.zeros((8, 8), np.uint8))
    with pytest.raises(InputError, match="16 bits"):
        pipeline.fit_take(BodyJob(Take(tmp_path / "take"), {}, None, (), skins=SkinFolders(depths=tmp_path / "depths")))


def test_densepose_results_from_a_folder(take, fitted, tmp_path):
    rig = io.read_rig(take.folder / "rig.toml")
    chart = surface_map()
    np.savez(tmp_path / "map.npz", vertex=chart.vertex, part=chart.part, uv=chart.uv)
    folder = tmp_path / "densepose"
    folder.mkdir()
    bodies = heavy_bodies(take, range(0, 40, 5))
    for camera in rig:
        onlooker = [drawn(camera, vertices + [2.0, 0.0, 0.0], frame) for frame, vertices in list(bodies.items())[:2]]
        charts.write(folder / f"{camera.name}.json", onlooker + [drawn(camera, vertices, frame) for frame, vertices in bodies.items()])
    skins = SkinFolders(densepose=folder)
    informed, heavier = found_heavier(take, fitted, tmp_path / "take", skins, tmp_path / "map.npz")
    assert informed > 0.3 and heavier > 0.1
    with pytest.raises(InputError, match="--surface-map"):
        pipeline.fit_take(BodyJob(Take(tmp_path / "take"), {}, None, (), skins=skins))
    with pytest.raises(InputError, match="has no cam01.json"):
        (tmp_path / "empty").mkdir()
        job = BodyJob(
            Take(tmp_path / "take"), {}, None, (), skins=SkinFolders(densepose=tmp_path / "empty"), surface_map=tmp_path / "map.npz"
        )
        pipeline.fit_take(job)


def test_one_camera(tmp_path):
    lifted = pipeline.lift_take(
        LiftJob(BALANCE4 / "openpose" / "cam01", tmp_path / "one", FEW, BALANCE4 / "Calib.qca.txt", fps=60.0, stop=40)
    )
    found = pipeline.fit_take(BodyJob(lifted.take, {}))[0]
    assert found.measured["height"].value == pytest.approx(1.70, abs=0.03)  # as the take was told
    params, skeleton = io.read_body(lifted.take.body("0")).motion, io.read_motion(lifted.take.motion("0"))
    for joint in ("left_ankle", "right_wrist"):
        own, other = (one.poses().translation[:, one.armature.index(joint)] for one in (params, skeleton))
        assert np.median(np.linalg.norm(own - other, axis=1)) < 0.25, joint


def test_a_model_of_the_users_own(take, tmp_path):
    """A file in SMPL's format: its parameters come out as AMASS has them, and smplx makes the same mesh of them."""
    import torch

    from recon3d.body.smpl import load_smpl, smplx_module

    file, copy = tmp_path / "SMPL_NEUTRAL.npz", tmp_path / "take"
    np.savez(file, **smpl_arrays())
    shutil.copytree(take.folder, copy)
    found = pipeline.fit_take(BodyJob(Take(copy), {"": Known(height_m=1.80)}, file, ("amass.npz", "glb")))[0]
    assert found.measured["height"].value == pytest.approx(1.80, abs=0.02)
    params = io.read_body(copy / "body" / "0.npz")
    assert params.model == "smpl" and len(params.betas) == 10
    told = np.load(copy / "exports" / "0.body.amass.npz")
    assert told["mocap_framerate"] == pytest.approx(60.0, abs=0.1) and told["poses"].shape == (40, 156)
    with torch.no_grad():
        poses = torch.tensor(told["poses"][:3], dtype=torch.float32)
        out = smplx_module(file)(
            betas=torch.tensor(told["betas"], dtype=torch.float32)[None].repeat(3, 1),
            global_orient=poses[:, :3],
            body_pose=torch.cat([poses[:, 3:66], torch.zeros(3, 6)], 1),
            transl=torch.tensor(told["trans"][:3], dtype=torch.float32),
        )
    ours = posed(load_smpl(file).shaped(params.betas), params, np.arange(3))
    np.testing.assert_allclose(out.vertices.numpy(), ours, atol=1e-3)
    assert out.vertices[0, :, 2].max() - out.vertices[0, :, 2].min() > 1.2  # z is up


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"formats": ("stl",)}, "there are .*glb"),
        ({"known": {"anna": Known(height_m=1.7)}}, "nobody is called 'anna'"),
        ({"overlay": ("cam09",)}, "no camera 'cam09'"),
        ({"overlay": ("cam01",)}, "no video to draw over"),
        ({"every": 0}, "1 or more"),
        ({"formats": ("amass.npz",)}, "SMPL family's"),
    ],
)
def test_what_is_refused(take, fitted, options, said):
    before = (take.folder / "body" / "0.npz").read_bytes()
    with pytest.raises(InputError, match=said):
        pipeline.fit_take(BodyJob(take, **{"known": {}, **options}))
    assert (take.folder / "body" / "0.npz").read_bytes() == before


def test_animals_have_no_human_body(take, tmp_path):
    from recon3d.body.fit import check_layout
    from recon3d.skeleton import load_layout

    for layout in ("animal_20", "hand_21", "car_24"):
        with pytest.raises(InputError, match="not of a human body"):
            check_layout(load_open_body(), load_layout(layout))
