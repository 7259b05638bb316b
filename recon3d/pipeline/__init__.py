"""The job from end to end, as functions over a take folder."""

from recon3d.pipeline.again import job_of, with_motion
from recon3d.pipeline.assemble import Result
from recon3d.pipeline.bodies import BodyJob, FittedPerson, fit_take
from recon3d.pipeline.detection import Detected, DetectJob, detect_videos, find_videos
from recon3d.pipeline.export import export_take, retarget_take
from recon3d.pipeline.job import Job, Progress, run
from recon3d.pipeline.judge import PoseScores, compare_takes, judge_take
from recon3d.pipeline.lift import LiftJob, lift_take
from recon3d.pipeline.opensim import OpenSimFolder, opensim_take
from recon3d.pipeline.pictures import everybody_in, picture_everybody
from recon3d.pipeline.robot import robot_take
from recon3d.pipeline.settings import Settings, load_settings
from recon3d.pipeline.skins import SkinFolders
from recon3d.pipeline.summary import Summary
from recon3d.pipeline.take import Take

__all__ = [
    "BodyJob",
    "DetectJob",
    "Detected",
    "FittedPerson",
    "Job",
    "LiftJob",
    "OpenSimFolder",
    "PoseScores",
    "Progress",
    "Result",
    "Settings",
    "SkinFolders",
    "Summary",
    "Take",
    "compare_takes",
    "detect_videos",
    "everybody_in",
    "export_take",
    "find_videos",
    "fit_take",
    "job_of",
    "judge_take",
    "lift_take",
    "load_settings",
    "opensim_take",
    "picture_everybody",
    "retarget_take",
    "robot_take",
    "run",
    "with_motion",
]
