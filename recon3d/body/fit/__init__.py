"""Bodies fitted to what was seen: keypoints in pixels or in space, joints, skin."""

from recon3d.body.fit.known import Known
from recon3d.body.fit.skin import Cloud, Mask, SkinEvidence
from recon3d.body.fit.spots import Spots, SurfaceMap, read_surface_map
from recon3d.body.fit.take import LOOSE_M, PersonBody, PersonFit, check_layout, fit_person, measure_person
from recon3d.body.fit.values import BodyFit, fit_values, points_evidence

__all__ = [
    "LOOSE_M",
    "BodyFit",
    "Cloud",
    "Known",
    "Mask",
    "PersonBody",
    "PersonFit",
    "SkinEvidence",
    "Spots",
    "SurfaceMap",
    "check_layout",
    "fit_person",
    "fit_values",
    "measure_person",
    "points_evidence",
    "read_surface_map",
]
