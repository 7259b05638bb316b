"""DensePose heads, played by graphs that draw known charts."""

import numpy as np
import pytest

from recon3d.detect.decoders import DECODERS
from recon3d.errors import InputError
from tests.detect.graphs import network

IMAGE = np.zeros((480, 640, 3), np.uint8)
BOX = np.array([[200.0, 100.0], [320.0, 400.0]])
SIZE, CELLS = (256, 256), 112
PARTS = {2: (10, 50), 15: (60, 100)}  # columns of the map that show them, rows 15 to 94


def chart(x, y):
    return np.stack([0.2 + 0.015 * x + 0.00002 * y**2, 0.05 + 0.009 * y + 0.001 * x], -1)


def fields(coarse: int = 15) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    y, x = np.indices((CELLS, CELLS))
    s, i = np.zeros((coarse, CELLS, CELLS)), rng.normal(0, 0.1, (25, CELLS, CELLS))
    u, v = rng.uniform(size=(2, 25, CELLS, CELLS))  # what other parts' maps say must not matter
    s[0], i[7] = 4.0, i[7] + 3.0
    for k, (part, (first, last)) in enumerate(PARTS.items()):
        seen = (x >= first) & (x < last) & (y >= 15) & (y < 95)
        s[0, seen], s[1 + k if coarse > 2 else 1, seen], i[part, seen] = -2.0, 2.0, 8.0
        u[part], v[part] = np.moveaxis(chart(x - first, y), -1, 0)
    return {"s": s[None], "i": i[None], "u": u[None], "v": v[None]}


def layout(folder, names) -> str:
    path = folder / "mesh.toml"
    points = ", ".join(f'"{name}"' for name in names)
    path.write_text(f'name = "mesh"\npoints = [{points}]\n', encoding="utf-8")
    return str(path)


def made(folder, answers, names, **mapping):
    np.savez(folder / "mesh.npz", **mapping)
    return network(folder, "densepose", answers, layout(folder, names), SIZE, options={"mapping": "mesh.npz"})


@pytest.mark.parametrize("coarse", [2, 15])
@pytest.mark.parametrize("by", ["name", "vertex", "order"])
def test_surface_points_come_back_where_they_are(tmp_path, coarse, by):
    rng = np.random.default_rng(1)
    part = np.repeat([2, 15], 20)
    local = rng.uniform([1, 17], [38, 92], (40, 2))
    uv = chart(local[:, 0], local[:, 1])
    cells = local + [[PARTS[p][0], 0] for p in part.tolist()]
    hidden = np.arange(40) % 10 == 0
    part = np.where(hidden & (part == 2), 9, part)  # a part that is not seen
    uv[hidden & (part == 15)] = chart(np.array(20.0), np.array(101.0))  # a place of the part that is not seen
    names = [f"v_{17 * k:04d}" for k in range(40)]
    order = rng.permutation(40) if by != "order" else np.arange(40)
    key = {"name": {"name": np.array(names)[order]}, "vertex": {"vertex": 17 * order}, "order": {}}[by]
    net = made(tmp_path, fields(coarse), names, part=part[order], uv=uv[order], **key)
    found = net.person(IMAGE, BOX, np.ones(2))
    to_input = net.crop(BOX, np.ones(2), net.card.points)
    want = ((cells + 0.5) * SIZE[0] / CELLS - 0.5 - to_input[:, 2]) @ np.linalg.inv(to_input[:, :2]).T
    np.testing.assert_allclose(found.xy[0, ~hidden], want[~hidden], atol=0.05)
    assert np.isnan(found.xy[0, hidden]).all()
    assert (found.confidence[0, hidden] == 0).all()
    assert (found.confidence[0, ~hidden] > 0.8).all()
    assert 0.8 < found.score[0] <= 1


def test_the_background_hides_everything(tmp_path):
    answers = fields()
    answers["s"][:, 0] = 9.0
    net = made(tmp_path, answers, ["a", "b"], part=np.array([2, 15]), uv=np.full((2, 2), 0.5))
    found = net.person(IMAGE, BOX, np.ones(2))
    assert np.isnan(found.xy).all()
    assert found.score[0] == 0


def test_doubtful_parts_score_less(tmp_path):
    scores = []
    for logit in (8.0, 2.0):
        answers = fields()
        answers["i"] = np.where(answers["i"] > 4, logit, np.minimum(answers["i"], 1))
        net = made(tmp_path, answers, ["a"], part=np.array([2]), uv=chart(np.array([20.3]), np.array([50.2])))
        scores.append(float(net.person(IMAGE, BOX, np.ones(2)).confidence[0, 0]))
    assert 0.1 < scores[1] < 0.5 < 0.9 < scores[0]


def faults(folder):
    part, uv = np.array([2, 15]), np.full((2, 2), 0.5)
    return {
        "must hold part and uv; it has uv": {"uv": uv},
        "part must be n whole numbers of 1 to 24": {"part": np.array([0, 2]), "uv": uv},
        "uv n x 2 numbers of 0 to 1": {"part": part, "uv": uv + 1},
        "has no b for 2 places": {"part": part, "uv": uv, "name": np.array(["a", "c"])},
        "has 3 names for 2 places": {"part": part, "uv": uv, "name": np.array(["a", "b", "c"])},
        "cannot be read": {"part": part, "uv": uv, "name": np.array(["a", "b"], dtype=object)},
    }


@pytest.mark.parametrize("message", list(faults(None)))
def test_mappings_that_cannot_be_used(tmp_path, message):
    net = made(tmp_path, fields(), ["a", "b"], **faults(tmp_path)[message])
    with pytest.raises(InputError, match=message):
        net.person(IMAGE, BOX, np.ones(2))


def test_without_a_mapping(tmp_path):
    assert DECODERS["densepose"].options == {"mapping": ""}
    net = network(tmp_path, "densepose", fields(), layout(tmp_path, ["a"]), SIZE)
    with pytest.raises(InputError, match="option mapping must name a file"):
        net.person(IMAGE, BOX, np.ones(2))
    (tmp_path / "mesh.txt").write_text("0 0")
    net = network(tmp_path, "densepose", fields(), layout(tmp_path, ["a"]), SIZE, options={"mapping": "mesh.txt"})
    with pytest.raises(InputError, match="is not a file of NumPy's arrays"):
        net.person(IMAGE, BOX, np.ones(2))


def test_other_outputs_are_said(tmp_path):
    answers = fields()
    net = made(tmp_path, {"s": answers["s"], "u": answers["u"]}, ["a"], part=np.array([2]), uv=np.full((1, 2), 0.5))
    with pytest.raises(InputError, match=r"25 maps each\) were expected"):
        net.person(IMAGE, BOX, np.ones(2))
