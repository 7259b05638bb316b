"""Commands that give a take to other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclass(frozen=True)
class Export:
    """Write a take in more formats."""

    take: Positional[Path]
    """Take folder."""
    to: tuple[str, ...] = ("bvh",)
    """Formats: bvh, fbx, glb, usda, usdc, usdz, amass.npz, csv, trc, c3d, npz, parquet, nwb, angles.csv, angles.parquet,
    mot, osim; easymocap, pose2sim: the whole take as a folder."""
    preset: str = ""
    """Whose names, axes, unit and rest pose animation files have: blender, cmu, lafan1, maya, mixamo, motionbuilder, opensim, rokoko, smpl,
    unity, unreal, vrm, or a .toml file of one's own."""
    rest: Literal["T", "A"] = "T"
    """Pose at rest in motion files: arms spread, or 45 degrees down."""


@dataclass(frozen=True)
class Retarget:
    """Put a take's motion on a character of your own; its mesh and skin stay as they are."""

    take: Positional[Path]
    """Take folder."""
    to: Path
    """Character: .glb, .vrm or .bvh."""
    map: str = "auto"
    """auto, or a TOML file with a table [map] of "their joint" = "our_joint"."""


@dataclass(frozen=True)
class Robot:
    """Put a take's motion on a robot: joint positions within its limits, feet that stand, no link in another."""

    take: Positional[Path]
    """Take folder."""
    robot: str = "g1"
    """Card that says which link is what: g1, talos, or a .toml file of one's own."""
    urdf: Path | None = None
    """The robot's URDF; that of the package example-robot-data by default (pip install example-robot-data)."""
    to: tuple[str, ...] = ("csv", "npz")
    """Formats: csv, npz, mcap, bag (both ROS 2)."""
    fps: float = 0.0
    """Frames a second; those of the take by default."""


@dataclass(frozen=True)
class Opensim:
    """Write a take as OpenSim has it: markers, models, set-ups of its tools, our motion; exports/<person>.opensim/."""

    take: Positional[Path]
    """Take folder."""
    run: bool = False
    """Let OpenSim scale its model and solve inverse kinematics, and compare its angles with ours (needs recon3d[opensim])."""


@dataclass(frozen=True)
class Stream:
    """Send a take's motion over the network at its own pace; Ctrl-C ends it."""

    take: Positional[Path]
    """Take folder."""
    vmc: str | None = None
    """host:port of a program that takes the VMC protocol (VRM characters); port 39539 by default."""
    udp_json: str | None = None
    """host:port that gets one JSON object a frame; port 39570 by default."""
    osc: str | None = None
    """host:port that gets plain OSC messages by joint; port 39580 by default."""
    people: tuple[int, ...] = ()
    """Ids; everybody by default."""
    speed: float = 1.0
    """Times as fast as it was."""
    loop: bool = False
    """Over and over."""
