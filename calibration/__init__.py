"""The room where cameras are the unknown. It meets recon3d in one value, `CameraRig`, and one file, `rig.toml`."""

from calibration.importing import RigFacts

__all__ = ["RigFacts"]
