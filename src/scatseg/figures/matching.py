"""Descents, fields, sweeps and resynthesis -> figures in a run folder."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg import pictures, plotting
from scatseg.matching import Field
from scatseg.matching.runs import Descent
from scatseg.matching.sweeps import Frames, Sweep
from scatseg.synth import Parameter, delayed

_HEIGHT = 2.6


def draw_descents(
    out: Path,
    descents: Sequence[Descent],
    parameters: Sequence[Parameter],
    plane: tuple[str, str] | None,
    contours: Mapping[tuple[str, int], Field],
) -> list[Path]:
    """Draw convergence, and trajectories over two parameters for each loss and shift.

    Parameters
    ----------
    out : Path
        Output folder of convergence.png and trajectories.png, and .svg of both.
    descents : sequence of Descent
        All descents of the run.
    parameters : sequence of Parameter
        Parameters of the synthesizer.
    plane : (str, str) or None
        The two parameters of the axes; None for no trajectories.
    contours : mapping of (str, int) to Field
        (Loss, shift) -> loss landscape, if computed.
    """
    paths = [_draw_convergence(out, descents)]
    if plane is not None:
        paths.append(_draw_trajectories(out, descents, parameters, plane, contours))
    return paths


def _draw_convergence(out: Path, descents: Sequence[Descent]) -> Path:
    losses = list(dict.fromkeys(each.loss for each in descents))

    def panels(axes: NDArray[Any]) -> None:
        for ax, loss in zip(axes[0], losses, strict=True):
            here = [each for each in descents if each.loss == loss]
            curves = {
                f"target delayed by {shift} samples" if shift else "target aligned": [
                    each.match.losses for each in here if each.shift == shift
                ]
                for shift in dict.fromkeys(each.shift for each in here)
            }
            plotting.plot_convergence(curves, ax=ax)
            ax.set_title(loss, fontsize=8, loc="left")

    figure = plotting.axes_figure(panels, heights=[_HEIGHT], columns=len(losses))
    return plotting.save_figure(figure, out / "convergence")[0]


def _draw_trajectories(
    out: Path,
    descents: Sequence[Descent],
    parameters: Sequence[Parameter],
    plane: tuple[str, str],
    contours: Mapping[tuple[str, int], Field],
) -> Path:
    names = [each.name for each in parameters]
    columns = [names.index(name) for name in plane]
    ends = np.concatenate([each.match.trajectory[[0, -1]][:, columns] for each in descents])
    x, y = (
        replace(parameters[k], name=f"|{parameters[k].name}|")
        if parameters[k].scale == "log" and low < 0
        else parameters[k]
        for k, low in zip(columns, ends.min(axis=0), strict=True)
    )
    pair = (x, y)
    shown = list(dict.fromkeys((each.loss, each.shift) for each in descents))
    width = max(Counter(loss for loss, _ in shown).values())

    def panels(axes: NDArray[Any]) -> None:
        for ax, (loss, shift) in zip(axes.flat, shown, strict=False):
            here = [each for each in descents if (each.loss, each.shift) == (loss, shift)]
            if (loss, shift) in contours:
                plotting.plot_contour(contours[loss, shift], ax=ax)
            paths = [each.match.trajectory[:, columns] for each in here]
            truth = here[0].truth
            target = None if truth is None else truth[columns]
            plotting.plot_trajectories(paths, pair, ax=ax, target=target)
            ax.set_title(_titled(loss, shift), fontsize=8, loc="left")
        for ax in axes.flat[len(shown) :]:
            ax.set_axis_off()

    heights = [_HEIGHT] * -(-len(shown) // width)
    key = plotting.trajectory_key(target=descents[0].truth is not None)
    figure = plotting.axes_figure(panels, heights=heights, columns=width, key=key)
    return plotting.save_figure(figure, out / "trajectories")[0]


def draw_fields(out: Path, by_loss: Mapping[str, Sequence[Field]]) -> list[Path]:
    """Draw each loss as contours, arrows and a surface, for the middle target of each shift."""
    chosen = []
    for loss, fields in by_loss.items():
        for shift in dict.fromkeys(each.shift for each in fields):
            here = [each for each in fields if each.shift == shift]
            chosen.append((loss, here[len(here) // 2]))

    def flat(axes: NDArray[Any]) -> None:
        for row, (loss, field) in zip(axes, chosen, strict=True):
            plotting.plot_contour(field, ax=row[0])
            plotting.plot_arrows(field, ax=row[1])
            row[0].set(xlim=row[1].get_xlim(), ylim=row[1].get_ylim())
            row[0].set_title(_titled(loss, field.shift), fontsize=8, loc="left")
            row[1].set_title(
                f"{field.pointing:.0%} of arrows lead towards the target", fontsize=8, loc="left"
            )

    def solid(axes: NDArray[Any]) -> None:
        for ax, (loss, field) in zip(axes.flat, chosen, strict=False):
            plotting.plot_surface(field, ax=ax)
            ax.set_title(_titled(loss, field.shift, "\n"), fontsize=8, loc="left")
        for ax in axes.flat[len(chosen) :]:
            ax.set_axis_off()

    heights = [_HEIGHT] * len(chosen)
    levels = plotting.axes_figure(flat, heights=heights, columns=2)
    # Rows are losses and columns are shifts; with one shift, losses are side by side.
    n_shifts = len(chosen) // len(by_loss)
    columns = n_shifts if n_shifts > 1 else min(3, len(chosen))
    standing = [min(3.6, 7.2 / columns + 0.5)] * -(-len(chosen) // columns)
    surface = plotting.axes_figure(solid, heights=standing, columns=columns, solid=True)
    return [
        plotting.save_figure(levels, out / "field")[0],
        plotting.save_figure(surface, out / "surface")[0],
    ]


def draw_sweep(out: Path, sweep: Sweep) -> Path:
    """Draw distances against a parameter or delay, relative to `relative_to`, else the largest."""
    over = "delay" if sweep.over == "shift" else sweep.over
    values, at, distances = sweep.values, sweep.at, dict(sweep.distances)
    if sweep.scale == "log" and (values < 0).all():
        over, values, at = f"-{over}", -values, None if at is None else -at
    if not sweep.relative_to:
        distances = {name: column / (column.max() or 1.0) for name, column in distances.items()}

    def panel(axes: NDArray[Any]) -> None:
        plotting.plot_sweep(
            values,
            distances,
            ax=axes[0, 0],
            xlabel=f"{over} ({sweep.unit})" if sweep.unit else over,
            ylabel=f"distance, {sweep.relative_to or 'the largest'} = 1",
            scales=(sweep.scale, "log" if sweep.over == "shift" else "linear"),
            at=at,
        )

    return plotting.save_figure(plotting.axes_figure(panel, heights=[3.0]), out / "sweep")[0]


def draw_frames(out: Path, frames: Frames, *, gif: bool = False) -> list[Path]:
    """Draw two sounds with increasing delay of one, and their distances as bars.

    Parameters
    ----------
    out : Path
        Output folder of frames.png, with three of the frames, and frames.gif.
    frames : Frames
        All frames.
    gif : bool, default False
        Whether to save an animation.
    """
    top = 1.1 * max(1.0, *(float(column.max()) for column in frames.distances.values()))

    def frame(axes: NDArray[Any], k: int) -> None:
        shift = frames.shifts[k]
        both = pictures.spectrogram(frames.other + delayed(frames.x, shift), frames.sr)
        plotting.plot_time_frequency(both, ax=axes[0], bar=False)
        axes[0].set_title(f"delayed by {shift / frames.sr:.3f} s", fontsize=8, loc="left")
        bars = {name: float(column[k]) for name, column in frames.distances.items()}
        plotting.plot_bars(bars, ax=axes[1], top=top)

    chosen = np.unique(np.linspace(0, len(frames.shifts) - 1, 3).round().astype(int))

    def panels(axes: NDArray[Any]) -> None:
        for row, k in zip(axes, chosen, strict=True):
            frame(row, int(k))

    figure = plotting.axes_figure(panels, heights=[1.8] * len(chosen), columns=2)
    paths = [plotting.save_figure(figure, out / "frames")[0]]
    if gif:
        canvas = plotting.axes_figure(lambda axes: frame(axes[0], 0), heights=[1.8], columns=2)
        redraw = functools.partial(frame, np.array(canvas.axes))
        plotting.save_animation(canvas, redraw, len(frames.shifts), out / "frames.gif")
        paths.append(out / "frames.gif")
    return paths


def draw_resynthesis(
    out: Path,
    target: NDArray[np.floating],
    result: NDArray[np.floating],
    sr: int,
    errors: Mapping[str, ArrayLike],
    *,
    title: str = "target",
) -> list[Path]:
    """Draw both sounds as spectrograms on one scale, and the convergence of the error.

    Parameters
    ----------
    out : Path
        Output folder of sounds.png and convergence.png.
    target, result : ndarray of float, shape (n_samples,)
        Both sounds.
    sr : int
        Sampling rate in Hz.
    errors : mapping from str to array_like of float
        Relative errors of each channel, by step.
    title : str, default "target"
        What the first sound is.
    """
    both = [pictures.spectrogram(y, sr) for y in (target, result)]
    loudest = float(both[0].values.max())

    def sounds(axes: NDArray[Any]) -> None:
        for ax, picture, name in zip(axes[:, 0], both, (title, "resynthesis"), strict=True):
            plotting.plot_time_frequency(picture, ax=ax, loudest=loudest)
            ax.set_title(name, fontsize=8, loc="left")

    def convergence(axes: NDArray[Any]) -> None:
        curves = {name: [column] for name, column in errors.items()}
        plotting.plot_convergence(curves, ax=axes[0, 0], ylabel="relative error")

    figures = {
        "sounds": plotting.axes_figure(sounds, heights=[1.8, 1.8], share="all"),
        "convergence": plotting.axes_figure(convergence, heights=[_HEIGHT]),
    }
    return [plotting.save_figure(figure, out / name)[0] for name, figure in figures.items()]


def _titled(loss: str, shift: int, between: str = ", ") -> str:
    return f"{loss}{between}target " + (f"delayed by {shift} samples" if shift else "aligned")
