"""Neurodata Without Borders (.nwb): one person's 3D keypoints as pose estimation (ndx-pose); needs ndx-pose."""

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from recon3d.errors import InputError, SetupError
from recon3d.io.files import atomic
from recon3d.records import Keypoints3D


def write_nwb(path: Path, windows: Iterable[Keypoints3D], person: int = 0) -> None:
    """A series of places (m, z up) and confidences for each point, with the skeleton.

    When the session began is not known to a take: the file says 1970, and that it does not mean it.

    Raises:
        SetupError: ndx-pose is not installed.
        InputError: there are no frames.
    """
    try:
        pose: Any = import_module("ndx_pose")
        pynwb: Any = import_module("pynwb")
    except ImportError:
        raise SetupError("NWB needs ndx-pose: pip install 'recon3d[nwb]'") from None
    kept = list(windows)
    if not kept:
        raise InputError(f"{path}: there is nothing to write")
    layout, who = kept[0].layout, int(kept[0].people[person])
    time = np.concatenate([w.time for w in kept])
    xyz = np.concatenate([w.xyz[:, person] for w in kept])
    confidence = np.concatenate([w.confidence[:, person] for w in kept])
    file = pynwb.NWBFile(
        session_description="3D keypoints by recon3d; when the session began is not known",
        identifier=path.stem,
        session_start_time=datetime(1970, 1, 1, tzinfo=UTC),
    )
    file.subject = pynwb.file.Subject(subject_id=str(who), **({"species": "Homo sapiens"} if "left_wrist" in layout.points else {}))
    skeleton = pose.Skeleton(name=layout.name, nodes=list(layout.points), edges=layout.bones.astype(np.uint8), subject=file.subject)
    series = [
        pose.PoseEstimationSeries(
            name=point,
            description=f"{point}; absent is NaN",
            data=xyz[:, k],
            unit="meters",
            reference_frame="the room: z up, the floor at 0, right-handed",
            timestamps=time,
            confidence=confidence[:, k],
            confidence_definition="probability that the place is right within its uncertainty",
        )
        for k, point in enumerate(layout.points)
    ]
    estimated = pose.PoseEstimation(
        name="PoseEstimation",
        pose_estimation_series=series,
        description="3D keypoints from several cameras",
        source_software="recon3d",
        skeleton=skeleton,
    )
    behavior = file.create_processing_module(name="behavior", description="human motion")
    behavior.add(pose.Skeletons(skeletons=[skeleton]))
    behavior.add(estimated)
    # HDF5 does not get over a disk that is full, so it writes to memory.
    with h5py.File(path.name, "w", driver="core", backing_store=False) as memory, pynwb.NWBHDF5IO(file=memory, mode="w") as store:
        store.write(file)
        memory.flush()
        image = memory.id.get_file_image()
    with atomic(path, "wb") as stream:
        stream.write(image)
