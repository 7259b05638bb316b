"""ROS 2 recordings of a robot's motion: an MCAP file, or a bag folder as ``ros2 bag play`` takes it; needs rosbags.

Topics: ``/joint_states`` (sensor_msgs/JointState), ``/tf`` (tf2_msgs/TFMessage: the base in ``world``, and every link that
moves in its parent), ``/tf_static`` and ``/robot_description`` (std_msgs/String, the URDF; both latched). Stamps count from 0.
"""

import errno
import os
import sqlite3
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import SetupError
from recon3d.io.files import fresh_folder
from recon3d.records import JointMotion


def write_mcap(path: Path, motion: JointMotion) -> None:
    """One .mcap file, for Foxglove, PlotJuggler and ``ros2 bag play``.

    Raises:
        SetupError: rosbags is not installed.
    """
    rosbag2 = _rosbags("rosbag2")
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mcap-") as folder:
        bag = Path(folder) / "bag"
        _record(bag, motion, rosbag2.StoragePlugin.MCAP)
        (made,) = bag.glob("*.mcap")
        os.replace(made, path)


def write_bag(path: Path, motion: JointMotion) -> None:
    """A bag folder with its metadata.yaml, stored in SQLite as ROS 2 has always read it; a bag that is there is replaced.

    Raises:
        SetupError: rosbags is not installed.
        FileExistsError: something else than a bag is there.
    """
    rosbag2 = _rosbags("rosbag2")
    with fresh_folder(path, "metadata.yaml") as folder:
        folder.rmdir()  # rosbags makes its own
        try:
            _record(folder, motion, rosbag2.StoragePlugin.SQLITE3)
        except sqlite3.Error as error:
            raise OSError(errno.EIO, f"could not be written ({error})", str(path)) from None


def _rosbags(part: str) -> Any:
    try:
        return import_module(f"rosbags.{part}")
    except ImportError:
        raise SetupError("ROS 2 recordings need rosbags: pip install 'recon3d[robots]'") from None


def _record(folder: Path, motion: JointMotion, storage: Any) -> None:
    rosbag2, typesys = _rosbags("rosbag2"), _rosbags("typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    kinds: dict[str, Any] = store.types
    qos = _latched()
    moving = np.flatnonzero((motion.links.joint >= 0) | (motion.links.parents < 0))
    still = np.flatnonzero((motion.links.joint < 0) & (motion.links.parents >= 0))
    nanoseconds = np.rint((motion.time - motion.time[0]) * 1e9).astype(np.int64).tolist()
    local, velocity = motion.local_poses(), motion.velocity()
    place, turn = local.translation, np.roll(local.rotation.wxyz(), -1, axis=-1)
    with rosbag2.Writer(folder, version=9, storage_plugin=storage) as bag:

        def send(connection: Any, kind: str, message: Any, stamp: int) -> None:
            bag.write(connection, stamp, store.serialize_cdr(message, kind))

        def connect(topic: str, kind: str, latched: bool = False) -> Any:
            return bag.add_connection(topic, kind, typestore=store, **({"offered_qos_profiles": qos} if latched else {}))

        if motion.urdf:
            text = "std_msgs/msg/String"
            send(connect("/robot_description", text, True), text, kinds[text](data=motion.urdf), 0)
        tf = "tf2_msgs/msg/TFMessage"
        if len(still):
            send(connect("/tf_static", tf, True), tf, _transforms(kinds, motion, still, place[0], turn[0], 0), 0)
        states = "sensor_msgs/msg/JointState"
        on_tf, on_states = connect("/tf", tf), connect("/joint_states", states)
        nothing = np.zeros(0)
        for t, stamp in enumerate(nanoseconds):
            send(on_tf, tf, _transforms(kinds, motion, moving, place[t], turn[t], stamp), stamp)
            header = _header(kinds, stamp, "")
            state = kinds[states](header, list(motion.joints), motion.position[t].copy(), velocity[t].copy(), nothing)
            send(on_states, states, state, stamp)


def _latched() -> list[Any]:
    """Who subscribes late gets the last message all the same."""
    qos = _rosbags("interfaces")
    forever = qos.QosTime(2147483647, 4294967295)
    return [
        qos.Qos(
            history=qos.QosHistory.KEEP_LAST,
            depth=1,
            reliability=qos.QosReliability.RELIABLE,
            durability=qos.QosDurability.TRANSIENT_LOCAL,
            deadline=forever,
            lifespan=forever,
            liveliness=qos.QosLiveliness.AUTOMATIC,
            liveliness_lease_duration=forever,
            avoid_ros_namespace_conventions=False,
        )
    ]


def _header(kinds: dict[str, Any], stamp: int, frame: str) -> Any:
    time = kinds["builtin_interfaces/msg/Time"](sec=stamp // 1_000_000_000, nanosec=stamp % 1_000_000_000)
    return kinds["std_msgs/msg/Header"](stamp=time, frame_id=frame)


def _transforms(kinds: dict[str, Any], motion: JointMotion, links: np.ndarray, place: np.ndarray, turn: np.ndarray, stamp: int) -> Any:
    names, parents = motion.links.names, motion.links.parents.tolist()
    stamped, transform, vector, quaternion = (
        kinds[f"geometry_msgs/msg/{name}"] for name in ("TransformStamped", "Transform", "Vector3", "Quaternion")
    )
    above = {k: _header(kinds, stamp, names[parents[k]] if parents[k] >= 0 else "world") for k in links.tolist()}
    where, how = place.tolist(), turn.tolist()
    return kinds["tf2_msgs/msg/TFMessage"](
        [stamped(above[k], names[k], transform(vector(*where[k]), quaternion(*how[k]))) for k in links.tolist()]
    )
