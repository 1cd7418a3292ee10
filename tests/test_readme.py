"""The examples of the README run as written, with the declared dependencies only."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import scatseg
from scatseg import distances, gear, pieces
from scatseg.scattering.filterbank import filterbank

README = Path(__file__).parents[1] / "README.md"
REPORTS = sorted(README.parent.glob("reports/**/run.json"))


@pytest.mark.slow
def test_python_examples_run_without_undeclared_libraries(tmp_path, monkeypatch):
    for absent in ("pandas", "torch"):
        monkeypatch.setitem(sys.modules, absent, None)
    monkeypatch.chdir(tmp_path)
    piece = pieces.compose("rondo")
    y = piece.y[: 20 * piece.sr]
    scatseg.save("song.flac", y, piece.sr)
    scatseg.write("song.lab", scatseg.Segmentation([0, 16, 20], ["A", "B"]))
    names = {"blocks": np.array_split(y, 5), "downbeats": np.arange(0, 20, 2.0)}
    examples = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    for example in examples:
        exec(compile(example, str(README), "exec"), names)
    assert names["hierarchy"].names == ("section", "phrase")
    assert len(names["four"]) == 4
    assert set(names["paths"]) >= {"carrier_hz", "modulation_hz", "scale_cpo", "spin"}


def test_filters_are_the_plain_arrays_that_wrappers_are_told_to_use():
    (code,) = re.findall(
        r"`(scatseg\.scattering\.filterbank[^`]*band[^`]*)`", README.read_text(encoding="utf-8")
    )
    start, values = eval(code)
    wavelet = filterbank(12, (8, 1), 4096).psi1[0]
    assert (start + values.argmax()) / 2**16 == pytest.approx(wavelet.xi, abs=2**-16)
    bins = np.arange(start, start + len(values))
    np.testing.assert_allclose(values, wavelet.response(bins / 2**16), atol=1e-6)


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    inside = [link for link in links if "://" not in link]
    assert len(inside) > 10
    assert [link for link in inside if not (README.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("where", "options"),
    [
        ('scatseg.extractor("jtfs")', scatseg.JointScattering()),
        ("scatseg.distance", distances.JointCoefficients()),
        ('gear.representation("jtfs")', gear.representation("jtfs")),
    ],
)
def test_defaults_of_jtfs_are_those_of_the_table(where, options):
    lines = README.read_text(encoding="utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith("|") and f"{where}`" in line)
    F = "`2**J_fr`" if options.F is None else str(options.F)
    values = [str(getattr(options, name)) for name in ("J", "J_fr", "Q", "Q_fr")]
    assert [cell.strip() for cell in row.split("|")[2:7]] == [*values, F]


@pytest.mark.parametrize("file", REPORTS, ids=lambda file: str(file.relative_to(README.parent)))
def test_reports_name_recordings_by_where_they_are_in_a_run(file):
    recordings = json.loads(file.read_text(encoding="utf-8")).get("audio") or {}
    assert [path for path in recordings.values() if Path(path).is_absolute()] == []
