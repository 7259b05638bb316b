"""A body and its motion as another model has them: so that the skins agree."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from recon3d.body.fit.skin import vertex_normals
from recon3d.body.fit.values import BodyFit, fit_values, points_evidence
from recon3d.body.likeness import like
from recon3d.body.linear import LinearModel
from recon3d.body.marks import Marks, marks_of_joints, marks_of_vertices
from recon3d.body.model import ShapedBody
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.geometry.lie import without_sign_flips
from recon3d.geometry.threads import single_threaded
from recon3d.motion.evidence import Evidence
from recon3d.motion.fit import fit
from recon3d.records import Motion

_SAMPLE, _VERTICES = 6, 1000  # frames and vertices that the shape is found from
_ROUNDS = 8
_FARTHEST_M = 0.04  # skins further apart are of something that only one model has
_SIGMA_M = 0.005  # how well skins of two models agree
_JOINT_M = 0.004  # how well joints of limbs do
_ALONG = 0.03  # of that: which vertex is which is hardly known along a skin
_CHUNK = 200  # frames that are solved at once
_LONGEST_S = 0.5
_LIMBS = tuple(f"{side}_{name}" for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right"))


def converted_body(model: LinearModel, body: ShapedBody, motion: Motion) -> tuple[BodyFit, Motion]:
    """The body of a model whose skin is most like another model's in all frames, and its motion.

    Which vertex is where on the other mesh is found round by round, in several poses at once, from the T-pose.

    Args:
        model: to convert to.
        body: of another model.
        motion: of its armature.

    Raises:
        InputError: a motion without frames, or of another armature.
    """
    if motion.armature.joints != body.armature.joints:
        raise InputError(f"the motion is not of a body of {body.model.name}")
    there = np.flatnonzero(motion.present())
    if not len(there):
        raise InputError("nobody is there whose body could be converted")
    with single_threaded():
        rows = there[np.unique(np.linspace(0, len(there) - 1, _SAMPLE).astype(int))]
        wanted = _meshes(body, motion, rows)
        chosen = np.arange(0, len(model.template), max(1, len(model.template) // _VERTICES))
        rest = body.at_rest().vertices()
        own = like(model, body.armature, float(np.ptp(rest[0, :, 2]))).at_rest().vertices()
        found: BodyFit | None = None
        theirs = _nearest(rest, own[:, chosen], np.inf)
        for k in range(_ROUNDS):
            kept = theirs >= 0
            marks = _marks(model, chosen[kept])
            found = fit_values(model, _across(body, motion, rows, theirs[kept], marks, model, None), marks)
            own = found.body.posed(found.pose.translation, found.pose.rotation).vertices()
            theirs = _nearest(wanted, own[:, chosen], _FARTHEST_M if k >= _ROUNDS // 2 else np.inf)
        assert found is not None
        return found, _moved(model, found.body, body, motion, there, chosen[theirs >= 0], theirs[theirs >= 0])


def _meshes(body: ShapedBody, motion: Motion, rows: Int[np.ndarray, "some"]) -> Float[np.ndarray, "some vertices 3"]:
    return body.posed(motion.translation[rows], SO3.from_wxyz(motion.rotation[rows]).matrix).vertices()


def _marks(model: LinearModel, chosen: Int[np.ndarray, "points"]) -> Marks:
    """These vertices, and the joints of limbs."""
    return marks_of_vertices(model, chosen).and_more(marks_of_joints(model, _LIMBS))


def _across(
    source: ShapedBody,
    motion: Motion,
    rows: Int[np.ndarray, "some"],
    theirs: Int[np.ndarray, "points"],
    marks: Marks,
    model: LinearModel,
    time: Float[np.ndarray, "frames"] | None,
) -> Evidence:
    """That marks lie on the other skin, where these vertices of it are: known across it, hardly along it; and limbs' joints together."""
    mesh, poses = _meshes(source, motion, rows).astype(float), motion.poses()
    joints = poses.translation[rows][:, [source.armature.index(name) for name in _LIMBS]]
    evidence = points_evidence(marks, model, np.concatenate([mesh[:, theirs], joints], 1), _SIGMA_M, time)
    normal = np.stack([vertex_normals(one, source.model.faces)[theirs] for one in mesh])
    along = normal[..., :, None] * normal[..., None, :]
    root = evidence.root_information.copy()
    root[:, : len(theirs)] = (along + _ALONG * (np.eye(3) - along)) / _SIGMA_M
    root[:, len(theirs) :] = np.eye(3) / _JOINT_M
    return replace(evidence, root_information=root)


def _nearest(
    mesh: Float[np.ndarray, "frames vertices 3"], points: Float[np.ndarray, "frames points 3"], within_m: float
) -> Int[np.ndarray, "points"]:
    """The vertex that each point stays nearest to, in all frames together; -1 where none is near."""
    frames = len(mesh)
    stacked = [np.ascontiguousarray(one.transpose(1, 0, 2).reshape(-1, 3 * frames)) for one in (mesh, points)]
    away, found = KDTree(stacked[0]).query(stacked[1], distance_upper_bound=within_m * np.sqrt(frames))
    return np.where(np.isfinite(away), found, -1)


def _moved(
    model: LinearModel,
    body: ShapedBody,
    other: ShapedBody,
    motion: Motion,
    there: Int[np.ndarray, "some"],
    chosen: Int[np.ndarray, "points"],
    theirs: Int[np.ndarray, "points"],
) -> Motion:
    """The other body's motion on this one, so that these vertices stay together."""
    marks = _marks(model, chosen)
    armature = model.armature(body.values, marks)
    joints = len(armature.joints)
    translation, rotation = np.full((len(motion), 3), np.nan), np.full((len(motion), joints, 4), np.nan)
    for start in range(0, len(there), _CHUNK):
        rows = there[start : start + _CHUNK]
        evidence = _across(other, motion, rows, theirs, marks, model, motion.time[rows])
        found = fit(armature, evidence, _LONGEST_S)
        translation[rows], rotation[rows] = found.pose.translation, SO3(found.pose.rotation).wxyz()
    state = np.zeros((len(motion), joints), np.uint8)
    same = {name: motion.armature.index(name) for name in motion.armature.joints}
    for j, name in enumerate(armature.joints):
        state[:, j] = motion.state[:, same.get(name, 0)]
    return Motion(
        person=motion.person,
        armature=body.armature,
        frame=motion.frame.copy(),
        time=motion.time.copy(),
        translation=translation,
        rotation=without_sign_flips(rotation),
        covariance=np.full((len(motion), joints, 3, 3), np.nan),
        state=state,
        misfit=np.full(state.shape, np.nan),
        contact=np.zeros(state.shape, bool),
    )
