"""The lifter's network: each frame's points to a token, tokens attend to each other in time, each gives a pose with its covariance.

Attention knows times in seconds, not frames (rotary embedding: Su et al., "RoFormer", 2021, with angles of t), so that any frame
rate will do; a mask says which frame may look at which, so that one network serves centred and causal windows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recon3d.monocular.lifter import STANDARD_M
from recon3d.monocular.points import JOINTS, POINTS

EXTRA = 7
_SLOWEST, _FASTEST = 0.5, 60.0  # rad/s
_HEAD = 32  # numbers of an attention head
# What brings inputs to about one: x and y of points, their weight; shift (2), spread, logarithm of the size, up (3).
_POINT_SCALE = (4.0, 4.0, 2.0)
_EXTRA_MIDDLE, _EXTRA_SCALE = (0.0, 0.0, 0.0, -1.05, 0.0, -0.4, 0.0), (5.0, 8.0, 3.0, 2.0, 2.0, 2.0, 2.0)
# Joints that lie about where a point of the input does.
_ABOUT = {"left_toes": "left_big_toe", "right_toes": "right_big_toe"}


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Size of the network."""

    width: int = 256
    stem: int = 2
    depth: int = 4
    inner: int = 1024


class Lift(nn.Module):
    """Points to poses.

    Inputs: points (batch frames points 3), extra (batch frames 7), time (batch frames) s, mask (batch frames frames): 0 where a frame
    may look at another, minus infinity elsewhere.
    Outputs: joints (batch frames joints 3), shape (batch frames joints 6): the lower triangle of what whitens their error, its diagonal
    as logarithms; root (batch frames 3), root_log_sigma (batch frames 3).
    """

    rate: Tensor

    def __init__(self, settings: NetworkSettings = NetworkSettings()):
        super().__init__()
        own = settings
        self.input = _Standard()
        self.first = nn.Linear(len(POINTS) * 3 + EXTRA, own.width)
        self.stem = nn.ModuleList(_Within(own.width, 2 * own.width) for _ in range(own.stem))
        self.blocks = nn.ModuleList(_Between(own) for _ in range(own.depth))
        self.norm = nn.LayerNorm(own.width)
        self.joints = nn.Linear(own.width, len(JOINTS) * 3)
        self.root = nn.Linear(own.width, 3)
        self.across = nn.Linear(len(POINTS) * 2, len(JOINTS) * 3, bias=False)
        self.doubt = nn.Sequential(nn.Linear(own.width, own.width), nn.GELU(), nn.Linear(own.width, len(JOINTS) * 6 + 3))
        rate = torch.logspace(0, 1, _HEAD // 2, base=_FASTEST / _SLOWEST) * _SLOWEST
        self.register_buffer("rate", rate)
        for layer in (self.joints, self.root):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.across.weight.data.copy_(_flat())

    def forward(self, points: Tensor, extra: Tensor, time: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As said above."""
        batch, frames = points.shape[:2]
        # Training computes in half precision but for the answer itself, whose millimetres that would round.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            x = self._trunk(points, extra, time, mask)
        joints = self.joints(x) + self.across(points[..., :2].flatten(-2))
        # What is told of the error learns from the answer; the answer does not learn from it.
        doubt = self.doubt(x.detach())
        return (
            joints.reshape(batch, frames, len(JOINTS), 3),
            doubt[..., :-3].reshape(batch, frames, len(JOINTS), 6),
            self.root(x),
            doubt[..., -3:],
        )

    def _trunk(self, points: Tensor, extra: Tensor, time: Tensor, mask: Tensor) -> Tensor:
        x = self.first(self.input(points, extra))
        for block in self.stem:
            x = block(x)
        angle = time[..., None] * self.rate
        turn = (torch.cos(angle)[:, None], torch.sin(angle)[:, None])
        for block in self.blocks:
            x = block(x, turn, mask[:, None])
        return self.norm(x).float()


class _Standard(nn.Module):
    """Inputs side by side, each about as large as one."""

    point_scale: Tensor
    extra_middle: Tensor
    extra_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, value in (("point_scale", _POINT_SCALE), ("extra_middle", _EXTRA_MIDDLE), ("extra_scale", _EXTRA_SCALE)):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, points: Tensor, extra: Tensor) -> Tensor:
        return torch.cat([(points * self.point_scale).flatten(-2), (extra - self.extra_middle) * self.extra_scale], -1)


def _flat() -> Tensor:
    """A start for the answer: joints where their points are seen, about the middle of the hips, all at one depth."""
    out = torch.zeros(len(JOINTS), 3, len(POINTS), 2)
    hips = [POINTS.index("left_hip"), POINTS.index("right_hip")]
    for j, name in enumerate(JOINTS):
        point = _ABOUT.get(name, name)
        if name != "pelvis" and point in POINTS[:-4]:
            for c in range(2):
                out[j, c, POINTS.index(point), c] += STANDARD_M
                out[j, c, hips, c] -= STANDARD_M / 2
    return out.reshape(len(JOINTS) * 3, len(POINTS) * 2)


class _Within(nn.Module):
    """Of one frame."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        last = nn.Linear(inner, width)
        nn.init.zeros_(last.weight)
        self.inner = nn.Sequential(nn.Linear(width, inner), nn.GELU(), last)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(self.norm(x))


class _Between(nn.Module):
    """Of frames that look at each other."""

    def __init__(self, own: NetworkSettings):
        super().__init__()
        self.heads = own.width // _HEAD
        self.norm = nn.LayerNorm(own.width)
        self.asked = nn.Linear(own.width, 3 * own.width)
        self.told = nn.Linear(own.width, own.width)
        self.within = _Within(own.width, own.inner)
        nn.init.zeros_(self.told.weight)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        batch, frames, width = x.shape
        parts = self.asked(self.norm(x)).reshape(batch, frames, 3, self.heads, _HEAD).permute(2, 0, 3, 1, 4)
        # Written out: faster on processors than the fused one, whose backward pass is slow for windows this short.
        score = _turned(parts[0], turn) @ _turned(parts[1], turn).transpose(-1, -2) * _HEAD**-0.5 + mask
        told = torch.softmax(score.float(), -1).to(x.dtype) @ parts[2].to(x.dtype)
        return self.within(x + self.told(told.transpose(1, 2).reshape(batch, frames, width)))


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = (t.to(x.dtype) for t in turn)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class FrameMlp(nn.Module):
    """A baseline: one frame at a time (Martinez et al., "A simple yet effective baseline for 3D human pose estimation", 2017)."""

    def __init__(self, width: int = 1024):
        super().__init__()
        self.input = _Standard()
        self.first = nn.Sequential(nn.Linear(len(POINTS) * 3 + EXTRA, width), nn.ReLU())
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.out = nn.Linear(width, len(JOINTS) * 3)

    def forward(self, points: Tensor, extra: Tensor) -> Tensor:
        """Poses of all frames."""
        x = self.first(self.input(points, extra))
        for norm, block in zip(self.norms, self.blocks, strict=True):
            x = x + block(norm(x))
        return self.out(x).unflatten(-1, (len(JOINTS), 3))


class _ChannelNorm(nn.LayerNorm):
    """Of every frame's channels. (Averaged weights and the statistics of batches of few windows do not go together.)"""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


def _dilated(width: int, dilation: int) -> nn.Sequential:
    before, between = _ChannelNorm(width), _ChannelNorm(width)
    wide, narrow = nn.Conv1d(width, width, 3, dilation=dilation), nn.Conv1d(width, width, 1)
    return nn.Sequential(before, nn.ReLU(), wide, between, nn.ReLU(), narrow)


class FrameTcn(nn.Module):
    """A baseline: 27 frames by dilated convolutions (Pavllo et al., "3D human pose estimation in video", 2019)."""

    def __init__(self, width: int = 512):
        super().__init__()
        self.input = _Standard()
        self.first = nn.Conv1d(len(POINTS) * 3 + EXTRA, width, 3)
        self.layers = nn.ModuleList(_dilated(width, d) for d in (3, 9))
        self.last = nn.Sequential(_ChannelNorm(width), nn.ReLU())
        self.out = nn.Conv1d(width, len(JOINTS) * 3, 1)

    def forward(self, points: Tensor, extra: Tensor) -> Tensor:
        """Poses of the frames that have thirteen on either side."""
        x = self.first(self.input(points, extra).transpose(1, 2))
        for layer, d in zip(self.layers, (3, 9), strict=True):
            x = x[..., d:-d] + layer(x)
        return self.out(self.last(x)).transpose(1, 2).unflatten(-1, (len(JOINTS), 3))
