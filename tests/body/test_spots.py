"""Bodies by vertices that were seen in pictures, as DensePose tells."""

import numpy as np
import pytest

from recon3d.body.fit import Known, Spots, fit_person, read_surface_map
from recon3d.errors import InputError
from tests.body.charts import drawn, surface_map
from tests.body.worlds import MODEL, BodyWorld, errors_of_fit_mm

HEAVY = np.array([0.4, 0.7, 0.6, 0.85, 0.5, 0.5])
ROW = 2


@pytest.fixture(scope="module")
def world():
    return BodyWorld("gait", 4, 5, 1, HEAVY)


def spots(world):
    chart = surface_map()
    out = []
    for camera in world.rig.cameras:
        found = chart.spots(drawn(camera, world.vertices(ROW), ROW), camera, float(world.time[ROW]))
        if found is not None:
            out.append(found)
    return out


def test_vertices_come_back_where_they_are(world):
    found = spots(world)
    assert len(found) >= 3
    places = world.vertices(ROW)
    for one in found:
        assert len(one.vertex) > 50
        off = np.linalg.norm(one.camera.project(places[one.vertex]) - one.xy, axis=1)
        assert np.median(off) < 0.5 and np.quantile(off, 0.9) < 2.0


def test_they_tell_weight(world):
    seen, known = world.observed(), Known(height_m=MODEL.height(HEAVY))
    bare = fit_person(MODEL, [seen], known).fit
    found = fit_person(MODEL, [seen], known, skins=spots(world)).fit
    assert errors_of_fit_mm(found, world, (ROW,)) < 0.8 * errors_of_fit_mm(bare, world, (ROW,))
    weight = MODEL.parameters.index("weight")
    assert found.informed[weight] > bare.informed[weight]


def test_some_vertices_elsewhere_do_no_harm(world):
    """A tenth of the places are anywhere."""
    rng = np.random.default_rng(0)
    mixed = []
    for one in spots(world):
        xy = one.xy.copy()
        rows = rng.random(len(xy)) < 0.1
        xy[rows] += rng.uniform(-200, 200, (rows.sum(), 2))
        mixed.append(Spots(one.time, one.camera, one.vertex, xy, one.sigma_px))
    seen, known = world.observed(), Known(height_m=MODEL.height(HEAVY))
    assert errors_of_fit_mm(fit_person(MODEL, [seen], known, skins=mixed).fit, world, (ROW,)) < 15


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"part": np.ones(3, int), "uv": np.zeros((3, 2))}, "must hold vertex, part and uv"),
        ({"vertex": np.arange(3), "part": np.ones(2, int), "uv": np.zeros((3, 2))}, "n x 2"),
        ({"vertex": np.array([0, 1, 99999]), "part": np.ones(3, int), "uv": np.zeros((3, 2))}, "0 to 13717"),
        ({"vertex": np.arange(3), "part": np.array([0, 1, 25]), "uv": np.zeros((3, 2))}, "1 to 24"),
        ({"vertex": np.arange(3), "part": np.ones(3, int), "uv": np.full((3, 2), np.nan)}, "from 0 to 1"),
    ],
)
def test_maps_that_cannot_be_used(tmp_path, arrays, said):
    np.savez(tmp_path / "map.npz", **arrays)
    with pytest.raises(InputError, match=said):
        read_surface_map(tmp_path / "map.npz", MODEL)


def test_a_map_that_is_none(tmp_path):
    (tmp_path / "map.npz").write_bytes(b"no")
    with pytest.raises(InputError, match="not a file of NumPy's arrays"):
        read_surface_map(tmp_path / "map.npz", MODEL)
    with pytest.raises(InputError, match="must be numbers"):
        world = BodyWorld("gait", 2, 2, 0, HEAVY)
        Spots(0.0, world.rig.cameras[0], np.arange(2), np.full((2, 2), np.nan), np.ones(2))
