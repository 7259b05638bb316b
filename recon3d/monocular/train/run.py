"""A training run: deterministic, checkpointed, resumable."""

import json
import logging
import queue
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor, nn
from tyro.conf import arg

from recon3d.metrics.points import CHI2_95_3
from recon3d.monocular.train.export import export, export_baseline, weights_of
from recon3d.monocular.train.mocap import Clips, read_clips
from recon3d.monocular.train.network import FrameMlp, FrameTcn, Lift
from recon3d.monocular.train.plot import plot_run
from recon3d.monocular.train.sample import Batch, Sampler, SampleSettings
from recon3d.monocular.train.scores import USUAL, pose_errors

# Frames of a window: many short ones, as unlike each other as can be, until half of the run is over; then, or where a network has
# learned already, longer ones.
_LENGTHS = ((1, 9, 9, 27, 27, 27), (1, 9, 27, 27, 81, 81, 243))
_LATER = 0.5
_ALIGNED, _STEADY = 0.5, 0.3  # weights of the poses' own errors, whichever way the body faces, and of those of steps from frame to frame
_SOME = 3  # every third frame is aligned: it takes time, and neighbours are alike
_WARM_UP, _FULL_UNTIL = 100, 0.3
_ADAM_RATE = 1e-3
_CHECKPOINT_S = 300.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainSettings:
    """What to train, and for how long."""

    mocap: Path
    """Folder of the mocap30 files."""
    body: Path
    """open_body.npz."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Folder of the run: checkpoint.pt, log.jsonl, loss.png; at its end lifter.onnx."""
    kind: Literal["lift", "mlp", "tcn"] = "lift"
    """The lifter, or one of two baselines."""
    minutes: float = 75.0
    """Of this stretch; a later one goes on from the checkpoint."""
    total_steps: int = 20_000
    """At which the learning rate has come down."""
    stop_after: int = 0
    """Steps of this stretch; 0 for no end but that of the time."""
    frames: int = 1536
    """In a batch."""
    rate: float = 3e-3
    """Largest learning rate of matrices."""
    begin: Path | None = None
    """A network (.onnx) to go on from, with a run of its own: the shipped one, for people who move in other ways."""
    seed: int = 0
    """Of everything drawn."""
    threads: int = 2
    """Of torch."""


def train(settings: TrainSettings) -> Path:
    """Train until the time or the steps are over; the path of the checkpoint."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    settings.out.mkdir(parents=True, exist_ok=True)
    training, hdm05, cmu = read_clips(settings.mocap, settings.body)
    network = {"lift": Lift, "mlp": FrameMlp, "tcn": FrameTcn}[settings.kind]()
    if settings.begin is not None:
        network.load_state_dict(weights_of(settings.begin))
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    optimisers = _optimisers(network, settings.rate)
    path, step = settings.out / "checkpoint.pt", 0
    if path.is_file():
        held = torch.load(path, weights_only=True)
        network.load_state_dict(held["network"])
        for optimiser, state in zip(optimisers, held["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        average, step = held["average"], int(held["step"])
    begin = saved = time.monotonic()
    losses: list[float] = []
    batches = _Ahead(training, settings, step)
    network.train()
    last = min(settings.total_steps, step + settings.stop_after) if settings.stop_after else settings.total_steps
    while step < last and time.monotonic() - begin < 60 * settings.minutes:
        batch = batches.get()
        loss = loss_of(network, batch, np.random.default_rng([settings.seed, step]))
        network.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["full"] * _schedule(step, settings.total_steps)
            optimiser.step()
        step += 1
        keep = min(0.998, (1 + step) / (10 + step))  # soon forgets how it began
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if value.is_floating_point():
                    average[name].lerp_(value, 1 - keep)
                else:
                    average[name].copy_(value)
        losses.append(float(loss.detach()))
        now = time.monotonic()
        if now - saved > _CHECKPOINT_S or step == last or now - begin > 60 * settings.minutes:
            saved = now
            _save(path, network, optimisers, average, step)
            scores = evaluate(settings.kind, average, {"hdm05": hdm05, "cmu": cmu}, 8)
            entry = {"step": step, "minutes": (now - begin) / 60, "loss": float(np.mean(losses[-500:])), **scores}
            with open(settings.out / "log.jsonl", "a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
            log.info("%s", entry)
            plot_run(settings.out / "log.jsonl", settings.out / "loss.png")
            network.train()
    batches.close()
    if step == settings.total_steps:
        _finish(settings, average, cmu)
    (settings.out / "settings.json").write_text(json.dumps({k: str(v) for k, v in asdict(settings).items()}, indent=1), encoding="utf-8")
    return path


def _finish(settings: TrainSettings, average: dict[str, Tensor], cmu: Clips) -> None:
    """Write the network for onnxruntime. The lifter's sigmas are made as wide as people are found who were held out: CMU's, so that
    HDM05's can judge."""
    if settings.kind != "lift":
        export_baseline(settings.kind, average, settings.out / f"{settings.kind}.onnx")
        return
    network = Lift()
    network.load_state_dict(average)
    network.train(False)
    batch = Sampler(cmu, USUAL, 99).batch(96, 81)
    found, shape = _answer(network, batch)
    white = whitened(found - torch.from_numpy(batch.joints), shape).square().sum(-1)
    good = (torch.from_numpy(batch.there[:, :, None] * batch.known[:, None]) > 0)[..., 1:]
    wider = float(torch.quantile(white[..., 1:][good][:: max(1, int(good.sum()) // 100_000)], 0.95) / CHI2_95_3) ** 0.5
    export(average, settings.out / "lifter.onnx", wider)
    log.info("sigmas %.3f times as wide", wider)


def _optimisers(network: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024: steps made orthogonal) for the matrices inside, AdamW for all else and for the baselines."""
    inside = [p for n, p in network.named_parameters() if p.ndim == 2 and n.startswith(("stem", "blocks")) and isinstance(network, Lift)]
    chosen = {id(p) for p in inside}
    others = [p for p in network.parameters() if id(p) not in chosen]
    out: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, lr=_ADAM_RATE, weight_decay=0.02, betas=(0.9, 0.98))]
    if inside:
        out.append(torch.optim.Muon(inside, lr=rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"))
    for optimiser in out:
        for group in optimiser.param_groups:
            group["full"] = group["lr"]
    return out


def _schedule(step: int, total: int) -> float:
    """Up over the first steps, full for a while, down along a line."""
    down = (1 - step / total) / (1 - _FULL_UNTIL)
    return min(1.0, (step + 1) / _WARM_UP) * (0.01 + 0.99 * min(1.0, max(down, 0.0)))


def _save(path: Path, network: nn.Module, optimisers: list[torch.optim.Optimizer], average: dict[str, Tensor], step: int) -> None:
    part = path.with_suffix(".part")
    states = [optimiser.state_dict() for optimiser in optimisers]
    torch.save({"network": network.state_dict(), "optimisers": states, "average": average, "step": step}, part)
    part.replace(path)


class _Ahead:
    """Batches made while the network learns from those before; each from a seed of its own, so that a run can go on."""

    def __init__(self, clips: Clips, settings: TrainSettings, step: int):
        self._queue: queue.Queue[Batch] = queue.Queue(4)
        self._open = True
        self._sampler = Sampler(clips, SampleSettings(), settings.seed)
        self._settings, self._step = settings, step
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        own = self._settings
        while self._open:
            rng = np.random.default_rng([own.seed, 1, self._step])
            self._sampler.reseed([own.seed, 2, self._step])
            lengths = _LENGTHS[own.begin is not None or self._step >= _LATER * own.total_steps]
            frames = {"lift": int(rng.choice(lengths)), "mlp": 1, "tcn": 27 + 54}[own.kind]
            batch = self._sampler.batch(max(own.frames // frames, 8), frames)
            self._step += 1
            while self._open:
                try:
                    self._queue.put(batch, timeout=0.5)
                    break
                except queue.Full:
                    continue

    def get(self) -> Batch:
        return self._queue.get()

    def close(self) -> None:
        self._open = False


def masks(there: Tensor, causal: Tensor) -> Tensor:
    """Which frame may look at which: (batch frames frames), 0 or minus infinity; every frame at itself."""
    frames = there.shape[1]
    allowed = there[:, None, :].bool().expand(-1, frames, -1)
    past = torch.ones(frames, frames, dtype=torch.bool).tril()
    allowed = allowed & (past | ~causal[:, None, None]) | torch.eye(frames, dtype=torch.bool)
    return torch.zeros(allowed.shape).masked_fill(~allowed, float("-inf"))


def loss_of(network: nn.Module, batch: Batch, rng: np.random.Generator) -> Tensor:
    """Distances of joints, as they are and aligned, of the root, of steps between frames, and the likelihood of the covariance."""
    points, extra, when = torch.from_numpy(batch.points), torch.from_numpy(batch.extra), torch.from_numpy(batch.time)
    there, joints, known = torch.from_numpy(batch.there), torch.from_numpy(batch.joints), torch.from_numpy(batch.known)
    weight = there[:, :, None] * known[:, None]
    if not isinstance(network, Lift):
        with torch.autocast("cpu", torch.bfloat16):
            found = network(points, extra).float()
        cut = (points.shape[1] - found.shape[1]) // 2
        inside = slice(cut, points.shape[1] - cut)
        off = torch.linalg.vector_norm(found - joints[:, inside], dim=-1)
        return (off * weight[:, inside]).sum() / weight[:, inside].sum().clamp(min=1)
    causal = torch.from_numpy(rng.random(len(points)) < 0.25)
    found, shape, root, root_sigma = network(points, extra, when, masks(there, causal))
    error = found - joints
    off = torch.linalg.vector_norm(error + 1e-9, dim=-1)
    total = weight.sum().clamp(min=1)
    loss = (off * weight).sum() / total + _ALIGNED * _aligned_off(found[:, ::_SOME], joints[:, ::_SOME], weight[:, ::_SOME])
    if points.shape[1] > 1:
        both = weight[:, 1:] * weight[:, :-1]
        step_s = (when[:, 1:] - when[:, :-1])[..., None]
        change = torch.linalg.vector_norm((error[:, 1:] - error[:, :-1]) + 1e-9, dim=-1) / (30 * step_s)
        loss = loss + _STEADY * (change * both).sum() / both.sum().clamp(min=1)
    nll = _likely(whitened(error.detach(), shape), shape)
    root_true = torch.from_numpy(batch.root).clamp(-3, 3)
    root_off = (root - root_true).abs()
    root_nll = root_sigma + (root_off.detach() ** 2 * torch.exp(-2 * root_sigma) / 2).clamp(max=50)
    framed = there.sum().clamp(min=1)
    return (
        loss
        + 0.02 * (nll * weight).sum() / total
        + 0.1 * (root_off.sum(-1) * there).sum() / framed
        + 0.02 * (root_nll.sum(-1) * there).sum() / framed
    )


def _aligned_off(found: Tensor, joints: Tensor, weight: Tensor) -> Tensor:
    """Distances of joints after the best similarity of each frame; the similarity itself is taken as given (it is the best one)."""
    share = (weight / weight.sum(-1, keepdim=True).clamp(min=1))[..., None]
    a, b = found - (found * share).sum(-2, keepdim=True), joints - (joints * share).sum(-2, keepdim=True)
    with torch.no_grad():
        left, size, right = torch.linalg.svd((a * share).transpose(-1, -2) @ b)
        sign = torch.ones_like(size)
        sign[..., 2] = torch.sign(torch.linalg.det(left @ right))
        turn = (left * sign[..., None, :]) @ right
        scale = ((size * sign).sum(-1) / (a.square() * share).sum((-1, -2)).clamp(min=1e-6))[..., None, None]
    off = torch.linalg.vector_norm(scale * (a @ turn) - b + 1e-9, dim=-1)
    return (off * weight).sum() / weight.sum().clamp(min=1)


def whitened(error: Tensor, shape: Tensor) -> Tensor:
    """Errors in standard deviations: a lower triangle times the error."""
    x, y, z = error.unbind(-1)
    a, b, c, d, e, f = shape.unbind(-1)
    return torch.stack([torch.exp(a) * x, d * x + torch.exp(b) * y, e * x + f * y + torch.exp(c) * z], -1)


def _likely(white: Tensor, shape: Tensor) -> Tensor:
    """Negative log likelihood of a Gaussian, capped for what is far off."""
    return 0.5 * (white**2).sum(-1).clamp(max=60) - shape[..., :3].sum(-1)


def evaluate(kind: str, weights: dict[str, Tensor], sets: dict[str, Clips], batches: int, frames: int = 81) -> dict[str, float]:
    """N- and PA-MPJPE (mm) on held-out clips: random cameras, COCO's points, detector-like noise."""
    network = {"lift": Lift, "mlp": FrameMlp, "tcn": FrameTcn}[kind]()
    network.load_state_dict(weights)
    network.train(False)
    out: dict[str, float] = {}
    for name, clips in sets.items():
        sampler = Sampler(clips, USUAL, 12345)
        n_off, pa_off = [], []
        for _ in range(batches):
            batch = sampler.batch(24, frames)
            n, pa = pose_errors(predict(network, batch), batch)
            n_off.append(n)
            pa_off.append(pa)
        out[f"{name}_n_mm"], out[f"{name}_pa_mm"] = float(np.concatenate(n_off).mean()), float(np.concatenate(pa_off).mean())
    return out


def predict(network: nn.Module, batch: Batch) -> np.ndarray:
    """Joints of a batch."""
    if isinstance(network, Lift):
        return _answer(network, batch)[0].numpy()
    with torch.no_grad():
        return network(torch.from_numpy(batch.points), torch.from_numpy(batch.extra)).numpy()


def _answer(network: Lift, batch: Batch) -> tuple[Tensor, Tensor]:
    """Joints of a batch, and what whitens their errors."""
    there = torch.from_numpy(batch.there)
    mask = masks(there, torch.zeros(len(there), dtype=torch.bool))
    with torch.no_grad():
        found, shape, _, _ = network(torch.from_numpy(batch.points), torch.from_numpy(batch.extra), torch.from_numpy(batch.time), mask)
    return found, shape
