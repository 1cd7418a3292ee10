"""Parameters -> sounds: differentiable synthesizers with declared parameters.

Each is a frozen dataclass of options that maps parameters (..., n_params) to sounds
(..., n_samples), with NumPy or torch; tensors stay on their device and are differentiable. There is
no sound above the Nyquist frequency.

A custom synthesizer is any callable with `sr`, in Hz, and `parameters`, a tuple of `Parameter`,
given as `module:callable`.
"""

from __future__ import annotations

from collections.abc import Mapping

from scatseg import naming
from scatseg.synth.parameters import (
    Parameter,
    Synth,
    check_device,
    check_names,
    check_value,
    grid,
    placed,
    ranged,
    theta_of,
)
from scatseg.synth.signals import delayed
from scatseg.synth.techniques import Bisbigliando, Flatterzunge, Tremolo, Trill, Vibrato
from scatseg.synth.tones import AdditiveTone, AMChirp, Ripple

__all__ = [
    "SYNTHS",
    "AMChirp",
    "AdditiveTone",
    "Bisbigliando",
    "Flatterzunge",
    "Parameter",
    "Ripple",
    "Synth",
    "Tremolo",
    "Trill",
    "Vibrato",
    "check_device",
    "check_names",
    "check_value",
    "delayed",
    "grid",
    "placed",
    "ranged",
    "synthesizer",
    "theta_of",
]

SYNTHS: Mapping[str, str] = {
    "am-chirp": "scatseg.synth:AMChirp",
    "additive": "scatseg.synth:AdditiveTone",
    "ripple": "scatseg.synth:Ripple",
    "vibrato": "scatseg.synth:Vibrato",
    "trill": "scatseg.synth:Trill",
    "tremolo": "scatseg.synth:Tremolo",
    "flatterzunge": "scatseg.synth:Flatterzunge",
    "bisbigliando": "scatseg.synth:Bisbigliando",
}
"""Location of each synthesizer."""


def synthesizer(text: str) -> Synth:
    """Create a synthesizer by name.

    Parameters
    ----------
    text : str
        `name[:key=value,...]`: "am-chirp:gain=energy", or `module:callable`.

    Raises
    ------
    ValueError
        When the name is unknown, or the object does not declare `sr` and `parameters`.
    """
    (name, options), *more = naming.parse_names(text)
    if more:
        msg = f"one synthesizer is played at a time, got {text!r}"
        raise ValueError(msg)
    synth: Synth = naming.build(name, options, SYNTHS, "synth")
    declared = getattr(synth, "parameters", ())
    if not (declared and isinstance(getattr(synth, "sr", None), int)):
        msg = f"synth {name!r} must have `sr`, in Hz, and `parameters`, a tuple of Parameter"
        raise ValueError(msg)
    return synth
