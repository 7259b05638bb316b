"""Training runs: from files to a checkpoint, and on from it as if nothing had happened."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from recon3d.errors import InputError
from recon3d.monocular.points import JOINTS, POINTS
from recon3d.monocular.train.export import export
from recon3d.monocular.train.mocap import read_clips
from recon3d.monocular.train.network import Lift
from recon3d.monocular.train.run import TrainSettings, train
from recon3d.monocular.train.scores import ScoreSettings, scores
from recon3d.synthetic import make_person

NAMES = [
    "pelvis",
    "l_hip",
    "l_knee",
    "l_ankle",
    "l_toe",
    "l_toe_end",
    "r_hip",
    "r_knee",
    "r_ankle",
    "r_toe",
    "r_toe_end",
    "spine",
    "chest",
    "neck",
    "head",
    "head_center",
    "head_top",
    "l_collar",
    "l_shoulder",
    "l_elbow",
    "l_wrist",
    "l_hand",
    "r_collar",
    "r_shoulder",
    "r_elbow",
    "r_wrist",
    "r_hand",
]
OURS = {"collar": "clavicle", "toe": "toes", "toe_end": "toes", "hand": "wrist"}


def source_of(name):
    side, _, part = name.partition("_")
    if side in ("l", "r") and part:
        return f"{'left' if side == 'l' else 'right'}_{OURS.get(part, part)}"
    return "head" if name.startswith("head") else name


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Recordings and a body in the form of mocap30's files, y up."""
    folder = tmp_path_factory.mktemp("mocap")
    for name, person, kind in (("hdm05_cut11", "hdm_a", "fall"), ("cmu_one", "cmu01", "gait"), ("cmu_two", "cmu14", "dance")):
        motion = make_person(kind, 60, 30.0, seed=1).motion
        places = motion.poses().translation
        world = np.stack([places[:, motion.armature.index(source_of(n))] for n in NAMES], 1)
        world[:, NAMES.index("head_top"), 2] += 0.2
        world = world[..., [0, 2, 1]] * [1.0, 1.0, -1.0]
        np.savez(
            folder / f"{name}.npz", joints=(world - world[:, :1]).astype("f2"), root=world[:, 0].astype("f4"),
            clip_id=np.zeros(60, "i2"), frame=np.arange(60, dtype="i4"), clip_names=np.array([kind]), clip_subject=np.array([person]),
            clip_primary=np.array([True]), clip_joint_true=np.ones((1, 27), bool), joint_names=np.array(NAMES),
            src_quat=np.tile(np.array([32767, 0, 0, 0], "i2"), (60, 1, 1)), src_joint_names=np.array(["Head"]), src_parents=np.array([-1]),
        )  # fmt: skip
    points = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_heel", "left_big_toe", "left_small_toe"]
    spots = np.array([[0, -0.15, 1.6], [0.03, -0.13, 1.63], [-0.03, -0.13, 1.63], [0.07, -0.05, 1.6], [-0.07, -0.05, 1.6],
                      [0.1, 0.05, 0.0], [0.08, -0.2, 0.0], [0.14, -0.16, 0.0], [0.0, 0.0, 1.75]])  # fmt: skip
    bones = ["head", "foot.L", "toe2-1.L", "lowerleg01.L"]
    heads = np.array([[0, 0, 1.55], [0.1, 0, 0.07], [0.1, -0.13, 0.01], [0.1, -0.02, 0.5]])
    np.savez(
        folder / "body.npz", template_vertices=spots, template_bone_heads=heads,
        bone_labels=np.array(bones), coco_names=np.array(points), coco_reg_idx=np.stack([np.arange(8)] * 2, 1), coco_reg_w=np.ones(8),
    )  # fmt: skip
    body = folder / "body.npz"
    kept = body.rename(tmp_path_factory.mktemp("body") / "body.npz")
    return folder, kept


def test_people_are_held_out(files):
    training, hdm05, cmu = read_clips(*files)
    assert training.person == ("cmu01",) and hdm05.person == ("hdm_a",) and cmu.person == ("cmu14",)
    assert np.isfinite(training.points()).all()
    head, nose = training.joints[:, JOINTS.index("head")], training.face[:, 0]
    shoulders = training.joints[:, JOINTS.index("left_shoulder")] - training.joints[:, JOINTS.index("right_shoulder")]
    forward = np.cross(shoulders, [0.0, 0.0, 1.0])
    assert (np.einsum("fi,fi->f", forward, nose - head) > 0).mean() > 0.9  # faces look where chests do
    with pytest.raises(InputError, match="hdm05_cut11"):
        read_clips(files[1].parent, files[1])


def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(files, tmp_path):
    settings = TrainSettings(*files, out=tmp_path / "whole", total_steps=4, frames=64, minutes=10.0, threads=1)
    whole = torch.load(train(settings), weights_only=True)
    train(replace(settings, out=tmp_path / "cut", total_steps=4, minutes=0.0))
    assert not (tmp_path / "cut" / "checkpoint.pt").exists()
    cut = replace(settings, out=tmp_path / "cut", stop_after=2)
    train(cut)
    assert torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)["step"] == 2
    again = torch.load(train(replace(cut, stop_after=0)), weights_only=True)
    assert again["step"] == 4
    assert (tmp_path / "cut" / "lifter.onnx").stat().st_size < 12e6
    for name, value in whole["network"].items():
        torch.testing.assert_close(again["network"][name], value)
    assert "hdm05_n_mm" in (tmp_path / "cut" / "log.jsonl").read_text()
    assert (tmp_path / "cut" / "loss.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_may_go_on_from_a_network_that_is_there(files, tmp_path):
    settings = TrainSettings(*files, out=tmp_path / "a", total_steps=1, frames=64, threads=1)
    first = torch.load(train(settings), weights_only=True)
    noise = torch.Generator().manual_seed(0)  # as a network has that has learned more than one step
    trained = {n: v + 0.01 * torch.randn(v.shape, generator=noise) for n, v in first["average"].items()}
    export(trained, tmp_path / "a.onnx")
    more = torch.load(train(replace(settings, out=tmp_path / "b", begin=tmp_path / "a.onnx", rate=1e-9)), weights_only=True)
    torch.testing.assert_close(more["network"]["blocks.0.asked.weight"], trained["blocks.0.asked.weight"], atol=2e-3, rtol=0)


@pytest.mark.parametrize("kind", ["mlp", "tcn"])
def test_baselines_learn_from_the_same_windows(files, tmp_path, kind):
    made = train(TrainSettings(*files, out=tmp_path / kind, kind=kind, total_steps=2, frames=256, threads=1))
    assert torch.load(made, weights_only=True)["step"] == 2
    session = onnxruntime.InferenceSession(str(tmp_path / kind / f"{kind}.onnx"), providers=["CPUExecutionProvider"])
    given = {"points": np.zeros((2, 81, len(POINTS), 3), np.float32), "extra": np.zeros((2, 81, 7), np.float32)}
    assert session.run(None, given)[0].shape == (2, 81 if kind == "mlp" else 55, len(JOINTS), 3)


def test_scores_by_action_and_person(files, tmp_path):
    torch.manual_seed(1)
    made = Lift()
    for value in made.parameters():
        value.data += 0.01 * torch.randn(value.shape)
    export(made.state_dict(), tmp_path / "a.onnx")
    rows = list(scores(ScoreSettings(*files, network=tmp_path / "a.onnx")))
    assert {"cmu cmu14", "hdm05 all", "cmu exact points"} <= {row.name for row in rows}
    assert all(row.frames > 0 and row.pa_mm <= row.n_mm and 0 <= row.inside <= 1 for row in rows)
