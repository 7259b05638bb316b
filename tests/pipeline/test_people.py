"""Several people through the whole job: files of each, edits that are replayed, pictures."""

import json
from pathlib import Path

import numpy as np
import pytest

from recon3d import io, pipeline
from recon3d.errors import InputError
from recon3d.multiview import Identities, Somebody
from recon3d.pipeline import Job, Settings, everybody_in, judge_take, picture_everybody
from recon3d.pipeline.people import Cut, Edits, cast, read_edits
from recon3d.pipeline.settings import ExportSettings
from recon3d.synthetic import CrowdSettings, NoiseSettings, make_crowd, make_person, make_rig

FRAMES = 90


def somebody(number, tracks, reason=None):
    return Somebody(number, tracks, 0.0, 1.0, 4.0, reason)


FOUND = Identities((somebody(0, (0, 3)), somebody(1, (1,)), somebody(2, (2,), "seen for 0.10 s only")))


def owners(found, frame):
    """Who each track is at a frame."""
    return {claim.track: claim.person for claim in found.claims if claim.first <= frame < claim.stop}


def test_without_edits_people_are_people():
    found = cast(FOUND, Edits())
    assert owners(found, 5) == {0: 0, 3: 0, 1: 1}
    assert dict(found.names) == {0: "0", 1: "1"}
    assert [one.id for one in found.refused] == [2]


def test_every_edit():
    found = cast(FOUND, Edits(keep=(2,), name={1: "anna"}))
    assert owners(found, 5) == {0: 0, 3: 0, 1: 1, 2: 2}
    assert dict(found.names) == {0: "0", 1: "anna", 2: "2"}
    merged = cast(FOUND, Edits(merge=((1, 2),)))
    assert owners(merged, 5) == {0: 0, 3: 0, 1: 1, 2: 1}
    assert merged.refused == ()
    dropped = cast(FOUND, Edits(drop=(0,)))
    assert owners(dropped, 5) == {1: 1}
    assert [one.reason for one in dropped.refused] == ["dropped by hand", "seen for 0.10 s only"]


def test_a_cut_onto_somebody_refused_brings_no_ghost_back():
    found = cast(FOUND, Edits(cut=(Cut(0, 40, 2),)))
    assert owners(found, 50) == {0: 2, 3: 2, 1: 1}
    assert owners(found, 10) == {0: 0, 3: 0, 1: 1}
    both = cast(FOUND, Edits(cut=(Cut(2, 40, 8),), keep=(2,)))
    assert owners(both, 50)[2] == 8


def test_two_cuts_put_two_people_right_who_were_exchanged():
    found = cast(FOUND, Edits(cut=(Cut(0, 40, 1), Cut(1, 40, 0))))
    assert owners(found, 39) == {0: 0, 3: 0, 1: 1}
    assert owners(found, 40) == {0: 1, 3: 1, 1: 0}
    thrice = cast(FOUND, Edits(cut=(Cut(0, 40, 7), Cut(0, 60, 0)), drop=(7,)))
    assert owners(thrice, 50) == {1: 1}
    assert owners(thrice, 60) == {0: 0, 3: 0, 1: 1}


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        (Edits(drop=(9,)), "drop: there is no 9; there are 0, 1, 2"),
        (Edits(keep=(0,)), "keep: 0 was not refused"),
        (Edits(cut=(Cut(8, 4, 1),)), "cut: there is no 8"),
        (Edits(drop=(0, 1)), "nobody is left"),
        (Edits(name={0: "1"}), "two people would be called '1'"),
        (Edits(merge=((0, 1), (1, 2))), "merge: 1 is merged into 0 already; write one group"),
        (Edits(merge=((0, 1),), drop=(1,)), "drop: 1 is merged into 0; drop that"),
        (Edits(merge=((0, 1),), name={1: "anna"}), "name: 1 is merged into 0; name that"),
        (Edits(cut=(Cut(0, 4, 7), Cut(0, 4, 8))), "cut: 0 is cut twice at frame 4"),
    ],
)
def test_edits_of_nobody(edits, words):
    with pytest.raises(InputError, match=words):
        cast(FOUND, edits)


def test_a_file_of_edits_with_faults(tmp_path):
    path = tmp_path / "people.toml"
    assert read_edits(path) == Edits()
    path.write_text(
        'keep = "all"\nfoo = 1\nmerge = [[1]]\n[[cut]]\nperson = 1\nframe = 2.5\nnew = 3\n'
        '[name]\n0 = "a/b"\n1 = "x"\n2 = "x"\nanna = "anna"\n'
    )
    with pytest.raises(InputError) as caught:
        read_edits(path)
    for words in (
        "keep must be a list",
        "unknown key 'foo'",
        "no group of two",
        "a cut has a person",
        "'a/b'",
        "'x' is given to several",
        "'anna' is no id",
    ):
        assert words in str(caught.value)
    path.write_text("keep = [1\n")
    with pytest.raises(InputError, match=r"people\.toml"):
        read_edits(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Keypoint files of two people and a rig."""
    folder = tmp_path_factory.mktemp("crowd")
    share = np.linspace(0, 1, FRAMES)[:, None]
    paths = [np.array([-0.9, y]) + share * [1.8, 0.0] for y in (-0.6, 0.6)]
    people = [make_person("path", FRAMES, seed=k, stature=1.6 + 0.2 * k, path=path) for k, path in enumerate(paths)]
    rig = make_rig("ring", 4, distance=5.0)
    crowd = make_crowd(rig, people, CrowdSettings(NoiseSettings(outliers=0.02, missing=0.02), false=0.02), 1)
    io.write_rig_toml(folder / "rig.toml", rig)
    for record in crowd.seen:
        io.write_keypoints2d(folder / "seen" / f"{record.camera}.npz", [lambda record=record: record])
    return folder, crowd, people


def job(folder: Path, out: Path, formats=("bvh", "csv", "trc")) -> Job:
    return Job(folder / "rig.toml", (str(folder / "seen"),), out, Settings(export=ExportSettings(formats)))


def test_two_people_get_files_of_their_own(world, tmp_path):
    folder, crowd, people = world
    result = pipeline.run(job(folder, tmp_path / "take"))
    take = result.take
    names = sorted(p.name for p in (take.folder / "exports").iterdir())
    assert names == [f"{k}.{s}{j}" for k in (0, 1) for s in ("bvh", "csv", "trc") for j in ("", ".json")]
    found = io.read_keypoints3d(take.keypoints3d)
    assert found.people.tolist() == [0, 1]
    off = np.nanmedian(np.linalg.norm(found.xyz[:, :, None] - crowd.people[:, None], axis=-1), (0, 3))
    match = off.argmin(1)
    assert sorted(match.tolist()) == [0, 1]
    assert off.min(1).max() < 0.012
    # Each has the bones that are its own.
    for k in range(2):
        motion, true = io.read_motion(take.motion(str(k))), people[match[k]].motion.armature
        knee, ankle = (true.index(f"left_{n}") for n in ("knee", "ankle"))
        for joint in (knee, ankle):
            assert np.linalg.norm(motion.armature.rest_offset[joint]) == pytest.approx(np.linalg.norm(true.rest_offset[joint]), abs=0.012)
    report = json.loads((take.folder / "report.json").read_text())
    assert [one["name"] for one in report["people"]] == ["0", "1"]
    assert all(one["observed"] > 0.95 for one in report["people"])


def test_a_take_is_judged_by_the_truth(world, tmp_path):
    folder, crowd, _ = world
    take = pipeline.run(job(folder, tmp_path / "take", ("bvh",))).take
    np.savez(tmp_path / "truth.npz", xyz=crowd.people[10:60], frame=np.arange(10, 60))
    scores = judge_take(take, io.read_truth(tmp_path / "truth.npz", crowd.layout.name))
    assert scores.idf1 == 1
    assert scores.ghosts == 0
    assert scores.match.shape == (50, 2)
    assert 3 < scores.mpjpe_mm < 15
    np.savez(tmp_path / "late.npz", xyz=crowd.people, frame=np.arange(1000, 1000 + FRAMES))
    with pytest.raises(InputError, match="no frame in common: the take has 0 to 89, the truth 1000"):
        judge_take(take, io.read_truth(tmp_path / "late.npz", crowd.layout.name))
    np.savez(tmp_path / "car.npz", xyz=np.zeros((5, 1, 24, 3)))
    with pytest.raises(InputError, match="no limb in common"):
        judge_take(take, io.read_truth(tmp_path / "car.npz", "car_24"))


def test_edits_are_replayed_and_nothing_else_is_done_again(world, tmp_path):
    folder, _, _ = world
    out = tmp_path / "take"
    pipeline.run(job(folder, out, ("bvh",)))
    before = {p.name for p in (out / "stages").iterdir()}
    (out / "people.toml").write_text('drop = [0]\n[[cut]]\nperson = 1\nframe = 45\nnew = 8\n[name]\n8 = "later half"\n')
    result = pipeline.run(job(folder, out, ("bvh",)))
    after = {p.name for p in (out / "stages").iterdir()}
    kept = {name.split("-")[0] for name in before & after}
    assert kept == {"keypoints2d", "people"}
    assert sorted(p.stem for p in (out / "motion").iterdir()) == ["1", "later half"]
    assert sorted(p.name for p in (out / "exports").iterdir()) == ["1.bvh", "1.bvh.json", "later half.bvh", "later half.bvh.json"]
    assert [one["reason"] for one in result.summary.refused if one["id"] == 0] == ["dropped by hand"]
    early, late = result.summary.people
    assert early.last_frame == 44
    assert late.first_frame == 45
    (out / "people.toml").unlink()
    pipeline.run(job(folder, out, ("bvh",)))
    assert sorted(p.stem for p in (out / "motion").iterdir()) == ["0", "1"]
    assert not list((out / "exports").glob("later*"))


def test_edits_that_come_to_nothing(world, tmp_path):
    folder, _, _ = world
    out = tmp_path / "take"
    out.mkdir()
    (out / "people.toml").write_text("drop = [1]\n")  # written before the first run
    result = pipeline.run(job(folder, out, ("bvh",)))
    assert [one.name for one in result.summary.people] == ["0"]
    (out / "people.toml").write_text("[[cut]]\nperson = 0\nframe = 5000\nnew = 7\n")
    with pytest.raises(InputError, match="cut: frame 5000 is not inside the take, 1 to 89"):
        pipeline.run(job(folder, out, ("bvh",)))
    (out / "people.toml").write_text("[[cut]]\nperson = 0\nframe = 88\nnew = 7\n")
    result = pipeline.run(job(folder, out, ("bvh",)))
    assert [one.name for one in result.summary.people] == ["0", "1"]
    assert any(one["id"] == 7 and "hardly any of its points" in one["reason"] for one in result.summary.refused)
    assert not (out / "exports" / "7.bvh").exists()


def test_everybody_has_a_picture(world, tmp_path):
    folder, _, _ = world
    take = pipeline.run(job(folder, tmp_path / "take", ("bvh",))).take
    everybody = everybody_in(take)
    pictures = picture_everybody(take)
    assert {one.id for one in everybody} == set(pictures)
    for path in pictures.values():
        from PIL import Image

        image = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert image.shape[0] > 100
        blue, orange = (np.abs(image - colour).sum(-1) < 60 for colour in ([66, 135, 245], [245, 130, 32]))
        assert blue.sum() > 50
        assert orange.sum() > 50
    for stage in (take.folder / "stages").glob("people-*"):
        (stage / "done.json").unlink()
    with pytest.raises(InputError, match="run `recon3d reconstruct` again"):
        everybody_in(take)
