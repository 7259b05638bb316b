"""Nobody calibrated anything: a person walking gives the poses, the clocks and the floor of four cameras.

python examples/07_people_to_rig_to_take.py OUT_FOLDER
"""

import sys
from dataclasses import replace
from pathlib import Path

from calibration.people import PeopleSettings, calibrate_people
from calibration.report import summarise, write_report
from recon3d import io, motion, multiview
from recon3d.synthetic import make_person, make_rig, make_world

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
truth = make_rig("ring", 4)
seen = make_world(truth, make_person("gait", 240)).keypoints2d()
seen[2] = replace(seen[2], time=seen[2].time + 0.137)  # this camera was started late

# Known: the lenses, and how tall the person is. Unknown: where the cameras stand, and when they started.
lenses = {camera.name: camera.intrinsics for camera in truth}
outcome = calibrate_people(seen, lenses, PeopleSettings(clocks="offset", stature_m=1.70))
io.write_rig_toml(out / "rig.toml", outcome.rig)
write_report(out / "rig-report", summarise(outcome), "a rig from a person")

world, _, people = multiview.reconstruct(seen, outcome.rig)
io.write(out / "walk.bvh", motion.solve(people)[0])
late = outcome.rig["cam03"].clock.offset
print(f"cam03's clock: {1e3 * late:.1f} ms (true -137.0); the world's unknowns: {sorted(outcome.rig.unknown) or 'none'}")
print(f"{100 * world.confidence.mean():.0f} % certain joints in {len(world)} frames")
