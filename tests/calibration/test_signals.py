import cv2
import numpy as np
import pytest
from scipy.io import wavfile

from calibration.signals import RECORDINGS, files_by_name, from_audio, from_flash, from_stamps, read_sound, read_stamps
from calibration.world import ScaleCue, body_cue, combine
from recon3d.errors import CameraError, InputError
from recon3d.geometry import SE3, SO3
from recon3d.motion.ground import ground_of
from recon3d.synthetic import make_person


def claps(path, rate, offset, seed, at=(3.2, 5.1, 9.7)):
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 0.01, rate * 13)
    for t in at:
        k = np.arange(int(0.05 * rate))
        first = int((t - offset) * rate)
        sound[first : first + len(k)] += rng.normal(0, 1, len(k)) * np.exp(-k / (0.008 * rate))
    wavfile.write(path, rate, (sound / np.abs(sound).max() * 30000).astype(np.int16))


def test_claps_at_other_sample_rates(tmp_path):
    """Every microphone hears its own noise; offsets to a millisecond, the sigma says what a room adds."""
    for k, (rate, offset) in enumerate(((48_000, 0.0), (44_100, 0.7312), (16_000, -1.205))):
        claps(tmp_path / f"cam{k}.wav", rate, offset, k)
    found = from_audio(files_by_name(tmp_path, ["cam0", "cam1", "cam2"], RECORDINGS["audio"]))
    np.testing.assert_allclose([e.clock.offset for e in found], [0, 0.7312, -1.205], atol=1.5e-3)
    assert all(e.strength > 1 for e in found)
    assert 1e-3 < found[1].sigma_s < 0.02


def test_sounds_without_anything_in_common(tmp_path):
    claps(tmp_path / "a.wav", 16_000, 0, 0)
    wavfile.write(tmp_path / "b.wav", 16_000, (np.random.default_rng(5).normal(0, 3000, 16_000 * 13)).astype(np.int16))
    with pytest.raises(InputError, match="b: its sound has nothing in common with that of a"):
        from_audio({"a": tmp_path / "a.wav", "b": tmp_path / "b.wav"})


def test_files_without_sound(tmp_path):
    (tmp_path / "x.wav").write_bytes(b"RIFFnonsense")
    with pytest.raises(InputError, match="no WAV file"):
        read_sound(tmp_path / "x.wav")
    with pytest.raises(InputError, match="no recording named after cam9"):
        files_by_name(tmp_path, ["cam9"], RECORDINGS["audio"])


@pytest.mark.parametrize("late", [3.0, 17.0, 75.0, -12.0])
def test_a_recording_that_is_much_shorter_than_the_other(tmp_path, late):
    """20 s that start anywhere in 100 s, also before and up to the end; the other way round the offset is the opposite."""
    rate, sound = 4000, np.random.default_rng(0).normal(0, 1, 130 * 4000) * np.repeat(np.random.default_rng(1).uniform(0, 1, 520), 1000)
    for name, start, seconds in (("long", 20.0, 100), ("short", 20.0 + late, 20)):
        part = sound[int(start * rate) : int((start + seconds) * rate)]
        wavfile.write(tmp_path / f"{name}.wav", rate, (part / np.abs(sound).max() * 30000).astype(np.int16))
    for order, offset in ((("long", "short"), late), (("short", "long"), -late)):
        found = from_audio({name: tmp_path / f"{name}.wav" for name in order})
        assert abs(found[1].clock.offset - offset) < 2e-3


def test_recordings_are_of_the_kind_that_is_read(tmp_path):
    for name in ("cam1.avi", "cam1.csv", "cam1.mp4", "cam1.wav", "cam1.left.wav"):
        (tmp_path / name).write_bytes(b"")
    found = {by: files_by_name(tmp_path, ["cam1"], suffixes)["cam1"].name for by, suffixes in RECORDINGS.items()}
    assert found == {"audio": "cam1.wav", "flash": "cam1.avi", "stamps": "cam1.csv"}
    (tmp_path / "cam1.csv").unlink()
    with pytest.raises(InputError, match="named after cam1; it may end in .csv, .txt"):
        files_by_name(tmp_path, ["cam1"], RECORDINGS["stamps"])


def film(path, frames, flash, size=(64, 48), lasts=None, dark=60, bright=200):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, size)
    rng = np.random.default_rng(0)
    for k in range(frames):
        level = bright if flash is not None and flash <= k < flash + (lasts or frames) else dark
        writer.write(np.clip(rng.normal(level, 3, (size[1], size[0], 3)), 0, 255).astype(np.uint8))
    writer.release()


def test_a_flash(tmp_path):
    film(tmp_path / "a.mp4", 40, 20)
    film(tmp_path / "b.mp4", 40, 13)
    found = from_flash({"a": tmp_path / "a.mp4", "b": tmp_path / "b.mp4"})
    assert found[0].clock.offset == 0
    assert abs(found[1].clock.offset - 7 / 25) < 1e-6
    assert 0.005 < found[1].sigma_s < 0.03
    film(tmp_path / "dark.mp4", 40, None)
    with pytest.raises(InputError, match="dark: no flash stands out"):
        from_flash({"a": tmp_path / "a.mp4", "dark": tmp_path / "dark.mp4"})


def test_a_flash_that_all_saw_between_the_same_frames_is_as_uncertain(tmp_path):
    for name in "abc":
        film(tmp_path / f"{name}.mp4", 40, 20)
    found = from_flash({name: tmp_path / f"{name}.mp4" for name in "abc"})
    assert found[0].sigma_s == 0
    # Half a frame each way in both: 40 ms / sqrt(12) * sqrt(2).
    np.testing.assert_allclose([e.sigma_s for e in found[1:]], 0.04 / np.sqrt(6), rtol=1e-6)


def test_a_flash_that_goes_off_again(tmp_path):
    """One camera sees it go on steeper, the other off: it is the same flash, and going on counts."""
    film(tmp_path / "a.mp4", 60, 20, lasts=9)
    writer = cv2.VideoWriter(str(tmp_path / "b.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
    for k in range(60):
        writer.write(np.full((48, 64, 3), 60 + 100 * (16 <= k < 25) + 40 * (17 <= k < 25), np.uint8))
    writer.release()
    found = from_flash({"a": tmp_path / "a.mp4", "b": tmp_path / "b.mp4"})
    assert abs(found[1].clock.offset - 4 / 25) < 1e-6


def test_lights_that_are_switched_off(tmp_path):
    film(tmp_path / "a.mp4", 40, 20, dark=200, bright=60)
    film(tmp_path / "b.mp4", 40, 13, dark=200, bright=60)
    found = from_flash({"a": tmp_path / "a.mp4", "b": tmp_path / "b.mp4"})
    assert abs(found[1].clock.offset - 7 / 25) < 1e-6


@pytest.mark.parametrize("count", [5, 200])
def test_the_sigma_of_an_offset_by_stamps_is_its_scatter(count):
    """Two-sided; the offset is the line's value at its end, twice as uncertain as the mean."""
    rng, exact = np.random.default_rng(0), 100 + np.arange(count) / 25
    drawn = [from_stamps({"a": exact, "b": exact + 0.3 + rng.normal(0, 2e-3, count)}, {"a": 25.0, "b": 25.0})[1] for _ in range(600)]
    said = np.sqrt(np.mean([e.sigma_s**2 for e in drawn]))
    assert 0.9 < np.std([e.clock.offset for e in drawn]) / said < 1.1
    assert np.isnan(from_stamps({"a": np.array([0.0, 1.0])}, {"a": 1.0})[0].sigma_s)


def test_time_stamps(tmp_path):
    stamps = {"a": 100 + np.arange(50) / 25, "b": 100.3 + np.arange(50) / 25 * (1 + 4e-5)}
    found = from_stamps(stamps, {"a": 25.0, "b": 25.0})
    assert abs(found[1].clock.offset - 0.3) < 1e-9
    assert abs(found[1].clock.drift - 4e-5) < 1e-9
    (tmp_path / "a.csv").write_text("time,frame\n1.5,0\n1.54,1\n")
    np.testing.assert_allclose(read_stamps(tmp_path / "a.csv"), [1.5, 1.54])
    (tmp_path / "a.csv").write_text("1.5\nnoon\n")
    with pytest.raises(InputError, match="line 2: 'noon' is no time"):
        read_stamps(tmp_path / "a.csv")
    with pytest.raises(InputError, match="must rise"):
        from_stamps({"a": np.array([1.0, 1.0])}, {"a": 25.0})


def test_scale_cues_are_weighed_by_their_sigma():
    scale = combine([ScaleCue("tape", 2.0, 0.001), ScaleCue("average body", 2.2, 0.06, counts=False)])
    assert abs(scale.metres / 2.0 - 1) < 1e-3
    assert scale.known
    assert 1 < scale.disagreement[0] < 2
    assert not combine([ScaleCue("average body", 2.2, 0.06, counts=False)]).known
    assert combine([]).metres == 1.0
    with pytest.raises(CameraError, match="tape: not a positive length"):
        combine([ScaleCue("tape", -1.0, 0.1)])


def test_body_size_and_ground_of_a_person_on_a_tilted_floor():
    person = make_person("on_the_spot", 120, stature=1.85)
    change = SE3(SO3.exp(np.array([0.4, -0.3, 0.2])), np.array([1.0, 2, 3]))
    points = change @ (person.keypoints * 0.5)
    cue = body_cue(points, person.layout, 1.85)
    assert abs(cue.metres / 2 - 1) < 0.05
    assert body_cue(points, person.layout).counts is False
    ground = ground_of(change @ person.keypoints, person.motion.time, person.layout)
    assert ground.up @ change.rotation.matrix[:, 2] > np.cos(np.deg2rad(4))
    # What is left: points on the floor lie a foot point's height below what was found, or less.
    floor = change @ np.zeros(3)
    assert abs(floor @ ground.up - ground.height) < 0.08
    assert ground.floor


def test_nobody_has_no_ground():
    person = make_person("gait", 30)
    assert ground_of(np.full_like(person.keypoints, np.nan), person.motion.time, person.layout) is None
    assert body_cue(np.full_like(person.keypoints, np.nan), person.layout) is None
