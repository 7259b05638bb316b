"""ONNX files on whatever this machine's onnxruntime can compute with; the processor where nothing else works."""

import importlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from recon3d.errors import InputError, SetupError, valid_names

_log = logging.getLogger(__name__)

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""What may compute, the preferred first: our name for it and onnxruntime's."""
_PROBE = 256  # px, of an input of any size when a provider is tried
_NUMPY = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
}


class OnnxSession:
    """An ONNX network, ready to run; see `recon3d.detect.session.Session`."""

    def __init__(self, session: Any, provider: str):
        self._session, self.provider = session, provider
        (first, *others) = session.get_inputs()
        if others or first.type not in _NUMPY:
            asked = ", ".join(f"{one.name} {one.type}" for one in (first, *others))
            raise InputError(f"one input of {valid_names(_NUMPY)} is expected; the network asks for {asked}")
        self._input = first.name
        self.dtype = np.dtype(_NUMPY[first.type])
        self.shape = tuple(length if isinstance(length, int) else None for length in first.shape)
        self.outputs = tuple(output.name for output in session.get_outputs())

    def run(self, values: Shaped[np.ndarray, "..."], outputs: Sequence[str]) -> list[np.ndarray]:
        """These outputs for an input."""
        return self._session.run(list(outputs), {self._input: values})

    def probe(self) -> None:
        """Run once on nothing: some providers load a network that they then fail at."""
        shape = [length or (_PROBE if axis else 1) for axis, length in enumerate(self.shape)]
        self.run(np.zeros(shape, self.dtype), self.outputs)


def available() -> tuple[str, ...]:
    """Our names of the providers that this onnxruntime has, the preferred first.

    Raises:
        SetupError: onnxruntime does not load.
    """
    has = {*_onnxruntime().get_available_providers(), PROVIDERS["cpu"]}
    return tuple(name for name, theirs in PROVIDERS.items() if theirs in has)


def open_onnx(content: bytes, model: str, threads: int, provider: str | None = None) -> OnnxSession:
    """A session on the preferred provider that works, or on the one asked for.

    Args:
        content: of the file.
        model: its name, for messages.
        threads: that the processor may use.
        provider: a name of `PROVIDERS` or onnxruntime's own for it; where none is given, one that fails is
            passed over with a warning.

    Raises:
        InputError: a provider that is not there, or content that is no network.
        SetupError: the provider asked for fails.
    """
    onnxruntime, there = _onnxruntime(), available()
    names = {theirs: name for name, theirs in PROVIDERS.items()}
    asked = names.get(provider, provider) if provider is not None else None
    if asked is not None and asked not in there:
        raise InputError(f"no execution provider {provider!r} here; this onnxruntime has {valid_names(there)}")
    for name in there if asked is None else [asked]:
        try:
            return _opened(onnxruntime, content, threads, name)
        except _failures() as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if name == "cpu":
            raise InputError(f"model {model} does not run: {reason}")
        if asked is not None:
            raise SetupError(f"model {model} does not run on {name}: {reason}; leave the provider out to use what works")
        _log.warning("model %s does not run on %s (%s); trying the next provider", model, name, reason)
    raise AssertionError("the processor is always there")


def _opened(onnxruntime: Any, content: bytes, threads: int, name: str) -> OnnxSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if name == "directml":
        options.enable_mem_pattern = False  # DirectML has none
    if name == "cuda" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds the libraries that pip installs, which are not on the loader's path
    # What a provider lacks runs on the processor. onnxruntime's own fallback prints, and says nothing else: off.
    providers = list(dict.fromkeys([PROVIDERS[name], PROVIDERS["cpu"]]))
    session = onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
    if PROVIDERS[name] not in session.get_providers():  # its library did not load: only the processor is left
        raise RuntimeError("its libraries do not load")
    made = OnnxSession(session, name)
    if name != "cpu":
        made.probe()
    return made


def _onnxruntime() -> Any:
    try:
        import onnxruntime  # slow to load, so only where a network runs
    except ImportError as error:
        raise SetupError(f"onnxruntime does not load: {error}; reinstall it with pip install onnxruntime") from None
    return onnxruntime


def _failures() -> tuple[type[BaseException], ...]:
    """What onnxruntime raises: its own classes have no common one but Exception."""
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    names = ("EngineError", "EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
    return (ValueError, RuntimeError, *(getattr(state, name) for name in names))
