"""Bodies by silhouettes and point clouds."""

import numpy as np
import pytest

from recon3d.body.fit import Cloud, Known, Mask, fit_person
from recon3d.body.fit.skin import rim_of, vertex_normals
from recon3d.errors import InputError
from tests.body.worlds import MODEL, BodyWorld, errors_of_fit_mm

HEAVY = np.array([0.4, 0.7, 0.6, 0.85, 0.5, 0.5])
ROWS = (2,)


@pytest.fixture(scope="module")
def world():
    return BodyWorld("gait", 4, 5, 1, HEAVY)


def test_silhouettes_and_clouds_tell_weight(world):
    seen, known = world.observed(), Known(height_m=MODEL.height(HEAVY))
    bare = fit_person(MODEL, [seen], known).fit
    for skins, limit in ((world.masks(ROWS), 12.0), (world.clouds(ROWS, 1), 12.0)):
        found = fit_person(MODEL, [seen], known, skins=skins).fit
        assert errors_of_fit_mm(found, world, ROWS) < min(limit, 0.8 * errors_of_fit_mm(bare, world, ROWS))
        assert MODEL.volume(found.body.values) == pytest.approx(MODEL.volume(HEAVY), rel=0.06)
        assert "weight" not in found.guessed()


def test_the_rim_is_on_the_outline(world):
    places, camera = world.vertices(2), world.rig.cameras[0]
    xy = camera.project(places)
    rim = rim_of(xy, places, MODEL.faces, vertex_normals(places, MODEL.faces), camera)
    assert 100 < len(rim) < 2500
    inside = world.masks(ROWS)[0].inside
    around = np.array(
        [
            [inside[min(max(int(r + dy), 0), len(inside) - 1), int(c + dx)] for dx, dy in ((4, 0), (-4, 0), (0, 4), (0, -4))]
            for c, r in xy[rim]
        ]
    )
    assert (~around).any(1).mean() > 0.9


def test_normals_look_out():
    body = MODEL.shaped(MODEL.usual)
    normals = vertex_normals(body.vertices, MODEL.faces)
    assert normals[np.argmax(body.vertices[:, 2]), 2] > 0.9
    assert normals[np.argmin(body.vertices[:, 1]), 1] < -0.5


def test_what_cannot_be_used(world):
    camera = world.rig.cameras[0]
    width, height = camera.intrinsics.size
    with pytest.raises(InputError, match="its pictures of"):
        Mask(0.0, camera, np.ones((10, 10), bool))
    with pytest.raises(InputError, match="shows nobody"):
        Mask(0.0, camera, np.zeros((height, width), bool))
    with pytest.raises(InputError, match="must be numbers"):
        Cloud(0.0, np.full((5, 3), np.nan), 0.005)
    with pytest.raises(InputError, match="metres"):
        Cloud(0.0, np.zeros((5, 3)), 5.0)
    far = Cloud(float(world.time[2]), np.full((50, 3), 40.0), 0.005)
    found = fit_person(MODEL, [world.observed()], skins=[far]).fit
    assert errors_of_fit_mm(found, world, ROWS) < 60
