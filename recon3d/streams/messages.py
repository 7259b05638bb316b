"""What is sent for one frame of one person.

- ``vmc``: an OSC bundle of the Virtual Motion Capture protocol: ``/VMC/Ext/OK`` (1), ``/VMC/Ext/T`` (s),
  ``/VMC/Ext/Root/Pos`` and for each bone ``/VMC/Ext/Bone/Pos`` with its name (Unity's HumanBodyBones), place in its
  parent's frame (m) and turn (x y z w) relative to a T-pose. Unity's axes: x right, y up, z forward, left-handed.
- ``json``: one object, UTF-8: ``type`` "recon3d.motion", ``version`` 1, ``person``, ``frame`` (source number), ``time_s``,
  ``unit`` "m", ``up`` "z", ``translation`` of the root, ``rotation`` and ``state`` by joint; turns are wxyz,
  parent_from_joint, states observed, interpolated or inferred. Frames without a pose have ``"present": false`` only.
- ``osc``: a bundle of ``/recon3d/<person>/time`` (s), ``/recon3d/<person>/root`` (x y z in m, z up) and
  ``/recon3d/<person>/joint/<name>`` (w x y z, parent_from_joint).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.characters import dressed, load_preset
from recon3d.errors import SetupError
from recon3d.records import Animation, Motion, State
from recon3d.records.animation import animation_of


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame of one person.

    Attributes:
        person: id.
        frame: source number.
        time: s, from the first frame.
        present: whether there is a pose; the places and turns are the last ones where there is none.
        joints: names.
        place: of each joint in its parent's frame, m.
        rotation: parent_from_joint, wxyz.
        state: `State` of each joint; empty where the joints are not our own.
    """

    person: int
    frame: int
    time: float
    present: bool
    joints: tuple[str, ...]
    place: Float[np.ndarray, "joints 3"]
    rotation: Float[np.ndarray, "joints 4"]
    state: UInt8[np.ndarray, "some"]


def moments(motion: Motion, animation: Animation, with_states: bool) -> Iterator[Moment]:
    """A motion frame by frame by the joints of an animation of it at its own frame rate."""
    places, present = animation.places(), motion.present()
    for k in range(len(animation)):
        state = motion.state[k] if with_states else np.zeros(0, np.uint8)
        at = float(animation.time[k] - animation.time[0])
        place, turn = places[k].copy(), animation.rotation[k].copy()
        yield Moment(motion.person, int(motion.frame[k]), at, bool(present[k]), animation.joints, place, turn, state.copy())


def vmc_messages(motion: Motion) -> Iterator[tuple[float, bytes]]:
    """When (s from the first frame), and the bundle of each frame."""
    # Who faces +z with the left at +x there is mirrored in x to Unity's left-handed axes.
    for moment in moments(motion, dressed(motion, load_preset("unity")), False):
        place = moment.place * np.array([-1.0, 1.0, 1.0])
        turn = moment.rotation[:, [1, 2, 3, 0]] * np.array([1.0, -1.0, -1.0, 1.0])
        messages: list[tuple[str, Sequence[Any]]] = [
            ("/VMC/Ext/OK", [int(moment.present)]),
            ("/VMC/Ext/T", [float(moment.time)]),
            ("/VMC/Ext/Root/Pos", ["root", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        ]
        rows = zip(moment.joints, place.tolist(), turn.tolist(), strict=True)
        messages += [("/VMC/Ext/Bone/Pos", [name, *p, *q]) for name, p, q in rows]
        yield moment.time, _bundle(messages)


def json_messages(motion: Motion) -> Iterator[tuple[float, bytes]]:
    """When (s from the first frame), and the object of each frame."""
    names = [State(k).name.lower() for k in range(len(State))]
    for moment in moments(motion, animation_of(motion), True):
        told: dict[str, Any] = {
            "type": "recon3d.motion",
            "version": 1,
            "person": moment.person,
            "frame": moment.frame,
            "time_s": round(moment.time, 6),
            "present": moment.present,
        }
        if moment.present:
            rows = zip(moment.joints, moment.rotation.tolist(), moment.state.tolist(), strict=True)
            turns = [(name, [round(v, 7) for v in q], names[s]) for name, q, s in rows]
            told |= {
                "unit": "m",
                "up": "z",
                "translation": [round(v, 6) for v in moment.place[0].tolist()],
                "rotation": {name: q for name, q, _ in turns},
                "state": {name: s for name, _, s in turns},
            }
        yield moment.time, json.dumps(told, separators=(",", ":")).encode()


def osc_messages(motion: Motion) -> Iterator[tuple[float, bytes]]:
    """When (s from the first frame), and the bundle of each frame; frames without a pose are left out."""
    for moment in moments(motion, animation_of(motion), True):
        if moment.present:
            head = f"/recon3d/{moment.person}"
            messages: list[tuple[str, Sequence[Any]]] = [(f"{head}/time", [float(moment.time)]), (f"{head}/root", moment.place[0].tolist())]
            messages += [(f"{head}/joint/{n}", q) for n, q in zip(moment.joints, moment.rotation.tolist(), strict=True)]
            yield moment.time, _bundle(messages)


KINDS: dict[str, Callable[[Motion], Iterator[tuple[float, bytes]]]] = {"vmc": vmc_messages, "json": json_messages, "osc": osc_messages}
"""By name on the command line."""


def _bundle(messages: Sequence[tuple[str, Sequence[Any]]]) -> bytes:
    try:
        bundle: Any = import_module("pythonosc.osc_bundle_builder")
        message: Any = import_module("pythonosc.osc_message_builder")
    except ImportError:
        raise SetupError("OSC and VMC need python-osc: pip install 'recon3d[live]'") from None
    out = bundle.OscBundleBuilder(bundle.IMMEDIATELY)
    for address, values in messages:
        one = message.OscMessageBuilder(address=address)
        for value in values:
            one.add_arg(value, {int: "i", float: "f", str: "s"}[type(value)])
        out.add_content(one.build())
    return out.build().dgram
