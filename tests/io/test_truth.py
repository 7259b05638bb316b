"""True positions from the formats that data sets come in."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from recon3d.errors import Recon3dError
from recon3d.io import read_truth, write_keypoints3d


def body(seed=0, shape=(3, 2, 14, 3)):
    return np.random.default_rng(seed).normal(0, 1, shape)


def test_arrays_of_several_people_and_of_one(tmp_path):
    xyz = body()
    xyz[1, 0, 3] = np.nan
    np.save(tmp_path / "a.npy", 1000 * xyz)
    got = read_truth(tmp_path / "a.npy", "lsp_14", "mm", 50.0)
    np.testing.assert_allclose(got.xyz, xyz)
    np.testing.assert_allclose(got.time, [0, 0.02, 0.04])
    assert got.state[1, 0, 3] == 0
    np.savez(tmp_path / "b.npz", xyz=xyz[:, 0], frame=np.array([4, 5, 9]))
    one = read_truth(tmp_path / "b.npz", "lsp_14")
    assert one.frame.tolist() == [4, 5, 9]
    assert one.xyz.shape == (3, 1, 14, 3)


def test_own_files(tmp_path):
    np.save(tmp_path / "a.npy", body())
    record = read_truth(tmp_path / "a.npy", "lsp_14")
    write_keypoints3d(tmp_path / "k.npz", [lambda: record])
    np.testing.assert_array_equal(read_truth(tmp_path / "k.npz").xyz, record.xyz)


def test_actors_of_campus_and_shelf(tmp_path):
    """Cells in cells: people, frames, 14 points; an absent person is an empty cell."""
    xyz = body(1, (4, 2, 14, 3))
    people = np.empty((1, 2), object)
    for k in range(2):
        frames = np.empty((4, 1), object)
        for f in range(4):
            frames[f, 0] = np.zeros((0, 0)) if (k, f) == (1, 2) else xyz[f, k]
        people[0, k] = frames
    outer = np.empty((1, 1), object)
    outer[0, 0] = people
    savemat(tmp_path / "actorsGT.mat", {"actor3D": outer})
    got = read_truth(tmp_path / "actorsGT.mat")
    assert got.layout.name == "lsp_14"
    assert np.isnan(got.xyz[2, 1]).all()
    np.testing.assert_allclose(got.xyz[:, 0], xyz[:, 0])
    savemat(tmp_path / "other.mat", {"x": np.zeros(3)})
    with pytest.raises(Recon3dError, match="no actorsGT"):
        read_truth(tmp_path / "other.mat")


def test_panoptic_folder(tmp_path):
    xyz = 100 * body(2, (2, 19, 3))
    score = np.full((19, 1), 0.9)
    score[4] = -1
    for frame, ids in ((7, (0, 3)), (8, (3,))):
        bodies = [{"id": k, "joints19": np.c_[xyz[int(k > 0)], score].ravel().tolist()} for k in ids]
        (tmp_path / f"body3DScene_{frame:08d}.json").write_text(json.dumps({"version": 0.7, "bodies": bodies}))
    got = read_truth(tmp_path)
    assert got.people.tolist() == [0, 3]
    assert got.frame.tolist() == [7, 8]
    assert np.isnan(got.xyz[1, 0]).all()
    assert np.isnan(got.xyz[0, 1, 4]).all()
    np.testing.assert_allclose(got.xyz[0, 1, :4], xyz[1, :4] / 100)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p, "no such file"),
        (lambda p: (p.with_suffix(".txt").write_text("x"), p.with_suffix(".txt"))[1], "truth is read from"),
        (lambda p: (np.save(p.with_suffix(".npy"), body()), p.with_suffix(".npy"))[1], "give their layout"),
        (lambda p: (p.with_suffix(".npy").write_bytes(b"\x93NUMPY"), p.with_suffix(".npy"))[1], "not a complete file"),
        (lambda p: (p.mkdir(), p)[1], "no body3DScene"),
    ],
)
def test_what_is_no_truth(tmp_path, make, words):
    with pytest.raises(Recon3dError, match=words):
        read_truth(make(tmp_path / "truth"))


def test_arrays_of_another_shape(tmp_path):
    np.save(tmp_path / "a.npy", body(0, (3, 2, 13, 3)))
    with pytest.raises(Recon3dError, match="14 joints of lsp_14"):
        read_truth(tmp_path / "a.npy", "lsp_14")
    np.savez(tmp_path / "b.npz", a=body(), b=body())
    with pytest.raises(Recon3dError, match="name the array xyz"):
        read_truth(tmp_path / "b.npz", "lsp_14")
    np.savez(tmp_path / "c.npz", xyz=body(), frame=np.array([1, 1, 2]))
    with pytest.raises(Recon3dError, match="different whole numbers"):
        read_truth(tmp_path / "c.npz", "lsp_14")
    np.save(tmp_path / "d.npy", np.array([None], dtype=object), allow_pickle=True)  # a pickle, to be refused unread
    with pytest.raises(Recon3dError, match="not a complete file"):
        read_truth(tmp_path / "d.npy", "lsp_14")


ODD = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(),
    lambda kids: st.lists(kids, max_size=4) | st.dictionaries(st.sampled_from(["bodies", "id", "joints19"]), kids),
)


@settings(max_examples=60, deadline=None)
@given(ODD)
def test_odd_files_of_panoptic_are_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("odd")
    (folder / "body3DScene_00000001.json").write_text(json.dumps(data))
    try:
        read_truth(folder)
    except Recon3dError as error:
        assert "body3DScene" in str(error)
