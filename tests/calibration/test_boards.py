from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.board_views import BoardViews, find_in_pictures, find_in_videos, gather
from calibration.boards import BoardSettings, calibrate_boards
from calibration.lenses import fit_lens, fit_poses, homographies
from calibration.targets import Board
from recon3d.errors import CameraError, InputError
from recon3d.geometry import SE3, SO3
from recon3d.synthetic import make_board_world, make_rig
from tests.calibration.worlds import BOARD, board_views, board_world, lenses, pose_error

DATA = Path(__file__).parent.parent / "data"


def test_a_rig_from_a_board():
    """Two-sided: errors of the size that the covariance says, lenses within three sigmas."""
    world = board_world()
    outcome, report = calibrate_boards(board_views(world), BOARD)
    assert not outcome.refused
    assert outcome.rig.names == world.rig.names
    turn, shift = pose_error(outcome.rig, world.rig)
    sigma = np.sqrt(np.diag(outcome.rig.covariance)).reshape(-1, 6)
    assert turn < 4 * np.rad2deg(np.linalg.norm(sigma[:, 3:], axis=1).max())
    assert 1e-5 < shift < 4 * np.linalg.norm(sigma[:, :3], axis=1).max()
    for camera, truth in zip(outcome.rig, world.rig, strict=True):
        assert abs(camera.intrinsics.K[0, 0] / truth.intrinsics.K[0, 0] - 1) < 0.01
        assert report.terms[camera.name] != "none"
    # The board's size is the scale; no cue but that is needed.
    assert outcome.scale.known
    distance = np.linalg.norm(outcome.rig.centres()[0] - outcome.rig.centres()[1])
    assert abs(distance / np.linalg.norm(world.rig.centres()[0] - world.rig.centres()[1]) - 1) < 0.01
    assert outcome.rig.unknown == {"up", "floor"}


def test_the_same_input_gives_the_same_bits():
    views = board_views(board_world(5, 40))
    first, second = (calibrate_boards(views, BOARD)[0].rig for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.intrinsics.K, b.intrinsics.K)
        assert np.array_equal(a.cam_from_world.matrix(), b.cam_from_world.matrix())


def test_permuting_cameras_permutes_the_rig():
    views = board_views(board_world(5, 40))
    rig = calibrate_boards(views, BOARD)[0].rig
    other = calibrate_boards(views[::-1], BOARD)[0].rig
    assert other.names == rig.names[::-1]
    assert pose_error(other.select(rig.names), rig)[0] < 5e-3


def test_known_lenses_stay_as_they_are():
    world = board_world(5, 40)
    outcome, _ = calibrate_boards(board_views(world), BOARD, lenses=lenses(world.rig))
    assert all(np.array_equal(a.intrinsics.K, b.intrinsics.K) for a, b in zip(outcome.rig, world.rig, strict=True))
    assert pose_error(outcome.rig, world.rig)[0] < 0.1


def test_stray_corners_are_found():
    world = board_world(5, 40)
    views = board_views(world)
    xy = views[0].xy.copy()
    xy[::4, 7] += [9.0, -14.0]
    outcome, _ = calibrate_boards([replace(views[0], xy=xy), *views[1:]], BOARD)
    assert pose_error(outcome.rig, world.rig)[0] < 0.6
    inlier = outcome.evidence.inlier[0].reshape(-1, 54)
    rows = views[0].instant[::4]
    index = np.searchsorted(np.unique(np.concatenate([v.instant for v in views])), rows)
    assert inlier[index, 7].max() < 0.1


def test_the_floor_by_a_board_that_lies_on_it():
    rig = make_rig("ring", 4, "mild", 0)
    world = board_world(4, 60)
    flat = SE3(SO3(np.diag([1.0, -1.0, -1.0])), np.array([0.2, 0.3, 0.0]))
    seen = rig.project(flat @ BOARD.points)
    views = board_views(world)
    views = [
        BoardViews(v.camera, v.size, (*v.label, f"{v.camera} floor"), np.append(v.instant, 500), np.concatenate([v.xy, seen[k : k + 1]]))
        for k, v in enumerate(views)
    ]
    outcome, _ = calibrate_boards(views, BOARD, BoardSettings(floor="cam02 floor", front="cam03"))
    assert outcome.rig.unknown == frozenset()
    np.testing.assert_allclose(outcome.rig.centres()[:, 2], rig.centres()[:, 2], atol=0.03)
    up = outcome.rig.cameras[0].cam_from_world.rotation.matrix[:, 2]
    assert up @ rig.cameras[0].cam_from_world.rotation.matrix[:, 2] > np.cos(np.deg2rad(0.7))
    # The front camera stands at -y.
    assert outcome.rig["cam03"].centre[1] < 0
    with pytest.raises(InputError, match="no image 'nowhere'"):
        calibrate_boards(views, BOARD, BoardSettings(floor="nowhere"))


class TestDegeneracies:
    def test_opposite_cameras_never_share_the_board(self):
        """The chain round the ring connects them all the same."""
        world = board_world(6, 120)
        seen = np.isfinite(world.xy[:, :, 0, 0])
        assert not (seen[0] & seen[3]).any()
        outcome, _ = calibrate_boards(board_views(world), BOARD)
        assert len(outcome.rig) == 6
        assert pose_error(outcome.rig, world.rig)[0] < 0.5

    def test_a_camera_that_never_connects_is_named_and_the_rest_solved(self):
        world = board_world(4, 60)
        views = board_views(world)
        views[2] = replace(views[2], instant=views[2].instant + 10_000)
        outcome, _ = calibrate_boards(views, BOARD)
        assert "cam03" in outcome.refused
        assert "film the board where it and one of them see it at once" in outcome.refused["cam03"]
        assert outcome.rig.names == ("cam01", "cam02", "cam04")

    def test_no_two_cameras_connect(self):
        views = board_views(board_world(5, 40))
        views = [replace(v, instant=v.instant + 1000 * k) for k, v in enumerate(views)]
        with pytest.raises(CameraError, match="at the same time"):
            calibrate_boards(views, BOARD)

    def test_one_image(self):
        view = board_views(board_world())[0]
        with pytest.raises(CameraError, match="1 image only"):
            fit_lens(view.take(np.arange(1)), BOARD)

    def test_all_views_parallel(self):
        """A board that always faces the camera leaves the focal length open."""
        camera = make_rig("ring", 1, "none").cameras[0]
        poses = [
            SE3(SO3.identity(), np.array([x, y, 2.0 + z])) for x, y, z in ((-0.4, -0.2, 0), (0.1, 0.1, 0.5), (0, -0.3, 1), (-0.3, 0, 0.2))
        ]
        rng = np.random.default_rng(0)
        xy = np.stack([camera.intrinsics.project(p @ BOARD.points) for p in poses]) + rng.normal(0, 0.3, (4, 54, 2))
        view = BoardViews("cam", camera.intrinsics.size, ("a", "b", "c", "d"), np.arange(4), xy)
        with pytest.raises(CameraError, match="tilt it by 30 degrees"):
            fit_lens(view, BOARD)

    def test_a_symmetric_board_is_turned_right(self):
        """8 x 6 corners look the same upside down: half of the detections are numbered from the other end."""
        board = Board("chessboard", 8, 6, 0.08)
        assert board.symmetric
        assert not BOARD.symmetric
        world = board_world(5, 80, 0, 8)
        views = board_views(world)
        rng = np.random.default_rng(0)
        turned = []
        for v in views:
            flip = rng.random(len(v)) < 0.5
            xy = v.xy.copy()
            xy[flip] = xy[flip][:, ::-1]
            turned.append(replace(v, xy=xy))
        outcome, _ = calibrate_boards(turned, board)
        assert len(outcome.rig) == 5
        assert pose_error(outcome.rig, world.rig)[0] < 0.6

    def test_a_rig_of_mixed_sizes(self):
        small, large = make_rig("ring", 2, "mild", 0, (1280, 720)), make_rig("ring", 4, "mild", 0)
        rig = type(large)((*(replace(c, name=f"s{k}") for k, c in enumerate(small)), *large.cameras[1::2]))
        world = make_board_world(rig, BOARD.points, 80, 0.2, 0, 1.0)
        outcome, _ = calibrate_boards(board_views(world), BOARD)
        assert len(outcome.rig) == 4
        assert pose_error(outcome.rig, world.rig)[0] < 0.6


def test_homographies_through_the_plane():
    view = board_views(board_world())[0]
    h = homographies(view, BOARD)
    flat = np.column_stack([BOARD.points[:, :2], np.ones(54)])
    p = flat @ np.swapaxes(h, 1, 2)
    assert np.median(np.linalg.norm(p[..., :2] / p[..., 2:] - view.xy, axis=-1)) < 3  # the lens bends


def test_distortion_terms_only_while_they_pay():
    rig = make_rig("ring", 1, "none", 0)
    world = make_board_world(rig, BOARD.points, 120, 0.3, 0, 1.0)
    straight = fit_lens(board_views(world)[0], BOARD)
    bent = fit_lens(board_views(board_world(4, 60))[0], BOARD)
    assert straight.terms in ("none", "k1")
    assert abs(straight.intrinsics.dist[0]) < 0.01
    assert bent.terms != "none"
    assert bent.held_out_px[bent.terms] < bent.held_out_px["none"]


def test_a_fisheye_lens():
    rig = make_rig("ring", 1, "fisheye", 3)
    world = make_board_world(rig, BOARD.points, 200, 0.2, 0, 1.5)
    found = fit_lens(board_views(world)[0], BOARD, fisheye=True)
    truth = rig.cameras[0].intrinsics
    assert found.intrinsics.model == "fisheye"
    assert abs(found.intrinsics.K[0, 0] - truth.K[0, 0]) < 4 * found.focal_sigma_px < 0.05 * truth.K[0, 0]
    poses = fit_poses(board_views(world)[0], BOARD, truth)
    assert poses.residual_px < 0.35


BOARDS = {
    "chessboard": Board("chessboard", 9, 6, 0.03),
    "charuco": Board("charuco", 9, 7, 0.03, marker_m=0.022, dictionary="5X5_100"),
    "aprilgrid": Board("aprilgrid", 5, 4, 0.04, gap_m=0.012),
    "aruco": Board("aruco", 5, 4, 0.04, gap_m=0.012, dictionary="4X4_100"),
}


def printed(board: Board, px_per_m: float = 4000.0) -> tuple[np.ndarray, np.ndarray]:
    """A picture of the board and where the board's origin is in it, px."""
    if board.kind == "charuco":
        sheet = cv2.aruco.CharucoBoard(
            (board.columns, board.rows), board.size_m, board.marker_m, cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_100)
        )
        image = sheet.generateImage((round(board.columns * board.size_m * px_per_m), round(board.rows * board.size_m * px_per_m)))
        return cv2.copyMakeBorder(image, 100, 100, 100, 100, cv2.BORDER_CONSTANT, value=255), np.array([100.0, 100.0])
    if board.kind == "chessboard":
        cell = round(board.size_m * px_per_m)
        grid = np.indices((board.rows + 1, board.columns + 1)).sum(0) % 2 * 255
        image = np.kron(grid, np.ones((cell, cell))).astype(np.uint8)
        return cv2.copyMakeBorder(image, 100, 100, 100, 100, cv2.BORDER_CONSTANT, value=255), np.array([100.0 + cell, 100.0 + cell])
    if board.kind == "aprilgrid":
        return kalibr_sheet(board, px_per_m), np.array([100.0, 100.0])
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_100)
    edge, step = round(board.size_m * px_per_m), (board.size_m + board.gap_m) * px_per_m
    image = np.full((round(board.rows * step) + 200, round(board.columns * step) + 200), 255, np.uint8)
    for row in range(board.rows):
        for column in range(board.columns):
            x, y = round(100 + column * step), round(100 + row * step)
            image[y : y + edge, x : x + edge] = cv2.aruco.generateImageMarker(dictionary, row * board.columns + column, edge)
    return image, np.array([100.0, 100.0])


# AprilTag's 36h11 codes of the first tags, bit 35 the top left one.
CODES = (
    0xD5D628584, 0xD97F18B49, 0xDD280910E, 0xE479E9C98, 0xEBCBCA822, 0xF31DAB3AC, 0x056A5D085, 0x10652E1D4, 0x22B1DFEAD, 0x265AD0472,
    0x34FE91B86, 0x3FF962CD5, 0x43A25329A, 0x474B4385F, 0x4E9D243E9, 0x5246149AE, 0x5997F5538, 0x683BB6C4C, 0x6BE4A7211, 0x7E3158EEA,
)  # fmt: skip


def kalibr_sheet(board: Board, px_per_m: float, border: int = 2) -> np.ndarray:
    """An AprilGrid as Kalibr prints it: tag 0 at the bottom left, a border of two bits, black squares in the gaps' crossings."""
    edge, gap = round(board.size_m * px_per_m), round(board.gap_m * px_per_m)
    step = edge + gap
    image = np.full((board.rows * step + 200, board.columns * step + 200), 255, np.uint8)
    for row in range(board.rows):
        for column in range(board.columns):
            code = CODES[(board.rows - 1 - row) * board.columns + column]
            bits = np.pad([[code >> (35 - 6 * i - j) & 1 for j in range(6)] for i in range(6)], border)
            x, y = 100 + column * step, 100 + row * step
            image[y : y + edge, x : x + edge] = cv2.resize(255 * bits.astype(np.uint8), (edge, edge), interpolation=cv2.INTER_NEAREST)
            for left in (x - gap, x + edge):
                for top in (y - gap, y + edge):
                    image[top : top + gap, left : left + gap] = 0
    return image


def photographed(board: Board, tilt: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    """The board in a picture of 1200 x 900, and where its points truly are."""
    sheet, origin = printed(board)
    camera = np.array([[1100.0, 0, 600], [0, 1100, 450], [0, 0, 1]])
    pose = SE3(SO3.exp(np.array([tilt, -tilt, 0.1])), np.array([-0.15, -0.09, 0.55]))
    r, t = pose.rotation.matrix, pose.translation
    # Pixel centres of the sheet: an edge between pixels k - 1 and k lies at k - 0.5.
    to_board = np.array([[1 / 4000, 0, -(origin[0] - 0.5) / 4000], [0, 1 / 4000, -(origin[1] - 0.5) / 4000], [0, 0, 1]])
    offset = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    h = camera @ np.column_stack([r[:, 0], r[:, 1], t]) @ offset @ to_board
    twice = np.array([[2.0, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    big = cv2.warpPerspective(sheet, twice @ h, (2400, 1800), flags=cv2.INTER_AREA, borderValue=200)
    image = cv2.resize(big, (1200, 900), interpolation=cv2.INTER_AREA)
    p = (camera @ (pose @ board.points).T).T
    return cv2.GaussianBlur(image, (0, 0), 0.6), p[:, :2] / p[:, 2:]


@pytest.mark.parametrize("kind", list(BOARDS))
def test_boards_are_found_where_they_are(kind):
    board = BOARDS[kind]
    image, truth = photographed(board)
    found = board.find(image)
    assert found is not None
    known = np.isfinite(found[:, 0])
    assert known.mean() > 0.9
    off = np.linalg.norm(found - truth, axis=1)[known]
    assert np.median(off) < 0.2
    assert off.max() < 0.5


def test_an_aprilgrid_with_narrow_borders(monkeypatch):
    board = BOARDS["aprilgrid"]
    narrow = kalibr_sheet(board, 4000.0, border=1)
    monkeypatch.setitem(globals(), "kalibr_sheet", lambda *_: narrow)
    image, truth = photographed(board)
    found = board.find(image)
    assert found is not None
    assert np.nanmax(np.linalg.norm(found - truth, axis=1)) < 0.5


def test_a_board_in_a_mirror_is_said_to_be_one(tmp_path):
    image, _ = photographed(BOARDS["charuco"])
    path = tmp_path / "1.png"
    cv2.imwrite(str(path), image[:, ::-1])
    _, refused = find_in_pictures({"cam": [path]}, BOARDS["charuco"])
    assert "mirror" in refused["cam"]


def test_another_dictionary_is_named(tmp_path):
    image, _ = photographed(BOARDS["aruco"])
    cv2.imwrite(str(tmp_path / "1.png"), image)
    _, refused = find_in_pictures({"cam": [tmp_path / "1.png"]}, replace(BOARDS["aruco"], dictionary="7X7_50"))
    assert "4X4_" in refused["cam"]


def test_a_wrong_number_of_corners_is_named(tmp_path):
    image, _ = photographed(BOARDS["chessboard"])
    cv2.imwrite(str(tmp_path / "1.png"), image)
    _, refused = find_in_pictures({"cam": [tmp_path / "1.png"]}, Board("chessboard", 10, 7, 0.03))
    assert "9 x 6 inner corners was found, not 10 x 7" in refused["cam"]


def test_no_board_shows_what_came_closest(tmp_path):
    cv2.imwrite(str(tmp_path / "dark.png"), np.zeros((300, 400), np.uint8))
    _, refused = find_in_pictures({"cam": [tmp_path / "dark.png"]}, BOARDS["chessboard"])
    assert "dark.png (too dark)" in refused["cam"]


def test_pictures_that_are_none(tmp_path):
    """They are named, and the readable ones used."""
    (tmp_path / "x.png").write_bytes(b"no picture")
    (tmp_path / "y.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "z3.png"), photographed(BOARDS["charuco"])[0])
    found, refused = find_in_pictures({"a": [tmp_path / "x.png", tmp_path / "y.png"], "b": sorted(tmp_path.iterdir())}, BOARDS["charuco"])
    assert refused == {"a": "x.png, y.png: no picture that OpenCV reads"}
    assert found[0].label == ("z3.png",)
    assert found[0].instant.tolist() == [3]
    assert found[0].missed == ("x.png (unreadable)", "y.png (unreadable)")


def test_pictures_that_are_not_of_one_moment():
    """Numbers that match by chance: the cameras' opinions on each other scatter, and the board is no link."""
    views = board_views(board_world(5, 40))
    rng = np.random.default_rng(0)
    shuffled = [replace(v, instant=np.sort(rng.choice(60, len(v), replace=False))) for v in views]
    with pytest.raises(CameraError, match="--lenses-only"):
        calibrate_boards(shuffled, BOARD)


def test_a_camera_that_is_given_twice_is_refused():
    views = board_views(board_world(5, 40))
    with pytest.raises(InputError, match="camera cam02: 2 sets of images"):
        calibrate_boards([*views, views[1]], BOARD)


def test_pictures_of_two_sizes(tmp_path):
    for k, size in enumerate(((300, 400), (310, 400))):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.zeros(size, np.uint8))
    with pytest.raises(InputError, match="different sizes"):
        find_in_pictures({"cam": sorted(tmp_path.glob("*.png"))}, BOARDS["chessboard"])


def test_boards_that_are_none():
    with pytest.raises(InputError, match="marker_m"):
        Board("charuco", 5, 4, 0.03)
    with pytest.raises(InputError, match="gap_m"):
        Board("aprilgrid", 5, 4, 0.03)
    with pytest.raises(InputError, match="too small"):
        Board("chessboard", 2, 2, 30.0)


def test_a_board_in_videos_of_two_cameras(tmp_path):
    """Frames with the board are kept, shared ones share their number; a video without one says why."""
    board = BOARDS["chessboard"]
    for name, tilts in (("left", (0.2, 0.35, 0.5)), ("right", (0.3, 0.1, 0.4))):
        writer = cv2.VideoWriter(str(tmp_path / f"{name}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (1200, 900))
        for tilt in tilts:
            writer.write(cv2.cvtColor(photographed(board, tilt)[0], cv2.COLOR_GRAY2BGR))
        writer.release()
    writer = cv2.VideoWriter(str(tmp_path / "blind.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (400, 300))
    for _ in range(3):
        writer.write(np.full((300, 400, 3), 90, np.uint8))
    writer.release()
    pictures, videos = gather(tmp_path)
    assert not pictures
    found, refused = find_in_videos(videos, board)
    assert {v.camera: v.instant.tolist() for v in found} == {"left": [0, 1, 2], "right": [0, 1, 2]}
    assert list(refused) == ["blind"]


def test_real_stereo_pairs_and_the_moments_of_pictures():
    """13 pairs of OpenCV's example: matched by number, both lenses below OpenCV's own residuals."""
    files = {side: sorted((DATA / "boards_stereo").glob(f"{side}*.jpg"))[:6] for side in ("left", "right")}
    board = Board("chessboard", 9, 6, 0.025)
    views, refused = find_in_pictures(files, board)
    assert not refused
    assert views[0].instant.tolist() == views[1].instant.tolist() == [1, 2, 3, 4, 5, 6]
    outcome, _ = calibrate_boards(views, board)
    off = np.linalg.norm(outcome.evidence.predicted - outcome.evidence.xy, axis=-1)
    assert np.sqrt(np.nanmean(off**2)) < 0.42
    baseline = np.linalg.norm(outcome.rig.centres()[0] - outcome.rig.centres()[1])
    assert 0.07 < baseline < 0.1


def test_gather_refuses_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="neither pictures nor videos"):
        gather(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        gather(tmp_path / "none")
