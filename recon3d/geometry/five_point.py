"""Essential matrices of five pairs of rays each, all samples at once.

Stewenius, Engels, Nister, "Recent developments on direct relative orientation", 2006: the essential
matrix lies in a four-dimensional null space, E = x X + y Y + z Z + W; the cubic constraints det E = 0
and 2 E E' E - tr(E E') E = 0 give the action matrix of multiplication by x, whose eigenvectors hold the
solutions. Five points work on a flat scene too, where eight do not.
"""

import itertools

import numpy as np
from jaxtyping import Float

# Monomials of degree 3 in x, y, z, w, those of degree 3 in x, y, z alone and with w once ... by degree: the
# first ten are eliminated, the last ten span the quotient ring.
_LEADING = ("xxx", "xxy", "xyy", "yyy", "xxz", "xyz", "yyz", "xzz", "yzz", "zzz")
_QUOTIENT = ("xxw", "xyw", "yyw", "xzw", "yzw", "zzw", "xww", "yww", "zww", "www")
_ORDER = {name: k for k, name in enumerate(_LEADING + _QUOTIENT)}
_MONOMIAL = np.array([_ORDER["".join(sorted(("xyzw"[i] for i in abc), key="xyzw".index))] for abc in itertools.product(range(4), repeat=3)])
_SPREAD = np.zeros((64, 20))
_SPREAD[np.arange(64), _MONOMIAL] = 1.0
# x times each quotient monomial (divided by w, which is 1): a leading one, or another of the quotient.
_TIMES_X = [_ORDER["".join(sorted("x" + q.replace("w", "", 1), key="xyzw".index))] for q in _QUOTIENT]


def five_point(a: Float[np.ndarray, "samples 5 3"], b: Float[np.ndarray, "samples 5 3"]) -> Float[np.ndarray, "hypotheses 3 3"]:
    """All real essential matrices with b' E a = 0 for the five pairs of each sample, of Frobenius norm 1."""
    rows = (b[..., :, None] * a[..., None, :]).reshape(len(a), 5, 9)
    _, _, vt = np.linalg.svd(rows)
    basis = vt[:, 5:].reshape(-1, 4, 3, 3)
    constraints = _constraints(basis)
    left, right = constraints[:, :, :10], constraints[:, :, 10:]
    sound = np.abs(np.linalg.det(left / np.maximum(np.abs(left).max((1, 2), keepdims=True), 1e-300))) > 1e-30
    if not sound.any():
        return np.zeros((0, 3, 3))
    reduced = np.linalg.solve(left[sound], right[sound])
    action = np.zeros((len(reduced), 10, 10))
    for row, target in enumerate(_TIMES_X):
        if target < 10:
            action[:, row] = -reduced[:, target]
        else:
            action[:, row, target - 10] = 1.0
    eigen = np.linalg.eig(action)
    values, vectors = np.asarray(eigen.eigenvalues, complex), np.asarray(eigen.eigenvectors, complex)
    last = vectors[:, 9]
    real = (np.abs(np.imag(values)) < 1e-8 * (1 + np.abs(values))) & (np.abs(last) > 1e-12)
    xyz: np.ndarray = np.real(vectors[:, 6:9] / np.where(np.abs(last) > 1e-12, last, 1.0)[:, None])
    weights = np.concatenate([xyz, np.ones_like(xyz[:, :1])], 1)  # samples 4 solutions
    essential = np.einsum("skn,skij->snij", weights, basis[sound])[real]
    return essential / np.maximum(np.linalg.norm(essential, axis=(1, 2), keepdims=True), 1e-300)


def _constraints(basis: Float[np.ndarray, "samples 4 3 3"]) -> Float[np.ndarray, "samples 10 20"]:
    """Coefficients of the ten cubics in the order of the monomials."""
    product = np.einsum("saij,sbkj->sabik", basis, basis)  # E_a E_b'
    trace = np.einsum("sabii->sab", product)
    nine = 2 * np.einsum("sabik,sckj->sabcij", product, basis) - np.einsum("sab,scij->sabcij", trace, basis)
    rows = nine.reshape(len(basis), 64, 9).transpose(0, 2, 1)
    x, y, z = basis[:, :, 0], basis[:, :, 1], basis[:, :, 2]
    cross = np.cross(x[:, :, None], y[:, None])
    determinant = np.einsum("sabi,sci->sabc", cross, z).reshape(len(basis), 1, 64)
    return np.concatenate([rows, determinant], 1) @ _SPREAD
