"""Cameras as unknowns: which of their parameters are free, how a step moves them, what a pixel does then.

A camera's free parameters, in order: the pose (a twist ``d`` with ``cam_from_world = exp(d) @ old``,
translation in m before rotation in rad), focal lengths, principal point, distortion coefficients, and
its clock. The clock's columns come from the points' velocities.
"""

import itertools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from recon3d.geometry.camera import CameraRig, Clock, Intrinsics
from recon3d.geometry.lens_coefficients import coefficient_jacobian
from recon3d.geometry.lie import SE3, SO3, skew


@dataclass(frozen=True, slots=True)
class Free:
    """Which parameters of a camera are solved for."""

    pose: bool = True
    """Its pose."""
    focal: Literal["fixed", "one", "two"] = "fixed"
    """The focal length: one with the pixels' aspect kept, or one a direction."""
    centre: bool = False
    """The principal point."""
    distortion: tuple[int, ...] = ()
    """Indices of the coefficients, in OpenCV's order."""
    offset: bool = False
    """The clock's offset."""
    drift: bool = False
    """The clock's drift."""
    line_time: bool = False
    """The rolling shutter's line time."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each free parameter is, in order."""
        pose = ("translation",) * 3 + ("rotation",) * 3 if self.pose else ()
        focal = {"fixed": (), "one": ("focal",), "two": ("focal", "focal")}[self.focal]
        clock = tuple(name for name in ("offset", "drift", "line_time") if getattr(self, name))
        return pose + focal + ("centre", "centre") * self.centre + ("distortion",) * len(self.distortion) + clock

    @property
    def lens(self) -> bool:
        """Whether anything of the intrinsics is free."""
        return self.focal != "fixed" or self.centre or bool(self.distortion)

    @property
    def timed(self) -> bool:
        """Whether anything of the clock is free."""
        return self.offset or self.drift or self.line_time


@dataclass(frozen=True, slots=True, eq=False)
class Projected:
    """Points in one camera: pixels, and how they move with the point and with the free intrinsics."""

    xy: Float[np.ndarray, "2 points"]
    by_point: Float[np.ndarray, "2 3 points"]
    by_lens: Float[np.ndarray, "2 parameters points"]


@dataclass(frozen=True, slots=True, eq=False)
class CameraUnknowns:
    """The cameras of a rig, some of whose parameters are free.

    Attributes:
        free: of each camera.
        intrinsics: of each camera.
        rotation: of cam_from_world.
        translation: of cam_from_world, m.
        clock: of each camera.
    """

    free: tuple[Free, ...]
    intrinsics: tuple[Intrinsics, ...]
    rotation: Float[np.ndarray, "views 3 3"]
    translation: Float[np.ndarray, "views 3"]
    clock: tuple[Clock, ...]

    @staticmethod
    def of(rig: CameraRig, free: Free | tuple[Free, ...]) -> "CameraUnknowns":
        """A rig's cameras with the same freedom for all, or each its own."""
        each = free if isinstance(free, tuple) else (free,) * len(rig)
        return CameraUnknowns(
            each,
            tuple(camera.intrinsics for camera in rig),
            np.stack([camera.cam_from_world.rotation.matrix for camera in rig]),
            np.stack([camera.cam_from_world.translation for camera in rig]),
            tuple(camera.clock for camera in rig),
        )

    def on(self, rig: CameraRig) -> CameraRig:
        """The rig with these cameras' values; its covariance is forgotten."""
        cameras = tuple(
            replace(camera, intrinsics=i, cam_from_world=SE3(SO3(r.copy()), t.copy()), clock=c)
            for camera, i, r, t, c in zip(rig, self.intrinsics, self.rotation, self.translation, self.clock, strict=True)
        )
        return replace(rig, cameras=cameras, covariance=None)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where each camera's free parameters lie in the vector of all."""
        ends = np.cumsum([0, *(len(free.kinds) for free in self.free)]).tolist()
        return tuple(slice(a, b) for a, b in itertools.pairwise(ends))

    @property
    def count(self) -> int:
        """Free parameters in all."""
        return sum(len(free.kinds) for free in self.free)

    def retract(self, step: Float[np.ndarray, "parameters"]) -> "CameraUnknowns":
        """The cameras moved by a step."""
        rotation, translation = self.rotation.copy(), self.translation.copy()
        intrinsics, clock = list(self.intrinsics), list(self.clock)
        for v, (free, part) in enumerate(zip(self.free, self.slices, strict=True)):
            own = step[part]
            if free.pose:
                turned = SE3.exp(own[:6]) @ SE3(SO3(rotation[v]), translation[v])
                # The nearest rotation: rounding of many steps would add up.
                rotation[v], translation[v] = SO3.nearest(turned.rotation.matrix).matrix, turned.translation
                own = own[6:]
            if free.lens:
                intrinsics[v], own = _moved_lens(intrinsics[v], free, own)
            if free.timed:
                clock[v] = _moved_clock(clock[v], free, own)
        return CameraUnknowns(self.free, tuple(intrinsics), rotation, translation, tuple(clock))

    def gauge(self, scale: bool) -> Float[np.ndarray, "parameters freedoms"]:
        """Orthonormal directions in which all cameras move with the world as one: rigid, and scaling.

        Empty where a camera's pose is held: then the world stands.
        """
        if not all(free.pose for free in self.free):
            return np.zeros((self.count, 0))
        out = np.zeros((self.count, 6 + scale))
        for v, part in enumerate(self.slices):
            r, t = self.rotation[v], self.translation[v]
            rows = out[part.start : part.start + 6]
            rows[:3, :3], rows[:3, 3:6], rows[3:, 3:6] = r, skew(t) @ r, r  # the adjoint (Sola 2018, eq. 175)
            if scale:
                rows[:3, 6] = t
        q, _ = np.linalg.qr(out)
        return q

    def project(self, view: int, local: Float[np.ndarray, "3 points"]) -> Projected:
        """Points in the camera's axes (m), all in front of it."""
        i, free = self.intrinsics[view], self.free[view]
        inverse = 1 / local[2]
        x, y = local[0] * inverse, local[1] * inverse
        xd, yd, (a, b, c, d) = i.distortion()(x, y)
        fx, skewed, fy = float(i.K[0, 0]), float(i.K[0, 1]), float(i.K[1, 1])
        xy = np.stack(i.to_pixels(xd, yd))
        by_x = np.stack([fx * a + skewed * c, fy * c]) * inverse
        by_y = np.stack([fx * b + skewed * d, fy * d]) * inverse
        by_point = np.stack([by_x, by_y, -(by_x * x + by_y * y)], 1)
        columns: list[np.ndarray] = []
        zero = np.zeros_like(xd)
        if free.focal == "one":  # the skew is in proportion
            columns.append(np.stack([xd + skewed / fx * yd, fy / fx * yd]))
        elif free.focal == "two":
            columns += [np.stack([xd, zero]), np.stack([zero, yd])]
        if free.centre:
            columns += [np.stack([zero + 1, zero]), np.stack([zero, zero + 1])]
        if free.distortion:
            bent = coefficient_jacobian(i.model, i.dist, x, y)[:, list(free.distortion)]
            columns += list(np.moveaxis(np.stack([fx * bent[0] + skewed * bent[1], fy * bent[1]]), 1, 0))
        by_lens = np.stack(columns, 1) if columns else np.zeros((2, 0, len(xd)))
        return Projected(xy, by_point, by_lens)


def _moved_lens(i: Intrinsics, free: Free, step: Float[np.ndarray, "parameters"]) -> tuple[Intrinsics, Float[np.ndarray, "rest"]]:
    k, dist = i.K.copy(), i.dist.copy()
    if free.focal == "one":
        k[:2, :2] *= max(1 + step[0] / k[0, 0], 0.2)  # a step through zero is no step; the cost refuses it
        step = step[1:]
    elif free.focal == "two":
        k[0, 0], k[1, 1] = max(k[0, 0] + step[0], 0.2 * k[0, 0]), max(k[1, 1] + step[1], 0.2 * k[1, 1])
        step = step[2:]
    if free.centre:
        k[:2, 2] += step[:2]
        step = step[2:]
    if free.distortion:
        dist[list(free.distortion)] += step[: len(free.distortion)]
        step = step[len(free.distortion) :]
    return replace(i, K=k, dist=dist), step


def _moved_clock(clock: Clock, free: Free, step: Float[np.ndarray, "parameters"]) -> Clock:
    values = {"offset": clock.offset, "drift": clock.drift, "line_time": clock.line_time}
    for name, change in zip((name for name in values if getattr(free, name)), step.tolist(), strict=True):
        values[name] += change
    values["line_time"] = max(values["line_time"], 0.0)
    return Clock(**values)
