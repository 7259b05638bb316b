"""Every decoder on a small network of true shapes: people at known places of the image must come back there."""

import numpy as np
import pytest

from recon3d.detect import Network, load_card, load_detector
from recon3d.detect.decoders import DECODERS
from recon3d.detect.decoders.blazepose import refined
from recon3d.errors import InputError
from recon3d.skeleton import load_layout
from tests.detect.graphs import blobs, card, network

IMAGE = np.zeros((480, 640, 3), np.uint8)
BOX = np.array([[200.0, 100.0], [320.0, 400.0]])


def places(count: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Sub-pixel places well inside the input, px."""
    return np.random.default_rng(seed).uniform([12, 12], [size[0] - 12, size[1] - 12], (count, 2))


def in_image(net: Network, xy: np.ndarray) -> np.ndarray:
    """Pixels of the network's input in the image, by hand: pixel centres at integers."""
    to_input = net.crop(BOX, np.ones(2), net.card.points)
    return (xy - to_input[:, 2]) @ np.linalg.inv(to_input[:, :2]).T


class TestHeatmaps:
    @pytest.mark.parametrize(
        ("grid", "cells"),
        [
            ("centre", lambda xy, size: (xy + 0.5) / 4 - 0.5),
            ("corner", lambda xy, size: xy / 4),
            ("ends", lambda xy, size: xy * (np.array(size) / 4 - 1) / (np.array(size) - 1)),
        ],
    )
    @pytest.mark.parametrize("last", [False, True])
    def test_blobs_come_back_where_they_are(self, tmp_path, grid, cells, last):
        size = (192, 256)
        xy = places(17, size)
        maps = 0.8 * blobs(cells(xy, size), (64, 48))[None]
        net = network(tmp_path, "heatmap", {"maps": maps.transpose(0, 2, 3, 1) if last else maps}, options={"grid": grid})
        found = net.person(IMAGE, BOX, np.ones(2))
        np.testing.assert_allclose(found.xy[0], in_image(net, xy), atol=0.02 * 300 / 256)
        assert (found.confidence > 0.6).all()

    def test_peaks_at_the_border(self, tmp_path):
        xy = np.tile([[0.0, 0.0], [191.0, 255.0]], (9, 1))[:17]
        net = network(tmp_path, "heatmap", {"maps": blobs((xy + 0.5) / 4 - 0.5, (64, 48))[None]})
        found = net.person(IMAGE, BOX, np.ones(2))
        assert np.abs(found.xy[0] - in_image(net, xy)).max() < 4 * 300 / 256

    def test_deepcut_offsets(self, tmp_path):
        size = (256, 256)
        xy = places(14, size)
        cell = np.rint((xy + 0.5) / 8 - 0.5).astype(int)
        maps = blobs(cell.astype(float), (32, 32))[None]
        moves = (xy - ((cell + 0.5) * 8 - 0.5)) / 7.2801
        field = np.broadcast_to(moves.reshape(1, 28, 1, 1), (1, 28, 32, 32))
        net = network(tmp_path, "heatmap", {"maps": maps, "moves": field}, "lsp_14", size, options={"offsets": 7.2801})
        np.testing.assert_allclose(net.person(IMAGE, BOX, np.ones(2)).xy[0], in_image(net, xy), atol=1e-3)

    def test_another_number_of_maps_is_said(self, tmp_path):
        net = network(tmp_path, "heatmap", {"maps": np.zeros((1, 16, 64, 48))})
        with pytest.raises(InputError, match="17 heatmaps were expected"):
            net.person(IMAGE, BOX, np.ones(2))


@pytest.mark.parametrize(("scores", "expected"), [("least", 2.0), ("mean", 3.0)])
def test_simcc(tmp_path, scores, expected):
    size = (192, 256)
    xy = places(26, size)
    x = 4.0 * np.exp(-0.5 * ((np.arange(384) - 2 * xy[:, :1]) / 6) ** 2)
    y = 2.0 * np.exp(-0.5 * ((np.arange(512) - 2 * xy[:, 1:]) / 6) ** 2)
    net = network(tmp_path, "simcc", {"x": x[None], "y": y[None]}, "halpe_26", score_kind="simcc", options={"scores": scores})
    found = net.person(IMAGE, BOX, np.ones(2))
    np.testing.assert_allclose(found.xy[0], in_image(net, xy), atol=0.02)
    np.testing.assert_allclose(found.confidence[0], expected, rtol=0.01)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("unit", lambda xy, size: (xy + 0.5) / size),
        ("centred", lambda xy, size: (xy + 0.5) / size - 0.5),
        ("px", lambda xy, size: xy),
    ],
)
def test_regression(tmp_path, kind, values):
    size = (220, 220)
    xy = places(14, size)
    net = network(tmp_path, "regression", {"xy": values(xy, np.array(size)).reshape(1, -1)}, "lsp_14", size, options={"range": kind})
    np.testing.assert_allclose(net.person(IMAGE, BOX, np.ones(2)).xy[0], in_image(net, xy), atol=1e-3)


class TestWholeImages:
    """640 x 480 in an input of 320 x 320: half the size, at the top left."""

    @staticmethod
    def to_input(xy: np.ndarray) -> np.ndarray:
        return (xy + 0.5) / 2 - 0.5

    def people(self) -> np.ndarray:
        rng = np.random.default_rng(1)
        return np.stack([rng.uniform([60, 60], [260, 400], (17, 2)), rng.uniform([360, 80], [600, 420], (17, 2))])

    @pytest.mark.parametrize("ends", [False, True])
    def test_yolo(self, tmp_path, ends):
        people = self.people()
        inside = self.to_input(people) + 0.5  # YOLO counts from the first pixel's edge
        rows = np.zeros((2100, 56))
        for cell, (k, score) in {3: (0, 0.9), 4: (0, 0.6), 900: (1, 0.8)}.items():
            low, high = inside[k].min(0), inside[k].max(0)
            rows[cell, :2], rows[cell, 2:4], rows[cell, 4] = 0.5 * (low + high), high - low, score
            rows[cell, 5:] = np.c_[inside[k], np.full(17, 0.7)].ravel()
        if ends:
            rows = np.c_[rows[:, :5], np.zeros(len(rows)), rows[:, 5:]][[3, 900]]
        out = rows[None] if ends else rows.T[None]
        net = network(tmp_path, "yolo_pose", {"output0": out}, size=(320, 320), min_score=0.3)
        found = net.people(IMAGE)
        np.testing.assert_allclose(found.score, [0.9, 0.8], atol=1e-6)
        np.testing.assert_allclose(found.xy, people, atol=1e-2)

    def test_movenet(self, tmp_path):
        people = self.people()
        rows = np.zeros((1, 6, 56))
        for k, score in ((0, 0.5), (1, 0.9)):
            unit = (self.to_input(people[k]) + 0.5) / 320
            rows[0, k, :51] = np.c_[unit[:, ::-1], np.full(17, 0.6)].ravel()
            rows[0, k, 55] = score
        net = network(tmp_path, "movenet_multi", {"out": rows}, size=(320, 320), input_type="int32", channels_last=True)
        found = net.people(IMAGE)
        np.testing.assert_allclose(found.score, [0.9, 0.5], atol=1e-6)
        np.testing.assert_allclose(found.xy, people[::-1], atol=1e-2)

    def test_posenet_with_two_people(self, tmp_path):
        """Heatmaps peak at the nearest cell, offsets lead on to the point, displacements from point to point."""
        from recon3d.detect.decoders.posenet import _TREE

        layout, size, stride = load_layout("coco_17"), (321, 321), 16
        scale = 321 / 640
        people = self.people()
        inside = (people + 0.5) * np.array([scale, round(480 * scale) / 480]) - 0.5
        grid = np.stack(np.meshgrid(np.arange(21), np.arange(21)), -1) * stride
        maps, offset = np.full((21, 21, 17), -6.0), np.zeros((21, 21, 2, 17))
        moves = np.zeros((2, 21, 21, 2, 16))
        owner = np.linalg.norm(grid[None, :, :, None] - inside[:, None, None], axis=-1)  # people rows columns joints
        nearest = owner.argmin(0)
        for j in range(17):
            target = inside[nearest[..., j], j]
            offset[..., j] = (target - grid)[..., ::-1]
            for k in range(2):
                x, y = np.rint(inside[k, j] / stride).astype(int)
                maps[y, x, j] = 3.0 - 0.05 * j - 0.2 * k
        for e, (a, b) in enumerate(_TREE):
            ia, ib = layout.index(a), layout.index(b)
            for way, (source, target) in enumerate(((ia, ib), (ib, ia))):
                who = nearest[..., source]
                moves[way, ..., e] = (inside[who, target] - inside[who, source])[..., ::-1]
        outputs = {
            "maps": maps[None],
            "offset": offset.reshape(1, 21, 21, 34),
            "forward": moves[0].reshape(1, 21, 21, 32),
            "backward": moves[1].reshape(1, 21, 21, 32),
        }
        net = network(tmp_path, "posenet", outputs, size=size, channels_last=True)
        found = net.people(IMAGE)
        assert len(found) == 2
        order = np.argsort(found.xy[:, 0, 0] > 320)
        off = np.linalg.norm(found.xy[order] - people, axis=-1)
        assert np.median(off) < 0.1
        assert (off < 1).mean() > 0.9  # two joints of one person in a cell share what it says

    def test_affinity_fields_with_two_people(self, tmp_path):
        layout = load_layout("coco_18")
        limbs = [[layout.points[a], layout.points[b]] for a, b in layout.bones.tolist()]
        rng = np.random.default_rng(2)
        body = rng.uniform(0, 1, (18, 2)) * [150, 330] + [70, 60]
        people = np.stack([body, body[:, :] + [300, 20]])
        cells = (self.to_input(people) + 0.5) / 8 - 0.5
        maps = np.maximum(*(blobs(cells[k], (40, 40), 1.0) for k in (0, 1)))
        fields = np.zeros((2 * len(limbs), 40, 40))
        y, x = np.indices((40, 40))
        for e, (a, b) in enumerate(layout.bones.tolist()):
            for k in range(2):
                start, along = cells[k, a], cells[k, b] - cells[k, a]
                length = np.linalg.norm(along)
                unit = along / length
                rel = np.stack([x - start[0], y - start[1]], -1)
                near = (rel @ unit > -1) & (rel @ unit < length + 1) & (np.abs(rel @ [-unit[1], unit[0]]) < 1.0)
                fields[2 * e : 2 * e + 2, near] = unit[:, None]
        options = {"limbs": limbs, "fields": list(range(0, 2 * len(limbs), 2))}
        outputs = {"maps": np.concatenate([maps, 1 - maps.max(0, keepdims=True)])[None], "fields": fields[None]}
        found = network(tmp_path, "affinity", outputs, "coco_18", (320, 320), options=options).people(IMAGE)
        assert len(found) == 2
        order = np.argsort(found.xy[:, 0, 0])
        off = np.linalg.norm(found.xy[order] - people, axis=-1)
        assert np.isfinite(off).mean() > 0.9
        assert np.nanmedian(off) < 0.5

    def test_composite_fields_with_two_people(self, tmp_path):
        layout = load_layout("coco_17")
        bones = [*layout.bones.tolist(), layout.indices(["left_ear", "left_shoulder"]).tolist()]
        limbs = [[layout.points[a], layout.points[b]] for a, b in bones]
        body = np.random.default_rng(3).uniform(0, 1, (17, 2)) * [150, 330] + [70, 60]
        people = np.stack([body, body + [310, 25]])
        cells = self.to_input(people) / 8
        y, x = np.indices((40, 40))
        cif, caf = np.zeros((17, 5, 40, 40)), np.zeros((len(limbs), 8, 40, 40))
        for j in range(17):
            for k in range(2):
                near = np.hypot(x - cells[k, j, 0], y - cells[k, j, 1]) < 2.5
                cif[j, 1:, near] = [0.9, *cells[k, j], 0.8]
        for e, (a, b) in enumerate(bones):
            for k in range(2):
                near = np.hypot(x - cells[k, [a, b], 0].mean(), y - cells[k, [a, b], 1].mean()) < 2.5
                caf[e, 1:, near] = [0.9, *cells[k, a], *cells[k, b], 0.8, 0.8]
        outputs = {"cif": cif[None], "caf": caf[None]}
        found = network(tmp_path, "composite_fields", outputs, size=(320, 320), options={"limbs": limbs}).people(IMAGE)
        assert len(found) == 2
        order = np.argsort(np.nanmean(found.xy[..., 0], 1))
        off = np.linalg.norm(found.xy[order] - people, axis=-1)
        assert np.isfinite(off).mean() > 0.9
        assert np.nanmedian(off) < 0.2

    def test_nobody(self, tmp_path):
        nobody = network(tmp_path, "yolo_pose", {"output0": np.zeros((1, 56, 2100))}, size=(320, 320)).people(IMAGE)
        assert len(nobody) == 0
        assert nobody.xy.shape == (0, 17, 2)


class TestBlazePose:
    def outputs(self, xy: np.ndarray, sure: float = 8.0) -> dict[str, np.ndarray]:
        landmarks = np.zeros((39, 5))
        landmarks[:33, :2] = xy + 0.5 + 2.0  # the regressed place is two pixels off, the heatmap is not
        landmarks[:, 3:] = 3.0
        maps = np.full((64, 64, 39), -20.0)
        y, x = np.indices((64, 64))
        cells = (xy + 0.5) / 4 - 0.5
        off = (x[..., None] - cells[:, 0]) ** 2 + (y[..., None] - cells[:, 1]) ** 2
        maps[..., :33] = np.maximum(sure - 0.8 * off, -20)
        return {"landmarks": landmarks.reshape(1, 195), "presence": np.array([[0.98]]), "maps": maps[None]}

    def test_heatmaps_place_the_points(self, tmp_path):
        xy = places(33, (256, 256))
        net = network(tmp_path, "blazepose", self.outputs(xy, 2.0), "mediapipe_33", (256, 256), channels_last=True, margin=1.25)
        layout = load_layout("coco_17")
        rough = np.full((17, 2), np.nan)
        rough[layout.indices(["left_hip", "right_hip"])] = [[310, 300], [330, 300]]
        rough[layout.indices(["left_shoulder", "right_shoulder"])] = [[210, 290], [210, 310]]  # he lies on his side
        rough[layout.index("left_ankle")] = [470, 300]
        seen = np.isfinite(rough[:, 0]).astype(float)
        found = net.person(IMAGE, np.nan_to_num(rough), seen, layout)
        # Up in the crop is left in the image: a quarter turn about the hips.
        radius = 150.0
        scale = 2 * 1.25 * radius / 256
        turned = np.stack([xy[:, 1] - 127.5, -(xy[:, 0] - 127.5)], -1) * scale + [320, 300]
        np.testing.assert_allclose(found.xy[0], turned, atol=0.15 * scale)
        np.testing.assert_allclose(found.score, [0.98], atol=1e-3)

    def test_without_a_sure_heatmap_the_regressed_place_stays(self):
        xy = places(5, (256, 256))
        np.testing.assert_array_equal(refined(xy, np.full((64, 64, 5), 0.3), (256, 256)), xy)

    def test_points_outside_the_crop_stay(self):
        xy = np.array([[-40.0, 20.0], [300.0, 700.0]])
        np.testing.assert_array_equal(refined(xy, np.full((64, 64, 2), 0.9), (256, 256)), xy)


class TestCards:
    def test_unknown_decoders_and_options_are_refused(self, tmp_path):
        maps = {"maps": np.zeros((1, 17, 64, 48))}
        with pytest.raises(InputError, match="no decoder 'heat'; there are"):
            Network(card(tmp_path, "heat", maps))
        with pytest.raises(InputError, match="no option gird; it has grid, logits, offsets"):
            Network(card(tmp_path, "heatmap", maps, options={"gird": "centre"}))
        with pytest.raises(InputError, match="no output heat; it has maps"):
            Network(card(tmp_path, "heatmap", maps, outputs=["heat"]))

    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ({"size": (256, 256)}, "the card's input is 192 x 256, but the file's is 256 x 256"),
            ({"mean": [float("nan"), 0.0, 0.0]}, "mean must be 3 numbers"),
            ({"sigma_share": float("inf")}, "sigma_share must be a number"),
            ({"layout": "nope_99"}, "model mine .*no layout 'nope_99'"),
            ({"layout": "mpii_16"}, "16 heatmaps were expected"),
        ],
    )
    def test_what_a_card_gets_wrong(self, tmp_path, entries, message):
        maps = {"maps": np.zeros((1, 17, 64, 48))}
        with pytest.raises(InputError, match=message):
            made = card(tmp_path, "heatmap", maps, **entries)
            if "size" in entries:
                path = tmp_path / "mine.toml"
                path.write_text(path.read_text().replace("[256, 256]", "[192, 256]"))
                made = load_card(str(path))
            Network(made).person(IMAGE, BOX, np.ones(2))

    def test_inputs_beyond_reason_and_other_texts(self, tmp_path):
        card(tmp_path, "heatmap", {"maps": np.zeros((1, 17, 64, 48))})
        path = tmp_path / "mine.toml"
        text = path.read_text()
        for size in ("[100000, 256]", "[192.5, 256]"):
            path.write_text(text.replace("[192, 256]", size))
            with pytest.raises(InputError, match="input must be whole numbers"):
                load_card(str(path))
        path.write_bytes(b'name = "\xff\xfe"')
        with pytest.raises(InputError, match="is not TOML"):
            load_card(str(path))

    def test_what_a_card_says_decides_its_identity(self, tmp_path):
        maps = {"maps": np.zeros((1, 17, 64, 48))}
        first = card(tmp_path, "heatmap", maps)
        assert first.identity() == load_card(str(tmp_path / "mine.toml")).identity()
        for change in ({"min_score": 0.3}, {"sigma": {"score": [0.5], "share": [0.2]}}, {"options": {"logits": True}}, {"margin": 1.5}):
            assert card(tmp_path, "heatmap", maps, **change).identity() != first.identity()

    def test_sigmas_of_points_that_are_not_there(self, tmp_path):
        sigma = {"score": [0.5], "share": [0.2], "points": {"snout": 2.0}}
        with pytest.raises(InputError, match="has not: snout"):
            Network(card(tmp_path, "heatmap", {"maps": np.zeros((1, 17, 64, 48))}, sigma=sigma))

    def test_a_mirror_image_needs_pairs(self, tmp_path):
        (tmp_path / "plain.toml").write_text(f"points = {list(load_layout('coco_17').points)}".replace("'", '"'))
        made = card(tmp_path, "heatmap", {"maps": np.zeros((1, 17, 64, 48))}, "plain.toml")
        assert not any(look.mirrored for look in load_detector("accurate", str(tmp_path / "mine.toml")).recipe.looks)
        assert made.points.points == load_layout("coco_17").points

    @pytest.mark.parametrize("decoder", ["simcc", "composite_fields", "posenet"])
    def test_a_decoder_of_another_network(self, tmp_path, decoder):
        net = network(tmp_path, decoder, {"out": np.zeros((1, 17, 3))})
        with pytest.raises(InputError, match=f"the decoder {decoder} cannot read|expected"):
            net.people(IMAGE) if net.decoder.whole else net.person(IMAGE, BOX, np.ones(2))

    def test_another_number_of_points(self, tmp_path):
        answers = {"out": np.full((1, 1, 17, 3), 0.5)}
        net = network(tmp_path, "movenet_single", answers, "mpii_16", (192, 192), "int32", True)
        with pytest.raises(InputError, match="the network gives 17 points, but layout mpii_16 has 16"):
            net.person(IMAGE, BOX, np.ones(2))

    def test_a_missing_hash_is_told(self, tmp_path):
        made = card(tmp_path, "heatmap", {"maps": np.zeros((1, 17, 64, 48))})
        path = tmp_path / "mine.toml"
        path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("sha256")))
        with pytest.raises(InputError, match=f"'sha256' is missing: that of mine.onnx is {made.sha256}"):
            load_card(str(path))

    def test_mean_std_and_channels(self, tmp_path, monkeypatch):
        """The network sees (value - mean) / std in its own order of channels."""
        net = network(tmp_path, "heatmap", {"maps": np.zeros((1, 17, 64, 48))}, mean=[1, 2, 3], std=[2, 4, 8], channels="bgr")
        seen: list[np.ndarray] = []
        monkeypatch.setattr(net._session, "run", lambda values, outputs: seen.append(values) or [np.zeros((1, 17, 64, 48))])
        net.run(np.full((256, 192, 3), [9, 10, 11], np.uint8))
        assert seen[0].shape == (1, 3, 256, 192)
        np.testing.assert_allclose(seen[0][0, :, 0, 0], [(11 - 1) / 2, (10 - 2) / 4, (9 - 3) / 8])

    def test_every_shipped_card_has_its_decoder(self):
        from recon3d.detect import card_names

        for name in card_names():
            assert load_card(name).decoder in DECODERS
            assert len(Network(load_card(name)).card.points) in (17, 33, 21, 468, 6)
