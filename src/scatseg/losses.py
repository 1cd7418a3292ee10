"""Two sounds -> a differentiable loss: the distances of `scatseg.distances` as torch modules.

Called as `loss(x, target)`. Weighted sums are losses, too:
`2 * JTFSLoss() + MultiScaleSpectralLoss()`. Features of the last target are cached. Gradients are
finite everywhere, even for silence and equal sounds.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, Literal, cast

import torch
from torch import Tensor

from scatseg import distances, naming
from scatseg.distances import Comparison
from scatseg.sensitivity import places_of, pullback_metric
from scatseg.synth import Synth

Reduction = Literal["mean", "sum", "none"]


class Loss(torch.nn.Module, ABC):
    """A distance from sounds to targets, (..., n_samples) both, that can be weighted and summed.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Reduction over the batch.
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        _check_reduction(reduction)
        self.reduction = reduction

    @property
    def terms(self) -> tuple[tuple[float, Loss], ...]:
        """The weights and losses that this one is the sum of."""
        return ((1.0, self),)

    @abstractmethod
    def describe(self, x: Tensor) -> Any:
        """Compute the features of sounds to compare."""

    @abstractmethod
    def compare(self, S: Any, R: Any) -> Tensor:
        """Return the distances (...) between features."""

    @abstractmethod
    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the distance, a scalar unless `reduction` is "none"."""

    def __add__(self, other: object) -> WeightedSum:
        if not isinstance(other, Loss):
            return NotImplemented
        return WeightedSum([*self.terms, *other.terms])

    __array_ufunc__ = None  # NumPy would multiply each element of an array by the loss

    def __mul__(self, weight: float) -> WeightedSum:
        if not isinstance(weight, Real | Tensor):
            return NotImplemented
        return WeightedSum([(weight * w, loss) for w, loss in self.terms])

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> WeightedSum:
        return self * (1 / divisor)

    def __radd__(self, start: object) -> Loss:
        if start != 0:  # the initial value of the built-in sum
            return NotImplemented
        return self


class WeightedSum(Loss):
    """A weighted sum of losses, as from `2 * a + b`.

    Parameters
    ----------
    terms : sequence of (float, Loss)
        Weights, finite, and losses.

    Examples
    --------
    >>> 2 * WaveformLoss()
    WeightedSum(
      weights=(2.0,)
      (losses): ModuleList(
        (0): WaveformLoss(Waveform(p=2))
      )
    )
    """

    def __init__(self, terms: Sequence[tuple[float, Loss]]) -> None:
        super().__init__()
        self.weights = tuple(
            float(weight) if isinstance(weight, Real) else weight for weight, _ in terms
        )
        for weight in self.weights:
            if isinstance(weight, Tensor) and weight.numel() != 1:
                msg = f"a loss needs one number as its weight, got shape {tuple(weight.shape)}"
                raise ValueError(msg)
            if not math.isfinite(weight):
                msg = f"weights of losses must be finite, got {self.weights}"
                raise ValueError(msg)
        self.losses = torch.nn.ModuleList(loss for _, loss in terms)

    @property
    def terms(self) -> tuple[tuple[float, Loss], ...]:
        """The weights and losses that this one is the sum of."""
        return tuple(zip(self.weights, cast(Sequence[Loss], self.losses), strict=True))

    def extra_repr(self) -> str:
        """Show the weights."""
        return f"weights={self.weights}"

    def describe(self, x: Tensor) -> Any:
        """Compute the features of sounds for each of the losses."""
        return tuple(loss.describe(x) for _, loss in self.terms)

    def compare(self, S: Any, R: Any) -> Tensor:
        """Return the weighted sums (...) of distances between features."""
        parts = zip(self.terms, S, R, strict=True)
        return cast(Tensor, sum(weight * loss.compare(s, r) for (weight, loss), s, r in parts))

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the weighted sum of the losses, each with its own reduction."""
        return cast(Tensor, sum(weight * loss(x, target) for weight, loss in self.terms))


class _Recalled:
    """A cache of results for the last target, computed without gradients."""

    def __init__(self) -> None:
        self._last: tuple[Tensor, Tensor] | None = None

    def __call__(self, target: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        if self._last is None or not _same(self._last[0], target):
            # Tensors made in inference mode could not be used with gradients later.
            with torch.inference_mode(False), torch.no_grad():
                kept = target.detach().clone()
                self._last = (kept, compute(kept))
        return self._last[1]


def _same(x: Tensor, y: Tensor) -> bool:
    return x.dtype == y.dtype and x.device == y.device and torch.equal(x, y)


class FeatureLoss(Loss):
    """The norm of the difference between features of two sounds.

    Parameters
    ----------
    comparison : Comparison
        Features and their difference, from `scatseg.distances` or custom.
    reduction : {"mean", "sum", "none"}
        Reduction over the batch.

    Examples
    --------
    >>> loss = FeatureLoss(distances.Waveform(p=1))
    >>> loss(torch.zeros(2, 100), torch.ones(100))
    tensor(100.)
    """

    def __init__(self, comparison: Comparison, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.comparison = comparison
        self._recalled = _Recalled()

    def describe(self, x: Tensor) -> Tensor:
        """Compute the features of sounds (..., n_samples) to compare."""
        return cast(Tensor, self.comparison(x))

    def compare(self, S: Tensor, R: Tensor) -> Tensor:
        """Return the distances (...) between features, those of the reference last."""
        difference = self.comparison.difference(S, R)
        return cast(Tensor, distances.norm(difference, self.comparison.p))

    def differences_from(self, target: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the function from sounds to differences whose norm is the distance to a target."""
        with torch.no_grad():
            R = self.describe(target)
        return lambda x: torch.as_tensor(self.comparison.difference(self.describe(x), R))

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the distance of sounds from targets.

        Parameters
        ----------
        x, target : Tensor of float, shape (..., n_samples)
            On one device. Leading axes are broadcast.

        Raises
        ------
        TypeError
            When one of them is not a tensor.
        ValueError
            When the lengths differ or samples are not finite.
        """
        for name, sound in (("x", x), ("target", target)):
            if not isinstance(sound, Tensor):
                kind = type(sound).__name__
                msg = f"{name} must be a tensor, got {kind}: torch.as_tensor converts it"
                raise TypeError(msg)
        distances.check_lengths(x, target)
        values = self.compare(self.describe(x), self._described(target))
        return _reduced(values, self.reduction)

    def extra_repr(self) -> str:
        """Show the options."""
        return repr(self.comparison)

    @classmethod
    def _made(cls, kind: Callable[..., Comparison], options: Mapping[str, Any]) -> Comparison:
        known = inspect.signature(kind).parameters
        unknown = [name for name in options if name not in known]
        if unknown:
            accepted = ", ".join(["reduction", *known])
            msg = f"{cls.__name__} has no option {unknown[0]!r}: there are {accepted}"
            raise TypeError(msg)
        return kind(**options)

    def _described(self, target: Tensor) -> Tensor:
        if target.requires_grad:
            return self.describe(target)
        return self._recalled(target, self.describe)


class ScatteringLoss(FeatureLoss):
    """L2 distance of scattering coefficients.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Reduction over the batch.
    **options
        Those of `distances.ScatteringCoefficients`: J=12, Q=8, T=None, max_order=2,
        accuracy="default", eps=None, p=2.
    """

    def __init__(self, *, reduction: Reduction = "mean", **options: Any) -> None:
        super().__init__(self._made(distances.ScatteringCoefficients, options), reduction=reduction)


class JTFSLoss(FeatureLoss):
    """L2 distance of joint time-frequency scattering coefficients.

    It is nearly invariant to delays below T samples, and sensitive to the direction of chirps.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Reduction over the batch.
    **options
        Those of `distances.JointCoefficients`: J=12, J_fr=5, Q=(8, 2), Q_fr=2, T=None, F=0,
        accuracy="default", eps=None, p=2.

    References
    ----------
    C. Vahidi, H. Han, C. Wang, M. Lagrange, G. Fazekas and V. Lostanlen, "Mesostructures: beyond
    spectrogram loss in differentiable time-frequency analysis", JAES 71(9), 2023.

    Examples
    --------
    >>> loss = JTFSLoss(J=8, J_fr=3)
    >>> loss(torch.zeros(2**12), torch.zeros(2**12))
    tensor(0.)
    """

    def __init__(self, *, reduction: Reduction = "mean", **options: Any) -> None:
        super().__init__(self._made(distances.JointCoefficients, options), reduction=reduction)


class MultiScaleSpectralLoss(FeatureLoss):
    """L1 distance of magnitude spectrograms, mean over several resolutions (MSS).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Reduction over the batch.
    **options
        Those of `distances.MultiScaleSpectrum`: n_fft=(2048, 1024, 512, 256, 128, 64), linear=1.0,
        log=0.0, floor=1e-05.
    """

    def __init__(self, *, reduction: Reduction = "mean", **options: Any) -> None:
        super().__init__(self._made(distances.MultiScaleSpectrum, options), reduction=reduction)


class LogMelLoss(FeatureLoss):
    """Distance of log-mel spectrograms.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Reduction over the batch.
    **options
        Those of `distances.LogMel`: sr=22050, n_mels=128, n_fft=400, hop_length=200, p=2.
    """

    def __init__(self, *, reduction: Reduction = "mean", **options: Any) -> None:
        super().__init__(self._made(distances.LogMel, options), reduction=reduction)


class MFCCLoss(FeatureLoss):
    """Distance of mel-frequency cepstral coefficients over time.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Reduction over the batch.
    **options
        Those of `distances.MFCC`: sr=22050, n_mfcc=40, n_mels=128, n_fft=400, hop_length=200, p=2.
    """

    def __init__(self, *, reduction: Reduction = "mean", **options: Any) -> None:
        super().__init__(self._made(distances.MFCC, options), reduction=reduction)


class WaveformLoss(FeatureLoss):
    """Distance of the samples themselves.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Reduction over the batch.
    **options
        That of `distances.Waveform`: p=2.
    """

    def __init__(self, *, reduction: Reduction = "mean", **options: Any) -> None:
        super().__init__(self._made(distances.Waveform, options), reduction=reduction)


class PNPLoss(torch.nn.Module):
    """Perceptual-neural-physical loss: a distance of parameters weighted by their effect.

    (theta - target)^T M (theta - target), in octaves or fractions of the range, with M = J^T J and
    J the Jacobian of the difference whose norm is the loss. It approximates the squared loss to
    second order around the target, without synthesis and feature extraction at every step.

    Parameters
    ----------
    synth : Synth
        The synthesizer.
    loss : FeatureLoss
        The loss, with a norm of order 2.
    damping : float, default 0
        Added to the diagonal of M, relative to its largest eigenvalue, so that inaudible parameters
        are compared, too.
    reduction : {"mean", "sum", "none"}
        Reduction over the batch.

    References
    ----------
    H. Han, V. Lostanlen and M. Lagrange, "Perceptual-neural-physical sound matching", ICASSP 2023.
    """

    def __init__(
        self,
        synth: Synth,
        loss: FeatureLoss,
        *,
        damping: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_squares(loss)
        _check_reduction(reduction)
        if not damping >= 0:
            msg = f"damping must be at least 0, got {damping}"
            raise ValueError(msg)
        self.synth, self.loss = synth, loss
        self.damping, self.reduction = damping, reduction
        self._recalled = _Recalled()

    def forward(self, theta: Tensor, target: Tensor) -> Tensor:
        """Return the distance of parameters (..., n_params) from those of the target.

        M is cached for the last target. Parameters on a logarithmic scale are compared by absolute
        value.
        """
        parameters = self.synth.parameters
        apart = places_of(parameters, theta) - places_of(parameters, target)
        M = self._recalled(target, self._metric)
        form = torch.einsum("...i,...ij,...j->...", apart, M, apart)
        return _reduced(form, self.reduction)

    def _metric(self, target: Tensor) -> Tensor:
        """Compute M, (..., n_params, n_params)."""
        M = torch.stack(
            [
                pullback_metric(self.synth, self.loss.differences_from(self.synth(row)), row)
                for row in target.reshape(-1, target.shape[-1])
            ]
        )
        largest = torch.linalg.eigvalsh(M)[:, -1, None, None]
        M = M + self.damping * largest * torch.eye(M.shape[-1], dtype=M.dtype, device=M.device)
        return cast(Tensor, M.reshape(*target.shape, target.shape[-1]))


LOSSES: Mapping[str, type[FeatureLoss]] = {
    "jtfs": JTFSLoss,
    "scattering": ScatteringLoss,
    "mss": MultiScaleSpectralLoss,
    "logmel": LogMelLoss,
    "mfcc": MFCCLoss,
    "waveform": WaveformLoss,
}
"""Losses by name."""


def loss_named(text: str, sr: int = 22050) -> Any:
    """Create a loss by name.

    Parameters
    ----------
    text : str
        `name[:key=value,...]`: jtfs, scattering, mss, logmel, mfcc, waveform, or
        `module:callable` for a custom function `(x, target) -> Tensor` or a
        `scatseg.distances.Comparison`. Losses joined by + are added.
    sr : int, default 22050
        Sampling rate in Hz. Only used by mfcc and logmel.

    Raises
    ------
    ValueError
        When the name is unknown or does not accept the options, or is neither a function of two
        sounds nor a `Comparison`.

    Examples
    --------
    >>> loss_named("mss:log=1")
    MultiScaleSpectralLoss(MultiScaleSpectrum(n_fft=(2048, 1024, 512, 256, 128, 64), linear=1.0,
                                              log=1, floor=1e-05))
    """
    parts = []
    for name, options in naming.parse_names(text):
        if name in ("mfcc", "logmel"):
            options = {"sr": sr, **options}
        made = naming.build(name, options, LOSSES, "loss")
        parts.append(FeatureLoss(made) if distances.is_comparison(made, f"loss {name!r}") else made)
    if len(parts) > 1 and not all(isinstance(part, Loss) for part in parts):
        msg = f"only losses that are a scatseg.losses.Loss can be added, got {text!r}"
        raise ValueError(msg)
    return parts[0] if len(parts) == 1 else sum(parts[1:], start=parts[0])


def check_squares(loss: object) -> None:
    """Check that the square of a loss is a sum of squares.

    Raises
    ------
    ValueError
        When it is not a `FeatureLoss` with a norm of order 2.
    """
    if not isinstance(loss, FeatureLoss) or loss.comparison.p != 2:
        msg = f"this needs one loss with a norm of order 2, like JTFSLoss(), got {loss}"
        raise ValueError(msg)


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        msg = f'reduction must be "mean", "sum" or "none", got {reduction!r}'
        raise ValueError(msg)


def _reduced(values: Tensor, reduction: Reduction) -> Tensor:
    if reduction == "none":
        return values
    return values.mean() if reduction == "mean" else values.sum()
