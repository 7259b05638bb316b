"""A peer of the body fit: the same objective in torch, its slopes by autograd, minimised by torch's LBFGS."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon3d.body.fit.problem import BodyProblem
from recon3d.body.open_body import _ANCHORS, _LOWEST_AGE, _RACES, OpenBody
from recon3d.motion.limits import _LIMIT_RAD
from recon3d.motion.problem import Unknowns

_F = torch.float64


@dataclass(slots=True)
class Course:
    """What a minimiser did.

    Attributes:
        cost: lowest.
        seconds: until it fell below what was asked for; None where it never did.
        spent: seconds in all.
    """

    cost: float
    seconds: float | None
    spent: float


class TorchProblem:
    """A `BodyProblem`'s cost as a function of numbers: places of the root, turns off the start, angles, parameters."""

    def __init__(self, problem: BodyProblem, start: Unknowns):
        assert isinstance(problem.model, OpenBody) and not problem.offsets.sigma_m.size and not problem.surfaces
        self.problem, self.start = problem, start
        f, model, marks = problem.freedoms, problem.model, problem.marks
        self.first = torch.tensor(start.pose.rotation)
        self.heads, self.head_basis = torch.tensor(model.heads), torch.tensor(model.head_basis)
        self.turns, self.parents = torch.tensor(model.turns), torch.tensor(np.maximum(model.skeleton.parents, 0))
        self.levels = [(torch.tensor(a), torch.tensor(b)) for a, b in model.skeleton.levels()]
        self.mask, self.projection = torch.tensor(model.mask > 0), torch.tensor(model.projection)
        self.template, self.basis = torch.tensor(marks.template), torch.tensor(marks.basis.astype(float))
        self.mark_joint, self.share, self.off = torch.tensor(marks.joint), torch.tensor(marks.share), torch.tensor(marks.off)
        self.mark_point = torch.tensor(marks.point)
        self.ball, self.balls = torch.tensor(f.ball), len(f.ball)
        self.usual = torch.tensor(f.armature.usual)
        self.from_usual = torch.tensor(f._from_usual)
        self.limit = torch.tensor(f.armature.limit[f.angle_joint, f.angle_axis])
        self.sights = [
            (rows, torch.tensor(s.poses.matrix), *(torch.tensor(plane) for plane in (s.u, s.v, s.a, s.b, s.c)))
            for rows, s in problem.evidence.sightings
        ]
        frames = len(problem.evidence.time)
        self.sizes = [3 * frames, 3 * frames * self.balls, frames * len(f.angle_column), len(start.shape)]

    def first_numbers(self) -> Tensor:
        """Of the start."""
        pose = self.start.pose
        turns = np.zeros(self.sizes[1])
        return torch.tensor(np.concatenate([pose.translation.ravel(), turns, pose.angle.ravel(), self.start.shape]))

    def cost(self, numbers: Tensor) -> Tensor:
        """Of all frames."""
        p, f = self.problem, self.problem.freedoms
        frames = len(p.evidence.time)
        place, turn, angle, values = torch.split(numbers, self.sizes)
        place, angle = place.view(frames, 3), angle.view(frames, -1)
        ball = self.first[:, self.ball] @ _exp(turn.view(frames, self.balls, 3))
        rotation = self._rotations(ball, angle)
        points = self._points(place, rotation, values)
        step = self._steps(place, ball, angle)
        ahead, back = (torch.tensor(one)[:, None] for one in (p.grid.ahead, p.grid.back))
        acceleration = ahead * step[1:] - back * step[:-1]
        off = torch.empty(frames, f.count - 3, dtype=_F)
        off[:, f.angle_column - 3] = angle - self.usual[f.angle_joint, f.angle_axis]
        off[:, f.ball_column - 3] = _log(self.from_usual @ ball)
        away = off - torch.tensor(p.habit.mean)
        model, known = p.model, (values - torch.tensor(p.model.usual)) / torch.tensor(p.model.spread)
        assert p.known.height_m is None and p.known.weight_kg is None and model is not None
        return (
            self._support(points)
            + 0.5 * (torch.tensor(p.stiffness.copy()) * acceleration**2).sum()
            + 0.5 * ((away @ torch.tensor(p.habit.precision)) * away).sum()
            + self._limits(rotation, angle)
            + 0.5 * p.repeated * (known * known).sum()
        )

    def _rotations(self, ball: Tensor, angle: Tensor) -> Tensor:
        f = self.problem.freedoms
        rotation = torch.eye(3, dtype=_F).expand(len(ball), len(f.armature.joints), 3, 3).clone()
        rotation[:, self.ball] = ball
        for j, at in f.single:
            rotation[:, j] = _about(int(f.angle_axis[at]), angle[:, at])
        for j, a, b in f.double:
            rotation[:, j] = _about(int(f.angle_axis[a]), angle[:, a]) @ _about(int(f.angle_axis[b]), angle[:, b])
        return rotation

    def _points(self, place: Tensor, rotation: Tensor, values: Tensor) -> Tensor:
        weight = self._weights(values)
        heads = self.heads + torch.tensordot(weight, self.head_basis, 1)
        rest = torch.einsum("jba,jb->ja", self.turns[self.parents], heads - heads[self.parents])
        joints = rotation.shape[1]
        turn: list[Tensor] = [rotation[:, 0]] + [rotation[:, 0]] * (joints - 1)
        where: list[Tensor] = [place] * joints
        for own, parent in self.levels:
            for j, a in zip(own.tolist(), parent.tolist(), strict=True):
                turn[j] = turn[a] @ rotation[:, j]
                where[j] = where[a] + turn[a] @ rest[j]
        turned, at = torch.stack(turn, 1), torch.stack(where, 1)
        arm = self.template + (weight @ self.basis).view(-1, 3) - self.off[:, None] * heads[self.mark_joint]
        offset = torch.einsum("pba,pb->pa", self.turns[self.mark_joint], arm)
        parts = (turned[:, self.mark_joint] @ offset[:, :, None])[..., 0] + at[:, self.mark_joint] * self.share[:, None]
        out = torch.zeros(len(place), len(self.problem.marks.points), 3, dtype=_F)
        return out.index_add(1, self.mark_point, parts)

    def _weights(self, values: Tensor) -> Tensor:
        of = dict(zip(self.problem.model.parameters, values, strict=True))
        near = [torch.full((_RACES,), 1 / _RACES, dtype=_F)]
        for name, count in _ANCHORS.items():
            lowest = _LOWEST_AGE if name == "age" else 0.0
            value = of.get(name, torch.tensor(0.5, dtype=_F))
            spot = torch.clip((value - lowest) / (1 - lowest), 0.0, 1.0) * (count - 1)
            near.append(torch.clip(1 - torch.abs(spot - torch.arange(count, dtype=_F)), min=0.0))
        product = torch.where(self.mask, torch.cat(near), 1.0).prod(1)
        return product @ self.projection

    def _steps(self, place: Tensor, ball: Tensor, angle: Tensor) -> Tensor:
        f = self.problem.freedoms
        out = torch.empty(len(place) - 1, f.count, dtype=_F)
        out[:, :3] = place[1:] - place[:-1]
        out[:, f.angle_column] = angle[1:] - angle[:-1]
        out[:, f.ball_column] = _log(ball[:-1].transpose(-1, -2) @ ball[1:])
        return out

    def _support(self, points: Tensor) -> Tensor:
        p, total = self.problem, torch.zeros((), dtype=_F)
        for rows, matrix, u, v, a, b, c in self.sights:
            seen = torch.einsum("vij,nj->vin", matrix[:, :, :3], points[rows].reshape(-1, 3)) + matrix[:, :, 3:]
            du, dv = seen[:, 0] / seen[:, 2] - u, seen[:, 1] / seen[:, 2] - v
            chi2 = a * du * du + 2 * b * du * dv + c * dv * dv
            gain = p.evidence.mixture.gain - 0.5 * p.temper * chi2
            total = total - (torch.nn.functional.softplus(gain, threshold=1e3) * (a > 0)).sum()
        return total * p.evidence.sharpness

    def _limits(self, rotation: Tensor, angle: Tensor) -> Tensor:
        f, armature = self.problem.freedoms, self.problem.freedoms.armature
        low, high = self.limit.T
        total = _beyond(angle, low, high)
        for joint, _, bone in f.cones:
            middle, half = torch.tensor(armature.cone_axis[joint]), float(armature.cone[joint])
            cosine = (rotation[:, joint].transpose(-1, -2) @ middle) @ torch.tensor(bone)
            off = torch.arccos(torch.clip(cosine, -1 + 1e-12, 1 - 1e-12))
            total = total + _beyond(off, torch.tensor(-1.0, dtype=_F), torch.tensor(half, dtype=_F))
        if len(f.twist_joint):
            turned, every = rotation[:, f.twist_joint], np.arange(len(f.twist_joint))
            i, j = (f.twist_axis + 1) % 3, (f.twist_axis + 2) % 3
            sine = turned[:, every, j, i] - turned[:, every, i, j]
            twist = 2 * torch.atan2(sine, 1 + torch.einsum("...ii->...", turned))
            total = total + _beyond(twist, *torch.tensor(armature.limit[f.twist_joint, f.twist_axis]).T)
        return total


def lbfgs(problem: BodyProblem, start: Unknowns, target: float, longest_s: float) -> Course:
    """Until the cost is below a target, or for so long.

    Args:
        problem: whose objective.
        start: to begin from.
        target: cost to come below.
        longest_s: to spend.
    """
    peer = TorchProblem(problem, start)
    numbers = peer.first_numbers().requires_grad_()
    low, high = torch.tensor(problem.model.lowest), torch.tensor(problem.model.highest)
    best, reached, begin = np.inf, None, time.perf_counter()
    minimiser = torch.optim.LBFGS([numbers], lr=1.0, max_iter=20, history_size=50, line_search_fn="strong_wolfe")
    closure = _closure(minimiser, peer, numbers)
    while time.perf_counter() - begin < longest_s:
        found = float(minimiser.step(closure).detach())
        with torch.no_grad():
            numbers[-len(low) :].clamp_(low, high)
            found = min(found, float(peer.cost(numbers)))
        if best - found < 1e-9 * abs(best):
            break
        best = min(best, found)
        if best < target:
            reached = time.perf_counter() - begin
            break
    return Course(best, reached, time.perf_counter() - begin)


def _closure(minimiser: torch.optim.LBFGS, peer: TorchProblem, numbers: Tensor) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        minimiser.zero_grad()
        cost = peer.cost(numbers)
        cost.backward()
        return cost

    return closure


def _beyond(value: Tensor, low: Tensor, high: Tensor) -> Tensor:
    over = (torch.clip(value - low, max=0.0) + torch.clip(value - high, min=0.0)) / _LIMIT_RAD
    return 0.5 * (over * over).sum()


def _exp(v: Tensor) -> Tensor:
    return torch.linalg.matrix_exp(_cross(v))


def _cross(v: Tensor) -> Tensor:
    x, y, z = v.unbind(-1)
    nothing = torch.zeros_like(x)
    return torch.stack([nothing, -z, y, z, nothing, -x, -y, x, nothing], -1).view(*v.shape, 3)


def _log(r: Tensor) -> Tensor:
    """Rotation vectors, exact but for half turns."""
    twice = torch.stack([r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]], -1)
    sine = 0.5 * torch.sqrt((twice * twice).sum(-1) + 1e-24)
    cosine = 0.5 * (torch.einsum("...ii->...", r) - 1)
    angle = torch.atan2(sine, cosine)
    return 0.5 * twice * torch.where(angle < 1e-6, torch.ones_like(angle), angle / sine)[..., None]


def _about(axis: int, angle: Tensor) -> Tensor:
    cos, sin = torch.cos(angle), torch.sin(angle)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    rows = [[torch.zeros_like(cos)] * 3 for _ in range(3)]
    rows[axis][axis] = torch.ones_like(cos)
    rows[i][i] = rows[j][j] = cos
    rows[j][i], rows[i][j] = sin, -sin
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
