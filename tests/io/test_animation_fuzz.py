"""Broken motion files: refused with the file's name, or read as numbers that are finite."""

import numpy as np
import pytest

from recon3d import io
from recon3d.characters import dressed, load_preset
from recon3d.errors import Recon3dError
from recon3d.synthetic import make_person
from tests.motion.worlds import as_world

READERS = {"a.glb": io.read_glb, "a.bvh": io.read_bvh, "a.amass.npz": io.read_amass, "a.trc": io.read_trc}
TEXT = np.frombuffer(b'0123456789-.e{}[],"nN \t\n', np.uint8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    person = make_person("gait", 6)
    io.write(folder / "a.glb", person.motion)
    io.write(folder / "a.bvh", person.motion)
    io.write(folder / "a.amass.npz", dressed(person.motion, load_preset("smpl")))
    io.write(folder / "a.trc", as_world(person))
    return folder


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_broken_file_is_refused_or_read(whole, tmp_path, name):
    raw = np.frombuffer((whole / name).read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(150):
        bent = raw.copy()
        if trial % 4 == 0:
            bent = bent[: rng.integers(len(bent))]
        else:
            within = len(bent) if trial % 2 else min(len(bent), 6000)
            at = rng.integers(within, size=rng.integers(1, 6))
            bent[at] = rng.choice(TEXT, len(at)) if trial % 3 else rng.integers(256, size=len(at))
        path = tmp_path / name
        path.write_bytes(bent.tobytes())
        try:
            read = READERS[name](path)
        except Recon3dError as error:
            refused += 1
            assert name in str(error)
        else:
            values = read.xyz[np.isfinite(read.xyz).all(-1)] if name == "a.trc" else read.poses().translation
            assert np.isfinite(values).all()
    assert refused > 20
