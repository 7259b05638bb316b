"""A body for the person of a take: how tall, how wide, and a skinned mesh that moves; then the same person ten kilograms heavier.

python examples/16_bodies.py OUT_FOLDER
"""

import sys
from importlib import resources
from pathlib import Path

import numpy as np

from recon3d import io
from recon3d.body import animated, load_open_body
from recon3d.body.fit import Known
from recon3d.pipeline import BodyJob, Job, Settings, fit_take, run
from recon3d.pipeline.settings import ExportSettings

data = Path(str(resources.files("recon3d"))) / "data" / "balance4"
out = Path(sys.argv[1])

settings = Settings(export=ExportSettings(("csv",)))
take = run(Job(data / "Calib.qca.txt", (str(data / "openpose"),), out / "take", settings, fps=60.0, stop=40)).take
(person,) = fit_take(BodyJob(take, {"": Known(height_m=1.80)}, formats=("glb",)))
for name, one in person.measured.items():
    print(f"{name}: {one.value:.3f} {one.unit}, to {one.sigma:.3f}")
print("not seen, only usual:", ", ".join(person.fit.guessed()))

# Parameters and motion are in body/0.npz; another body moves as well.
model, params = load_open_body(), io.read_body(take.body("0"))
heavier = params.betas.copy()
heavier[model.parameters.index("weight")] = 1.0
io.write(out / "heavier.glb", animated(model.shaped(heavier), params.motion))
print("at rest it is", np.round(np.ptp(model.shaped(heavier).at_rest().vertices()[0], axis=0), 2), "m wide, deep and high")
