"""How far an answer is from the truth."""

from recon3d.metrics.people import PeopleScores, judge_people
from recon3d.metrics.points import coverage, mpjpe_mm, nees

__all__ = ["PeopleScores", "coverage", "judge_people", "mpjpe_mm", "nees"]
