"""Which of onnxruntime's execution providers computes: machines with other hardware are played by a false onnxruntime."""

import logging

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail

from recon3d.detect import Network
from recon3d.detect.onnx_session import PROVIDERS, available
from recon3d.detect.session import open_session
from recon3d.doctor import checks
from recon3d.errors import InputError, SetupError
from tests.detect.graphs import card

REAL = onnxruntime.InferenceSession
ALL = [*PROVIDERS.values(), "AzureExecutionProvider"]


@pytest.fixture
def machine(monkeypatch):
    """A machine whose onnxruntime has these providers, of which some fail: when made, by staying away, or when run."""
    asked: list[list[str]] = []

    def play(has, fails=(), absent=(), stops=()):
        class Session:
            def __init__(self, content, options, providers, enable_fallback):
                asked.append(providers)
                assert enable_fallback == 0
                self.first = providers[0]
                if self.first in fails:
                    raise EPFail("no such device\nand a trace")
                self.real = REAL(content, options, providers=["CPUExecutionProvider"])

            def get_providers(self):
                return ["CPUExecutionProvider"] if self.first in absent else [self.first, "CPUExecutionProvider"]

            def __getattr__(self, name):
                return getattr(self.real, name)

            def run(self, outputs, feed):
                if self.first in stops:
                    raise RuntimeError("out of memory")
                return self.real.run(outputs, feed)

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(has))
        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
        return asked

    return play


@pytest.fixture
def mine(tmp_path):
    return card(tmp_path, "heatmap", {"maps": np.zeros((1, 17, 64, 48))})


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_the_best_that_is_there(machine, mine, name):
    has = list(PROVIDERS.values())[list(PROVIDERS).index(name) :]
    asked = machine(has[::-1])
    assert Network(mine).provider == name
    assert asked == [list(dict.fromkeys([PROVIDERS[name], "CPUExecutionProvider"]))]


@pytest.mark.parametrize("how", ["fails", "absent", "stops"])
def test_one_that_fails_is_passed_over_aloud(machine, mine, caplog, how):
    machine(["CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider"], **{how: ["CUDAExecutionProvider"]})
    with caplog.at_level(logging.WARNING):
        net = Network(mine)
    assert net.provider == "openvino"
    (record,) = caplog.records
    reason = {"fails": "no such device", "absent": "its libraries do not load", "stops": "out of memory"}[how]
    assert record.getMessage() == f"model mine does not run on cuda ({reason}); trying the next provider"
    assert net.run(np.zeros((256, 192, 3), np.uint8))[0].shape == (1, 17, 64, 48)


def test_the_processor_is_always_left(machine, mine):
    machine(ALL, fails=[theirs for name, theirs in PROVIDERS.items() if name != "cpu"])
    assert open_session(mine).provider == "cpu"


@pytest.mark.parametrize("name", ["cpu", "CPUExecutionProvider"])
def test_one_can_be_asked_for(machine, mine, name):
    asked = machine(ALL)
    assert Network(mine, provider=name).provider == "cpu"
    assert asked == [["CPUExecutionProvider"]]


def test_what_is_not_there_is_refused(machine, mine):
    machine(["DmlExecutionProvider", "AzureExecutionProvider", "CPUExecutionProvider"])
    for name in ("cuda", "AzureExecutionProvider", "gpu", ""):
        with pytest.raises(InputError, match="here; this onnxruntime has cpu, directml"):
            Network(mine, provider=name)


def test_one_asked_for_that_fails_is_not_replaced(machine, mine):
    machine(ALL, fails=["CUDAExecutionProvider"])
    with pytest.raises(SetupError, match="model mine does not run on cuda: no such device; leave the provider out"):
        Network(mine, provider="cuda")


def test_a_file_that_is_no_network_is_said(tmp_path, mine):
    import hashlib
    from dataclasses import replace

    (tmp_path / "mine.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match="model mine does not run"):
        open_session(replace(mine, sha256=hashlib.sha256(b"nothing").hexdigest()))


def test_this_machine(mine):
    assert "cpu" in available()
    assert Network(mine).provider in available()


def test_doctor_says_which(machine):
    machine(["CoreMLExecutionProvider", "CPUExecutionProvider"])
    said = dict(checks())["detector"]()
    assert said.startswith("networks load and run on coreml (onnxruntime has coreml, cpu): ")
