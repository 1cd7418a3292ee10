"""Scattering1D beside Kymatio in one process, one thread each, plans and filters built before.

`pytest tests/benchmarks --benchmark-enable` prints a table per setting, with ratios in brackets.
Without the option each case runs once, at an eighth of its length.
"""

import inspect
from functools import cache

import numpy as np
import pytest
from kymatio.scattering1d.frontend.numpy_frontend import ScatteringNumPy1D
from threadpoolctl import threadpool_limits

from scatseg.scattering import Scattering1D
from scatseg.scattering.plan import block_plan, layout

SETTINGS = [
    pytest.param((2**16, 12, (12, 2)), id="N=2^16,J=12,Q=12/2"),
    pytest.param((2**17, 13, (8, 1)), id="N=2^17,J=13,Q=8"),
]
each_setting = pytest.mark.parametrize("setting", SETTINGS)
ERRORS = {"fast": (2e-3, 4e-3), "default": (1e-4, 1e-3), "exact": (5e-5, 4e-4)}


@pytest.fixture
def bench(benchmark, request):
    """The benchmark, grouped by setting, on one thread."""
    benchmark.group = request.node.callspec.id.split("-", 1)[-1]
    with threadpool_limits(1):
        yield benchmark


def shortened(benchmark, setting):
    n_samples, J, Q = setting
    return (n_samples >> 3, J - 4, Q) if benchmark.disabled else setting


def noise(n_samples):
    return np.random.default_rng(440).normal(size=n_samples).astype(np.float32)


@cache
def kymatio(n_samples, J, Q):
    return ScatteringNumPy1D(J, n_samples, Q)


@cache
def kymatio_coefficients(n_samples, J, Q):
    """Undo the factor 2**-j that Kymatio 0.3.0 applies for each filter of a path."""
    transform = kymatio(n_samples, J, Q)
    log2_scale = np.nansum(transform.meta()["j"], axis=1)
    return transform(noise(n_samples)) * 2 ** log2_scale[:, None]


@each_setting
@pytest.mark.parametrize("accuracy", ["kymatio", *ERRORS])
def test_one_signal(accuracy, setting, bench):
    n_samples, J, Q = shortened(bench, setting)
    x = noise(n_samples)
    if accuracy == "kymatio":
        bench(kymatio(n_samples, J, Q), x)
        return
    transform = Scattering1D(J, Q=Q, accuracy=accuracy)
    transform(x)  # caches the plan
    S = bench(transform, x)
    order, reference = transform.meta()["order"], kymatio_coefficients(n_samples, J, Q)
    for i, bound in enumerate(ERRORS[accuracy], start=1):
        rows = order == i
        error = np.linalg.norm((S - reference)[rows]) / np.linalg.norm(reference[rows])
        bench.extra_info[f"error of order {i}"] = error
        assert error < bound


@each_setting
def test_plan(setting, bench):
    n_samples, J, Q = shortened(bench, setting)
    options = Scattering1D(J, Q=Q).options
    period = layout(options, n_samples).period
    bench.group = "plan"

    anew = inspect.unwrap(block_plan)  # without the cache
    assert bench(anew, options, period, "float32").period == period


def test_four_minutes(benchmark):
    seconds = 10 if benchmark.disabled else 240
    x = noise(seconds * 22050)
    with threadpool_limits(1):
        S = benchmark(Scattering1D(J=13, Q=8), x)
    assert S.shape == (644, -(-len(x) // 2**13))
