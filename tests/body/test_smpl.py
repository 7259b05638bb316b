"""The SMPL family, by files of its format that were made from the open body, against smplx itself."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from recon3d.body.smpl import JOINTS, amass_arrays, load_smpl, smplx_module
from recon3d.body.smpl_files import read_smpl_file
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.records import Motion
from tests.body.smpl_file import smpl_arrays

FRAMES = 5


@pytest.fixture(scope="module", params=["smpl", "smplh", "smplx"])
def file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / f"{request.param.upper()}_FEMALE.npz"
    np.savez(path, **smpl_arrays(request.param, betas=20 if request.param == "smplx" else 10))  # ten of expressions
    return path


@pytest.fixture(scope="module")
def arrays():
    return smpl_arrays()


def moved(body, seed=0):
    """A motion on a body, all joints turned at random."""
    rng = np.random.default_rng(seed)
    joints = len(body.armature.joints)
    nothing = np.zeros((FRAMES, joints))
    return Motion(
        person=0,
        armature=body.armature,
        frame=np.arange(FRAMES),
        time=np.arange(FRAMES) / 30,
        translation=rng.normal(0, 1, (FRAMES, 3)),
        rotation=SO3.exp(rng.normal(0, 0.4, (FRAMES, joints, 3))).wxyz(),
        covariance=np.zeros((FRAMES, joints, 3, 3)),
        state=nothing.astype(np.uint8),
        misfit=nothing.copy(),
        contact=nothing.astype(bool),
    )


def test_meshes_are_those_of_smplx(file):
    """Shape, pose, corrections and AMASS' numbers, through smplx."""
    model = load_smpl(file)
    kind = model.kind
    assert model.gender == "female" and model.skeleton.joints == JOINTS[kind]
    body = model.shaped(np.random.default_rng(3).normal(0, 0.7, 10))
    motion = moved(body)
    ours = body.posed(motion.translation, SO3.from_wxyz(motion.rotation).matrix).vertices()
    told = amass_arrays(body, motion)
    poses = torch.tensor(told["poses"], dtype=torch.float32)
    if kind == "smpl":  # AMASS leaves SMPL's hands out; here they turn
        turns = torch.tensor(SO3(_turns(body, motion)).log(), dtype=torch.float32).reshape(FRAMES, -1)
        parts = {"body_pose": turns[:, 3:]}
    elif kind == "smplh":
        parts = {"body_pose": poses[:, 3:66], "left_hand_pose": poses[:, 66:111], "right_hand_pose": poses[:, 111:156]}
    else:
        names = {
            "body_pose": (3, 66),
            "jaw_pose": (66, 69),
            "leye_pose": (69, 72),
            "reye_pose": (72, 75),
            "left_hand_pose": (75, 120),
            "right_hand_pose": (120, 165),
        }
        parts = {name: poses[:, a:b] for name, (a, b) in names.items()}
        parts["expression"] = torch.zeros(FRAMES, 10)
    theirs = smplx_module(file)
    with torch.no_grad():
        out = theirs(
            betas=torch.tensor(told["betas"], dtype=torch.float32)[None].repeat(FRAMES, 1),
            global_orient=poses[:, :3],
            transl=torch.tensor(told["trans"], dtype=torch.float32),
            **parts,
        )
    np.testing.assert_allclose(ours, out.vertices.numpy(), atol=3e-5)


def _turns(body, motion):
    from recon3d.body.smpl import local_turns

    return local_turns(body, SO3.from_wxyz(motion.rotation).matrix)


def test_at_rest_it_stands_upright(file):
    posed = load_smpl(file).shaped(np.zeros(10)).at_rest()
    at = dict(zip(posed.body.armature.joints, posed.poses.translation[0], strict=True))
    assert at["head"][2] > at["pelvis"][2] + 0.4 > at["left_ankle"][2] + 1.0
    assert at["left_wrist"][0] > at["left_elbow"][0] > at["left_shoulder"][0] > 0
    assert abs(at["left_wrist"][2] - at["left_shoulder"][2]) < 0.01  # the T-pose


def test_frames_without_anybody_are_left_out(file):
    body = load_smpl(file).shaped(np.zeros(10))
    motion = moved(body)
    translation, rotation = motion.translation.copy(), motion.rotation.copy()
    translation[2], rotation[2] = np.nan, np.nan
    told = amass_arrays(body, Motion(0, body.armature, motion.frame.copy(), motion.time.copy(), translation, rotation,
                                     *(getattr(motion, name).copy() for name in ("covariance", "state", "misfit", "contact"))))  # fmt: skip
    assert len(told["trans"]) == len(told["poses"]) == FRAMES - 1
    with pytest.raises(InputError, match="SMPL family's"):
        from recon3d.body import load_open_body

        model = load_open_body()
        amass_arrays(model.shaped(model.usual), motion)


def as_chumpy(arrays, path):
    """As the originals are: a pickle of protocol 2 with chumpy's arrays and SciPy's matrices."""
    code = """
import pickle, sys, types
import numpy as np, scipy.sparse
module, inner = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")
class Ch:
    def __init__(self, x): self.x = x
    def __setstate__(self, state): self.__dict__.update(state)
Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
inner.Ch, module.ch = Ch, inner
sys.modules.update({"chumpy": module, "chumpy.ch": inner})
held = dict(np.load(sys.argv[1]))
held["shapedirs"], held["J_regressor"] = Ch(held["shapedirs"]), scipy.sparse.csc_matrix(held["J_regressor"])
held["bs_type"] = "lrotmin"
pickle.dump(held, open(sys.argv[2], "wb"), protocol=2)
"""
    plain = path.with_suffix(".plain.npz")
    np.savez(plain, **arrays)
    subprocess.run([sys.executable, "-c", code, str(plain), str(path)], check=True)


def test_pickles_with_chumpy_are_read_without_it(arrays, tmp_path):
    path = tmp_path / "basicModel_f_lbs_10_207_0_v1.0.0.pkl"
    as_chumpy(arrays, path)
    data = read_smpl_file(path)
    np.testing.assert_array_equal(data["shapedirs"], arrays["shapedirs"])
    np.testing.assert_allclose(data["J_regressor"], arrays["J_regressor"])
    assert data["kintree_table"][0, 0] == -1
    model = load_smpl(path)
    assert model.gender == "female" and "chumpy" not in sys.modules
    assert smplx_module(path)().vertices.shape[1:] == (len(model.template), 3)


class Evil:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def test_code_in_a_file_is_not_run(arrays, tmp_path):
    target = tmp_path / "touched"
    for k, held in enumerate(({**arrays, "v_template": Evil(target)}, Evil(target), {**arrays, "J_regressor": print})):
        path = tmp_path / f"evil{k}.pkl"
        path.write_bytes(pickle.dumps(held))
        with pytest.raises(InputError, match="wants to run"):
            load_smpl(path)
    objects = {**arrays, "v_template": np.array([Evil(target)], dtype=object)}
    np.savez(tmp_path / "evil.npz", **objects)
    with pytest.raises(InputError):
        load_smpl(tmp_path / "evil.npz")
    assert not target.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": np.ones((13718, 17)) / 17}, "17 joints; models of the family have 24"),
        ({"posedirs": np.zeros((5, 3, 207))}, "posedirs is of shape"),
        ({"f": np.array([[0, 1, 99999]])}, "not of triangles"),
        ({"v_template": np.full((13718, 3), np.nan)}, "not finite"),
        ({"weights": np.zeros((13718, 24))}, "sum to one"),
        ({"kintree_table": np.stack([np.full(24, 23), np.arange(24)])}, "parents before"),
        ({"shapedirs": None}, "lacks shapedirs"),
        ({"f": np.array([["a"]])}, "not of numbers"),
    ],
)
def test_what_is_no_model(arrays, tmp_path, change, said):
    held = {name: value for name, value in {**arrays, **change}.items() if value is not None}
    np.savez(tmp_path / "model.npz", **held)
    with pytest.raises(InputError, match=said):
        load_smpl(tmp_path / "model.npz")


def test_files_that_are_none(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}q\x00")
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "c.pkl").write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "d.pkl").write_bytes(pickle.dumps({"f": scipy.sparse.eye(3).tocoo()}))
    for name in "a.pkl", "b.npz", "c.pkl", "d.pkl", "e.pkl":
        with pytest.raises(InputError, match=name):
            load_smpl(tmp_path / name)
