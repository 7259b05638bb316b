"""Tape measurements of a body: height, girths, lengths, volume, each with its uncertainty.

Girths are those of ISO 8559-1 as far as a mesh in the T-pose has them: a tape goes round the section's convex hull.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import ConvexHull

from recon3d.body.fit.known import KG_M3
from recon3d.body.linear import LinearModel
from recon3d.body.model import ShapedBody, volume

_PLANES = 9  # that the largest girth is looked for in
_STEP = 1e-3  # of a parameter's range: as for what is known beforehand, where both stand on a kink
_FEWEST = 3  # points of a section
_WAIST = 0.4  # of the way from the hips up to the shoulders
_LIMBS = {
    "upper arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """Of a body.

    Attributes:
        value: in ``unit``.
        sigma: standard deviation.
        unit: m, kg or l.
    """

    value: float
    sigma: float
    unit: str


def measurements(body: ShapedBody, covariance: Float[np.ndarray, "parameters parameters"]) -> dict[str, Measurement]:
    """What a tape, a scale and a tub would say, and how uncertain that is as the parameters are.

    Args:
        body: of a linear model.
        covariance: of its parameters.

    Raises:
        TypeError: the body of another kind of model.
    """
    model = body.model
    if not isinstance(model, LinearModel):
        raise TypeError(f"{model.name} is not linear in its shapes")
    found = _values(body)
    slopes = np.zeros((len(found), len(body.values)))
    for k, reach in enumerate(_STEP * (model.highest - model.lowest)):
        if not covariance[k, k]:
            continue
        near, far = np.clip([body.values[k] - reach, body.values[k] + reach], model.lowest[k], model.highest[k]).tolist()
        ends = [_values(model.shaped(np.where(np.arange(len(body.values)) == k, end, body.values))) for end in (near, far)]
        slopes[:, k] = [(ends[1][name] - ends[0][name]) / (far - near) for name in found]
    sigma = np.sqrt(np.einsum("mp,pq,mq->m", slopes, covariance, slopes))
    unit = {"volume": "l", "mass": "kg"}
    return {name: Measurement(value, float(s), unit.get(name, "m")) for (name, value), s in zip(found.items(), sigma, strict=True)}


def _values(body: ShapedBody) -> dict[str, float]:
    """All of them, m, l and kg."""
    posed = body.at_rest()
    at = dict(zip(body.armature.joints, posed.poses.translation[0], strict=True))
    vertices = posed.vertices()[0].astype(float)
    tape = _Tape.of(body, vertices)
    litres = 1e3 * volume(body.vertices, body.model.faces)
    out = {"height": float(np.ptp(vertices[:, 2])), "volume": litres, "mass": 1e-3 * KG_M3 * litres}
    out |= {f"{name} length": _both(at, *ends) for name, ends in _LIMBS.items()}
    across = {"shoulder breadth": "shoulder", "hip breadth": "hip"}
    out |= {name: float(np.linalg.norm(at[f"left_{joint}"] - at[f"right_{joint}"])) for name, joint in across.items()}
    hips, shoulders = (0.5 * (at[f"left_{joint}"] + at[f"right_{joint}"])[2] for joint in ("hip", "shoulder"))
    trunk, up = ~(tape.below("left_shoulder") | tape.below("right_shoulder")), np.array([0.0, 0.0, 1.0])
    high = shoulders - hips

    def level(share: float) -> np.ndarray:
        return np.array([0.0, 0.0, hips + share * high])

    out["chest girth"] = max(tape.girth(trunk, level(share), up) for share in np.linspace(0.55, 0.8, _PLANES))
    out["waist girth"] = tape.girth(trunk, level(_WAIST), up)
    out["hip girth"] = max(tape.girth(trunk, level(share), up) for share in np.linspace(-0.2, 0.2, _PLANES))
    out["neck girth"] = min(
        tape.girth(tape.below("neck"), at["neck"] + share * (at["head"] - at["neck"]), up) for share in np.linspace(0.2, 0.8, _PLANES)
    )
    middle = {"upper arm": (0.5, 0.5), "forearm": (0.05, 0.4), "thigh": (0.5, 0.5), "shank": (0.1, 0.5)}
    named = {"upper arm": "upper arm girth", "forearm": "forearm girth", "thigh": "mid-thigh girth", "shank": "calf girth"}
    for name, (first, last) in middle.items():
        out[named[name]] = max(_limb(tape, at, _LIMBS[name], share) for share in np.unique(np.linspace(first, last, _PLANES)))
    return out


def _limb(tape: "_Tape", at: Mapping[str, np.ndarray], ends: tuple[str, str], share: float) -> float:
    """Mean girth of both sides' limb at a share of its length, across it."""
    found: list[float] = []
    for side in ("left", "right"):
        first, last = (at[f"{side}_{end}"] for end in ends)
        found.append(tape.girth(tape.below(f"{side}_{ends[0]}"), first + share * (last - first), last - first))
    return float(np.mean(found))


def _both(at: Mapping[str, np.ndarray], first: str, last: str) -> float:
    return float(np.mean([np.linalg.norm(at[f"{side}_{first}"] - at[f"{side}_{last}"]) for side in ("left", "right")]))


@dataclass(frozen=True, slots=True, eq=False)
class _Tape:
    """A mesh to be measured.

    Attributes:
        vertices: of it.
        faces: of it.
        owner: joint that carries most of each vertex.
        joints: names.
        parents: of the joints.
    """

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    owner: Int[np.ndarray, "vertices"]
    joints: tuple[str, ...]
    parents: Int[np.ndarray, "joints"]

    @staticmethod
    def of(body: ShapedBody, vertices: Float[np.ndarray, "vertices 3"]) -> "_Tape":
        order = np.lexsort((-body.skin.weight, body.skin.vertex))
        owner = body.skin.joint[order][np.searchsorted(body.skin.vertex[order], np.arange(len(vertices)))]
        return _Tape(vertices, body.model.faces, owner, body.armature.joints, body.armature.skeleton.parents)

    def below(self, joint: str) -> Bool[np.ndarray, "vertices"]:
        """Vertices that a joint and those after it carry."""
        chosen = np.array(self.joints) == joint
        for j, parent in enumerate(self.parents.tolist()):  # parents come first
            chosen[j] |= parent >= 0 and chosen[parent]
        return chosen[self.owner]

    def girth(self, chosen: Bool[np.ndarray, "vertices"], point: Float[np.ndarray, "3"], normal: Float[np.ndarray, "3"]) -> float:
        """Round the convex hull of a plane's section of some of the mesh, m; 0 where there is none."""
        faces = self.faces[np.logical_and.reduce(chosen[self.faces], axis=1)]
        axis = normal / np.linalg.norm(normal)
        above = (self.vertices - point) @ axis
        a, b = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
        cut = (above[a] > 0) != (above[b] > 0)
        a, b = a[cut], b[cut]
        if len(a) < _FEWEST:
            return 0.0
        share = (above[a] / (above[a] - above[b]))[:, None]
        points = self.vertices[a] + share * (self.vertices[b] - self.vertices[a])
        plane = np.linalg.svd(axis[None])[2][1:]
        return float(ConvexHull(points @ plane.T).area)  # in the plane, area is the length of the edge


def as_table(found: Mapping[str, Measurement]) -> dict[str, dict[str, float | str]]:
    """For files."""
    return {name: {"value": one.value, "sigma": one.sigma, "unit": one.unit} for name, one in found.items()}
