"""Motion on characters of other proportions, rest poses, axes and units."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import io, pipeline
from recon3d.characters import auto_map, dressed, load_preset, read_map, retargeted
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.io.glb_onto import write_glb_onto
from recon3d.io.gltf import open_gltf
from recon3d.pipeline import Take
from recon3d.records.animation import FROM_Z_UP, stood
from recon3d.skeleton.shape import anthropometric
from recon3d.synthetic import make_person
from tests.worlds import BALANCE4

MOTION = make_person("dance", 60, seed=1).motion


def character(preset, seed=2):
    """Somebody else in a preset's clothes, standing at rest."""
    shape = anthropometric(MOTION.armature)
    rng = np.random.default_rng(seed)
    other = shape.apply(MOTION.armature, shape.sigma * rng.normal(size=len(shape.names)))
    dress = dressed(replace(MOTION, armature=other), replace(load_preset(preset), fps=0.0))
    return replace(dress, rotation=np.broadcast_to(dress.rest_turn, dress.rotation.shape).copy())


def in_our_world(animation):
    back = FROM_Z_UP if animation.up == "y" else np.eye(3)
    return animation.unit_m * animation.poses().translation @ back


def legs(places, index):
    return sum(
        np.linalg.norm(places[0, index[a]] - places[0, index[b]]) for a, b in (("left_hip", "left_knee"), ("left_knee", "left_ankle"))
    )


@pytest.mark.parametrize("preset", ["unreal", "mixamo", "lafan1", "blender", "vrm"])
def test_hands_and_feet_go_where_they_were(preset):
    figure = character(preset)
    ours_of = auto_map(figure.joints)
    moved = retargeted(MOTION, figure, ours_of)
    assert moved.joints == figure.joints and len(moved) == len(MOTION)
    theirs = {ours: figure.index(name) for name, ours in ours_of.items()}
    place, source = in_our_world(moved), MOTION.poses().translation
    scale = legs(place, theirs) / legs(source, {j: k for k, j in enumerate(MOTION.armature.joints)})
    for name in ("left_wrist", "right_wrist", "left_ankle", "right_ankle"):
        off = np.linalg.norm(place[:, theirs[name]] - scale * source[:, MOTION.armature.index(name)], axis=-1)
        assert off.mean() < 0.012
    # Bones keep the character's own lengths, and knees bend the way they did.
    rest = figure.unit_m * figure.rest().translation
    for a, b in (("left_knee", "left_ankle"), ("right_elbow", "right_wrist"), ("pelvis", "left_hip")):
        long = np.linalg.norm(rest[theirs[a]] - rest[theirs[b]])
        np.testing.assert_allclose(np.linalg.norm(place[:, theirs[a]] - place[:, theirs[b]], axis=-1), long, atol=1e-9)
    # Hands go on from the forearm as the person's do, whatever way the arms hang at rest.
    elbow, wrist = theirs["left_elbow"], theirs["left_wrist"]
    carried = moved.poses().rotation.matrix[:, wrist] @ figure.rest().rotation.matrix[wrist].T
    forearm = moved.poses().rotation.matrix[:, elbow] @ figure.rest().rotation.matrix[elbow].T
    off = np.linalg.norm(SO3(np.swapaxes(forearm, -1, -2) @ carried).log(), axis=-1)
    assert np.rad2deg(off).mean() < 10
    bent = place[:, theirs["left_knee"]] - 0.5 * (place[:, theirs["left_hip"]] + place[:, theirs["left_ankle"]])
    own = [source[:, MOTION.armature.index(f"left_{n}")] for n in ("knee", "hip", "ankle")]
    theirs_bent = own[0] - 0.5 * (own[1] + own[2])
    assert ((bent * theirs_bent).sum(-1) > 0).mean() > 0.95


def test_the_same_body_moves_the_same():
    figure = dressed(MOTION, replace(load_preset("unreal"), fps=0.0))
    moved = retargeted(MOTION, figure, auto_map(figure.joints))
    np.testing.assert_allclose(in_our_world(moved), in_our_world(figure), atol=2e-3)


def test_axes_rest_pose_and_heading_of_the_character_do_not_matter():
    """T or A at rest, y or z up, turned round: the same world places."""
    plain = retargeted(MOTION, character("mixamo"), auto_map(character("mixamo").joints))
    figure = stood(character("mixamo"), "z", 1.0)
    other = retargeted(MOTION, figure, auto_map(figure.joints))
    np.testing.assert_allclose(in_our_world(other), in_our_world(plain), atol=1e-6)
    root = SO3.exp(np.array([0.0, 2.0, 0.0]))
    figure = character("mixamo")
    turn = figure.rest_turn.copy()
    turn[0] = (root @ SO3.from_wxyz(turn[0])).wxyz()
    round_ = replace(figure, rest_turn=turn)
    np.testing.assert_allclose(in_our_world(retargeted(MOTION, round_, auto_map(round_.joints))), in_our_world(plain), atol=1e-6)


def test_names_of_many_programs():
    names = {
        "pelvis": "pelvis", "mixamorig1:Hips": "pelvis", "thigh.L": "left_hip", "upperarm_r": "right_shoulder",
        "J_Bip_L_UpperArm": None, "LeftForeArm": "left_elbow", "hand.R": "right_wrist", "calf_l": "left_knee",
    }  # fmt: skip
    from recon3d.characters.mapping import _known, _plain

    for name, ours in names.items():
        if ours is not None:
            assert _known().get(_plain(name)) == ours, name
    with pytest.raises(InputError, match="lacks .*left_knee"):
        auto_map([j for j in character("unity").joints if j != "LeftLowerLeg"])


def test_maps_in_files(tmp_path):
    figure = character("unity")
    table = "\n".join(f'"{name}" = "{ours}"' for name, ours in auto_map(figure.joints).items())
    (tmp_path / "map.toml").write_text(f"[map]\n{table}\n")
    assert read_map(tmp_path / "map.toml", figure.joints) == auto_map(figure.joints)
    (tmp_path / "map.toml").write_text(f'[map]\n{table}\n"Tail" = "pelvis"\n"Head2" = "tail"\n')
    with pytest.raises(InputError, match="(?s)no joint 'Tail'.*no joint 'tail'"):
        read_map(tmp_path / "map.toml", figure.joints)
    (tmp_path / "map.toml").write_text('[map]\n"Hips" = "pelvis"\n')
    with pytest.raises(InputError, match="lacks"):
        read_map(tmp_path / "map.toml", figure.joints)


def test_a_glb_keeps_its_mesh(tmp_path):
    """Also below a node that scales everything by a hundredth, as characters out of FBX files have."""
    figure = stood(character("mixamo"), "y", 1.0)
    io.write(tmp_path / "bob.glb", figure)
    gltf = open_gltf(tmp_path / "bob.glb")
    nodes = gltf.document["nodes"]
    nodes.append({"name": "Armature", "scale": [0.01, 0.01, 0.01], "children": [0]})
    for node in nodes[: len(figure.joints)]:
        node["translation"] = [100 * v for v in node["translation"]]
    gltf.document["scenes"][0]["nodes"] = [len(nodes) - 1, len(nodes) - 2]
    gltf.document["extensionsUsed"] = ["VRMC_vrm"]
    bones = {"hips": "mixamorig:Hips", "leftUpperLeg": "mixamorig:LeftUpLeg"}
    gltf.document["extensions"] = {"VRMC_vrm": {"humanoid": {"humanBones": {b: {"node": figure.index(n)} for b, n in bones.items()}}}}
    del gltf.document["animations"]
    gltf.write(tmp_path / "hundred.glb")
    assert io.humanoid_of(tmp_path / "hundred.glb") == {n: b for b, n in bones.items()}
    read = io.read_glb(tmp_path / "hundred.glb")
    moved = retargeted(MOTION, read, auto_map(read.joints, io.humanoid_of(tmp_path / "hundred.glb")))
    write_glb_onto(tmp_path / "out.glb", moved, tmp_path / "hundred.glb")
    back = io.read_glb(tmp_path / "out.glb")
    np.testing.assert_allclose(back.poses().translation, moved.poses().translation, atol=1e-5)
    np.testing.assert_allclose(in_our_world(moved)[:, 1:], in_our_world(retargeted(MOTION, figure, auto_map(figure.joints))), atol=1e-5)
    meshes = [open_gltf(tmp_path / n) for n in ("hundred.glb", "out.glb")]
    for key in ("meshes", "skins", "materials"):
        assert meshes[0].document[key] == meshes[1].document[key]
    with pytest.raises(InputError, match="not of the joints"):
        write_glb_onto(tmp_path / "x.glb", character("unity"), tmp_path / "hundred.glb")


def test_a_take_on_a_character(tmp_path):
    job = pipeline.Job(rig=BALANCE4 / "Calib.qca.txt", inputs=(str(BALANCE4 / "openpose"),), out=tmp_path / "take", fps=60.0)
    take = pipeline.run(job).take
    for suffix in ("glb", "bvh"):
        io.write(tmp_path / f"bob.{suffix}", stood(character("mixamo"), "y", 1.0 if suffix == "glb" else 0.01))
        (written,) = pipeline.retarget_take(Take.existing(take.folder), tmp_path / f"bob.{suffix}")
        assert written.name == f"0.bob.{suffix}"
        moved = io.ANIMATION_READERS[f".{suffix}"](written)
        place = moved.unit_m * moved.poses().translation
        head, foot = (place[:, moved.index(f"mixamorig:{n}"), 1] for n in ("Head", "LeftToeBase"))
        assert (head > foot + 0.6).all() and -0.1 < foot.min() < 0.1
    with pytest.raises(InputError, match=r"\.glb, \.vrm or \.bvh"):
        pipeline.retarget_take(Take.existing(take.folder), tmp_path / "bob.fbx")
