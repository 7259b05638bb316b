"""`recon3d calibrate ...`: the commands done."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from calibration.board_views import BoardViews, find_in_pictures, find_in_videos, gather
from calibration.boards import BoardSettings, calibrate_boards
from calibration.check import check_rig
from calibration.importing import RigFacts
from calibration.keypoints import load_keypoints
from calibration.lenses import LensFit, fit_lens
from calibration.outcome import Outcome
from calibration.people import PeopleSettings, calibrate_people
from calibration.points import calibrate_points, read_scene
from calibration.refine import as_it_stands, refine
from calibration.report import movements, summarise, write_report
from calibration.scores import ScoreSettings, learn_scores
from calibration.signals import RECORDINGS, files_by_name, from_audio, from_flash, from_stamps, read_stamps
from calibration.targets import Board
from recon3d.cli.calibrate import Boards, CalibrateCommand, Clocks, Import, People, Points, Refine, RigReport, Scores
from recon3d.errors import CameraError, InputError, valid_names
from recon3d.geometry import CameraRig, Intrinsics
from recon3d.io import read_intrinsics, read_rig, write_lenses_toml, write_rig, write_rig_toml, write_scores
from recon3d.records import Keypoints2D


def run_calibrate(command: CalibrateCommand) -> None:
    """Do one command and print what there is to say."""
    if not isinstance(command, Import) and command.out.is_dir():
        raise InputError(f"{command.out} is a folder; give a file with -o")
    if isinstance(command, Boards):
        _boards(command)
    elif isinstance(command, People):
        _people(command)
    elif isinstance(command, Points):
        outcome = calibrate_points(
            read_scene(command.scene), read_intrinsics(command.lenses), None if command.start is None else read_rig(command.start)
        )
        _finish(outcome, command.out)
    elif isinstance(command, Refine):
        _refine(command)
    elif isinstance(command, Clocks):
        _clocks(command)
    elif isinstance(command, Scores):
        _scores(command)
    elif isinstance(command, Import):
        _import(command)
    else:
        _report(command)


def _boards(command: Boards) -> None:
    board = Board(
        command.board,
        command.columns,
        command.rows,
        command.square_mm / 1000,
        None if command.marker_mm is None else command.marker_mm / 1000,
        None if command.gap_mm is None else command.gap_mm / 1000,
        command.dictionary,
    )
    pictures, videos = gather(command.folder)
    if pictures and videos and not command.lenses_only:
        raise InputError(
            f"{command.folder} holds pictures ({valid_names(pictures)}) and videos ({valid_names(videos)}): the numbers of pictures "
            "and of a video's frames are not of the same moments. Keep one kind, or find the lenses alone with --lenses-only"
        )
    with _Bars() as watch:
        views: list[BoardViews] = []
        refused: dict[str, str] = {}
        if pictures:
            views, refused = find_in_pictures(pictures, board, watch)
        if videos:
            more, why = find_in_videos(videos, board, progress=watch)
            views, refused = [*views, *more], refused | why
    if not views:
        raise CameraError("no board was found:\n" + "\n".join(f"  - {camera}: {why}" for camera, why in refused.items()))
    known = None if command.lenses is None else read_intrinsics(command.lenses)
    if command.lenses_only:
        _lenses_only(command, views, board, refused)
        return
    outcome, lenses = calibrate_boards(views, board, BoardSettings(command.floor, command.front, command.fisheye), known)
    outcome.refused.update(refused)
    terms = {"terms": lenses.terms, "missed": {v.camera: list(v.missed) for v in views if v.missed}}
    _finish(outcome, command.out, terms)
    if outcome.rig.unknown:
        _out().print("name a picture of the board on the floor with --floor to get up and z = 0", soft_wrap=True)


def _lenses_only(command: Boards, views: list[BoardViews], board: Board, refused: dict[str, str]) -> None:
    fits: list[LensFit] = []
    for own in views:
        try:
            fits.append(fit_lens(own, board, own.camera in command.fisheye))
        except CameraError as error:
            refused[own.camera] = str(error)
    if not fits:
        raise CameraError("no lens can be calibrated:\n" + "\n".join(f"  - {camera}: {why}" for camera, why in refused.items()))
    table = Table("camera", "images", "focal px", "sigma px", "residual px", "held out px", "terms", "covered %", box=None, pad_edge=False)
    for fit in fits:
        held = fit.held_out_px.get(fit.terms, float("nan"))
        cells = [
            str(len(fit.inlier)),
            f"{fit.intrinsics.K[0, 0]:.1f}",
            f"{fit.focal_sigma_px:.1f}",
            f"{fit.residual_px:.3f}",
            f"{held:.3f}",
        ]
        table.add_row(fit.camera, *cells, fit.terms, f"{100 * fit.coverage:.0f}")
    _out().print(table)
    _say_refused(refused)
    write_lenses_toml(command.out, {fit.camera: fit.intrinsics for fit in fits})
    _out().print(f"written: {command.out}", soft_wrap=True, markup=False)


def _people(command: People) -> None:
    lenses = {} if command.lenses is None else read_intrinsics(command.lenses)
    if not lenses and command.focal == "known":
        raise InputError("give the lenses with --lenses (a rig file, or one of lenses alone), or --focal unknown")
    with _Bars() as watch:
        sizes = {n: i.size for n, i in lenses.items()}
        if not lenses and command.size is not None and command.folder.is_dir():
            sizes = {entry.name: command.size for entry in command.folder.iterdir() if entry.is_dir()}
        seen = load_keypoints(command.folder, sizes, command.fps, command.layout, watch)
    lenses = lenses or {s.camera: _plain_lens(s) for s in seen}
    settings = PeopleSettings(
        clocks=command.clocks,
        focal=command.focal,
        frames=command.frames,
        stature_m=command.stature,
        distances=command.distance,
        front=command.front,
        origin=command.origin,
        limbs_only=True,
    )
    _finish(calibrate_people(seen, lenses, settings), command.out)


def _plain_lens(seen: Keypoints2D) -> Intrinsics:
    """A lens of which only the image's size is known."""
    width, height = seen.size
    side = float(max(width, height))
    return Intrinsics(seen.size, np.array([[side, 0, (width - 1) / 2], [0, side, (height - 1) / 2], [0, 0, 1]]))


def _refine(command: Refine) -> None:
    rig = read_rig(command.rig, command.rig_unit)
    with _Bars() as watch:
        seen = load_keypoints(command.take, {c.name: c.intrinsics.size for c in rig}, command.fps, command.layout, watch)
    scene = None if command.scene is None else read_scene(command.scene)
    found = refine(rig, _of_rig(seen, rig), scene=scene)
    table = Table(
        "camera", "turned deg", "sigma", "shifted mm", "sigma", "residual before px", "after px", "bumped at s", box=None, pad_edge=False
    )
    for m, before, after in zip(found.movements, found.before_px, found.after_px, strict=True):
        style = "yellow" if m.significant else ""
        cells = [f"{m.turned_deg:.2f}", f"{m.turned_sigma_deg:.2f}", f"{1e3 * m.shifted_m:.0f}", f"{1e3 * m.shifted_sigma_m:.0f}"]
        table.add_row(m.camera, *cells, f"{before:.1f}", f"{after:.1f}", "-" if m.bumped is None else f"{m.bumped:.2f}", style=style)
    _out().print(table)
    _finish(found.outcome, command.out, movements(found))


def _of_rig(seen: list[Keypoints2D], rig: CameraRig) -> list[Keypoints2D]:
    """Keypoints of the rig's cameras; the others are named."""
    _say_refused({s.camera: f"the rig has no such camera; there are {valid_names(rig.names)}" for s in seen if s.camera not in rig.names})
    return [s for s in seen if s.camera in rig.names]


def _clocks(command: Clocks) -> None:
    rig = read_rig(command.rig)
    files = files_by_name(command.folder, rig.names, RECORDINGS[command.by])
    if command.by == "stamps":
        if command.fps is None:
            raise InputError("time stamps need the rate by which the cameras' own clocks count frames: --fps")
        estimates = from_stamps({name: read_stamps(path) for name, path in files.items()}, dict.fromkeys(files, command.fps))
    else:
        estimates = from_audio(files) if command.by == "audio" else from_flash(files)
    table = Table("camera", "offset ms", "sigma ms", "strength", box=None, pad_edge=False)
    for e in estimates:
        table.add_row(
            e.camera, f"{1e3 * e.clock.offset:.1f}", f"{1e3 * e.sigma_s:.1f}", "-" if np.isinf(e.strength) else f"{e.strength:.1f}"
        )
    _out().print(table)
    by_name = {e.camera: e.clock for e in estimates}
    cameras = tuple(replace(c, clock=replace(by_name[c.name], line_time=c.clock.line_time)) for c in rig)
    write_rig_toml(command.out, replace(rig, cameras=cameras))
    _out().print(f"written: {command.out}", soft_wrap=True, markup=False)


def _scores(command: Scores) -> None:
    path = command.take / "rig.toml" if command.rig is None else command.rig
    if command.rig is None and not path.is_file():
        raise InputError(f"{command.take} has no rig.toml: give the rig with --rig")
    rig = read_rig(path, command.rig_unit)
    with _Bars() as watch:
        seen = load_keypoints(command.take, {c.name: c.intrinsics.size for c in rig}, command.fps, command.layout, watch)
    learned = learn_scores(rig, _of_rig(seen, rig), ScoreSettings(command.frames))
    table = Table("score", *(f"{score:.2f}" for score in learned.sigma.score), box=None, pad_edge=False)
    table.add_row("sigma, % of the person", *(f"{100 * share:.2f}" for share in learned.sigma.share))
    _out().print(table)
    points = Table("point", "times", "within one sigma %", box=None, pad_edge=False)
    for name, within in zip(learned.points, learned.within, strict=True):
        points.add_row(name, f"{learned.sigma.points.get(name, 1.0):.2f}", _number(100 * within, 0))
    _out().print(points)
    for warning in learned.warnings:
        _out().print(Panel(Text(warning), border_style="yellow", title="suspicious", title_align="left"))
    write_scores(command.out, learned.sigma, learned.layout, learned.score_kind)
    _out().print(f"{learned.residuals} detections compared; written: {command.out}", soft_wrap=True, markup=False)


def _import(command: Import) -> None:
    if command.to != "recon3d" and command.out == Path("rig.toml"):
        raise InputError(f"give a name for the {command.to} file with -o: rig.toml is recon3d's own")
    rig = read_rig(command.source, command.rig_unit, command.format, command.size)
    if command.check is not None:
        _check(rig, command.check, command.fps)
    write_rig(command.out, rig, command.to)
    facts = RigFacts.of(rig)
    table = Table("camera", "x m", "y m", "z m", "tilt down deg", *(f"to {name} m" for name in facts.names), box=None, pad_edge=False)
    for k, name in enumerate(facts.names):
        cells = [*facts.centre[k], np.rad2deg(facts.tilt[k]), *facts.distance[k]]
        table.add_row(name, *(f"{value:.2f}" for value in cells))
    _out().print(table)
    if rig.moving:
        _out().print(f"moving: {', '.join(rig.moving)} (shown where their poses start)", soft_wrap=True)
    _out().print(f"written: {command.out}", soft_wrap=True, markup=False)


def _check(rig: CameraRig, source: Path, fps: float | None) -> None:
    with _Bars() as watch:
        seen = load_keypoints(source, {c.name: c.intrinsics.size for c in rig}, fps, None, watch)
    verdict = check_rig(rig, seen)
    table = Table("reading", "residual px", "people lean deg", "people's size", box=None, pad_edge=False)
    for reading in verdict.readings[:8]:
        chosen = "green" if reading is verdict.holds else ""
        residual = f"{reading.residual_px:.1f}" if np.isfinite(reading.residual_px) else "behind cameras"
        table.add_row(reading.label, residual, _number(reading.lean_deg, 0), _number(reading.body, 2), style=chosen)
    _out().print(table)
    style = "green" if verdict.holds is verdict.readings[0] else "yellow"
    _out().print(Panel(Text(verdict.advice), border_style=style, title="check", title_align="left"))


def _report(command: RigReport) -> None:
    rig = read_rig(command.rig, command.rig_unit)
    with _Bars() as watch:
        seen = load_keypoints(command.take, {c.name: c.intrinsics.size for c in rig}, command.fps, None, watch)
    outcome = as_it_stands(rig, _of_rig(seen, rig))
    summary = summarise(outcome)
    _tell(outcome, summary)
    page, numbers = write_report(command.out, summary, command.rig.name)
    _out().print(f"written: {page}, {numbers}", soft_wrap=True, markup=False)


def _finish(outcome: Outcome, out: Path, extra: Mapping[str, Any] | None = None) -> None:
    summary = summarise(outcome, extra)
    _tell(outcome, summary)
    write_rig_toml(out, outcome.rig)
    name = out.name.removesuffix(".toml")  # not the stem: of rig.v1 it is rig
    page, numbers = write_report(out.with_name(name + "-report"), summary, name)
    _out().print(f"written: {out}, {page}, {numbers}", soft_wrap=True, markup=False)


def _tell(outcome: Outcome, s: Mapping[str, Any]) -> None:
    table = Table(
        "camera",
        "residual px",
        "held out",
        "left out",
        "believed %",
        "sigma deg",
        "sigma mm",
        "x m",
        "y m",
        "z m",
        box=None,
        pad_edge=False,
    )
    for c in s["cameras"]:
        place = [f"{v:.2f}" for v in c["centre"]]
        cells = [_number(c["residual_px"]), _number(c["held_out_px"]), _number(c["left_out_px"]), _number(100 * c["believed"], 0)]
        table.add_row(c["name"], *cells, _number(c["sigma_deg"], 3), _number(c["sigma_mm"], 1), *place)
    _out().print(table)
    if outcome.scale is not None:
        for cue, apart in zip(outcome.scale.cues, outcome.scale.disagreement, strict=True):
            off = "" if np.isnan(apart) else f", {apart:.1f} sigmas off the others"
            _out().print(f"scale from {cue.name}: {100 * cue.share:.1f} %{off}", markup=False)
    _say_refused(outcome.refused)
    notes = list(outcome.notes)
    if outcome.rig.unknown:
        notes.append(f"the world's {' and '.join(sorted(outcome.rig.unknown))} {'are' if len(outcome.rig.unknown) > 1 else 'is'} not known")
    for note in notes:
        _out().print(Panel(Text(note), border_style="yellow"))


def _say_refused(refused: Mapping[str, str]) -> None:
    for camera, why in refused.items():
        _out().print(Panel(Text(f"{camera}: {why}"), border_style="red", title="left out", title_align="left"))


def _number(value: float, digits: int = 2) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def _out() -> Console:
    """Wide enough for the tables, also where the output is a file."""
    return Console(width=max(Console().width, 118))


class _Bars:
    """A progress bar for each camera, on standard error."""

    def __enter__(self) -> Callable[[str, int, int], None]:
        from rich.progress import Progress, TaskID

        self._bars = Progress(console=Console(stderr=True), transient=True)
        self._bars.start()
        tasks: dict[str, TaskID] = {}

        def watch(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = self._bars.add_task(name, total=total)
            self._bars.update(tasks[name], completed=done, total=total)

        return watch

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
