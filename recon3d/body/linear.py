"""Models whose vertices and joints before any pose are linear in the weights of some shapes: the open body, SMPL and its family."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Num

from recon3d.arrays import freeze_fields
from recon3d.body.keypoints import Regressor, carrier
from recon3d.body.marks import Marks, marks_of_means, marks_of_points, marks_of_vertices
from recon3d.body.model import ShapedBody, Skin, volume
from recon3d.body.rest import rest_offsets
from recon3d.geometry import SE3, SO3
from recon3d.skeleton import Armature, Attachments, Skeleton, load_armature
from recon3d.skeleton.shape import Shape

_STIFF = 1e-6
_ENDS = 60
_STEP = 1e-3  # of a parameter's range
_LOOSE_M = 0.01  # how far detectors put points beside


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A body model; x to the left, y backward, z up.

    Attributes:
        name: of it.
        parameters: names of the numbers that make a body.
        usual: of its most usual body.
        lowest: of each parameter.
        highest: of each parameter.
        spread: standard deviation of each among people.
        template: vertices before any shape, m.
        faces: triangles.
        basis: shapes, in units of the scale.
        scale: m, of each shape.
        skeleton: of all joints.
        heads: joints of the template, m.
        head_basis: of each shape, m.
        turns: from the armatures' pose at rest to the pose in which the model was sculpted, joint by joint.
        skin: how vertices hang on joints.
        regressor: of keypoints.
        joint_points: keypoints that are means of joints.
        manner: armature that says how joints of its names turn.
    """

    name: str
    parameters: tuple[str, ...]
    usual: Float[np.ndarray, "parameters"]
    lowest: Float[np.ndarray, "parameters"]
    highest: Float[np.ndarray, "parameters"]
    spread: Float[np.ndarray, "parameters"]
    template: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    basis: Num[np.ndarray, "shapes vertices 3"]
    scale: Float[np.ndarray, "shapes"]
    skeleton: Skeleton
    heads: Float[np.ndarray, "joints 3"]
    head_basis: Float[np.ndarray, "shapes joints 3"]
    turns: Float[np.ndarray, "joints 3 3"]
    skin: Skin
    regressor: Regressor
    joint_points: Mapping[str, tuple[str, ...]]
    manner: str

    def __post_init__(self) -> None:
        freeze_fields(self)

    def weights(self, values: Float[np.ndarray, "*bodies parameters"]) -> Float[np.ndarray, "*bodies shapes"]:
        """Of the shapes: the parameters themselves, where a model does not say otherwise."""
        return values

    def weight_slopes(self, values: Float[np.ndarray, "parameters"]) -> Float[np.ndarray, "shapes parameters"]:
        """How weights change with the parameters; where they have a kink, the mean of both sides."""
        near, far = self.beside(values)
        return ((self.weights(far) - self.weights(near)) / np.diagonal(far - near)[:, None]).T

    def beside(
        self, values: Float[np.ndarray, "parameters"]
    ) -> tuple[Float[np.ndarray, "parameters parameters"], Float[np.ndarray, "parameters parameters"]]:
        """Bodies of which one parameter each is a little less and a little more."""
        step = np.diag(_STEP * (self.highest - self.lowest))
        return np.clip(values - step, self.lowest, self.highest), np.clip(values + step, self.lowest, self.highest)

    def shaped(self, values: Float[np.ndarray, "parameters"]) -> ShapedBody:
        """The body of these parameters."""
        weight = self.weights(values)
        vertices = self.template + np.tensordot(weight * self.scale, self.basis, 1)
        bind = SE3(SO3(self.turns.copy()), self._heads(weight))
        return ShapedBody(self, values.copy(), vertices, bind, self.armature(values), self.skin)

    def armature(self, values: Float[np.ndarray, "parameters"], marks: Marks | None = None) -> Armature:
        """The armature of a body, which keypoints ride on (or other marks): much quicker than the body."""
        weight = self.weights(values)
        heads = self._heads(weight)
        bare = self._armature(heads)
        chosen = self.marks if marks is None else marks
        return replace(bare, attachments=self._attachments(chosen, bare, weight, heads))

    def bare_armature(self, values: Float[np.ndarray, "parameters"]) -> Armature:
        """The same without keypoints."""
        return self._armature(self._heads(self.weights(values)))

    def height(self, values: Float[np.ndarray, "parameters"]) -> float:
        """Standing at rest on flat soles, from the heels to the top of the head, m."""
        return float(self.heights(values[None])[0])

    def heights(self, values: Float[np.ndarray, "bodies parameters"]) -> Float[np.ndarray, "bodies"]:
        """The same of several bodies."""
        places = self._ends[0] + self.weights(values) @ self._ends[1]
        return np.ptp(places, axis=-1)

    def volume(self, values: Float[np.ndarray, "parameters"]) -> float:
        """Of the mesh as it was sculpted, m^3."""
        weight = self.weights(values)
        return volume(self.template + np.tensordot(weight * self.scale, self.basis, 1), self.faces)

    def shape(self, values: Float[np.ndarray, "parameters"], marks: Marks | None = None) -> Shape:
        """How sizes at rest change with the parameters, near a body: for solvers, which step and ask again."""
        marks = self.marks if marks is None else marks
        slopes = self.weight_slopes(values)
        heads = np.einsum("sja,sp->jap", self.head_basis, slopes)
        joints = rest_offsets(self.skeleton, heads, self.turns)
        parts = marks.offset_slopes(slopes, heads, self.turns)
        rest = np.zeros_like(joints)
        for joint, parent in self.skeleton.levels():
            rest[joint] = rest[parent] + joints[joint]
        points = marks.summed(parts + marks.share[:, None, None] * rest[marks.joint]) - rest[self._rides(marks)]
        return Shape(self.parameters, joints, points, self.spread.copy(), parts)

    def kinks(self) -> tuple[tuple[float, ...], ...]:
        """Values of each parameter at which bodies begin to change in another direction; none, where a model does not say otherwise."""
        return ((),) * len(self.parameters)

    @functools.cached_property
    def marks(self) -> Marks:
        """The keypoints that detectors name."""
        return marks_of_points(self, self.regressor).and_more(marks_of_means(self, self.joint_points))

    def marks_at_rest(self) -> Attachments:
        """The keypoints on the usual body."""
        return self.armature(self.usual).attachments

    def _rides(self, marks: Marks) -> Int[np.ndarray, "points"]:
        """The joint that each mark comes nearest to riding on."""
        joints = self.skeleton.joints
        named = [joints.index(found) if (found := carrier(name, joints)) else -1 for name in marks.points]
        return np.where(np.array(named) < 0, marks.heaviest(), named)

    def _attachments(self, marks: Marks, bare: Armature, weight: np.ndarray, heads: Float[np.ndarray, "joints 3"]) -> Attachments:
        """Marks where they are at rest as parts of the joint that each comes nearest to, and as they truly are."""
        blend = marks.blend(weight, heads, self.turns)
        rest = bare.rest_positions()
        eye = np.broadcast_to(np.eye(3), (len(rest), 3, 3))
        places = blend.places(SE3(SO3(eye), rest))
        rides = self._rides(marks)
        return Attachments(marks.points, rides, places - rest[rides], np.full(len(rides), _LOOSE_M), blend)

    @functools.cached_property
    def _ends(self) -> tuple[Float[np.ndarray, "some"], Float[np.ndarray, "shapes some"]]:
        """Heights at rest of vertices among which the highest and the lowest are when somebody stands: linear in the weights."""
        order = np.argsort(self.shaped(self.usual).at_rest().vertices()[0, :, 2])
        marks = marks_of_vertices(self, np.sort(np.concatenate([order[:_ENDS], order[-_ENDS:]])))
        nothing = np.zeros(len(self.scale))
        none = self._at_rest(marks, nothing)
        return none, np.stack([self._at_rest(marks, one) - none for one in np.eye(len(nothing))])

    def _at_rest(self, marks: Marks, weight: Float[np.ndarray, "shapes"]) -> Float[np.ndarray, "points"]:
        """Heights."""
        heads = self._heads(weight)
        rest = self._armature(heads).rest_positions()
        eye = np.broadcast_to(np.eye(3), (len(rest), 3, 3))
        return marks.blend(weight, heads, self.turns).places(SE3(SO3(eye), rest))[:, 2]

    def _heads(self, weight: Float[np.ndarray, "shapes"]) -> Float[np.ndarray, "joints 3"]:
        return self.heads + np.tensordot(weight, self.head_basis, 1)

    @functools.cached_property
    def _manners(self) -> Armature:
        """How joints turn, before any sizes."""
        human, names = load_armature(self.manner), self.skeleton.joints
        rows = [human.joints.index(name) if name in human.joints else -1 for name in names]
        stiff = np.array(rows) < 0

        def taken(values: np.ndarray, otherwise: float | np.ndarray) -> np.ndarray:
            out = values[rows].copy()
            out[stiff] = otherwise
            return out

        none = np.zeros(0)
        return Armature(
            skeleton=self.skeleton,
            rest_offset=np.zeros((len(names), 3)),
            free=taken(human.free, False),
            usual=taken(human.usual, 0.0),
            looseness=taken(human.looseness, _STIFF),
            limit=taken(human.limit, np.array([-np.pi, np.pi])),
            cone=taken(human.cone, np.pi),
            cone_axis=taken(human.cone_axis, np.array([0.0, 0.0, 1.0])),
            attachments=Attachments((), none.astype(np.int64), np.zeros((0, 3)), none),
        )

    def _armature(self, heads: Float[np.ndarray, "joints 3"]) -> Armature:
        return replace(self._manners, rest_offset=rest_offsets(self.skeleton, heads, self.turns))
