"""How far a detector's points lie beside a model's: constant on a body, left as right, unknown within a centimetre.

Without them, where a detector happens to put hips would be read as weight.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from recon3d.body.marks import Marks
from recon3d.geometry import SE3
from recon3d.skeleton import Armature, other_side


@dataclass(frozen=True, slots=True, eq=False)
class Offsets:
    """Ways in which points may lie beside.

    Attributes:
        part: the heaviest part of each point: what its offset rides on.
        basis: of each point, in that part's joint's frame.
        sigma_m: of each way.
    """

    part: Int[np.ndarray, "points"]
    basis: Float[np.ndarray, "points 3 ways"]
    sigma_m: Float[np.ndarray, "ways"]

    @staticmethod
    def of(marks: Marks, sigma_m: float) -> "Offsets":
        """Of all marks; 0 for none."""
        names, joint = marks.points, marks.heaviest()
        part = np.array([np.flatnonzero((marks.point == p) & (marks.joint == joint[p]))[0] for p in range(len(names))], np.int64)
        columns: list[np.ndarray] = []
        for p, name in enumerate(names if sigma_m else ()):
            mirrored = names.index(other_side(name)) if other_side(name) in names else p
            for k in range(3):
                if p > mirrored or (p == mirrored and k == 0):  # in the middle of the body
                    continue
                column = np.zeros((len(names), 3))
                column[mirrored, k] = -1.0 if k == 0 else 1.0
                column[p, k] = 1.0
                columns.append(column)
        basis = np.stack(columns, -1) if columns else np.zeros((len(names), 3, 0))
        return Offsets(part, basis, np.full(len(columns), sigma_m))

    def on(self, armature: Armature, size: Float[np.ndarray, "ways"]) -> Armature:
        """The armature with its points so far beside."""
        at = armature.attachments
        assert at.blend is not None
        beside = self.basis @ size
        offset = at.blend.offset.copy()
        np.add.at(offset, self.part, beside)
        return replace(armature, attachments=replace(at, offset=at.offset + beside, blend=replace(at.blend, offset=offset)))

    def slopes(self, marks: Marks, poses: SE3) -> Float[np.ndarray, "frames points 3 ways"]:
        """How points move with them."""
        return poses.rotation.matrix[:, marks.joint[self.part]] @ self.basis
