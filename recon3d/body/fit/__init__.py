"""Bodies fitted to what was seen: keypoints in pixels or in space, joints, skin."""

from recon3d.body.fit.known import Known
from recon3d.body.fit.skin import Cloud, Mask
from recon3d.body.fit.take import PersonFit, fit_person
from recon3d.body.fit.values import BodyFit, fit_values, points_evidence

__all__ = ["BodyFit", "Cloud", "Known", "Mask", "PersonFit", "fit_person", "fit_values", "points_evidence"]
