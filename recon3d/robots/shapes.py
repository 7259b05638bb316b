"""Shapes of a robot that must not meet, each other or the floor; by Pinocchio and Coal."""

from importlib import import_module
from typing import Any

import numpy as np

from recon3d.errors import SetupError

_NESTED_M = 0.002  # links two joints apart that stand nearer than that are built into each other


def pinocchio() -> Any:
    """The library, where it is installed.

    Raises:
        SetupError: it is not.
    """
    try:
        return import_module("pinocchio")
    except ImportError:
        where = "pip install 'recon3d[robots]' (on Windows: conda install -c conda-forge pinocchio pink)"
        raise SetupError(f"robots need Pinocchio: {where}") from None


def pair_up(model: Any, shapes: Any, stand: np.ndarray) -> None:
    """Pairs of shapes that must not meet.

    Not those of neighbouring links, nor those that meet when the robot stands, nor those that are nested then: wrists and
    ankles with two or three joints in one place.
    """
    pin = pinocchio()
    shapes.addAllCollisionPairs()
    data, own = model.createData(), pin.GeometryData(shapes)
    pin.computeCollisions(model, data, shapes, own, stand, False)
    kept: list[Any] = []
    for k, pair in enumerate(shapes.collisionPairs):
        a, b = (int(shapes.geometryObjects[i].parentJoint) for i in (pair.first, pair.second))
        apart = _joints_between(model, a, b)
        if apart <= 1 or own.collisionResults[k].isCollision():
            continue
        if apart == 2 and pin.computeDistance(shapes, own, k).min_distance < _NESTED_M:
            continue
        kept.append(pin.CollisionPair(pair.first, pair.second))
    shapes.removeAllCollisionPairs()
    for pair in kept:
        shapes.addCollisionPair(pair)


def _joints_between(model: Any, a: int, b: int) -> int:
    """How many joints lie on the way from one link to another; 3 for three or more."""
    reached = {a}
    for steps in range(3):
        if b in reached:
            return steps
        reached |= {int(model.parents[j]) for j in reached} | {j for j in range(model.njoints) if int(model.parents[j]) in reached}
    return 3


def hulls(model: Any, meshes: Any, stand: np.ndarray) -> Any:
    """The same with meshes replaced by their convex hulls, and with the floor.

    Hulls are a hundred times quicker to measure between, and never smaller; pairs whose hulls overlap when the robot stands
    keep their meshes.
    """
    pin, coal = pinocchio(), import_module("coal")
    out = meshes.copy()
    for shape in out.geometryObjects:
        if isinstance(shape.geometry, coal.BVHModelBase):
            mesh = shape.geometry.clone()
            mesh.buildConvexHull(False, "Qt")
            shape.geometry = mesh.convex
    own = pin.GeometryData(out)
    pin.computeDistances(model, model.createData(), out, own, stand)
    pairs = [(int(p.first), int(p.second)) for p in out.collisionPairs]
    fitted = [pair for k, pair in enumerate(pairs) if own.distanceResults[k].min_distance <= 0]
    plain: dict[int, int] = {}
    for k in sorted({i for pair in fitted for i in pair}):
        mesh = meshes.geometryObjects[k].copy()
        mesh.name = f"{mesh.name} as it is"
        plain[k] = int(out.addGeometryObject(mesh))
    links = len(meshes.geometryObjects)
    out.removeAllCollisionPairs()
    for a, b in pairs:
        out.addCollisionPair(pin.CollisionPair(*((plain[a], plain[b]) if (a, b) in fitted else (a, b))))
    floor = out.addGeometryObject(pin.GeometryObject("floor", 0, pin.SE3.Identity(), coal.Halfspace(0.0, 0.0, 1.0, 0.0)))
    for k in range(links):
        out.addCollisionPair(pin.CollisionPair(k, floor))
    return out
