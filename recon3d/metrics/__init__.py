"""How far an answer is from the truth."""

from recon3d.metrics.people import PeopleScores, judge_people
from recon3d.metrics.points import coverage, mpjpe_mm, nees
from recon3d.metrics.poses import aligned_error, scaled_error

__all__ = ["PeopleScores", "aligned_error", "coverage", "judge_people", "mpjpe_mm", "nees", "scaled_error"]
