"""Every claim of `recon3d systems` has a test behind it, by name; the tests are run where they stand."""

import inspect
import subprocess
import sys

import pytest

from recon3d.detect import card_names, load_card
from recon3d.detect.decoders import DECODERS
from recon3d.io import read_densepose
from recon3d.io.keypoints import keypoint_formats
from recon3d.systems import all_systems
from tests.detect import test_decoders, test_densepose, test_detect, test_hands_and_faces, test_true_shapes
from tests.io import test_keypoints_frames as frames
from tests.io import test_keypoints_lists as lists
from tests.io import test_keypoints_tables as tables

WHOLE = test_decoders.TestWholeImages
READ = {
    "OpenPose": {
        "openpose": frames.test_openpose_hands_and_face,
        "openpose-storage": frames.test_openpose_storage,
        "coco": lists.test_flags_of_openpose_are_no_scores_and_minus_one_is_absent,
    },
    "Lightweight OpenPose": {"coco": lists.test_flags_of_openpose_are_no_scores_and_minus_one_is_absent},
    "HRNet": {"coco": lists.test_coco_results, "hrnet-csv": tables.test_hrnet_csv_has_no_frames_in_its_rows,
              "mpii-mat": tables.test_hrnet_mpii_pixels_count_from_one},
    "CPN": {"coco": lists.test_coco_results},
    "ViTPose": {"coco": lists.test_coco_results, "mmpose": frames.test_mmpose_video},
    "DeepCut / DeeperCut": {"deepcut": tables.test_deepcut, "mpii-mat": tables.test_deepercut},
    "AlphaPose": {"alphapose": lists.test_alphapose_sorts_image_names_as_numbers,
                  "alphapose-open": lists.test_alphapose_open_puts_the_head_in_the_neck},
    "Halpe FullBody": {"alphapose": lists.test_alphapose_sorts_image_names_as_numbers},
    "DeepPose": {"deeppose": tables.test_deeppose_has_no_scores},
    "PoseNet": {"tfjs": frames.test_tfjs_names_its_points},
    "MoveNet": {"array": tables.test_movenet_is_y_x, "tfjs": frames.test_tfjs_names_its_points,
                "recon3d-dump": frames.test_own_dump_says_all},
    "MediaPipe Pose (BlazePose)": {
        "mediapipe": frames.test_mediapipe, "mediapipe-csv": tables.test_mediapipe_csv,
        "tfjs": frames.test_tfjs_blazepose_and_one_file_a_frame, "recon3d-dump": frames.test_own_dump_says_all,
    },
    "OpenPifPaf": {"openpifpaf": frames.test_pifpaf_layouts},
    "Ultralytics YOLO-pose": {"ultralytics": frames.test_yolo_frames_of_a_video_count_from_one},
    "DeepLabCut": {"deeplabcut": tables.test_deeplabcut_h5},
    "SLEAP": {"sleap": tables.test_sleap_predictions, "sleap-analysis": tables.test_sleap_analysis_files_are_transposed_or_say_their_axes,
              "sleap-csv": tables.test_sleap_csv},
    "DCPose": {"dcpose": lists.test_dcpose, "posetrack": lists.test_posetrack17_sentinel_person_is_dropped},
    "PoseTrack": {"posetrack": lists.test_posetrack17_sentinel_person_is_dropped,
                  "coco-annotations": lists.test_coco_annotations_of_posetrack},
    "DensePose": {"densepose": tables.test_densepose},
    "MMPose": {"mmpose": frames.test_mmpose_demo_counts_from_one_and_names_its_points, "coco": lists.test_coco_results},
    "RTMPose": {"mmpose": frames.test_mmpose_video, "rtmlib": frames.test_rtmlib_layouts},
    "rtmlib": {"rtmlib": frames.test_rtmlib_layouts, "array": frames.test_rtmlib_arrays_without_the_phantom},
    "DWPose": {"controlnet": frames.test_controlnet, "rtmlib": frames.test_rtmlib_layouts},
    "COCO-WholeBody": {"coco": lists.test_wholebody_in_five_lists, "coco-annotations": lists.test_coco_annotations_of_posetrack},
    "AP-10K (animals)": {"coco-annotations": lists.test_ap10k_is_told_by_the_names_of_its_category},
    "MPII Human Pose": {"mpii-mat": tables.test_hrnet_mpii_pixels_count_from_one},
    "EasyMocap": {"easymocap": frames.test_easymocap_cameras},
    "Pose2Sim": {"openpose": frames.test_pose2sim_folders},
    "FreeMoCap": {"array": tables.test_freemocap_cameras},
}  # fmt: skip
RUN = {
    "OpenPose": {"affinity": WHOLE.test_affinity_fields_with_two_people},
    "Lightweight OpenPose": {"affinity": WHOLE.test_affinity_fields_with_two_people},
    "HRNet": {"heatmap": test_true_shapes.test_heatmaps},
    "CPN": {"heatmap": test_true_shapes.test_heatmaps},
    "ViTPose": {"heatmap": test_true_shapes.test_heatmaps},
    "DeepCut / DeeperCut": {"heatmap": test_true_shapes.test_heatmaps},
    "AlphaPose": {"heatmap": test_true_shapes.test_heatmaps},
    "DeepPose": {"regression": test_true_shapes.test_regression},
    "PoseNet": {"posenet": WHOLE.test_posenet_with_two_people},
    "MoveNet": {"movenet_single": test_detect.test_every_shipped_network_finds_the_person, "movenet_multi": WHOLE.test_movenet},
    "MediaPipe Pose (BlazePose)": {"blazepose": test_decoders.TestBlazePose.test_heatmaps_place_the_points},
    "MediaPipe Hands": {"hand": test_hands_and_faces.TestHandGraph.test_a_hand_that_points_left},
    "MediaPipe Face Mesh": {
        "face_mesh": test_hands_and_faces.TestFaceMeshGraph.test_a_face_however_turned,
        "face_detector": test_hands_and_faces.TestFaceDetectorGraph.test_two_faces,
    },
    "OpenPifPaf": {"composite_fields": WHOLE.test_composite_fields_with_two_people},
    "Ultralytics YOLO-pose": {"yolo_pose": WHOLE.test_yolo},
    "DeepLabCut": {"heatmap": test_true_shapes.test_heatmaps},
    "DensePose": {"densepose": test_densepose.test_surface_points_come_back_where_they_are},
    "MMPose": {
        "heatmap": test_true_shapes.test_heatmaps,
        "simcc": test_true_shapes.test_simcc,
        "regression": test_true_shapes.test_regression,
    },
    "RTMPose": {"simcc": test_true_shapes.test_simcc},
    "rtmlib": {"simcc": test_true_shapes.test_simcc},
    "DWPose": {"simcc": test_true_shapes.test_simcc},
}
SYSTEMS = {system.name: system for system in all_systems()}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_claim_has_its_test(name):
    system = SYSTEMS[name]
    assert set(system.reads) == set(READ.get(name, {}))
    assert set(system.runs) == set(RUN.get(name, {}))
    assert system.reads or system.runs
    for test in [*READ.get(name, {}).values(), *RUN.get(name, {}).values()]:
        assert inspect.isfunction(test)
        assert test.__name__.startswith("test_")


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_claim_is_of_something_that_is_there(name):
    system = SYSTEMS[name]
    assert set(system.reads) <= {*keypoint_formats(), "densepose"}
    assert callable(read_densepose)
    assert set(system.runs) <= set(DECODERS)
    assert set(system.ships) <= set(card_names())
    assert {load_card(card).decoder for card in system.ships} <= set(system.runs)
    assert bool(system.runs) == bool(system.ships or system.needs)


def test_named_shapes_are_of_the_systems_that_claim_them():
    shapes = {"heatmap": test_true_shapes.HEATMAPS, "simcc": test_true_shapes.SIMCC, "regression": test_true_shapes.REGRESSION}
    for name, system in SYSTEMS.items():
        for decoder in set(system.runs) & set(shapes):
            assert name in shapes[decoder], f"{name} runs {decoder}"


def test_whatever_ships_and_runs_is_claimed():
    assert {card for system in SYSTEMS.values() for card in system.ships} == set(card_names())
    assert {decoder for system in SYSTEMS.values() for decoder in system.runs} == set(DECODERS)
    assert {name for system in SYSTEMS.values() for name in system.reads} >= set(keypoint_formats()) - {"recon3d"}


def test_what_ships_is_free_and_what_is_not_warns():
    for system in SYSTEMS.values():
        assert not (system.ships and system.limits)
        text = f"{system.code} {system.weights}"
        assert ("AGPL" in text) == (system.limits == "AGPL")
        assert ("non-commercial" in text) == (system.limits == "non-commercial")
        assert bool(system.warning) == bool(system.limits)


def test_there_are_enough():
    assert len(SYSTEMS) >= 25


def test_the_command():
    def say(*words):
        return subprocess.run([sys.executable, "-m", "recon3d", "systems", *words], capture_output=True, text=True, encoding="utf-8")

    done = say()
    assert done.returncode == 0, done.stderr
    assert all(name.split(" ")[0] in done.stdout for name in SYSTEMS)
    assert "AGPL-3.0" in say("yolo").stdout
    assert "not for commercial use" in say("easymocap").stdout
    missing = say("nothing of that name")
    assert missing.returncode == 2
    assert "OpenPose" in missing.stderr
