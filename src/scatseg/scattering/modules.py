"""The transforms as torch modules."""

from __future__ import annotations

import numpy as np
import torch

from scatseg.scattering.joint import TimeFrequencyScattering
from scatseg.scattering.time import Scattering1D


class ScatteringModule(torch.nn.Module):
    """A scattering transform as a layer without learnable parameters.

    Input is converted to the dtype and device of the module. Plans are cached by length and device.

    Differentiable to any order with `torch.autograd` and with `grad`, `vjp` and `jacrev` of
    `torch.func`. Forward-mode derivatives (`jvp`) and `vmap` are not supported; pass batches
    directly. Neither are `torch.export`, ONNX and TorchScript: save the state, and the options.

    Parameters
    ----------
    transform : Scattering1D or TimeFrequencyScattering
        A transform with out_type "array".

    Attributes
    ----------
    order, xi, sigma, j : Tensor
        Buffers with the columns of `transform.meta()`. They are part of the state, with the
        options; loading a state with other options fails.

    Examples
    --------
    >>> layer = ScatteringModule(Scattering1D(J=6, Q=8))
    >>> layer(torch.zeros(3, 4096)).shape
    torch.Size([3, 126, 64])
    >>> layer.double()(torch.zeros(3, 4096)).dtype
    torch.float64
    """

    order: torch.Tensor
    xi: torch.Tensor
    sigma: torch.Tensor
    j: torch.Tensor

    def __init__(self, transform: Scattering1D | TimeFrequencyScattering) -> None:
        super().__init__()
        if not isinstance(transform, Scattering1D | TimeFrequencyScattering):
            msg = (
                "a layer is made of a transform, as in ScatteringModule(Scattering1D(J=8, Q=8)), "
                f"got {transform!r}"
            )
            raise TypeError(msg)
        if transform.out_type != "array":
            msg = f'a layer gives one tensor: out_type must be "array", got {transform.out_type!r}'
            raise ValueError(msg)
        self.transform = transform
        meta = transform.meta()
        self.register_buffer("order", torch.from_numpy(np.asarray(meta["order"])))
        for name in ("xi", "sigma", "j"):
            self.register_buffer(name, torch.from_numpy(meta[name].astype(np.float32)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform signals (..., n_samples) -> (..., n_paths, n_frames), or more axes."""
        if not isinstance(x, torch.Tensor):
            msg = f"x must be a tensor, got {type(x).__name__}: torch.as_tensor converts it"
            raise TypeError(msg)
        y: torch.Tensor = self.transform(x.to(device=self.xi.device, dtype=self.xi.dtype))
        return y

    def get_extra_state(self) -> str:
        """Save the options."""
        return repr(self.transform)

    def set_extra_state(self, state: str) -> None:
        """Check that the options are those of the transform."""
        if state != repr(self.transform):
            msg = f"the state is of {state}, the layer of {self.transform!r}: make it with the same"
            raise ValueError(msg)

    def extra_repr(self) -> str:
        """Show the options."""
        return repr(self.transform)
