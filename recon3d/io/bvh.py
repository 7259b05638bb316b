"""BVH: a hierarchy of joints with Euler angles; centimetres, y up, facing +z, angles in degrees.

Channel order Zrotation Xrotation Yrotation: R = Rz Rx Ry on column vectors. A side-car ``.json`` holds
what BVH cannot: which joints of which frames were observed, interpolated or inferred.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon3d.io.axes import FROM_Z_UP, tip_offset, y_up
from recon3d.io.files import atomic
from recon3d.io.side_car import write_side_car
from recon3d.io.tables import frame_rate
from recon3d.records import Motion

CM = 100.0


def write_bvh(path: Path, motion: Motion) -> None:
    """One person's motion, and ``<name>.bvh.json`` beside it."""
    place, rotation, offset = y_up(motion)
    skeleton = motion.armature.skeleton
    parents = skeleton.parents.tolist()
    children = [[c for c, p in enumerate(parents) if p == j] for j in range(len(parents))]
    order: list[int] = []
    lines = ["HIERARCHY"]

    def visit(joint: int, depth: int) -> None:
        tab = "\t" * depth
        order.append(joint)
        x, y, z = CM * offset[joint] if joint else np.zeros(3)
        lines.append(f"{tab}{'JOINT' if depth else 'ROOT'} {skeleton.joints[joint]}")
        lines.append(f"{tab}{{")
        lines.append(f"{tab}\tOFFSET {x:.6f} {y:.6f} {z:.6f}")
        position = "Xposition Yposition Zposition " if depth == 0 else ""
        lines.append(f"{tab}\tCHANNELS {6 if depth == 0 else 3} {position}Zrotation Xrotation Yrotation")
        for child in children[joint]:
            visit(child, depth + 1)
        if not children[joint]:
            x, y, z = CM * (FROM_Z_UP @ tip_offset(motion, joint))
            lines.extend([f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET {x:.6f} {y:.6f} {z:.6f}", f"{tab}\t}}"])
        lines.append(f"{tab}}}")

    visit(0, 0)
    angles = np.rad2deg(continuous(euler_zxy(rotation[:, order])))
    values = np.concatenate([CM * place, angles.reshape(len(motion), -1)], 1)
    line = " ".join(["%.6f"] * values.shape[1]) + "\n"
    with atomic(path) as stream:
        stream.write("\n".join(lines))
        stream.write(f"\nMOTION\nFrames: {len(motion)}\nFrame Time: {1 / frame_rate(motion.time):.9f}\n")
        stream.writelines(line % tuple(row) for row in values.tolist())
    write_side_car(path, motion)


def euler_zxy(rotation: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Angles (z, x, y) in rad with R = Rz Rx Ry."""
    x = np.arcsin(np.clip(rotation[..., 2, 1], -1.0, 1.0))
    z = np.arctan2(-rotation[..., 0, 1], rotation[..., 1, 1])
    y = np.arctan2(-rotation[..., 2, 0], rotation[..., 2, 2])
    return np.stack([z, x, y], -1)


def continuous(zxy: Float[np.ndarray, "frames joints 3"]) -> Float[np.ndarray, "frames joints 3"]:
    """The same rotations by angles without jumps.

    (z, x, y) and (z + pi, pi - x, y + pi) are one rotation, and so are turns by whole circles: of all these
    each frame takes what lies nearest to the frame before. Without it a knee that bends past 90 degrees flips.
    """
    out = zxy.copy()
    other = np.stack([zxy[..., 0] + np.pi, np.pi - zxy[..., 1], zxy[..., 2] + np.pi], -1)
    for f in range(1, len(out)):  # each frame depends on the one before
        choices = np.stack([zxy[f], other[f]])
        choices -= 2 * np.pi * np.rint((choices - out[f - 1]) / (2 * np.pi))
        off = np.abs(choices - out[f - 1]).sum(-1)
        out[f] = np.where((off[0] <= off[1])[:, None], choices[0], choices[1])
    return out
