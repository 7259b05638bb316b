"""Motion capture as places of the lifter's points and joints, from the ``mocap30`` files (30 frames/s, 27 joints).

What motion capture has no markers for is derived: faces and feet are those of the open body, put on the head's and the
foot's frames. Where a source has no head orientation, its face is missing, and masked in training.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.monocular.points import JOINTS, POINTS
from recon3d.monocular.train.trunk import known_then, with_default_trunk

HELD_OUT_FILE = "hdm05_cut11"
HELD_OUT_PEOPLE = ("cmu14", "cmu05", "cmu12")
"""Never trained on: everyday life and sitting, modern dance, tai chi."""
# Clips without a person's number that show what those people did: the same recordings (found by comparing the directions of
# limbs over a second with all held-out motion), and the rest of their kind, which may be.
_MAYBE_HELD_OUT = ("cmu_directing_traffic", "cmu_washwindow", "cmu_jj", "cmu_walking")
_SOURCE = (
    "pelvis", "l_hip", "l_knee", "l_ankle", "l_toe", "l_toe_end", "r_hip", "r_knee", "r_ankle", "r_toe", "r_toe_end",
    "spine", "chest", "neck", "head", "head_center", "head_top", "l_collar", "l_shoulder", "l_elbow", "l_wrist", "l_hand",
    "r_collar", "r_shoulder", "r_elbow", "r_wrist", "r_hand",
)  # fmt: skip
_OURS = {"collar": "clavicle", "toe": "toes"}
_HEADS = ("head", "Head")
_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # the files are y up
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
FOOT = ("heel", "big_toe", "small_toe")
BONES: tuple[tuple[str, str], ...] = (
    ("pelvis", "spine"), ("spine", "chest"), ("chest", "neck"), ("neck", "head"), ("head", "head_top"),
    *((a.format(s), b.format(s)) for s in ("left", "right") for a, b in (
        ("chest", "{}_clavicle"), ("{}_clavicle", "{}_shoulder"), ("{}_shoulder", "{}_elbow"), ("{}_elbow", "{}_wrist"),
        ("pelvis", "{}_hip"), ("{}_hip", "{}_knee"), ("{}_knee", "{}_ankle"), ("{}_ankle", "{}_toes"),
    )),
)  # fmt: skip
"""Parents and children among `JOINTS`."""


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """Recordings one after the other; metres, z up.

    Attributes:
        joints: in the order of `JOINTS`.
        known: whether a joint was measured, not made up; by clip.
        face: nose, eyes and ears; NaN where the head's turn is unknown.
        foot: heel, big and small toe of left and right foot; NaN where the toes are unknown.
        start: first frame of each clip, and one past the last.
        time: s, in the clip.
        person: of each clip.
        name: of each clip.
    """

    joints: Float[np.ndarray, "frames joints 3"]
    known: Bool[np.ndarray, "clips joints"]
    face: Float[np.ndarray, "frames 5 3"]
    foot: Float[np.ndarray, "frames 2 3 3"]
    start: Int[np.ndarray, "clips+1"]
    time: Float[np.ndarray, "frames"]
    person: tuple[str, ...]
    name: tuple[str, ...]

    def select(self, wanted: Bool[np.ndarray, "clips"]) -> "Clips":
        """Some of the clips."""
        rows = [np.arange(a, b) for a, b, w in zip(self.start[:-1], self.start[1:], wanted, strict=True) if w]
        every = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        return Clips(
            self.joints[every],
            self.known[wanted],
            self.face[every],
            self.foot[every],
            np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64),
            self.time[every],
            tuple(p for p, w in zip(self.person, wanted, strict=True) if w),
            tuple(n for n, w in zip(self.name, wanted, strict=True) if w),
        )

    def points(self) -> Float[np.ndarray, "frames points 3"]:
        """Places of the lifter's input points; NaN where unknown."""
        out = np.full((len(self.joints), len(POINTS), 3), np.nan, np.float32)
        for k, name in enumerate(POINTS):
            side, _, part = name.partition("_")
            if name in FACE:
                out[:, k] = self.face[:, FACE.index(name)]
            elif part in FOOT:
                out[:, k] = self.foot[:, ("left", "right").index(side), FOOT.index(part)]
            else:
                out[:, k] = self.joints[:, JOINTS.index(name)]
        return out


def read_clips(folder: Path, body: Path) -> tuple[Clips, Clips, Clips]:
    """Clips to train on, those of HDM05, and those of CMU's people that are held out.

    Args:
        folder: of the mocap30 files.
        body: open_body.npz.

    Raises:
        InputError: files that are not there.
    """
    files = sorted(folder.glob("*.npz"))
    if not any(f.stem == HELD_OUT_FILE for f in files) or not body.is_file():
        raise InputError(f"{folder} must hold the mocap30 files, {HELD_OUT_FILE}.npz among them, and {body} be the open body")
    landmarks = _landmarks(body)
    read = {f.stem: _read(f, landmarks) for f in files}
    hdm05 = read.pop(HELD_OUT_FILE)
    rest = _joined(list(read.values()))
    held = np.array([person in HELD_OUT_PEOPLE for person in rest.person])
    maybe = np.array([person in _MAYBE_HELD_OUT for person in rest.person])
    return rest.select(~held & ~maybe), hdm05, rest.select(held)


def _joined(parts: list[Clips]) -> Clips:
    offsets = np.cumsum([0, *(len(p.joints) for p in parts)])
    return Clips(
        joints=np.concatenate([p.joints for p in parts]),
        known=np.concatenate([p.known for p in parts]),
        face=np.concatenate([p.face for p in parts]),
        foot=np.concatenate([p.foot for p in parts]),
        start=np.concatenate([*(p.start[:-1] + o for p, o in zip(parts, offsets, strict=False)), offsets[-1:]]),
        time=np.concatenate([p.time for p in parts]),
        person=tuple(name for p in parts for name in p.person),
        name=tuple(name for p in parts for name in p.name),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Landmarks:
    """Of the open body, in the head's frame at the top of the neck and in the left foot's at the ankle; m."""

    face: Float[np.ndarray, "5 3"]
    foot: Float[np.ndarray, "3 3"]
    head: float  # from the top of the neck to the top of the head
    foot_length: float  # from the ankle to the toes' joint


def _landmarks(body: Path) -> _Landmarks:
    with np.load(body) as data:
        vertices, heads, labels = data["template_vertices"], data["template_bone_heads"], data["bone_labels"].tolist()
        names = data["coco_names"].tolist()
        at = np.zeros((len(names), 3))
        index = data["coco_reg_idx"]
        np.add.at(at, index[:, 0], data["coco_reg_w"][:, None] * vertices[index[:, 1]])
    bone = {name: heads[labels.index(name)] for name in ("head", "foot.L", "toe2-1.L", "lowerleg01.L")}
    head = bone["head"]
    frame = foot_frame(*(bone[n][None] for n in ("lowerleg01.L", "foot.L", "toe2-1.L")))[0]
    face = np.stack([at[names.index(n)] - head for n in FACE])
    foot = np.stack([at[names.index(f"left_{n}")] - bone["foot.L"] for n in FOOT]) @ frame
    reach = float(np.linalg.norm(bone["toe2-1.L"] - bone["foot.L"]))
    return _Landmarks(face, foot, float(vertices[:, 2].max() - head[2]), reach)


def foot_frame(
    knee: Float[np.ndarray, "frames 3"], ankle: Float[np.ndarray, "frames 3"], toes: Float[np.ndarray, "frames 3"]
) -> Float[np.ndarray, "frames 3 3"]:
    """Columns: to the left of the foot, backward along it, up from its plane."""
    back = _unit(ankle - toes)
    left = _unit(np.cross(back, knee - ankle))
    return np.stack([left, back, np.cross(left, back)], -1)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _read(path: Path, landmarks: _Landmarks) -> Clips:
    with np.load(path, allow_pickle=False) as data:
        names = [n.item() if isinstance(n, np.generic) else n for n in data["joint_names"]]
        if tuple(names) != _SOURCE:
            raise InputError(f"{path}: its joints are not those of mocap30")
        world = (data["joints"].astype(np.float32) + data["root"][:, None]) @ _TO_Z_UP.T.astype(np.float32)
        clip, frame = data["clip_id"].astype(int), data["frame"]
        known, primary = data["clip_joint_true"], data["clip_primary"]
        person, name = data["clip_subject"].tolist(), data["clip_names"].tolist()
        turned = _head_turns(data) if "src_quat" in data.files else None
    column = [_SOURCE.index(_theirs(joint)) for joint in JOINTS]
    joints = with_default_trunk(world[:, column], clip, path.stem).astype(np.float32)
    known = known_then(known[:, column])
    # Runs without gaps, of clips that are in no better file.
    new = np.concatenate([[True], (np.diff(clip) != 0) | (np.diff(frame) != 1)])
    run = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    face = np.full((len(joints), 5, 3), np.nan, np.float32)
    if turned is not None:
        face = _faces(joints, turned, clip, landmarks)
    foot = np.stack([_feet(joints, side, landmarks) for side in ("left", "right")], 1)
    foot[~known[clip][:, [JOINTS.index("left_toes"), JOINTS.index("right_toes")]]] = np.nan
    clips = Clips(
        joints,
        known[clip[first]],
        face.astype(np.float32),
        foot.astype(np.float32),
        np.concatenate([first, [len(joints)]]),
        (frame / 30.0).astype(np.float64),
        tuple(person[c] for c in clip[first]),
        tuple(f"{path.stem}/{name[c]}" for c in clip[first]),
    )
    return clips.select(primary[clip[first]] & (np.bincount(run) >= 15))


def _theirs(joint: str) -> str:
    side, _, part = joint.partition("_")
    back = {ours: theirs for theirs, ours in _OURS.items()}
    return f"{side[0]}_{back.get(part, part)}" if side in ("left", "right") else joint


def _head_turns(data: "np.lib.npyio.NpzFile") -> Float[np.ndarray, "frames 3 3"] | None:
    """World turns of the source's head joint, in its own axes, z up."""
    names, parents = data["src_joint_names"].tolist(), data["src_parents"].tolist()
    head = next((names.index(n) for n in _HEADS if n in names), None)
    if head is None:
        return None
    chain = [head]
    while parents[chain[-1]] >= 0:
        chain.append(parents[chain[-1]])
    local = data["src_quat"][:, chain].astype(float) / 32767
    out = np.eye(3)
    for k in range(len(chain) - 1, -1, -1):
        out = out @ SO3.from_wxyz(local[:, k]).matrix
    return _TO_Z_UP @ out


def _faces(joints: np.ndarray, turned: np.ndarray, clip: np.ndarray, landmarks: _Landmarks) -> np.ndarray:
    """Nose, eyes and ears. People look where their chests point on the whole: that gives the axes of the head's joint."""
    at = {name: joints[:, JOINTS.index(name)].astype(float) for name in ("spine", "neck", "head", "left_shoulder", "right_shoulder")}
    up = _unit(at["neck"] - at["spine"])
    back = _unit(np.cross(up, at["left_shoulder"] - at["right_shoulder"]))
    torso = np.stack([np.cross(back, up), back, up], -1)
    out = np.full((len(joints), 5, 3), np.nan)
    for c in np.unique(clip):
        rows = np.flatnonzero(clip == c)
        mean = (np.swapaxes(turned[rows], -1, -2) @ torso[rows]).mean(0)
        frame = turned[rows] @ SO3.nearest(mean).matrix
        top = joints[rows, JOINTS.index("head_top")] - at["head"][rows]
        size = np.clip(np.median(np.linalg.norm(top, axis=-1)) / landmarks.head, 0.7, 1.3)
        out[rows] = at["head"][rows][:, None] + size * (frame[:, None] @ landmarks.face[..., None])[..., 0]
    return out


def _feet(joints: np.ndarray, side: str, landmarks: _Landmarks) -> np.ndarray:
    knee, ankle, toes = (joints[:, JOINTS.index(f"{side}_{part}")].astype(float) for part in ("knee", "ankle", "toes"))
    frame = foot_frame(knee, ankle, toes)
    size = np.linalg.norm(toes - ankle, axis=-1)[:, None, None] / landmarks.foot_length
    points = landmarks.foot * (1.0 if side == "left" else np.array([-1.0, 1.0, 1.0]))
    return ankle[:, None] + size * (frame[:, None] @ points[..., None])[..., 0]
