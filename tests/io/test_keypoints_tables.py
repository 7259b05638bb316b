"""Tables and arrays: DeepLabCut, SLEAP, the MPII family, MoveNet, FreeMoCap, DensePose."""

import csv

import h5py
import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.io.densepose import read_densepose
from recon3d.io.keypoints import KeypointOptions, read_keypoints
from recon3d.io.keypoints.gather import ids_of_names
from recon3d.skeleton import load_layout
from tests.io import keypoint_files as files
from tests.io.keypoint_files import COCO_NAMES, OPTIONS, SIZE, check, scene
from tests.io.test_keypoints_frames import filled, read

FIRST = [row for row in scene() if row.person == 0]


def test_deeplabcut_of_one_animal(tmp_path):
    found = filled(read(files.deeplabcut(tmp_path / "a")))
    check(found, FIRST, "coco_17")
    assert found.score_kind == "heatmap"


def test_deeplabcut_of_several(tmp_path):
    check(filled(read(files.deeplabcut(tmp_path / "a", "multi"))), scene(), "coco_17")


def test_deeplabcut_unique_parts_are_a_person_of_their_own(tmp_path):
    found = read(files.deeplabcut(tmp_path / "a", "unique"))
    assert found.layout.points == (*COCO_NAMES, "corner")
    assert found.frame.tolist() == list(range(12))
    assert found.person_id[0].tolist() == [0, 1, 2]
    assert found.person_id[3].tolist() == [2, -1, -1]
    assert found.xy[3, 0, 17].tolist() == [7, 7]
    assert np.isnan(found.xy[0, 0, 17]).all()
    assert np.isnan(found.xy[0, 2, :17]).all()


@pytest.mark.parametrize("style", ["labels", "labels3"])
def test_deeplabcut_labels(tmp_path, style):
    found = filled(read(files.deeplabcut(tmp_path / "a", style)))
    check(found, FIRST, "coco_17", scores=False)
    assert found.score_kind == "none"


def test_deeplabcut_parts_of_ones_own(tmp_path):
    names = ("snout", "leftear", "rightear", *(f"spine{k}" for k in range(12)), "tail_base", "tail tip")
    layout = read(files.deeplabcut(tmp_path / "a", names=names)).layout
    assert layout.points[:3] == ("snout", "left_ear", "right_ear")
    assert layout.mirror[:3].tolist() == [0, 2, 1]


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("form", ["table", "fixed"])
def test_deeplabcut_h5(tmp_path, form, several):
    found = filled(read(files.deeplabcut_h5(tmp_path / "a", form, several)))
    check(found, scene() if several else FIRST, "coco_17")
    assert found.score_kind == "heatmap"


@pytest.mark.parametrize("form", ["table", "fixed"])
def test_deeplabcut_h5_labels_are_of_images(tmp_path, form):
    found = filled(read(files.deeplabcut_h5(tmp_path / "a", form, images=True)))
    check(found, FIRST, "coco_17", scores=False)
    assert found.score_kind == "none"


def test_deeplabcut_h5_holds_what_the_csv_holds(tmp_path):
    for several in (False, True):
        table = read(files.deeplabcut_h5(tmp_path / "a", several=several))
        text = read(files.deeplabcut(tmp_path / "b", "multi" if several else "single"))
        np.testing.assert_array_equal(table.xy, text.xy)
        np.testing.assert_array_equal(table.confidence, text.confidence)
        assert table.layout is text.layout


def test_deeplabcut_h5_whose_names_do_more_than_name_is_refused(tmp_path):
    path = files.deeplabcut_h5(tmp_path / "a")
    with h5py.File(path, "r+") as file:
        file["df_with_missing/table"].attrs["values_block_0_kind"] = np.bytes_(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match=r"a: the names of .*table/values_block_0 is pickled, and byte 0 of it .GLOBAL."):
        read(path)


def test_deeplabcut_h5_without_names_asks_for_the_csv(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        table = np.zeros(3, [("index", "i8"), ("values_block_0", "f8", (6,))])
        file.create_group("df_with_missing")["table"] = table
    with pytest.raises(InputError, match="the CSV that DeepLabCut writes"):
        read(tmp_path / "a.h5")


def test_deeplabcut_h5_label_that_is_none_of_its_names(tmp_path):
    path = files.deeplabcut_h5(tmp_path / "a", "fixed")
    with h5py.File(path, "r+") as file:
        file["df_with_missing/block0_items_label1"][3] = -1  # pandas' NaN, which Python would take for the last
    with pytest.raises(InputError, match="block0_items_label1"):
        read(path)


def test_deeplabcut_points_in_space_are_refused(tmp_path):
    path = files.deeplabcut(tmp_path / "a")
    path.write_text(path.read_text().replace("likelihood", "z"))
    with pytest.raises(InputError, match="in space"):
        read(path)


def test_deeplabcut_points_without_a_likelihood_are_labels(tmp_path):
    path = files.deeplabcut(tmp_path / "a")
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[3][3] = ""
    path.write_text("\n".join(",".join(row) for row in rows))
    found = read(path)
    assert found.confidence[0, 0, 0] == 1
    np.testing.assert_allclose(found.xy[0, 0, 0], FIRST[0].points[0, :2], atol=1e-3)


def test_deeplabcut_faults_name_their_row(tmp_path):
    path = files.deeplabcut(tmp_path / "a")
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[5][3] = "many"
    path.write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(InputError, match="row 6"):
        read(path)


def test_sleap_predictions(tmp_path):
    found = read(files.sleap(tmp_path / "a"), KeypointOptions(fps=30.0))
    assert found.size == SIZE
    assert found.frame.tolist() == [0, 2, 5, 11]  # a labelled frame without animals, too
    check(found.window(np.isin(found.frame, files.FRAMES)), scene(), "coco_17")


@pytest.mark.parametrize("format_id", [1.0, 1.2])
def test_sleap_points_of_users_before_1_1_are_shifted(tmp_path, format_id):
    file = read_keypoints(files.sleap(tmp_path / "a", format_id, user=True), OPTIONS)
    (found,) = file.views
    found = found.window(np.isin(found.frame, files.FRAMES))
    rows = sorted(scene(), key=lambda row: (row.frame, row.person))
    assert np.isfinite(found.xy[..., 0]).any(-1).sum() == len(rows)  # a correction stands for its prediction
    np.testing.assert_allclose(found.xy[0, 0], rows[0].points[:, :2], atol=1e-3)
    np.testing.assert_allclose(found.xy[0, 1], rows[1].points[:, :2], atol=1e-3)
    assert found.confidence[0, 0, 0] == 1
    assert "taken as 1" in file.notes[0]


@pytest.mark.parametrize("standard", [False, True])
def test_sleap_analysis_files_are_transposed_or_say_their_axes(tmp_path, standard):
    check(filled(read(files.sleap_analysis(tmp_path / "a", standard))), scene(), "coco_17")


def test_sleap_csv(tmp_path):
    check(read(files.sleap_csv(tmp_path / "a")), scene(), "coco_17")


def test_sleap_csv_of_sleap_io_has_its_columns_sorted(tmp_path):
    path = files.sleap_csv(tmp_path / "a")
    rows = list(csv.reader(path.read_text().splitlines()))
    order = [0, 1, 2, *sorted(range(3, len(rows[0])), key=lambda k: rows[0][k])]
    path.write_text("\n".join(",".join(row[k] for k in order) for row in rows))
    check(read(path), scene(), "coco_17")


def test_identities_by_the_numbers_of_names():
    assert ids_of_names(["track_7", "mouse3"]).tolist() == [7, 3]
    assert ids_of_names(["a1", "b1"]).tolist() == [0, 1]
    assert ids_of_names(["mouse1", "single"]).tolist() == [0, 1]


def test_hrnet_mpii_pixels_count_from_one(tmp_path):
    file = read_keypoints(files.hrnet_mat(tmp_path / "pred.mat"), OPTIONS)
    (found,) = file.views
    assert found.layout is load_layout("mpii_16")
    assert found.score_kind == "none"
    np.testing.assert_allclose(found.xy[1, 0], files.single("mpii_16")[1, :, :2], atol=1e-3)
    assert "count from 1" in file.notes[0]


@pytest.mark.parametrize(
    ("head", "values"),
    [
        ("{name}_{value}", "x y z visibility"), ("{NAME}_{value}", "x y z visibility"), ("{NAME}.{value}", "X Y Z V"),
        ("landmark_{n}_{value}", "x y z visibility"), ("lm_{n}_{value}", "x y z vis"), ("{value}{m}", "x y z v"),
        ("pose_{name}_{value}", "x y z visibility"), ("{value}_{n}", "x y z visibility"),
    ],
)  # fmt: skip
def test_mediapipe_csv(tmp_path, head, values):
    file = read_keypoints(files.mediapipe_csv(tmp_path / "a", head, values), OPTIONS)
    assert (file.format, file.notes, file.views[0].score_kind) == ("mediapipe-csv", (), "visibility")
    check(filled(file.views[0]), scene("mediapipe_33"), "mediapipe_33")


def test_mediapipe_csv_without_frames_says_that_rows_are_frames(tmp_path):
    file = read_keypoints(files.mediapipe_csv(tmp_path / "a", several=False), OPTIONS)
    check(filled(file.views[0]), [row for row in scene("mediapipe_33") if row.person == 0], "mediapipe_33", ids=False)
    assert "rows are taken for frames" in file.notes[0]


def columns_of(path, keep):
    rows = list(csv.reader(path.read_text().splitlines()))
    path.write_text("\n".join(",".join(cell for cell, head in zip(row, rows[0], strict=True) if keep(head)) for row in rows))
    return path


def test_mediapipe_csv_of_some_landmarks(tmp_path):
    limbs = ("frame", "person", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_knee")
    found = filled(read(columns_of(files.mediapipe_csv(tmp_path / "a"), lambda head: head.startswith(limbs))))
    assert found.layout is load_layout("mediapipe_33")
    whole = filled(read(files.mediapipe_csv(tmp_path / "b")))
    at = found.layout.indices(limbs[2:])
    np.testing.assert_array_equal(found.xy[:, :, at], whole.xy[:, :, at])
    assert np.isnan(np.delete(found.xy, at, axis=2)).all()


def test_mediapipe_csv_whose_people_share_an_id(tmp_path):
    path = files.mediapipe_csv(tmp_path / "a")
    path.write_text(path.read_text().replace("\n0,1,", "\n0,0,"))
    file = read_keypoints(path, OPTIONS)
    assert (file.views[0].person_id == -1).all()
    assert "same id" in file.notes[0]


def test_mediapipe_csv_in_metres_round_the_hips_is_refused(tmp_path):
    path = files.mediapipe_csv(tmp_path / "a")
    rows = list(csv.reader(path.read_text().splitlines()))
    for row in rows[1:]:
        for value in "xy" if row[3] else "":
            at = [k for k, head in enumerate(rows[0]) if head.endswith(f"_{value}")]
            hips = [float(row[rows[0].index(f"{side}_hip_{value}")]) for side in ("left", "right")]
            for k in at:
                row[k] = str(float(row[k]) - sum(hips) / 2)
    path.write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(InputError, match="world landmarks"):
        read(path)


def test_points_in_space_are_not_taken_for_landmarks(tmp_path):
    path = columns_of(files.mediapipe_csv(tmp_path / "a"), lambda head: not head.endswith("visibility"))
    with pytest.raises(InputError, match="none of the formats"):
        read(path)


@pytest.mark.parametrize(
    ("change", "message"), [((",sitting", ""), "row 2 has 134 cells"), (("\n2,", "\n2.5,"), "2.5"), (("\n2,", "\n,"), "row 5")]
)
def test_mediapipe_csv_faults_name_their_row(tmp_path, change, message):
    path = files.mediapipe_csv(tmp_path / "a")
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(InputError, match=message):
        read(path)


@pytest.mark.parametrize("layout", ["coco_17", "crowdpose_14"])
def test_hrnet_csv_has_no_frames_in_its_rows(tmp_path, layout):
    file = read_keypoints(files.hrnet_csv(tmp_path / "a", layout=layout), OPTIONS)
    (found,) = file.views
    assert file.format == "hrnet-csv"
    assert found.layout is load_layout(layout)
    assert found.frame.tolist() == [0, 1, 2]  # frames without people are not told
    assert "no frame numbers" in file.notes[0]
    assert found.score_kind == "none"
    rows = iter(scene(layout))
    for frame, people in enumerate((2, 1, 2)):
        for slot in range(people):
            np.testing.assert_array_equal(found.xy[frame, slot], np.floor(next(rows).points[:, :2]))


def test_hrnet_csv_that_someone_gave_frames(tmp_path):
    found = read(files.hrnet_csv(tmp_path / "a", framed=True))
    assert found.frame.tolist() == list(files.FRAMES)


def test_hrnet_csv_of_other_rows_is_refused(tmp_path):
    path = files.hrnet_csv(tmp_path / "a")
    path.write_text(path.read_text() + "1,2,3\n")
    with pytest.raises(InputError, match="rows of 34 values"):
        read(path)


def test_deepercut(tmp_path):
    found = read(files.deepercut_mat(tmp_path / "predictions.mat"))
    assert found.layout is load_layout("lsp_14")
    np.testing.assert_allclose(found.xy[:, 0], files.single("lsp_14")[..., :2], atol=1e-3)


def test_deepcut(tmp_path):
    check(read(files.deepcut_folder(tmp_path / "a")), [row for row in scene("lsp_14") if row.person == 0], "lsp_14", ids=False)


@pytest.mark.parametrize("layout", ["lsp_14", "mpii_16", "flic_7"])
def test_deeppose_has_no_scores(tmp_path, layout):
    found = read(files.deeppose_csv(tmp_path / "a", layout))
    check(found, [row for row in scene(layout) if row.person == 0], layout, ids=False, scores=False)
    assert found.score_kind == "none"


def test_movenet_is_y_x(tmp_path):
    files.movenet_npy(tmp_path / "a.npy")
    file = read_keypoints(tmp_path / "a.npy", OPTIONS)
    np.testing.assert_allclose(file.views[0].xy[:, 0], files.single("coco_17")[..., :2], atol=1e-2)
    assert "padding" in file.notes[0]
    data = (np.nan_to_num(files.single("coco_17")) / [*SIZE, 1])[..., [1, 0, 2]].tolist()
    np.testing.assert_array_equal(read(files.dump(tmp_path / "b", data)).xy.shape, (3, 1, 17, 2))


def test_movenet_places_that_nobody_is_in(tmp_path):
    files.movenet_multi(tmp_path / "a.npy")
    check(filled(read(tmp_path / "a.npy")), scene(), "coco_17", ids=False, atol=1e-2)


def test_freemocap_cameras(tmp_path):
    files.freemocap(tmp_path / "mediapipe_body_2d_xy.npy")
    views = read_keypoints(tmp_path / "mediapipe_body_2d_xy.npy", OPTIONS).views
    assert [view.camera for view in views] == ["cam_0", "cam_1"]
    assert views[0].layout is load_layout("mediapipe_33")
    np.testing.assert_allclose(views[1].xy[:, 0], files.single("mediapipe_33")[..., :2] + 10, atol=1e-3)
    assert np.isnan(views[0].xy[0, 0, files.ABSENT]).all()


def test_arrays_that_say_nothing_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((5, 17, 3)) * 300)
    with pytest.raises(InputError, match="recon3d-dump"):
        read(tmp_path / "a.npy")


def test_densepose(tmp_path):
    (person,) = read_densepose(files.densepose(tmp_path / "a"))
    assert person.frame == 4
    assert person.part.shape == (12, 8)
    assert person.part[2, 1] == 3
    np.testing.assert_allclose(person.uv[2, 1], [51 / 255, 204 / 255])
    assert np.isnan(person.uv[0, 0]).all()
    assert person.box.tolist() == [100.5, 50, 108.5, 62]
    with pytest.raises(InputError, match="recon3d.io.densepose"):
        read(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"\x80\x02abc")
    with pytest.raises(InputError, match="can run any code"):
        read_densepose(tmp_path / "b")
    with pytest.raises(InputError, match="entry 0"):
        read_densepose(files.dump(tmp_path / "c", [{"uv_shape": [3, 2, 2], "uv_data": "xx"}]))
