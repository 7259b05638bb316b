"""Joint angles as tables: CSV for everybody, Parquet for programs; degrees, see `recon3d.skeleton.angles` for what they mean.

One row a frame: number, time (s), every angle, and where each joint's turn comes from (observed, interpolated,
inferred, missing). What is missing is empty.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import SetupError
from recon3d.io.files import atomic
from recon3d.records import Motion, State
from recon3d.skeleton import joint_angles
from recon3d.skeleton.angles import JOINTS

_STATES = np.array([State(k).name.lower() for k in range(len(State))])


def angle_table(motion: Motion) -> dict[str, np.ndarray]:
    """Columns by name."""
    out: dict[str, np.ndarray] = {"frame": motion.frame, "time_s": motion.time}
    out |= {f"{name}_deg": angle for name, angle in joint_angles(motion.armature, motion.poses()).items()}
    joints = motion.armature.joints
    for name, joint in JOINTS.items():
        if joint in joints:
            out[f"{name}_state"] = _STATES[motion.state[:, joints.index(joint)]]
    return out


def write_angles_csv(path: Path, motion: Motion) -> None:
    """One person's joint angles."""
    table = angle_table(motion)
    kinds = ["%d" if name == "frame" else "%.9g" if name == "time_s" else "%s" if name.endswith("_state") else "%.4f" for name in table]
    row = ",".join(kinds) + "\n"
    with atomic(path) as stream:
        stream.write(",".join(table) + "\n")
        for cells in zip(*(column.tolist() for column in table.values()), strict=True):
            stream.write((row % cells).replace("nan", ""))


def write_angles_parquet(path: Path, motion: Motion) -> None:
    """The same as Parquet.

    Raises:
        SetupError: pyarrow is not installed.
    """
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise SetupError("Parquet needs pyarrow: pip install 'recon3d[export]'") from None
    columns = angle_table(motion)
    arrays = {name: arrow.array(column, from_pandas=column.dtype.kind == "f") for name, column in columns.items()}
    about = {
        "unit": "degrees",
        "meaning": "recon3d.skeleton.angles",
        "person": str(motion.person),
        "armature": motion.armature.skeleton.name,
    }
    with atomic(path, "wb") as stream:
        parquet.write_table(arrow.table(arrays).replace_schema_metadata(about), stream)
