"""``python -m recon3d.monocular.train --mocap FOLDER --body FILE -o RUN``: train the lifter; a run goes on from its checkpoint."""

import tyro

from recon3d.monocular.train.run import TrainSettings, train

if __name__ == "__main__":
    train(tyro.cli(TrainSettings, description="Train the lifter."))
