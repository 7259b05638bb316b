"""Point clouds from files; meshes are read back in tests/pipeline/test_bodies.py."""

import numpy as np
import pytest
import trimesh

from recon3d.errors import InputError
from recon3d.io.mesh import read_cloud, write_ply

POINTS = np.random.default_rng(1).normal(size=(50, 3))


@pytest.mark.parametrize("suffix", [".npy", ".ply", ".pcd", ".xyz"])
def test_clouds(suffix, tmp_path):
    path = tmp_path / f"000007{suffix}"
    if suffix == ".npy":
        np.save(path, np.vstack([POINTS, [[np.nan, 0, 0]]]))
    elif suffix == ".ply":
        trimesh.PointCloud(POINTS).export(path)
    elif suffix == ".xyz":
        np.savetxt(path, POINTS)
    else:
        import open3d

        open3d.io.write_point_cloud(str(path), open3d.geometry.PointCloud(open3d.utility.Vector3dVector(POINTS)))
    np.testing.assert_allclose(read_cloud(path), POINTS, atol=1e-5)


def test_a_mesh_is_its_vertices(tmp_path):
    write_ply(tmp_path / "a.ply", POINTS, np.array([[0, 1, 2], [3, 4, 5]]))
    np.testing.assert_allclose(read_cloud(tmp_path / "a.ply"), POINTS, atol=1e-6)


def test_what_is_no_cloud(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY broken")
    (tmp_path / "b.ply").write_bytes(b"ply\nformat")
    np.save(tmp_path / "c.npy", np.zeros(5))
    np.save(tmp_path / "d.npy", np.full((5, 3), np.nan))
    np.save(tmp_path / "e.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "f.txt").write_text("1 2 3")
    for name, said in (
        ("a.npy", "a.npy"),
        ("b.ply", "b.ply"),
        ("c.npy", "shape"),
        ("d.npy", "no points"),
        ("e.npy", "e.npy"),
        ("f.txt", "read from"),
        ("g.npy", "no such file"),
    ):
        with pytest.raises(InputError, match=said):
            read_cloud(tmp_path / name)
