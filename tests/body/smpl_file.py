"""A file in the SMPL family's format, made from the open body: its mesh, its joints as far as the family has them."""

import numpy as np

from recon3d.body import load_open_body
from recon3d.body.smpl import JOINTS

OPEN = load_open_body()
_SAME = {"spine2": "spine03", "left_hand": "left_middle_mcp", "right_hand": "right_middle_mcp", "jaw": "head"}
_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # to x left, y up, z forward
_PARENTS = {
    "smpl": (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21),
    "body": (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19),
}
_NEAR = 400  # vertices that a joint is a mean of


def smpl_arrays(kind="smpl", betas=10, seed=0):
    """As such files have them."""
    rng = np.random.default_rng(seed)
    names = JOINTS[kind]
    parents = list(_PARENTS["smpl"] if kind == "smpl" else _PARENTS["body"])
    if kind != "smpl":
        parents += [15, 15, 15] if kind == "smplx" else []
        for wrist in (20, 21):
            for _ in range(5):
                first = len(parents)
                parents += [wrist, first, first + 1]
    own = [OPEN.skeleton.joints.index(_SAME.get(name, name)) for name in names]
    bodies = [OPEN.shaped(np.clip(OPEN.usual + OPEN.spread * rng.normal(size=6), OPEN.lowest, OPEN.highest)) for _ in range(60)]
    usual = OPEN.shaped(OPEN.usual)
    template, heads = usual.vertices, usual.bind.translation[own]
    off = np.stack([body.vertices - template for body in bodies]).reshape(60, -1)
    mix, size, shapes = np.linalg.svd(off, full_matrices=False)
    shapes = (size[:betas, None] * shapes[:betas] / np.sqrt(60)).reshape(betas, -1, 3)
    head_off = np.stack([body.bind.translation[own] - heads for body in bodies])
    weights = np.sqrt(60) * mix[:, :betas].T / size[:betas, None]
    head_shapes = np.einsum("bn,njk->bjk", weights, head_off)
    return {
        "v_template": template @ _UP.T,
        "shapedirs": np.einsum("ab,svb->vas", _UP, shapes),
        "posedirs": rng.normal(0, 2e-3, (len(template), 3, 9 * (len(names) - 1))),
        "J_regressor": _regressor(template, shapes, heads, head_shapes),
        "weights": _weights(own),
        "kintree_table": np.stack([np.array(parents) % 2**32, np.arange(len(names))]).astype(np.uint32),
        "f": OPEN.faces.astype(np.uint32),
        "hands_meanl": np.zeros(45), "hands_meanr": np.zeros(45), "hands_componentsl": np.eye(45), "hands_componentsr": np.eye(45),
        "lmk_faces_idx": np.zeros(51, int), "lmk_bary_coords": np.full((51, 3), 1 / 3),
        "dynamic_lmk_faces_idx": np.zeros((79, 17), int), "dynamic_lmk_bary_coords": np.full((79, 17, 3), 1 / 3),
    }  # fmt: skip


def _regressor(template, shapes, heads, head_shapes):
    """Joints as means of vertices, on all of these bodies."""
    out = np.zeros((len(heads), len(template)))
    for j, head in enumerate(heads):
        near = np.argsort(np.linalg.norm(template - head, axis=1))[:_NEAR]
        known = np.concatenate([template[near].T, *(s[near].T for s in shapes), np.ones((1, _NEAR))])
        wanted = np.concatenate([head, head_shapes[:, j].ravel(), [1.0]])
        out[j, near] = np.linalg.lstsq(known, wanted, rcond=1e-3)[0]  # weights that are small in 32 bits
    return out


def _weights(own):
    """Skin of joints that the family has not goes with the joints before them."""
    parents, skin = OPEN.skeleton.parents.tolist(), OPEN.skin
    column = {joint: k for k, joint in reversed(list(enumerate(own)))}
    out = np.zeros((skin.count, len(own)))
    for j in range(len(parents)):
        k = j
        while k not in column and k >= 0:
            k = parents[k]
        rows = skin.joint == j
        np.add.at(out, (skin.vertex[rows], column.get(k, 0)), skin.weight[rows])
    return out / out.sum(1, keepdims=True)
