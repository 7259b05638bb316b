"""Clocks from something that all cameras witness at once: a clap in their sound, a flash, or time stamps.

Each gives the offset of a camera's clock against the first camera's, with its sigma. Sound reaches
microphones 3 ms later for every metre; a flash is known to half a frame.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy import signal
from scipy.io import wavfile

from recon3d.errors import InputError, SetupError, all_faults
from recon3d.geometry import Clock
from recon3d.io.files import read_text
from recon3d.video import SUFFIXES, open_video

_RATE = 16_000  # Hz that sound is brought to
_LATE_PER_M = 1 / 343.0
_ROOM_M = 5.0  # differences of distance to a clap that are not known
_SHARP = 8.0  # a correlation peak over the rest of it
_FLASH_SIGMAS = 8.0
_VIDEOS = tuple(sorted(SUFFIXES))
_SOUNDS = (".wav", ".flac", ".m4a", ".mka", ".mp3", ".aac", ".ogg", ".opus")
RECORDINGS = {"audio": (*_SOUNDS, *_VIDEOS), "flash": _VIDEOS, "stamps": (".csv", ".txt")}
"""Endings of the files that each way to set clocks reads, the best first."""


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """A camera's clock against the first camera's.

    Attributes:
        camera: name.
        clock: its offset, and its drift where stamps tell.
        sigma_s: of the offset.
        strength: of the evidence; above 1 it is clear.
    """

    camera: str
    clock: Clock
    sigma_s: float
    strength: float


def from_audio(paths: Mapping[str, Path]) -> list[ClockEstimate]:
    """Offsets from the sound of each camera's recording (a clap, music, talk: anything that all hear).

    Raises:
        InputError: recordings without sound, or whose sounds have nothing in common.
        SetupError: a container that needs PyAV, which is not installed.
    """
    sounds = {name: _onsets(*read_sound(path)) for name, path in paths.items()}
    return _against_first(sounds, 1 / _RATE * 16, _ROOM_M * _LATE_PER_M / 2, "sound")


def read_sound(path: Path) -> tuple[int, Float[np.ndarray, "samples"]]:
    """Sample rate (Hz) and sound, all channels together; WAV without further packages, the rest by PyAV."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix.lower() == ".wav":
        try:
            rate, samples = wavfile.read(path)
        except ValueError as error:
            raise InputError(f"{path} is no WAV file: {error}") from None
        values = np.asarray(samples, float)
        return int(rate), values.mean(1) if values.ndim == 2 else values
    try:
        import av
        import av.error
    except ImportError:
        raise SetupError("sound in video files is read by PyAV: pip install 'recon3d[live]', or extract it as .wav") from None
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"{path} has no sound")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
            parts = [r.to_ndarray().ravel() for f in container.decode(audio=0) for r in resampler.resample(f)]
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: {error}") from None
    if not parts:
        raise InputError(f"{path} has no sound")
    return _RATE, np.concatenate(parts).astype(float)


def _onsets(rate: int, sound: Float[np.ndarray, "samples"]) -> tuple[float, Float[np.ndarray, "steps"]]:
    """How fast the sound swells, at 1 kHz: claps and steps, whatever the microphones' tone."""
    if rate != _RATE:
        sound = signal.resample_poly(sound, _RATE, rate)
    high = np.diff(sound, prepend=sound[:1]) ** 2
    width = _RATE // 1000
    energy = high[: len(high) // width * width].reshape(-1, width).sum(1)
    level = np.log(energy + 1e-6 * max(float(energy.max(initial=0.0)), 1e-30))
    rise = np.maximum(np.diff(level, prepend=level[:1]), 0.0)
    return 0.001, rise - rise.mean()


def from_flash(paths: Mapping[str, Path]) -> list[ClockEstimate]:
    """Offsets from a flash that all videos show: the steepest rise of brightness; where none has one, lights switched off.

    Raises:
        InputError: a video without a clear one; all of them at once.
    """
    light = {name: _brightness(name, path) for name, path in paths.items()}
    found = {name: _edge(*series) for name, series in light.items()}
    if all(isinstance(edge, str) for edge in found.values()):  # one direction for all: a flash has both, a moment apart
        falls = {name: _edge(stamps, -level) for name, (stamps, level) in light.items()}
        found = found if any(isinstance(edge, str) for edge in falls.values()) else falls
    faults = [f"{name}: {edge}" for name, edge in found.items() if isinstance(edge, str)]
    if faults:
        raise InputError(all_faults(faults, "clocks cannot be set by a flash:"))
    edges = {name: edge for name, edge in found.items() if not isinstance(edge, str)}
    reference = next(iter(edges))
    time, width, _ = edges[reference]
    return [
        ClockEstimate(name, Clock(time - t), 0.0 if name == reference else float(np.hypot(step, width) / np.sqrt(12)), strength)
        for name, (t, step, strength) in edges.items()
    ]


def _brightness(name: str, path: Path) -> tuple[Float[np.ndarray, "frames"], Float[np.ndarray, "frames"]]:
    """Stamp (s) and mean brightness (of 255) of every frame."""
    series = [(frame.time, float(frame.image[::8, ::8].mean())) for frame in open_video(name, path).frames()]
    stamps, level = np.array(series, float).reshape(-1, 2).T
    return stamps, level


def _edge(stamps: Float[np.ndarray, "frames"], level: Float[np.ndarray, "frames"]) -> tuple[float, float, float] | str:
    """Time of the steepest rise, how long it took (s) and how far it stands out; or why there is none."""
    change = np.diff(level)
    if len(change) < 10:
        return "too short"
    at, size = int(np.argmax(change)), np.abs(change)
    spread = max(1.4826 * float(np.median(np.abs(size - np.median(size)))), 0.05)
    strength = float(change[at] / spread / _FLASH_SIGMAS)
    if strength < 1:
        return f"no flash stands out (the steepest rise of brightness is {max(change[at], 0.0):.1f} of 255)"
    return float(0.5 * (stamps[at] + stamps[at + 1])), float(stamps[at + 1] - stamps[at]), strength


def from_stamps(stamps: Mapping[str, Float[np.ndarray, "frames"]], fps: Mapping[str, float]) -> list[ClockEstimate]:
    """Offset and drift from the true time of every frame, as loggers and cameras with a common clock write it.

    Args:
        stamps: common time of each camera's frames, s.
        fps: rate by which the camera's own clock counts them.

    Raises:
        InputError: stamps that do not rise.
    """
    out: list[ClockEstimate] = []
    origin: float | None = None
    for name, times in stamps.items():
        if len(times) < 2 or not (np.diff(times) > 0).all():
            raise InputError(f"camera {name}: time stamps must rise, and there must be two or more")
        own = np.arange(len(times)) / fps[name]
        origin = float(times[0]) if origin is None else origin
        slope, offset = np.polyfit(own, times - origin, 1)
        off = times - origin - (slope * own + offset)
        sigma = _intercept_sigma(own, float(off @ off))
        out.append(ClockEstimate(name, Clock(float(offset), float(slope - 1)), sigma, float("inf")))
    return out


def _intercept_sigma(x: Float[np.ndarray, "n"], squares: float) -> float:
    """Of a fitted line at zero, from its sum of squared residuals; nan for two points, which any line fits."""
    if len(x) < 3:
        return float("nan")
    mean = float(x.mean())
    return float(np.sqrt(squares / (len(x) - 2) * (1 / len(x) + mean**2 / ((x - mean) ** 2).sum())))


def read_stamps(path: Path) -> Float[np.ndarray, "frames"]:
    """Time of each frame, s: the first number of every line; a line without one may head the file.

    Raises:
        InputError: lines that are no numbers.
    """
    out: list[float] = []
    for number, line in enumerate(read_text(path).splitlines()):
        cell = line.replace(";", ",").split(",")[0].strip()
        try:
            out.append(float(cell))
        except ValueError:
            if number and cell:
                raise InputError(f"{path}, line {number + 1}: {cell!r} is no time in seconds") from None
    return np.array(out)


def _against_first(
    series: Mapping[str, tuple[float, Float[np.ndarray, "steps"]]], resolution: float, unknown: float, what: str
) -> list[ClockEstimate]:
    names = list(series)
    step, reference = series[names[0]]
    out = [ClockEstimate(names[0], Clock(), 0.0, float("inf"))]
    faults: list[str] = []
    for name in names[1:]:
        lag, strength = _lag(reference, series[name][1])
        if strength < 1:
            faults.append(f"{name}: its {what} has nothing in common with that of {names[0]}")
        out.append(ClockEstimate(name, Clock(lag * step), float(np.hypot(resolution, unknown)), strength))
    if faults:
        raise InputError(all_faults(faults, f"clocks cannot be set by {what}:"))
    return out


def _lag(a: Float[np.ndarray, "n"], b: Float[np.ndarray, "m"]) -> tuple[float, float]:
    """Steps to add to b's time to get a's, below one step, and how far the peak stands out."""
    size = 1 << (len(a) + len(b)).bit_length()
    # Whitened by half (PHAT with exponent 0.5): sharp where sounds are broad, calm where they are noisy.
    cross = np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size))
    spectrum = cross / np.sqrt(np.abs(cross) + 1e-12 * np.abs(cross).max(initial=1e-300))
    series = np.fft.irfft(spectrum, size)
    peak = int(np.argmax(series))
    left, mid, right = series[peak - 1], series[peak], series[(peak + 1) % size]
    bend = left - 2 * mid + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    lag = peak + shift
    rest = np.delete(series, np.arange(peak - 5, peak + 6) % size)
    strength = float((mid - np.median(rest)) / max(float(np.std(rest)), 1e-300) / _SHARP)
    # b may start as late as a ends: lags from 1 - len(b) to len(a) - 1 are there, the negative ones at the end.
    return float(lag if peak < len(a) else lag - size), strength


def files_by_name(folder: Path, names: Sequence[str], suffixes: Sequence[str]) -> dict[str, Path]:
    """A recording for each camera in a folder, by name.

    Args:
        folder: with the files.
        names: of the cameras.
        suffixes: of the files to take, the best first; see `RECORDINGS`.

    Raises:
        InputError: no folder, or cameras without one.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give one with a recording for each camera, named after it")
    files = {(path.stem, path.suffix.lower()): path for path in sorted(folder.iterdir()) if path.is_file()}
    found = {name: next((files[name, suffix] for suffix in suffixes if (name, suffix) in files), None) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise InputError(f"{folder} holds no recording named after {', '.join(missing)}; it may end in {', '.join(suffixes)}")
    return {name: path for name, path in found.items() if path is not None}
