"""Rig files as other programs lay them out, each written from one scene by the format's own conventions.

Nothing of recon3d's is used: rotations are SciPy's, the expected pixels OpenCV's.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat
from scipy.spatial.transform import Rotation

POINTS = np.random.default_rng(7).normal([0, 0, 1], 0.35, (40, 3))
FLIP = np.diag([1.0, -1.0, -1.0])  # a camera with y up that looks along -z
Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # takes a point with z up to one with y up
Y_DOWN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@dataclass
class Cam:
    """A camera by its centre (m) and its rotation, world to camera, in a world with z up."""

    name: str
    R: np.ndarray
    C: np.ndarray
    K: np.ndarray
    dist: np.ndarray
    size: tuple[int, int] = (1280, 720)
    fisheye: bool = False

    @property
    def t(self) -> np.ndarray:
        return -self.R @ self.C

    def px(self, points: np.ndarray) -> np.ndarray:
        turn = Rotation.from_matrix(self.R).as_rotvec()
        if self.fisheye:
            return cv2.fisheye.projectPoints(points[:, None].copy(), turn, self.t, self.K, self.dist)[0][:, 0]
        return cv2.projectPoints(points, turn, self.t, self.K, self.dist)[0][:, 0]


def looking_at(name: str, centre: list[float], roll: float, dist: list[float], fisheye: bool = False, focal: float = 900.0) -> Cam:
    """A camera that looks at a person near the origin, rolled about its axis (degrees)."""
    z = np.array([0.05, -0.02, 0.95]) - centre
    z /= np.linalg.norm(z)
    x = np.cross(z, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    upright = np.stack([x, np.cross(z, x), z])
    k = np.array([[focal, 0, 655.3], [0, focal * 1.003, 351.8], [0, 0, 1.0]])
    return Cam(
        name, Rotation.from_euler("z", roll, degrees=True).as_matrix() @ upright, np.array(centre), k, np.array(dist), fisheye=fisheye
    )


PLACES = (("c1", [3.1, 0.4, 1.7], 2.0), ("c2", [-1.2, 3.0, 2.2], -91.0), ("c3", [-2.0, -2.9, 1.1], 178.0))
FIVE = [looking_at(*place, [-0.11, 0.04, 6e-4, -5e-4, -0.008]) for place in PLACES]
FOUR = [looking_at(*place, [-0.11, 0.04, 6e-4, -5e-4]) for place in PLACES]
STRAIGHT = [looking_at(*place, [0, 0, 0, 0, 0]) for place in PLACES]
EQUIDISTANT = [looking_at(*place, [0.02, -0.01, 0.004, -0.001], fisheye=True, focal=620.0) for place in PLACES]


@dataclass
class Layout:
    """One format: what writes it, for which cameras, and how it is read and compared.

    Attributes:
        write: puts the files into an empty folder and returns what `read_rig` is given.
        cams: of the scene.
        names: that the rig has; the scene's where None.
        unknown: of the rig read.
        options: of `read_rig`.
        relative: the world is camera 0's.
        atol: px.
    """

    write: Callable[[Path, list[Cam]], Path]
    cams: list[Cam]
    names: tuple[str, ...] | None = None
    unknown: set[str] = field(default_factory=set)
    options: dict = field(default_factory=dict)
    relative: bool = False
    atol: float = 1e-6


def text(folder: Path, name: str, content: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return path


def words(values) -> str:
    return " ".join(f"{v:.17g}" for v in np.ravel(values))


def commas(values) -> str:
    return ", ".join(f"{v:.17g}" for v in np.ravel(values))


def qualisys(folder, cams):
    body = ""
    for c in cams:
        r = FLIP @ c.R  # camera to world by columns is world to camera by rows
        cells = " ".join(f'r{i + 1}{j + 1}="{r[i, j]:.17g}"' for i in range(3) for j in range(3))
        x, y, z = 1000 * c.C
        body += f"""
    <camera active="1" avg-residual="0.4" serial="{c.name}" model="Miqus Video" viewrotation="0">
      <fov_video left="8" top="4" right="{8 + c.size[0] - 1}" bottom="{4 + c.size[1] - 1}"/>
      <transform x="{x:.17g}" y="{y:.17g}" z="{z:.17g}" {cells}/>
      <intrinsic focallength="12.3" sensorMinU="0" sensorMaxU="{64 * 1300}" sensorMinV="0" sensorMaxV="{64 * 740}"
        focalLengthU="{64 * c.K[0, 0]:.17g}" focalLengthV="{64 * c.K[1, 1]:.17g}" centerPointU="{64 * (c.K[0, 2] + 8):.17g}"
        centerPointV="{64 * (c.K[1, 2] + 4):.17g}" skew="0" radialDistortion1="{c.dist[0]:.17g}" radialDistortion2="{c.dist[1]:.17g}"
        radialDistortion3="{c.dist[4]:.17g}" tangentalDistortion1="{c.dist[2]:.17g}" tangentalDistortion2="{c.dist[3]:.17g}"/>
    </camera>"""
    head = '<?xml version="1.0"?>\n<calibration created="2024-01-01 10:00:00" source="session.qca" qtm-version="2023.3" type="regular">'
    return text(folder, "file", f"{head}\n  <cameras>{body}\n  </cameras>\n</calibration>\n")


def theia(folder, cams):
    body = '<camera active="0" serial="off" viewrotation="0"/>'
    for c in cams:
        cells = " ".join(f'r{i + 1}{j + 1}="{c.R[i, j]:.17g}"' for i in range(3) for j in range(3))
        x, y, z = 1000 * c.t
        body += f"""
    <camera active="1" serial="{c.name}" viewrotation="0">
      <transform x="{x:.17g}" y="{y:.17g}" z="{z:.17g}" {cells}/>
      <intrinsic focallength="4.2" sensorMinU="0" sensorMaxU="{c.size[0]}" sensorMinV="0" sensorMaxV="{c.size[1] - 1}"
        focalLengthU="{c.K[0, 0]:.17g}" focalLengthV="{c.K[1, 1]:.17g}" centerPointU="{c.K[0, 2]:.17g}" centerPointV="{c.K[1, 2]:.17g}"
        skew="0" radialDistortion1="{c.dist[0]:.17g}" radialDistortion2="{c.dist[1]:.17g}" radialDistortion3="{c.dist[4]:.17g}"
        tengentialDistortion1="{c.dist[2]:.17g}" tengentialDistortion2="{c.dist[3]:.17g}"/>
    </camera>"""
    return text(folder, "file", f"<calibration><cameras>{body}</cameras></calibration>")


def vicon_key(c: Cam, frame: int, radial: str = 'VICON_RADIAL2="ViconRadial2 655.3 351.8 0 0 0"') -> str:
    q = Rotation.from_matrix(c.R).as_quat()  # x y z w
    return (
        f'<KeyFrame FOCAL_LENGTH="{c.K[0, 0]:.17g}" FRAME="{frame}" IMAGE_ERROR="0.1" ORIENTATION="{words(q)}" '
        f'POSITION="{words(1000 * c.C)}" PRINCIPAL_POINT="{words(c.K[:2, 2])}" {radial} WORLD_ERROR="0.4"/>'
    )


def vicon_file(cameras: list[tuple[Cam, list[str]]]) -> str:
    body = "".join(
        f'<Camera ACTIVE_THRESHOLD="1" DEVICEID="{c.name}" DISPLAY_TYPE="Vue" NAME="" PIXEL_ASPECT_RATIO="{c.K[0, 0] / c.K[1, 1]:.17g}" '
        f'SENSOR_SIZE="{c.size[0]} {c.size[1]}" SKEW="0" SYSTEM="DV" TYPE="VideoCamera" USERID="1"><ControlFrames/>'
        f"<KeyFrames>{''.join(keys)}</KeyFrames></Camera>\n"
        for c, keys in cameras
    )
    return f'<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n<Cameras NAME="" VERSION="1.0">\n{body}</Cameras>\n'


def vicon(folder, cams):
    uncalibrated = looking_at("spare", [1, 1, 1], 0, [0] * 5)
    return text(folder, "file", vicon_file([*((c, [vicon_key(c, 0)]) for c in cams), (uncalibrated, [])]))


def optitrack(folder, cams):
    body = ""
    for k, c in enumerate(cams):
        world_from_cam = Y_UP @ c.R.T @ FLIP
        cells = " ".join(f'OrientMatrix{n}="{v:.17g}"' for n, v in enumerate(world_from_cam.ravel()))
        x, y, z = Y_UP @ c.C
        body += f"""
   <Camera Serial="{c.name}">
    <Properties CameraID="{k + 1}" ImagerIndex="00" Orientation="0.0" Enabled="1"/>
    <Attributes Revision="50" ImagerPixelWidth="{c.size[0]}" ImagerPixelHeight="{c.size[1]}"/>
    <Intrinsic LensCenterX="1" LensCenterY="2" HorizontalFocalLength="3" VerticalFocalLength="4" KLinear="0.1" KQuadratic="0" KCubic="0"/>
    <IntrinsicStandardCameraModel LensCenterX="{c.K[0, 2]:.17g}" LensCenterY="{c.K[1, 2]:.17g}" HorizontalFocalLength="{c.K[0, 0]:.17g}"
      VerticalFocalLength="{c.K[1, 1]:.17g}" k1="{c.dist[0]:.17g}" k2="{c.dist[1]:.17g}" k3="{c.dist[4]:.17g}"
      TangentialX="{c.dist[2]:.17g}" TangentialY="{c.dist[3]:.17g}"/>
    <Extrinsic X="{x:.17g}" Y="{y:.17g}" Z="{z:.17g}" {cells}/>
   </Camera>"""
    head = '<?xml version="1.0" encoding="UTF-16LE"?>\n<calibrationProfile version="1"><MotiveBuildInfo AppVersion="3.2.0"/><Calibration>'
    tail = "</Cameras></Calibration></calibrationProfile>"
    return text(folder, "file", f'\ufeff{head}<Cameras Count="{len(cams)}">{body}{tail}', "utf-16-le")


def aniposelib(folder, cams):
    blocks = [
        f'[cam_{k}]\nname = "{c.name}"\nsize = [ {c.size[0]}, {c.size[1]},]\nmatrix = {c.K.tolist()}\ndistortions = [{commas(c.dist)}]\n'
        f"rotation = [{commas(Rotation.from_matrix(c.R).as_rotvec())}]\ntranslation = [{commas(1000 * c.t)}]\n"
        + ("fisheye = true\n" if c.fisheye else "")
        for k, c in enumerate(cams)
    ]
    return text(folder, "file", "\n".join([*blocks, "[metadata]\nadjusted = false\nerror = 0.2\n"]))


def caliscope(folder, cams):
    blocks = [
        f"[cameras.{k}]\ncam_id = {k}\nsize = [{c.size[0]}, {c.size[1]}]\nrotation_count = 0\nerror = 0.3\nmatrix = {c.K.tolist()}\n"
        f"distortions = [{commas(c.dist)}]\nrotation = {c.R.tolist()}\ntranslation = [{commas(c.t)}]\nexposure = -6\ngrid_count = 20\n"
        f"ignore = false\nfisheye = {str(c.fisheye).lower()}\n"
        for k, c in enumerate(cams)
    ]
    return text(folder, "file", "\n".join([*blocks, "[cameras.9]\ncam_id = 9\nignore = true\nmatrix = 3\n"]))


def freemocap(folder, cams):
    path = aniposelib(folder, cams)
    return text(folder, "file", path.read_text() + "groundplane_calibration = true\ncharuco_square_size = 58\n")


def storage_matrix(key: str, values: np.ndarray) -> str:
    rows, cols = values.shape
    return f"{key}: !!opencv-matrix\n   rows: {rows}\n   cols: {cols}\n   dt: d\n   data: [ {commas(values)} ]\n"


def opencv_named(folder, cams):
    store = cv2.FileStorage(str(folder / "rig.yml"), cv2.FILE_STORAGE_WRITE)
    store.startWriteStruct("names", cv2.FileNode_SEQ)
    for c in cams:
        store.write("", c.name)
    store.endWriteStruct()
    store.write("image_width", cams[0].size[0])
    store.write("image_height", cams[0].size[1])
    for c in cams:
        store.write(f"K_{c.name}", c.K)
        store.write(f"dist_{c.name}", c.dist[None])
        store.write(f"Rot_{c.name}", c.R)
        store.write(f"T_{c.name}", c.t)
    if cams[0].fisheye:
        store.write("distortion_model", "equidistant")
    store.release()
    return (folder / "rig.yml").rename(folder / "file")


def opencv_stereo_xml(folder, cams):
    first, second = cams[:2]
    store = cv2.FileStorage(str(folder / "stereo.xml"), cv2.FILE_STORAGE_WRITE)
    for n, c in ((1, first), (2, second)):
        store.write(f"cameraMatrix{n}", c.K)
        store.write(f"distCoeffs{n}", c.dist[:, None])
    rotation = second.R @ first.R.T
    store.write("R", rotation)
    store.write("T", 1000 * (second.t - rotation @ first.t)[:, None])
    store.write("image_width", first.size[0])
    store.write("image_height", first.size[1])
    store.release()
    return (folder / "stereo.xml").rename(folder / "file")


def easymocap(folder, cams):
    names = "%YAML:1.0\n---\nnames:\n" + "".join(f'  - "{c.name}"\n' for c in cams)
    intri = names + "".join(
        storage_matrix(f"K_{c.name}", c.K)
        + storage_matrix(f"dist_{c.name}", c.dist[None])
        + f"H_{c.name}: {c.size[1]}\nW_{c.name}: {c.size[0]}\n"
        for c in cams
    )
    extri = names + "".join(
        storage_matrix(f"R_{c.name}", Rotation.from_matrix(c.R).as_rotvec()[:, None])
        + storage_matrix(f"Rot_{c.name}", c.R)
        + storage_matrix(f"T_{c.name}", c.t[:, None])
        for c in cams
    )
    text(folder, "intri.yml", intri)
    text(folder, "extri.yml", extri)
    return folder


def openpose(folder, cams):
    for c in cams:
        parts = (("CameraMatrix", np.c_[c.R, c.t]), ("Intrinsics", c.K), ("Distortion", np.r_[c.dist, np.zeros(3)][:, None]))
        body = "".join(
            f'<{tag} type_id="opencv-matrix">\n  <rows>{v.shape[0]}</rows>\n  <cols>{v.shape[1]}</cols>\n  <dt>d</dt>\n'
            f"  <data>\n    {words(v)}</data></{tag}>\n"
            for tag, v in parts
        )
        text(folder, f"{c.name}.xml", f'<?xml version="1.0"?>\n<opencv_storage>\n{body}</opencv_storage>\n')
    return folder


def panoptic(folder, cams):
    listed = [
        {
            "name": c.name,
            "type": "hd",
            "resolution": list(c.size),
            "panel": 0,
            "node": k,
            "K": c.K.tolist(),
            "distCoef": c.dist.tolist(),
            "R": (c.R @ Y_DOWN.T).tolist(),
            "t": (100 * c.t[:, None]).tolist(),
        }
        for k, c in enumerate(cams)
    ]
    return text(folder, "file", json.dumps({"calibDataSource": "160422_calib_norm", "cameras": listed}))


def colmap_poses(cams):
    return [(n, np.roll(Rotation.from_matrix(c.R).as_quat(), 1), 0.37 * c.t, f"{c.name}.jpg") for n, c in enumerate(cams, 1)]


def colmap_values(c):
    return [c.K[0, 0], c.K[1, 1], c.K[0, 2] + 0.5, c.K[1, 2] + 0.5, *c.dist]


def colmap_text(folder, cams):
    model = "OPENCV_FISHEYE" if cams[0].fisheye else "OPENCV"
    lines = [f"{n} {model} {c.size[0]} {c.size[1]} {words(colmap_values(c))}\n" for n, c in enumerate(cams, 1)]
    text(folder, "cameras.txt", "# Camera list with one line of data per camera:\n" + "".join(lines))
    points = ["\n", "1.5 2.5 -1 3.5 4.5 7\n", "\n"]  # the second line of an image may be empty
    images = [f"{n} {words(q)} {words(t)} {n} {name}\n{points[n % 3]}" for n, q, t, name in colmap_poses(cams)]
    text(folder, "images.txt", "# Image list with two lines of data per image:\n" + "".join(images))
    return folder


def colmap_binary(folder, cams):
    data = struct.pack("<Q", len(cams))
    for n, c in enumerate(cams, 1):
        data += struct.pack("<IiQQ8d", n, 5 if c.fisheye else 4, *c.size, *colmap_values(c))
    (folder / "cameras.bin").write_bytes(data)
    data = struct.pack("<Q", len(cams))
    for n, q, t, name in colmap_poses(cams):
        data += struct.pack("<I7dI", n, *q, *t, n) + name.encode() + b"\0" + struct.pack("<Q", n) + struct.pack("<ddq", 1, 2, -1) * n
    (folder / "images.bin").write_bytes(data)
    return folder


def kalibr(folder, cams):
    lines = []
    for k, c in enumerate(cams):
        distortion = "equidistant" if c.fisheye else "radtan"
        lines += [f"cam{k}:", "  cam_overlaps: [1, 2]", "  camera_model: pinhole", f"  distortion_coeffs: [{commas(c.dist)}]"]
        lines += [f"  distortion_model: {distortion}", f"  intrinsics: [{commas([c.K[0, 0], c.K[1, 1], c.K[0, 2], c.K[1, 2]])}]"]
        lines += [f"  resolution: [{c.size[0]}, {c.size[1]}]", "  rostopic: /camera/image_raw"]
        if k:
            before = cams[k - 1]
            step = np.eye(4)
            step[:3, :3] = c.R @ before.R.T
            step[:3, 3] = c.t - step[:3, :3] @ before.t
            lines += ["  T_cn_cnm1:", *(f"  - [{commas(row)}]" for row in step)]
    return text(folder, "file", "\n".join([*lines, ""]))


def biocv(folder, cams):
    for c in cams:
        rows = "\n".join(words(row) for row in c.K)
        pose = "\n".join(words(row) for row in np.c_[c.R, 1000 * c.t])
        text(folder, f"{c.name}.calib", f"{c.size[0]}\n{c.size[1]}\n{rows}\n\n{pose}\n0 0 0 1\n\n{words(c.dist)}\n")
    return folder


def transforms(folder, cams):
    frames = []
    for c in cams:
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = c.R.T @ FLIP, 0.37 * c.C
        frames.append({"file_path": f"./images/{c.name}.png", "transform_matrix": pose.tolist()})
    c = cams[0]
    names = ("k1", "k2", "k3", "k4") if c.fisheye else ("k1", "k2", "p1", "p2", "k3")
    lens = {"fl_x": c.K[0, 0], "fl_y": c.K[1, 1], "cx": c.K[0, 2], "cy": c.K[1, 2], "w": c.size[0], "h": c.size[1]}
    model = "OPENCV_FISHEYE" if c.fisheye else "OPENCV"
    return text(folder, "file", json.dumps({"camera_model": model, **lens, **dict(zip(names, c.dist, strict=True)), "frames": frames}))


def matlab_struct(cams, old: bool) -> dict:
    def one(c):
        k = c.K + np.array([[0, 0, 1], [0, 0, 1], [0, 0, 0]])  # MATLAB's first pixel is (1, 1)
        lens = {"RadialDistortion": c.dist[[0, 1, 4]], "TangentialDistortion": c.dist[2:4], "ImageSize": np.array(c.size[::-1], float)}
        return {**lens, "WorldUnits": "millimeters", **({"IntrinsicMatrix": k.T} if old else {"K": k})}

    first, second = cams[:2]
    rotation = second.R @ first.R.T
    shift = 1000 * (second.t - rotation @ first.t)
    pose = (
        {"RotationOfCamera2": rotation.T, "TranslationOfCamera2": shift} if old else {"PoseCamera2": {"R": rotation, "Translation": shift}}
    )
    return {"CameraParameters1": one(first), "CameraParameters2": one(second), **pose}


def matlab_mat(folder, cams):
    savemat(folder / "calibration.mat", {"p": matlab_struct(cams, old=True), "note": "x"})
    return (folder / "calibration.mat").rename(folder / "file")


def matlab_json(folder, cams):
    plain = json.dumps(matlab_struct(cams, old=False), default=lambda v: v.tolist())
    return text(folder, "file", plain)


def human36m(folder, cams):
    data = {
        c.name: {
            "R": c.R.tolist(),
            "t": (1000 * c.C[:, None]).tolist(),
            "f": [c.K[0, 0], c.K[1, 1]],
            "c": c.K[:2, 2].tolist(),
            "k": c.dist[[0, 1, 4]].tolist(),
            "p": c.dist[2:4].tolist(),
        }
        for c in cams
    }
    return text(folder, "file", json.dumps(data))


def videopose3d(folder, cams):
    data = [
        {
            "id": c.name,
            "center": c.K[:2, 2].tolist(),
            "focal_length": [c.K[0, 0], c.K[1, 1]],
            "radial_distortion": c.dist[[0, 1, 4]].tolist(),
            "tangential_distortion": c.dist[2:4].tolist(),
            "res_w": c.size[0],
            "res_h": c.size[1],
            "azimuth": 70,
            "orientation": np.roll(Rotation.from_matrix(c.R.T).as_quat(), 1).tolist(),
            "translation": c.C.tolist(),
        }
        for c in cams
    ]
    return text(folder, "file", json.dumps(data))


_FREE = {"up", "floor"}
_NONE = {"scale", "up", "floor"}
SIZE = {"size": (1280, 720)}
LAYOUTS: dict[str, Layout] = {
    "qualisys": Layout(qualisys, FIVE),
    "theia": Layout(theia, FIVE),
    "vicon": Layout(vicon, STRAIGHT),
    "optitrack": Layout(optitrack, FIVE),
    "aniposelib": Layout(aniposelib, FIVE),
    "aniposelib fisheye": Layout(aniposelib, EQUIDISTANT),
    "pose2sim": Layout(aniposelib, FOUR),
    "caliscope": Layout(caliscope, FIVE, ("0", "1", "2")),
    "freemocap": Layout(freemocap, FIVE),
    "opencv named": Layout(opencv_named, FIVE),
    "opencv fisheye": Layout(opencv_named, EQUIDISTANT),
    "opencv stereo": Layout(opencv_stereo_xml, FIVE[:2], ("cam1", "cam2"), _FREE, relative=True),
    "easymocap": Layout(easymocap, FIVE),
    "openpose": Layout(openpose, FIVE, options=SIZE),
    "panoptic": Layout(panoptic, FIVE),
    "colmap text": Layout(colmap_text, FOUR, unknown=_NONE),
    "colmap binary": Layout(colmap_binary, EQUIDISTANT, unknown=_NONE),
    "kalibr": Layout(kalibr, FOUR, ("cam0", "cam1", "cam2"), _FREE, relative=True),
    "kalibr fisheye": Layout(kalibr, EQUIDISTANT, ("cam0", "cam1", "cam2"), _FREE, relative=True),
    "biocv": Layout(biocv, FIVE),
    "transforms": Layout(transforms, FIVE, unknown=_NONE),
    "transforms fisheye": Layout(transforms, EQUIDISTANT, unknown=_NONE),
    "matlab mat": Layout(matlab_mat, FIVE[:2], ("cam1", "cam2"), _FREE, relative=True),
    "matlab json": Layout(matlab_json, FIVE[:2], ("cam1", "cam2"), _FREE, relative=True),
    "human36m": Layout(human36m, FIVE, options=SIZE),
    "videopose3d": Layout(videopose3d, FIVE),
}
