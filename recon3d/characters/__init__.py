"""Motion on characters of other programs: their names, hierarchies, axes, units, frame rates and rest poses."""

from recon3d.characters.dress import dressed
from recon3d.characters.preset import Preset, load_preset, preset_names

__all__ = ["Preset", "dressed", "load_preset", "preset_names"]
