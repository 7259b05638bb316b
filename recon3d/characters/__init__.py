"""Motion on characters of other programs: their names, hierarchies, axes, units, frame rates and rest poses."""

from recon3d.characters.dress import dressed
from recon3d.characters.mapping import auto_map, read_map
from recon3d.characters.preset import Preset, load_preset, preset_names
from recon3d.characters.retarget import retargeted

__all__ = ["Preset", "auto_map", "dressed", "load_preset", "preset_names", "read_map", "retargeted"]
