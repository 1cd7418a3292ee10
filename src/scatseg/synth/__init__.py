"""Parameters in, sounds out: synthesizers that say what their parameters mean, and can be derived.

Each is a frozen dataclass of options, called with parameters (..., n_params) and answering with
sounds (..., n_samples): NumPy in, NumPy out; torch in, torch out on the same device, with
gradients. The formulas are written once for both. Nothing sounds above half the sampling rate.

A synthesizer of your own is any callable that has `sr`, in Hz, and `parameters`, a tuple of
`Parameter`; a name like `module:callable` finds it.
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
"""Where each synthesizer lives."""


def synthesizer(text: str) -> Synth:
    """Make the synthesizer that a name describes.

    Parameters
    ----------
    text : str
        `name[:key=value,...]`: "am-chirp:gain=energy", or `module:callable`.

    Raises
    ------
    ValueError
        When there is none of that name, or it does not declare `sr` and `parameters`.
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
