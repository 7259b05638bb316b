"""SMPL, SMPL-H and SMPL-X from the user's own files: bodies as the open body's are, with their corrections by pose.

Loper et al., SMPL: A Skinned Multi-Person Linear Model, SIGGRAPH Asia 2015; Romero et al. 2017 (SMPL-H); Pavlakos et al. 2019 (SMPL-X).
Models and the package smplx are licensed for non-commercial research by the Max-Planck-Gesellschaft, or commercially by Meshcapade.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.body.keypoints import Regressor
from recon3d.body.linear import LinearModel
from recon3d.body.model import PoseBlend, ShapedBody, Skin
from recon3d.body.rest import turns_of_rest
from recon3d.body.smpl_files import KINDS, read_smpl_file
from recon3d.errors import InputError, SetupError
from recon3d.geometry import SO3
from recon3d.records import Motion
from recon3d.skeleton import Skeleton
from recon3d.skeleton.layout import other_side

LICENCE = (
    "SMPL, SMPL-H and SMPL-X are not part of recon3d. Their model files and the package smplx are licensed by the Max-Planck-Gesellschaft "
    "for non-commercial research only (commercially: meshcapade.com); so is what is made with them. The open body has no such limits."
)
"""To be shown before such a model is used."""
_BETAS, _RANGE = 10, 5.0
_ZUP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # from x left, y up, z forward to x left, y backward, z up
_LEAST = 1e-6  # weights below are none
_BODY = (
    "pelvis", "left_hip", "right_hip", "spine", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "chest",
    "left_toes", "right_toes", "neck", "left_clavicle", "right_clavicle", "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
_HAND = tuple(
    f"{finger}_{part}"
    for finger, parts in (
        ("index", ("mcp", "pip", "dip")), ("middle", ("mcp", "pip", "dip")), ("pinky", ("mcp", "pip", "dip")),
        ("ring", ("mcp", "pip", "dip")), ("thumb", ("cmc", "mcp", "ip")),
    )
    for part in parts
)  # fmt: skip
_HANDS = tuple(f"{side}_{name}" for side in ("left", "right") for name in _HAND)
JOINTS = {
    "smpl": (*_BODY, "left_hand", "right_hand"),
    "smplh": (*_BODY, *_HANDS),
    "smplx": (*_BODY, "jaw", "left_eye", "right_eye", *_HANDS),
}
"""By this project's names, in the files' order."""
# Points of detectors that smplx names vertices for, and those that are joints.
_VERTICES = {
    "nose": "nose", "left_eye": "leye", "right_eye": "reye", "left_ear": "lear", "right_ear": "rear",
    "left_big_toe": "LBigToe", "right_big_toe": "RBigToe", "left_small_toe": "LSmallToe", "right_small_toe": "RSmallToe",
    "left_heel": "LHeel", "right_heel": "RHeel",
    **{
        f"{side}_hand_{finger}_tip": f"{side[0]}{finger}"
        for side in ("left", "right")
        for finger in ("thumb", "index", "middle", "ring", "pinky")
    },
}  # fmt: skip
_TOPOLOGIES = {6890: "smplh", 10475: "smplx"}  # vertices; SMPL's mesh is SMPL-H's


@dataclass(frozen=True, eq=False)
class SmplModel(LinearModel):
    """A model of the family; its parameters are the betas.

    Attributes:
        kind: smpl, smplh or smplx.
        gender: male, female or neutral, as far as the file's name tells.
        blend: corrections by pose.
    """

    kind: str
    gender: str
    blend: PoseBlend

    def shaped(self, values: Float[np.ndarray, "parameters"]) -> ShapedBody:
        """The body of these betas."""
        return replace(LinearModel.shaped(self, values), blend=self.blend)


def load_smpl(path: Path | str) -> SmplModel:
    """A model from its file (.pkl or .npz), as it is downloaded.

    Raises:
        InputError: no model of the family, or one with code in it.
        SetupError: the extra ``smpl`` is not installed.
    """
    path = Path(path)
    data = read_smpl_file(path)
    kind = KINDS[data["weights"].shape[1]]
    names = JOINTS[kind]
    template = data["v_template"] @ _ZUP.T
    shapes = np.einsum("ab,vbs->sva", _ZUP, data["shapedirs"][:, :, :_BETAS])
    heads, head_basis = data["J_regressor"] @ template, data["J_regressor"] @ shapes
    mirror = np.array([names.index(other_side(name)) if other_side(name) in names else j for j, name in enumerate(names)])
    skeleton = Skeleton(kind, names, data["kintree_table"][0], mirror)
    count = len(shapes)
    regressor, points = _points(kind, names, len(template))
    return SmplModel(
        name=kind,
        parameters=tuple(f"beta{k}" for k in range(count)),
        usual=np.zeros(count),
        lowest=np.full(count, -_RANGE),
        highest=np.full(count, _RANGE),
        spread=np.ones(count),
        template=template,
        faces=data["f"],
        basis=shapes,
        scale=np.ones(count),
        skeleton=skeleton,
        heads=heads,
        head_basis=head_basis,
        turns=turns_of_rest(skeleton, heads),
        skin=_skin(data["weights"]),
        regressor=regressor,
        joint_points=points,
        manner="human_hands",
        kind=kind,
        gender=_gender(path),
        blend=_blend(data["posedirs"], skeleton),
    )


def _skin(weights: Float[np.ndarray, "vertices joints"]) -> Skin:
    kept = np.where(weights > _LEAST, weights, 0.0)
    kept /= kept.sum(1, keepdims=True)
    vertex, joint = np.nonzero(kept)
    return Skin(vertex, joint, kept[vertex, joint], len(weights))


def _blend(posedirs: np.ndarray, skeleton: Skeleton) -> PoseBlend:
    """In this project's axes: of turns' differences from none, joint by joint but for the root."""
    vertices, joints = len(posedirs), len(skeleton.joints)
    turned = np.einsum("xi,vijkl,ak,bl->jabvx", _ZUP, posedirs.reshape(vertices, 3, joints - 1, 3, 3), _ZUP, _ZUP, optimize=True)
    return PoseBlend(turned.reshape(9 * (joints - 1), 3 * vertices).astype(np.float32), skeleton.parents.copy())


def _points(kind: str, joints: tuple[str, ...], vertices: int) -> tuple[Regressor, dict[str, tuple[str, ...]]]:
    """Keypoints that are vertices, and those that are means of joints; of a mesh of another topology only the latter."""
    sides = ("left", "right")
    limbs = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    means: dict[str, tuple[str, ...]] = {f"{side}_{limb}": (f"{side}_{limb}",) for limb in limbs for side in sides}
    means |= {
        "pelvis": ("pelvis",),
        "mid_hip": ("left_hip", "right_hip"),
        "spine1": ("spine",),
        "spine2": ("spine2",),
        "spine3": ("chest",),
    }
    means |= dict.fromkeys(("neck", "thorax"), ("left_shoulder", "right_shoulder"))
    means |= {f"{side}_foot": (f"{side}_toes",) for side in sides} | {f"{side}_collar": (f"{side}_clavicle",) for side in sides}
    means |= {f"{side}_hand_{name}": (f"{side}_{name}",) for side in sides for name in _HAND if f"{side}_{name}" in joints}
    means |= {f"{side}_hand_wrist": (f"{side}_wrist",) for side in sides}
    nothing = np.zeros(0)
    if vertices not in _TOPOLOGIES:
        return Regressor((), nothing.astype(np.int64), nothing.astype(np.int64), nothing), means
    known = _smplx("smplx.vertex_ids").vertex_ids[_TOPOLOGIES[vertices]]
    chosen = {name: known[theirs] for name, theirs in _VERTICES.items()}
    points = Regressor(tuple(chosen), np.arange(len(chosen)), np.array(list(chosen.values())), np.ones(len(chosen)))
    return points, means


def _gender(path: Path) -> str:
    """As the files are called: SMPL_FEMALE.pkl, basicModel_f_lbs_10_207_0_v1.0.0.pkl."""
    words = path.stem.lower().replace("-", "_").split("_")
    return "female" if {"female", "f"} & set(words) else "male" if {"male", "m"} & set(words) else "neutral"


def _smplx(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise SetupError("for models of the SMPL family: pip install 'recon3d[smpl]' (mind its licence)") from None


def smplx_module(path: Path | str) -> Any:
    """The same file as a module of smplx, for code in torch; read as safely.

    Raises:
        InputError: no model of the family.
        SetupError: the extra ``smpl`` is not installed.
    """
    smplx = _smplx("smplx")
    data = read_smpl_file(Path(path))
    kind = KINDS[data["weights"].shape[1]]
    make = {"smpl": smplx.SMPL, "smplh": smplx.SMPLH, "smplx": smplx.SMPLX}[kind]
    try:
        if kind != "smplx":
            more = {} if kind == "smpl" else {"use_pca": False, "flat_hand_mean": True}
            return make("", data_struct=_smplx("smplx.utils").Struct(**data), **more)
        with TemporaryDirectory() as folder:  # it reads a file itself, and would unpickle what is in the user's
            np.savez(Path(folder) / "model.npz", allow_pickle=False, **data)
            return make(str(Path(folder) / "model.npz"), use_pca=False, flat_hand_mean=True)
    except (AttributeError, KeyError) as error:
        raise InputError(f"{path} lacks what smplx needs: {error}") from None


def local_turns(body: ShapedBody, rotation: Float[np.ndarray, "frames joints 3 3"]) -> Float[np.ndarray, "frames joints 3 3"]:
    """The model's own turns of each joint, in the family's axes: its ``global_orient`` (about z-up axes of the world) and ``body_pose``.

    Args:
        body: of such a model.
        rotation: parent_from_joint, on the body's armature.
    """
    parents = body.armature.skeleton.parents.tolist()
    turn = body.bind.rotation.matrix
    out = np.empty_like(rotation)
    for j, parent in enumerate(parents):
        if parent < 0:
            out[:, j] = rotation[:, j] @ turn[j].T @ _ZUP
        else:
            out[:, j] = _ZUP.T @ turn[parent] @ rotation[:, j] @ turn[j].T @ _ZUP
    return out


def amass_arrays(body: ShapedBody, motion: Motion) -> dict[str, np.ndarray]:
    """``trans``, ``poses``, ``betas``, ``gender`` and ``surface_model_type`` of a motion on such a body, z up, as AMASS has them.

    Frames in which nobody was there are left out. Hands are flat where their turns are none (``flat_hand_mean``).

    Raises:
        InputError: a body of another model, or a motion of another body.
    """
    model = body.model
    if not isinstance(model, SmplModel) or motion.armature.joints != body.armature.joints:
        raise InputError(f"AMASS files are of the SMPL family's bodies and their motion, not of {model.name}'s")
    there = motion.present()
    turns = local_turns(body, SO3.from_wxyz(motion.rotation[there]).matrix)
    vector = SO3(turns).log()
    if model.kind == "smpl":  # as AMASS has all: SMPL-H's joints, fingers as they are
        vector = np.concatenate([vector[:, : len(_BODY)], np.zeros((len(vector), len(_HANDS), 3))], 1)
    root = _ZUP.T @ body.bind.translation[0]
    return {
        "trans": motion.translation[there] - root,
        "poses": vector.reshape(len(vector), -1),
        "betas": body.values.copy(),
        "gender": np.array(model.gender),
        "surface_model_type": np.array("smplh" if model.kind == "smpl" else model.kind),
    }
