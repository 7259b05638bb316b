"""A board waved about gives the lenses and the rig; the rig gives a take.

python examples/06_boards_to_rig_to_take.py OUT_FOLDER

With pictures or videos of your own: calibration.board_views.find_in_pictures / find_in_videos instead of the synthetic board.
"""

import sys
from pathlib import Path

import numpy as np

from calibration.board_views import BoardViews
from calibration.boards import BoardSettings, calibrate_boards
from calibration.report import summarise, write_report
from calibration.targets import Board
from recon3d import io, motion, multiview
from recon3d.geometry import SE3, SO3
from recon3d.synthetic import make_board_world, make_person, make_rig, make_world

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
truth = make_rig("ring", 4)
board = Board("chessboard", columns=9, rows=6, size_m=0.08)

# What four cameras detect: 60 places in the air, and one picture of the board lying on the floor.
film = make_board_world(truth, board.points, frames=60, sigma_px=0.2, reach=1.0)
floor = truth.project(SE3(SO3(np.diag([1.0, -1.0, -1.0])), np.zeros(3)) @ board.points)
views = []
for v, camera in enumerate(truth):
    rows = np.flatnonzero(np.isfinite(film.xy[v, :, 0, 0]))
    labels = (*(f"{camera.name} {row}" for row in rows), f"{camera.name} floor")
    xy = np.concatenate([film.xy[v, rows], floor[v : v + 1]])
    views.append(BoardViews(camera.name, camera.intrinsics.size, labels, np.append(rows, 60), xy))

outcome, lenses = calibrate_boards(views, board, BoardSettings(floor="cam01 floor"))
io.write_rig_toml(out / "rig.toml", outcome.rig)
write_report(out / "rig-report", summarise(outcome), "a rig from a board")

seen = make_world(truth, make_person("gait", 120)).keypoints2d()
world, _, people = multiview.reconstruct(seen, outcome.rig)
io.write(out / "walk.bvh", motion.solve(people)[0])
print("distortion terms that paid:", lenses.terms)
print(f"residual {np.nanmedian(outcome.evidence.residual_px()):.2f} px; {len(world)} frames reconstructed with the rig")
