"""Streams as their receivers see them."""

import json
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle

from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.records import State
from recon3d.streams import Address, json_messages, osc_messages, parse_address, stream, vmc_messages
from recon3d.synthetic import make_person

MOTION = make_person("dance", 30, 60.0).motion
UNITY = {"Hips": "pelvis", "LeftUpperArm": "left_shoulder", "LeftHand": "left_wrist", "RightFoot": "right_ankle", "Head": "head"}
LIMBS = (("UpperArm", "Shoulder"), ("LowerArm", "UpperArm"), ("Hand", "LowerArm"))
LIMBS += (("LowerLeg", "UpperLeg"), ("Foot", "LowerLeg"), ("Toes", "Foot"))
ABOVE = {"Spine": "Hips", "Chest": "Spine", "Neck": "Chest", "Head": "Neck"}
ABOVE |= {f"{side}{below}": f"{side}{above}" for side in ("Left", "Right") for below, above in LIMBS}
ABOVE |= {f"{side}{part}": above for side in ("Left", "Right") for part, above in (("Shoulder", "Chest"), ("UpperLeg", "Hips"))}


def messages_of(bundle):
    return [(m.address, m.params) for m in OscBundle(bundle)]


def test_vmc_stands_in_unity_as_the_person_did():
    """World places from local ones, left-handed: x right, y up, z forward."""
    for k, (due, content) in enumerate(vmc_messages(MOTION)):
        assert due == pytest.approx(MOTION.time[k] - MOTION.time[0])
        if k % 10:
            continue
        parts = messages_of(content)
        assert parts[0] == ("/VMC/Ext/OK", [1]) and parts[1][0] == "/VMC/Ext/T"
        bones = {p[0]: (np.array(p[1:4]), np.array(p[4:8])) for a, p in parts if a == "/VMC/Ext/Bone/Pos"}
        assert len(bones) == 21

        def world(name, bones=bones):
            place, (x, y, z, w) = bones[name]
            own = SO3.from_wxyz(np.array([w, x, y, z])).matrix  # by its numbers: handedness is in the axes
            if name not in ABOVE:
                return place, own
            at, turn = world(ABOVE[name])
            return at + turn @ place, turn @ own

        ours = MOTION.poses().translation[k]
        for name, joint in UNITY.items():
            x, y, z = ours[MOTION.armature.index(joint)]
            np.testing.assert_allclose(world(name)[0], [-x, z, -y], atol=1e-5)


def test_json_tells_everything():
    state = MOTION.state.copy()
    state[3, 5] = State.INFERRED
    translation, rotation = MOTION.translation.copy(), MOTION.rotation.copy()
    translation[4], rotation[4] = np.nan, np.nan
    told = [json.loads(content) for _, content in json_messages(replace(MOTION, state=state, translation=translation, rotation=rotation))]
    assert told[3]["type"] == "recon3d.motion" and told[3]["frame"] == MOTION.frame[3]
    assert told[3]["state"][MOTION.armature.joints[5]] == "inferred"
    assert told[4] == {
        "type": "recon3d.motion",
        "version": 1,
        "person": 0,
        "frame": 4,
        "time_s": pytest.approx(4 / 60, abs=1e-5),
        "present": False,
    }
    for k in (0, 3, 29):
        np.testing.assert_allclose(told[k]["translation"], MOTION.translation[k], atol=1e-6)
        q = np.array([told[k]["rotation"][j] for j in MOTION.armature.joints])
        np.testing.assert_allclose(np.abs((q * MOTION.rotation[k]).sum(-1)), 1, atol=1e-6)


def test_osc_by_joint():
    (_, content), *_ = osc_messages(MOTION)
    told = dict(messages_of(content))
    np.testing.assert_allclose(told["/recon3d/0/root"], MOTION.translation[0], atol=1e-6)
    assert len(told["/recon3d/0/joint/left_knee"]) == 4


def test_frames_arrive_when_they_are_due():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        arrived = []

        def listen():
            while len(arrived) < 60:
                arrived.append((time.monotonic(), json.loads(receiver.recv(65536))))

        listener = threading.Thread(target=listen)
        listener.start()
        late = replace(MOTION, person=1, time=MOTION.time + 0.1)
        sent = stream([MOTION, late], [("json", Address("127.0.0.1", receiver.getsockname()[1]))])
        listener.join(10)
    assert sent == len(arrived) == 60
    assert arrived[-1][0] - arrived[0][0] == pytest.approx(29 / 60 + 0.1, abs=0.15)
    assert {told["person"] for _, told in arrived[:5]} == {0}
    assert [told["frame"] for _, told in arrived if told["person"] == 1] == MOTION.frame.tolist()


def test_addresses():
    assert parse_address("studio:4000", "vmc") == ("studio", 4000)
    assert parse_address(":4000", "osc") == ("127.0.0.1", 4000)
    assert parse_address("10.0.0.7", "vmc") == ("10.0.0.7", 39539)
    assert parse_address("[::1]:77", "json") == ("::1", 77)
    assert parse_address("::1", "json").host == "::1"
    for text in ("a:b", "a:0", "a:70000"):
        with pytest.raises(InputError, match="no address"):
            parse_address(text, "vmc")
    with pytest.raises(InputError, match="vmc, json, osc"):
        parse_address("a", "http")
    with pytest.raises(InputError, match="can be found"):
        stream([MOTION], [("json", Address("no.such.machine.invalid", 5))])
    with pytest.raises(InputError, match="speed"):
        stream([MOTION], [("json", Address("127.0.0.1", 5))], speed=0)
