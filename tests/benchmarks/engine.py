"""Benchmark the scattering transforms against Kymatio and write reports/benchmarks/engine.md.

`python tests/benchmarks/engine.py [-o FILE] [--quick]`, or `make bench`. Both run in one process,
on one thread each, alternating, with filters and plans precomputed; the fastest round counts.
Without `--quick` it takes about a quarter of an hour.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from importlib.metadata import version
from pathlib import Path

import numpy as np
from kymatio.scattering1d.frontend.numpy_frontend import ScatteringNumPy1D
from threadpoolctl import threadpool_limits

from scatseg.scattering import Scattering1D, TimeFrequencyScattering

ACCURACIES = ("fast", "default", "exact")
SETTINGS = {
    "2^16 samples, J=12, Q=(12, 2)": (2**16, 12, (12, 2)),
    "2^17 samples, J=13, Q=(8, 1)": (2**17, 13, (8, 1)),
    "2^18 samples, J=13, Q=(8, 1)": (2**18, 13, (8, 1)),
}
MUST = {0: {"default": 25, "exact": 12}, 1: {"default": 17}}
TUTORIAL = {"J": 12, "J_fr": 3, "Q": (12, 2), "Q_fr": 2, "F": 12, "T": 2**13, "format": "joint"}
JTFS_OVER_S1D = 48
"""Kymatio's main branch on the tutorial's JTFS over its 0.3.0's Scattering1D, one core."""
SR = 22050
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def noise(*shape):
    return np.random.default_rng(440).normal(size=shape).astype(np.float32)


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turns(functions, n_rounds):
    """Return the best time of each function, after one warm-up round."""
    for function in functions.values():
        function()
    rounds = [{k: seconds(f) for k, f in functions.items()} for _ in range(n_rounds)]
    return {k: min(times[k] for times in rounds) for k in functions}


def peak_megabytes(function):
    """Return the peak memory of a call, including its output."""
    tracemalloc.start()
    function()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 1e6


def errors(S, reference, order):
    for i in (1, 2):
        rows = order == i
        yield np.linalg.norm((S - reference)[rows]) / np.linalg.norm(reference[rows])


def table(header, rows):
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def beside_kymatio(n_rounds):
    rows = []
    for i, (name, (n_samples, J, Q)) in enumerate(SETTINGS.items()):
        x, theirs = noise(n_samples), ScatteringNumPy1D(J, n_samples, Q)
        # Undo the factor 2**-j that 0.3.0 applies for each filter of a path.
        scale = 2 ** np.nansum(theirs.meta()["j"], axis=1)[:, None]
        reference = theirs(x) * scale
        ours = {a: Scattering1D(J, Q=Q, accuracy=a, workers=1) for a in ACCURACIES}
        functions = {"Kymatio 0.3.0": lambda f=theirs, x=x: f(x)}
        functions |= {a: lambda f=f, x=x: f(x) for a, f in ours.items()}
        best = in_turns(functions, n_rounds)
        base = best["Kymatio 0.3.0"]
        memory = peak_megabytes(functions["Kymatio 0.3.0"])
        rows.append([name, "Kymatio 0.3.0", f"{base * 1e3:.0f}", "1", "", "", "", f"{memory:.0f}"])
        for accuracy, transform in ours.items():
            first, second = errors(transform(x), reference, transform.meta()["order"])
            rows.append(
                [
                    "",
                    accuracy,
                    f"{best[accuracy] * 1e3:.1f}",
                    f"**{base / best[accuracy]:.1f}**",
                    MUST.get(i, {}).get(accuracy, ""),
                    f"{first:.1e}",
                    f"{second:.1e}",
                    f"{peak_megabytes(functions[accuracy]):.0f}",
                ]
            )
    header = ["Scattering1D", "", "ms", "speedup", "goal", "error 1", "error 2", "peak MB"]
    return table(header, rows)


def batches(n_rounds):
    n_samples, J, Q = next(iter(SETTINGS.values()))
    x, theirs = noise(8, n_samples), ScatteringNumPy1D(J, n_samples, Q)
    one, two = (Scattering1D(J, Q=Q, workers=n) for n in (1, 2))
    best = in_turns(
        {"theirs": lambda: theirs(x), "one": lambda: one(x), "two": lambda: two(x)}, n_rounds
    )
    long = noise(SR * 60)
    blocks = in_turns(
        {n: lambda n=n: Scattering1D(13, Q=8, workers=n)(long) for n in (1, 2)}, n_rounds
    )
    return table(
        ["Batches and threads", "s", "ratio"],
        [
            ["8 x 2^16, Kymatio 0.3.0", f"{best['theirs']:.2f}", "1"],
            ["the same, one thread", f"{best['one']:.3f}", f"{best['theirs'] / best['one']:.1f}"],
            [
                "the same, two threads",
                f"{best['two']:.3f}",
                f"{best['one'] / best['two']:.2f} of one thread",
            ],
            ["one minute in blocks, J=13, Q=8, one thread", f"{blocks[1]:.3f}", "1"],
            [
                "the same, two threads",
                f"{blocks[2]:.3f}",
                f"{blocks[1] / blocks[2]:.2f} of one thread",
            ],
        ],
    )


def joint(n_rounds):
    n_samples, J, Q = next(iter(SETTINGS.values()))
    x, theirs = noise(n_samples), ScatteringNumPy1D(J, n_samples, Q)
    ours = {a: TimeFrequencyScattering(**TUTORIAL, accuracy=a, workers=1) for a in ACCURACIES}
    reference = TimeFrequencyScattering(**TUTORIAL, accuracy="exact")(x.astype(np.float64))
    functions = {"S1D": lambda: theirs(x)} | {a: lambda f=f: f(x) for a, f in ours.items()}
    best = in_turns(functions, n_rounds)
    rows = [
        ["Kymatio main, from its S1D here", f"{best['S1D'] * JTFS_OVER_S1D:.1f}", "1", "", "", ""]
    ]
    for accuracy, transform in ours.items():
        first, second = errors(transform(x), reference, transform.meta()["order"])
        rows.append(
            [
                accuracy,
                f"{best[accuracy]:.3f}",
                f"**{best['S1D'] * JTFS_OVER_S1D / best[accuracy]:.0f}**",
                {"default": 80, "exact": 40}.get(accuracy, ""),
                f"{first:.1e}",
                f"{second:.1e}",
            ]
        )
    return table(["JTFS, tutorial setting", "s", "speedup", "goal", "error 1", "error 2"], rows)


def gradients(n_rounds):
    try:
        import torch
        from kymatio.scattering1d.frontend.torch_frontend import ScatteringTorch1D
    except ImportError:
        return "Gradients were not measured: torch is not installed.\n"
    torch.set_num_threads(1)
    n_samples, J, Q = next(iter(SETTINGS.values()))
    x = torch.from_numpy(noise(n_samples)).requires_grad_()

    def forward_and_backward(transform):
        x.grad = None
        transform(x).square().sum().backward()

    transforms = {
        "Kymatio 0.3.0 torch": ScatteringTorch1D(J, n_samples, Q),
        "Scattering1D": Scattering1D(J, Q=Q),
    }
    best = in_turns(
        {k: lambda f=f: forward_and_backward(f) for k, f in transforms.items()}, n_rounds
    )
    joint_time = in_turns(
        {"joint": lambda: forward_and_backward(TimeFrequencyScattering(**TUTORIAL))}, n_rounds
    )["joint"]
    base, ours = best.values()
    return table(
        [
            f"torch {torch.__version__}, forward and backward, 2^16 samples",
            "s",
            "speedup",
            "goal",
        ],
        [
            ["Kymatio 0.3.0 torch, J=12, Q=(12, 2)", f"{base:.2f}", "1", ""],
            ["Scattering1D", f"{ours:.3f}", f"**{base / ours:.1f}**", 5],
            ["TimeFrequencyScattering, tutorial setting", f"{joint_time:.2f}", "", ""],
        ],
    )


COLD = """
import time, sys
import numpy as np
from scatseg.scattering import Scattering1D
from scatseg.scattering.plan import block_frames, block_plan
x = np.random.default_rng(0).normal(size=int(sys.argv[1])).astype(np.float32)
start = time.perf_counter()
transform = Scattering1D(13, Q=8, workers=1)
options = transform.options
block_plan(options, 2**19, "float32")
block_frames(options, 2**19, "float32", 8 * 2**13, 48)
planned = time.perf_counter()
transform(x)
print(planned - start, time.perf_counter() - start)
"""


def in_a_fresh_process(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.check_output(command, env=os.environ | ONE_THREAD)


def lengths(n_rounds, longest):
    cold = [list(map(float, in_a_fresh_process(COLD, SR * 240).split())) for _ in range(n_rounds)]
    plan, four_minutes = (min(times) for times in zip(*cold, strict=True))
    transform = Scattering1D(13, Q=8, workers=1)
    rows = []
    for log2 in range(16, 25, 2):
        x = noise(2**log2)
        best = in_turns({"s": lambda x=x: transform(x)}, 3)["s"]
        rows.append([f"2^{log2}", f"{best:.3f}", f"{best / 2**log2 * 1e6:.2f}"])
    minute, hour = noise(SR * 60), noise(SR * 3600)
    beside = []
    for name, x in {"one minute": minute, "one hour": hour}.items():
        taken = seconds(lambda x=x: transform(x))
        beside.append(
            peak_megabytes(lambda x=x: transform(x)) - transform.plan(len(x)).n_coefficients * 4e-6
        )
        rows.append([name, f"{taken:.2f}", f"{taken / len(x) * 1e6:.2f}"])

    def live(n_minutes):
        for seed in range(n_minutes):
            yield np.random.default_rng(seed).random(SR * 60, dtype=np.float32) - 0.5

    def stream():
        for _ in transform.stream(live(longest)):
            pass

    taken = seconds(stream)
    rows.append(
        [
            f"{longest / 60:g} hours, a stream",
            f"{taken:.1f}",
            f"{taken / (longest * 60 * SR) * 1e6:.2f}",
        ]
    )
    streamed = peak_megabytes(stream)
    facts = table(
        ["J=13, Q=(8, 1), 22.05 kHz, one thread", "measured", "goal"],
        [
            ["4 minutes in a fresh process, plan included", f"{four_minutes:.2f} s", "1.2 s"],
            ["plan of a block of 2^19 samples, fresh", f"{plan:.2f} s", "0.5 s"],
            ["memory beside signal and output, one minute", f"{beside[0]:.0f} MB", "500 MB"],
            ["the same, one hour", f"{beside[1]:.0f} MB", "500 MB"],
            [f"memory of a stream of {longest / 60:g} hours", f"{streamed:.0f} MB", ""],
        ],
    )
    return facts + "\n" + table(["Length", "s", "microseconds per sample"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="Also write here, as Markdown.")
    parser.add_argument("--quick", action="store_true", help="Fewer rounds and shorter signals.")
    arguments = parser.parse_args()
    n_rounds, longest = (2, 10) if arguments.quick else (6, 600)
    packages = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy", "kymatio"))
    parts = [
        "# Scattering benchmarks\n",
        f"`python tests/benchmarks/engine.py`, {platform.processor() or platform.machine()}, "
        f"Python {platform.python_version()}, {packages}. float32, one thread unless stated "
        f"otherwise, fastest of {n_rounds} alternating rounds. Errors are relative l2 norms per "
        'order, against Kymatio (JTFS: against the exact transform in float64). "Goal" is the '
        "target set beforehand.\n",
    ]
    sys.stdout.write("\n".join(parts))
    for measure in (
        lambda: beside_kymatio(n_rounds),
        lambda: batches(n_rounds),
        lambda: joint(n_rounds),
        lambda: gradients(n_rounds),
        lambda: lengths(n_rounds, longest),
    ):
        parts.append(measure())
        sys.stdout.write("\n" + parts[-1])
        sys.stdout.flush()
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
