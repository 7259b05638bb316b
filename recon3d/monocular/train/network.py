"""The lifter's network: each frame's points to a token, tokens attend to each other in time, each gives a pose with its covariance.

Attention knows times in seconds, not frames (rotary embedding: Su et al., "RoFormer", 2021, with angles of t), so that any frame
rate will do; a mask says which frame may look at which, so that one network serves centred and causal windows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recon3d.monocular.points import JOINTS, POINTS

EXTRA = 7
_SLOWEST, _FASTEST = 0.5, 60.0  # rad/s


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Size of the network."""

    width: int = 256
    depth: int = 6
    heads: int = 8
    inner: int = 512


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
        self.stem = nn.Sequential(
            nn.Linear(len(POINTS) * 3 + EXTRA, own.inner),
            nn.GELU(),
            nn.Linear(own.inner, own.inner),
            nn.GELU(),
            nn.Linear(own.inner, own.width),
        )
        self.blocks = nn.ModuleList(_Block(own) for _ in range(own.depth))
        self.norm = nn.LayerNorm(own.width)
        self.joints = nn.Linear(own.width, len(JOINTS) * 3)
        self.shape = nn.Linear(own.width, len(JOINTS) * 6)
        self.root = nn.Linear(own.width, 6)
        rate = torch.logspace(0, 1, own.width // own.heads // 2, base=_FASTEST / _SLOWEST) * _SLOWEST
        self.register_buffer("rate", rate)
        for layer in (self.joints, self.shape, self.root):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, points: Tensor, extra: Tensor, time: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As said above."""
        batch, frames = points.shape[:2]
        x = self.stem(torch.cat([points.reshape(batch, frames, -1), extra], -1))
        angle = time[..., None] * self.rate
        turn = (torch.cos(angle)[:, None], torch.sin(angle)[:, None])
        for block in self.blocks:
            x = block(x, turn, mask[:, None])
        x = self.norm(x)
        root = self.root(x)
        return (
            self.joints(x).reshape(batch, frames, len(JOINTS), 3),
            self.shape(x).reshape(batch, frames, len(JOINTS), 6),
            root[..., :3],
            root[..., 3:],
        )


class _Block(nn.Module):
    def __init__(self, own: NetworkSettings):
        super().__init__()
        self.heads = own.heads
        self.before = nn.LayerNorm(own.width)
        self.asked = nn.Linear(own.width, 3 * own.width)
        self.told = nn.Linear(own.width, own.width)
        self.between = nn.LayerNorm(own.width)
        self.inner = nn.Sequential(nn.Linear(own.width, own.inner), nn.GELU(), nn.Linear(own.inner, own.width))

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        batch, frames, width = x.shape
        parts = self.asked(self.before(x)).reshape(batch, frames, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = parts[0], parts[1], parts[2]
        q, k = _turned(q, turn), _turned(k, turn)
        score = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5) + mask
        told = (torch.softmax(score, -1) @ v).transpose(1, 2).reshape(batch, frames, width)
        x = x + self.told(told)
        return x + self.inner(self.between(x))


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = turn
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class FrameMlp(nn.Module):
    """A baseline: one frame at a time (Martinez et al., "A simple yet effective baseline for 3D human pose estimation", 2017)."""

    def __init__(self, width: int = 1024):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(len(POINTS) * 3 + EXTRA, width), nn.ReLU())
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.out = nn.Linear(width, len(JOINTS) * 3)

    def forward(self, points: Tensor, extra: Tensor) -> Tensor:
        """Poses of all frames."""
        x = self.first(torch.cat([points.flatten(-2), extra], -1))
        for norm, block in zip(self.norms, self.blocks, strict=True):
            x = x + block(norm(x))
        return self.out(x).unflatten(-1, (len(JOINTS), 3))


def _dilated(width: int, dilation: int) -> nn.Sequential:
    before, between = nn.BatchNorm1d(width), nn.BatchNorm1d(width)
    wide, narrow = nn.Conv1d(width, width, 3, dilation=dilation), nn.Conv1d(width, width, 1)
    return nn.Sequential(before, nn.ReLU(), wide, between, nn.ReLU(), narrow)


class FrameTcn(nn.Module):
    """A baseline: 27 frames by dilated convolutions (Pavllo et al., "3D human pose estimation in video", 2019)."""

    def __init__(self, width: int = 512):
        super().__init__()
        self.first = nn.Conv1d(len(POINTS) * 3 + EXTRA, width, 3)
        self.layers = nn.ModuleList(_dilated(width, d) for d in (3, 9))
        self.last = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU())
        self.out = nn.Conv1d(width, len(JOINTS) * 3, 1)

    def forward(self, points: Tensor, extra: Tensor) -> Tensor:
        """Poses of the frames that have thirteen on either side."""
        x = self.first(torch.cat([points.flatten(-2), extra], -1).transpose(1, 2))
        for layer, d in zip(self.layers, (3, 9), strict=True):
            x = x[..., d:-d] + layer(x)
        return self.out(self.last(x)).transpose(1, 2).unflatten(-1, (len(JOINTS), 3))
