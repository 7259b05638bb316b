"""Robots' motions as tables: CSV for everything that reads tables, npz for NumPy."""

import csv
from pathlib import Path

import numpy as np

from recon3d.io.files import atomic
from recon3d.io.tables import frame_rate
from recon3d.records import JointMotion

_ROOT = ("root_x_m", "root_y_m", "root_z_m", "root_qx", "root_qy", "root_qz", "root_qw")


def write_joints_csv(path: Path, motion: JointMotion) -> None:
    """One line a frame: time, place and quaternion (x y z w) of the base in the world, joints (rad or m) by their names."""
    rows = np.concatenate(
        [(motion.time - motion.time[0])[:, None], motion.translation, np.roll(motion.rotation, -1, axis=-1), motion.position], 1
    )
    with atomic(path) as file:
        csv.writer(file, lineterminator="\n").writerow(("time_s", *_ROOT, *motion.joints))
        np.savetxt(file, rows, "%.7f", ",")


def write_joints_npz(path: Path, motion: JointMotion) -> None:
    """Plain arrays: joints by name, the base, and the world poses of all links; metres, radians, quaternions wxyz, z up."""
    poses = motion.poses()
    with atomic(path, "wb") as file:
        np.savez_compressed(
            file,
            robot=np.array(motion.robot),
            fps=np.array(frame_rate(motion.time)),
            time=motion.time - motion.time[0],
            joints=np.array(motion.joints),
            joint_position=motion.position,
            joint_velocity=motion.velocity(),
            root_position=motion.translation,
            root_quaternion_wxyz=motion.rotation,
            links=np.array(motion.links.names),
            link_position=poses.translation,
            link_quaternion_wxyz=poses.rotation.wxyz(),
            contact=motion.contact,
            present=motion.present,
        )
