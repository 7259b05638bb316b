"""USD (.usda, .usdc, .usdz): a UsdSkel skeleton with its animation, and the mesh that it carries; needs usd-core.

Axes and unit are those of the animation, and said in the file (``upAxis``, ``metersPerUnit``); time codes are frames.
"""

import errno
import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import SetupError
from recon3d.geometry import SE3, SO3
from recon3d.io.glb import bone_mesh
from recon3d.io.tables import frame_rate
from recon3d.records.animation import Animation, Skin


def write_usd(path: Path, animation: Animation) -> None:
    """An animation, for Omniverse, Houdini, Blender, Maya and Apple's viewers; bones are drawn where it has no mesh.

    Raises:
        SetupError: usd-core is not installed.
        OSError: the file could not be written whole.
    """
    try:
        import_module("pxr.Usd")
    except ImportError:
        raise SetupError("USD needs usd-core: pip install 'recon3d[export]'") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".usd-") as folder:
        plain = Path(folder) / f"take{'.usdc' if path.suffix == '.usdz' else path.suffix}"
        done = Path(folder) / "take.usdz" if path.suffix == ".usdz" else plain
        try:
            _write_stage(plain, animation)
            if done is not plain and not _pxr("UsdUtils").CreateNewUsdzPackage(_pxr("Sdf").AssetPath(str(plain)), str(done)):
                raise OSError(errno.EIO, "could not be written", str(path))
        except _pxr("Tf").ErrorException as error:
            raise OSError(errno.EIO, f"could not be written ({str(error).strip().splitlines()[-1].strip()})", str(path)) from None
        os.replace(done, path)


def _pxr(module: str) -> Any:
    return import_module(f"pxr.{module}")


def _write_stage(path: Path, animation: Animation) -> None:
    usd, geom, skel, gf, vt = (_pxr(m) for m in ("Usd", "UsdGeom", "UsdSkel", "Gf", "Vt"))
    stage = usd.Stage.CreateNew(str(path))
    geom.SetStageUpAxis(stage, animation.up.upper())
    geom.SetStageMetersPerUnit(stage, animation.unit_m)
    rate = frame_rate(animation.time)
    stage.SetTimeCodesPerSecond(rate)
    stage.SetFramesPerSecond(rate)
    codes = (animation.time - animation.time[0]) * rate
    whole = np.rint(codes)
    codes = np.where(np.abs(codes - whole) < 1e-3, whole, codes)
    stage.SetStartTimeCode(float(codes[0]))
    stage.SetEndTimeCode(float(codes[-1]))
    names = _tokens(animation.joints)
    paths: list[str] = []
    for name, parent in zip(names, animation.parents.tolist(), strict=True):
        paths.append(f"{paths[parent]}/{name}" if parent >= 0 else name)
    body = skel.Root.Define(stage, "/Character")
    stage.SetDefaultPrim(body.GetPrim())
    geom.ModelAPI(body.GetPrim())
    usd.ModelAPI(body.GetPrim()).SetKind("component")
    skeleton = skel.Skeleton.Define(stage, "/Character/Skeleton")
    skeleton.CreateJointsAttr(paths)
    skeleton.CreateJointNamesAttr(list(animation.joints))
    local = SE3(SO3.from_wxyz(animation.rest_turn), animation.rest_place)
    skeleton.CreateRestTransformsAttr(_matrices(local.matrix()))
    skeleton.CreateBindTransformsAttr(_matrices(animation.rest().matrix()))
    motion = skel.Animation.Define(stage, "/Character/Skeleton/Animation")
    motion.CreateJointsAttr(paths)
    motion.CreateScalesAttr([gf.Vec3h(1, 1, 1)] * len(paths))
    rotations, places = motion.CreateRotationsAttr(), motion.CreateTranslationsAttr()
    turn = animation.rotation[..., [1, 2, 3, 0]].astype(np.float32)  # in memory the real part comes last
    place = animation.places().astype(np.float32)
    for k, code in enumerate(codes.tolist()):
        rotations.Set(vt.QuatfArray.FromNumpy(np.ascontiguousarray(turn[k])), code)
        places.Set(vt.Vec3fArray.FromNumpy(np.ascontiguousarray(place[k])), code)
    binding = skel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([motion.GetPath()])
    _mesh(stage, skeleton, bone_mesh(animation) if animation.skin is None else animation.skin)
    stage.Save()


def _mesh(stage: Any, skeleton: Any, skin: Skin) -> None:
    geom, skel, gf, vt = (_pxr(m) for m in ("UsdGeom", "UsdSkel", "Gf", "Vt"))
    mesh = geom.Mesh.Define(stage, "/Character/Mesh")
    vertices = vt.Vec3fArray.FromNumpy(np.ascontiguousarray(skin.vertices, np.float32))
    mesh.CreatePointsAttr(vertices)
    mesh.CreateExtentAttr(geom.PointBased.ComputeExtent(vertices))
    mesh.CreateFaceVertexCountsAttr(vt.IntArray.FromNumpy(np.full(len(skin.triangles), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(vt.IntArray.FromNumpy(skin.triangles.ravel().astype(np.int32)))
    mesh.CreateSubdivisionSchemeAttr("none")
    binding = skel.BindingAPI.Apply(mesh.GetPrim())
    joint = np.where(skin.weight > 0, skin.joint, 0)
    binding.CreateJointIndicesPrimvar(False, 4).Set(vt.IntArray.FromNumpy(joint.ravel().astype(np.int32)))
    binding.CreateJointWeightsPrimvar(False, 4).Set(vt.FloatArray.FromNumpy(skin.weight.ravel().astype(np.float32)))
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateGeomBindTransformAttr(gf.Matrix4d(1))


def _matrices(matrices: np.ndarray) -> Any:
    """For row vectors, as USD has them."""
    return _pxr("Vt").Matrix4dArray.FromNumpy(np.ascontiguousarray(matrices.swapaxes(-1, -2)))


def _tokens(names: tuple[str, ...]) -> list[str]:
    """Names of joints as parts of paths: unique, letters, digits and underscores."""
    make = _pxr("Tf").MakeValidIdentifier
    out: list[str] = []
    for name in names:
        token, number = make(name), 2
        while token in out:
            token, number = f"{make(name)}_{number}", number + 1
        out.append(token)
    return out
