"""Networks of each system by name, with the inputs and outputs that theirs have: a person comes back to the place."""

import numpy as np
import pytest

from tests.detect.graphs import blobs, network
from tests.detect.test_decoders import BOX, IMAGE, in_image, places

HEATMAPS = {
    # system: layout, input, maps (rows, columns), what a cell's middle lies on, options
    "HRNet": ("coco_17", (192, 256), (64, 48), "centre", {}),
    "HRNet of MPII": ("mpii_16", (256, 256), (64, 64), "centre", {}),
    "CPN": ("coco_17", (192, 256), (64, 48), "corner", {}),
    "ViTPose": ("coco_17", (192, 256), (64, 48), "ends", {}),
    "AlphaPose": ("halpe_26", (192, 256), (64, 48), "centre", {}),
    "MMPose": ("wholebody_133", (288, 384), (96, 72), "ends", {}),
    "DeepLabCut": ("animal_20", (400, 304), (38, 50), "centre", {"offsets": 7.2801}),
    "DeepCut / DeeperCut": ("lsp_14", (304, 304), (38, 38), "centre", {"offsets": 7.2801}),
}
SIMCC = {
    "RTMPose": ("halpe_26", (192, 256)),
    "RTMPose of COCO": ("coco_17", (192, 256)),
    "rtmlib": ("wholebody_133", (288, 384)),
    "DWPose": ("wholebody_133", (288, 384)),
    "MMPose": ("coco_17", (288, 384)),
}
REGRESSION = {"DeepPose": ("lsp_14", (220, 220), "centred"), "MMPose": ("coco_17", (192, 256), "unit")}


@pytest.mark.parametrize("system", HEATMAPS)
def test_heatmaps(tmp_path, system):
    layout, size, shape, grid, options = HEATMAPS[system]
    count = {"coco_17": 17, "mpii_16": 16, "halpe_26": 26, "wholebody_133": 133, "animal_20": 20, "lsp_14": 14}[layout]
    xy, stride = places(count, size), size[0] / shape[1]
    ends = xy * (np.array(shape[::-1]) - 1) / (np.array(size) - 1)
    cells = {"centre": (xy + 0.5) / stride - 0.5, "corner": xy / stride, "ends": ends}[grid]
    if "offsets" in options:
        cell = np.rint(cells).astype(int)
        moves = (xy - ((cell + 0.5) * stride - 0.5)) / options["offsets"]
        field = np.broadcast_to(moves.reshape(1, -1, 1, 1), (1, 2 * count, *shape))
        answers = {"maps": blobs(cell.astype(float), shape)[None], "moves": field}
    else:
        answers = {"maps": blobs(cells, shape)[None]}
    net = network(tmp_path, "heatmap", answers, layout, size, options={"grid": grid, **options})
    found = net.person(IMAGE, BOX, np.ones(2))
    scale = 1 / np.linalg.norm(net.crop(BOX, np.ones(2), net.card.points)[:, 0])
    np.testing.assert_allclose(found.xy[0], in_image(net, xy), atol=0.1 * scale)


@pytest.mark.parametrize("system", SIMCC)
def test_simcc(tmp_path, system):
    layout, size = SIMCC[system]
    count = int(layout.rpartition("_")[2])
    xy = places(count, size)
    bins = [np.exp(-0.5 * ((np.arange(2 * size[k]) - 2 * xy[:, k : k + 1]) / 6) ** 2) for k in (0, 1)]
    answers = {"simcc_x": bins[0][None], "simcc_y": bins[1][None]}
    net = network(tmp_path, "simcc", answers, layout, size, score_kind="simcc", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
    np.testing.assert_allclose(net.person(IMAGE, BOX, np.ones(2)).xy[0], in_image(net, xy), atol=0.05)


@pytest.mark.parametrize("system", REGRESSION)
def test_regression(tmp_path, system):
    layout, size, kind = REGRESSION[system]
    xy = places(int(layout.rpartition("_")[2]), size)
    unit = (xy + 0.5) / np.array(size) - (0.5 if kind == "centred" else 0.0)
    net = network(tmp_path, "regression", {"xy": unit.reshape(1, -1)}, layout, size, options={"range": kind})
    np.testing.assert_allclose(net.person(IMAGE, BOX, np.ones(2)).xy[0], in_image(net, xy), atol=1e-3)
