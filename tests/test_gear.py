"""GEAR: representations that hear a parameter are told from those that do not."""

import csv
import itertools
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from tests.commands import scatseg

from scatseg import audio, cli, gear, synth
from scatseg.plotting import axes_figure
from scatseg.plotting.gear import plot_ratios
from scatseg.scattering import Scattering1D, TimeFrequencyScattering
from scatseg.synth import AMChirp, Parameter

CHIRPS = AMChirp().parameters
TONE = """
import numpy as np
from scatseg.synth import Parameter

def tone(theta):
    t = np.arange(64) / 1000
    return theta[..., 1:] * np.sin(2 * np.pi * theta[..., :1] * t)

tone.sr = 1000
tone.parameters = (Parameter("f", "Hz", 50.0, 200.0), Parameter("level", "", 0.25, 1.0, "linear"))

def spectrum(y, sr):
    with open(LOG, "a") as log:
        log.write("x")
    return np.abs(np.fft.rfft(y))

def frames(y, sr):
    return np.abs(np.fft.rfft(y.reshape(4, 16)))

def constant(y, sr):
    return np.ones(3)

def broken(y, sr):
    return np.array([np.nan, 1.0])

def growing(y, sr):
    return np.ones(2 + int(abs(y).max() > 0.5))

def raising(y, sr):
    raise KeyError("no weights")

"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of one's own, named anew for each test; returns its name and its log."""
    log = tmp_path / "log"
    log.touch()
    name = f"own_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(f"LOG = {str(log)!r}\n{TONE}")
    monkeypatch.syspath_prepend(tmp_path)
    return name, log


def octave_grid(n):
    parameters = (Parameter("a", "Hz", 1.0, 8.0), Parameter("b", "", -1.0, 1.0, "linear"))
    return parameters, synth.grid(parameters, n)


# ---------------------------------------------------------------- neighbors


def test_estimates_are_means_over_the_nearest_others(rng):
    parameters, theta = octave_grid(5)
    X = rng.normal(size=(25, 4))
    found = gear.examine(X, theta, parameters, n_neighbors=6)
    for i in range(25):
        away = np.linalg.norm(X - X[i], axis=1)
        away[i] = np.inf
        near = theta[np.argsort(away)[:6]]
        a, b = theta[i]
        octaves = np.log2(near[:, 0]).mean() - np.log2(a)
        np.testing.assert_allclose(found.errors[i], [octaves, (near[:, 1].mean() - b) / 2])
        octaves = np.log2(near[:, 0].mean() / a)
        np.testing.assert_allclose(
            found.errors_arithmetic[i], [octaves, (near[:, 1].mean() - b) / 2]
        )
        np.testing.assert_allclose(
            found.ratios[i], [2 ** found.errors[i, 0], 1 + found.errors[i, 1]]
        )
    for ratios, quantiles in zip(found.ratios.T, found.ratio_quantiles.values(), strict=True):
        assert [quantiles[i] for i in (0, 3, 6)] == [ratios.min(), np.median(ratios), ratios.max()]


def test_only_parameters_on_a_logarithmic_scale_are_in_octaves():
    parameters, theta = octave_grid(3)
    found = gear.examine(gear.chance(9), theta, parameters, n_neighbors=3)
    assert found.error_octaves == {"a": found.error["a"]}
    assert list(found.error) == ["a", "b"]


def test_the_grid_itself_recalls_all_neighbors_and_unfolds():
    theta = synth.grid(CHIRPS, 5)
    found = gear.examine(gear.coordinates(theta, CHIRPS), theta, CHIRPS, n_neighbors=12)
    assert found.recall == 1
    assert min(found.isomap_r2.values()) > 0.98
    assert found.n_components == 1


def test_neighbors_are_recalled_that_are_among_the_nearest_on_the_grid():
    theta = 2.0 ** np.arange(8)[:, None]
    order = np.array([0, 1, 2, 3, 7, 6, 5, 4])  # the second half is turned around
    found = gear.examine(order[:, None], theta, [Parameter("f", "Hz", 1.0, 128.0)], n_neighbors=2)
    # At both ends of the second half, one of two neighbors is near on the grid, as for the fourth.
    assert found.recall == 13 / 16


def test_the_gap_between_signs_is_the_least_step_of_one_sign():
    sizes = np.array([8.0, 2.0, 1.0])  # 3, 1 and 0 octaves above the least
    theta = np.concatenate([-sizes, sizes[::-1]])[:, None]
    places = gear.coordinates(theta, [Parameter("g", "", 1.0, 8.0, either_sign=True)])[:, 0]
    np.testing.assert_allclose(places, np.array([0, 2, 3, 4, 5, 7]) / 7)
    two = gear.coordinates(np.array([[-3.0], [3.0]]), [Parameter("g", "", 3.0, 3.1)])
    np.testing.assert_array_equal(two, [[0], [1]])


def test_chance_knows_nothing():
    theta = synth.grid(CHIRPS, 6)
    found = gear.examine(gear.chance(216), theta, CHIRPS, n_neighbors=20)
    assert max(found.isomap_r2.values()) < 0.15
    assert found.recall == pytest.approx(20 / 215, abs=0.05)
    # The distance of a value from the mean of its range, on average.
    places = np.log2(theta) - np.log2(theta).mean(axis=0)
    np.testing.assert_allclose(list(found.error.values()), np.abs(places).mean(axis=0), rtol=0.1)


def test_chance_is_that_of_its_seed():
    np.testing.assert_array_equal(gear.chance(9, seed=1), gear.chance(9, seed=1))
    assert not np.isclose(gear.chance(9, seed=1), gear.chance(9)).any()


def test_a_parameter_that_is_not_heard_is_found_out():
    theta = synth.grid(CHIRPS, 6)
    deaf = gear.coordinates(theta, CHIRPS) * [1.0, 1e-6, 1.0]
    found = gear.examine(deaf, theta, CHIRPS, n_neighbors=20)
    assert found.isomap_r2["f_m"] < 0.05
    assert found.isomap_r2["gamma"] > 0.95


def test_scale_and_place_of_the_vectors_do_not_matter(rng):
    theta = synth.grid(CHIRPS, 4)
    X = rng.normal(size=(64, 5))
    one = gear.examine(X, theta, CHIRPS, n_neighbors=5)
    other = gear.examine(1000 * X + 3, theta, CHIRPS, n_neighbors=5)
    np.testing.assert_allclose(one.errors, other.errors, atol=1e-12)


def test_separate_pieces_are_counted_and_joined():
    parameters, theta = octave_grid(6)
    X = gear.coordinates(theta, parameters)
    X[:18] += 100
    assert gear.examine(X, theta, parameters, n_neighbors=4).n_components == 2


def test_duplicates_are_counted_and_remain_neighbors():
    theta = np.array([[1.0], [2.0], [4.0], [8.0], [8.0]])
    parameters = (Parameter("f", "Hz", 1.0, 8.0),)
    found = gear.examine(np.log2(theta), theta, parameters, n_neighbors=1)
    assert found.n_duplicates == 2
    np.testing.assert_allclose(found.errors[3:, 0], 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_duplicates_are_counted_among_rounding_errors(rng, dtype):
    X = (1000 + rng.normal(size=(64, 300))).astype(dtype)
    X[[10, 30]] = X[[5, 20]]
    parameters, theta = octave_grid(8)
    assert gear.examine(X, theta, parameters, n_neighbors=5).n_duplicates == 4


def test_signs_are_voted_for_by_the_nearest():
    parameters = (Parameter("g", "", 1.0, 8.0, either_sign=True),)
    theta = np.concatenate([-np.geomspace(1, 8, 10), np.geomspace(1, 8, 10)])[:, None]
    signed = np.sign(theta) * (np.log2(np.abs(theta)) + 5)
    right = gear.examine(signed, theta, parameters, n_neighbors=6)
    blind = gear.examine(np.log2(np.abs(theta)), theta, parameters, n_neighbors=1)
    assert right.sign_accuracy == {"g": 1.0}
    assert blind.sign_accuracy == {"g": 0.0}


@pytest.mark.parametrize(
    ("X", "n_neighbors", "message"),
    [
        (np.ones((8, 2)), 3, "all 8 sounds have the same vector"),
        (np.full((8, 2), np.nan), 3, "must be finite, got nan"),
        (np.eye(8), 8, "8 sounds have 1 to 7 neighbors, got 8"),
        (np.eye(7), 3, r"theta \(n_sounds, 3\)"),
    ],
)
def test_vectors_that_cannot_be_examined_are_refused(X, n_neighbors, message):
    with pytest.raises(ValueError, match=message):
        gear.examine(X, synth.grid(CHIRPS, 2), CHIRPS, n_neighbors=n_neighbors)


# ---------------------------------------------------------------- representations


@pytest.fixture(scope="module")
def chirps():
    """Rising chirps and the same falling ones."""
    return gear.played(AMChirp(), (2, 3, 6), signed=True)


@pytest.mark.parametrize(("name", "low", "high"), [("jtfs:T=2048", 0.95, 1), ("jtfs", 0, 0.6)])
def test_spin_survives_averages_over_frames_inside_the_sound(chirps, name, low, high):
    X = gear.describe(gear.representation(name), chirps.batch(0, 36)[0], chirps.sr)
    found = gear.examine(X, chirps.theta, chirps.parameters, n_neighbors=5)
    assert low <= found.sign_accuracy["gamma"] <= high


@pytest.mark.parametrize("name", ["mfcc", "scattering", "scattering:Q=8"])
def test_what_hears_no_spin_takes_mirror_images_for_neighbors(chirps, name):
    X = gear.describe(gear.representation(name), chirps.batch(0, 36)[0], chirps.sr)
    found = gear.examine(X, chirps.theta, chirps.parameters, n_neighbors=5)
    assert found.sign_accuracy["gamma"] <= 0.6


def test_mfcc_agrees_with_librosa():
    import librosa

    y = AMChirp()(synth.theta_of(AMChirp(), {})).astype(np.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters")
        mel = librosa.feature.melspectrogram(
            y=y, sr=8192, n_fft=400, hop_length=200, n_mels=128, htk=True, norm=None,
            pad_mode="reflect",
        )  # fmt: skip
    cepstrum = scipy.fft.dct(np.log(mel + 1e-6), axis=0, norm="ortho")[:40].mean(axis=1)
    np.testing.assert_allclose(gear.MeanMFCC()(y, 8192), cepstrum, rtol=1e-3, atol=1e-3)


def test_mfcc_of_integers_are_those_of_the_same_samples():
    y = (8000 * np.sin(0.2 * np.arange(4000))).astype(np.int16)
    np.testing.assert_array_equal(gear.MeanMFCC()(y, 8192), gear.MeanMFCC()(y.astype("f"), 8192))


def test_scattering_is_the_plain_mean_of_kymatios_coefficients(rng):
    y = rng.normal(size=2**15).astype(np.float32)
    expected = Scattering1D(14, Q=1)(y).mean(axis=-1)
    X = gear.representation("scattering")(y, 8192)
    assert X.shape == (118,)
    np.testing.assert_allclose(X, expected, rtol=1e-5)


def test_joint_scattering_averages_over_the_whole_sound(rng):
    y = rng.normal(size=2**13).astype(np.float32)
    expected = TimeFrequencyScattering(8, 3, Q=(8, 1), Q_fr=2, F=0, T=2**13)(y)[:, 0]
    X = gear.representation("jtfs:J=8,J_fr=3")(y, 8192)
    np.testing.assert_allclose(X, expected, rtol=1e-5)


def test_frames_that_reach_beyond_the_ends_are_left_out(rng):
    y = rng.normal(size=2**13).astype(np.float32)
    S = TimeFrequencyScattering(8, 3, Q=(8, 1), Q_fr=2, F=0, T=1024)(y)
    X = gear.representation("jtfs:J=8,J_fr=3,T=1024")(y, 8192)
    np.testing.assert_allclose(X, S[:, 1:].mean(axis=-1), rtol=1e-5)


@pytest.mark.parametrize("n_samples", [1, 300, 5000])
@pytest.mark.parametrize(
    "name", ["mfcc", "scattering:J=8", "jtfs:J=8,J_fr=3", "jtfs:J=8,J_fr=3,T=2048"]
)
def test_short_and_silent_sounds_have_finite_vectors_of_the_same_size(name, n_samples):
    extract = gear.representation(name)
    short = gear.describe(extract, np.zeros((2, n_samples), dtype=np.float32), 8192)
    long = gear.describe(extract, np.ones((1, 8192), dtype=np.float32), 8192)
    assert short.shape == (2, long.shape[1])


def test_joined_names_stand_side_by_side(rng):
    sounds = rng.normal(size=(2, 4096)).astype(np.float32)
    joined = gear.describe(gear.representation("mfcc+scattering:J=6"), sounds, 8192)
    mfcc = gear.describe(gear.representation("mfcc"), sounds, 8192)
    np.testing.assert_array_equal(joined[:, :40], mfcc)
    assert joined.shape[1] > 40


def test_features_in_frames_are_averaged_over_time(rng):
    y = rng.normal(size=(1, 8192)).astype(np.float32)
    X = gear.describe(gear.representation("logmel"), y, 8192)
    features = gear.representation("logmel")(y[0], 8192)
    weights = np.diff(features.edges)
    np.testing.assert_allclose(X[0], weights @ features.X / weights.sum(), rtol=1e-5)


@pytest.mark.parametrize("name", ["mfcc:n_mfcc=200", "mfcc:eps=0", "scattering:Q=0", "jtfs:J=-1"])
def test_impossible_options_are_refused(name):
    with pytest.raises(ValueError, match=r"must|got"):
        gear.representation(name)


def test_tensors_are_described_as_arrays_are():
    pytest.importorskip("torch")
    on_torch = gear.played(AMChirp(), 2, device="cpu").batch(0, 8)[0]
    on_numpy = gear.played(AMChirp(), 2).batch(0, 8)[0]
    for name in ("mfcc", "scattering", "jtfs:J=8,J_fr=3"):
        extract = gear.representation(name)
        X, Y = (gear.describe(extract, sounds, 8192) for sounds in (on_torch, on_numpy))
        assert np.linalg.norm(X - Y) < 1e-4 * np.linalg.norm(Y)


def test_evaluate_takes_any_callable():
    def centroid(y, sr):
        power = np.abs(np.fft.rfft(y)) ** 2
        hertz = np.fft.rfftfreq(y.size, 1 / sr)
        return np.array([np.log2(power @ hertz / power.sum())])

    found = gear.evaluate(
        AMChirp(), centroid, grid=(6, 2, 2), n_neighbors=3, ranges={"gamma": (1, 2)}
    )
    assert found.error["f_c"] < 0.05
    assert found.error["f_m"] > 0.5
    assert found.dim == 1


def test_evaluate_takes_names():
    named, made = (
        gear.evaluate(AMChirp(), each, grid=2, n_neighbors=2)
        for each in ("mfcc", gear.representation("mfcc"))
    )
    assert named.error == made.error


# ---------------------------------------------------------------- runs


def systems(module, *names):
    return [
        gear.System(name=name, extract=gear.representation(f"{module}:{name}")) for name in names
    ]


def examined(folder, sounds, module, *names, **options):
    options = {"n_neighbors": 3, "source": "tones"} | options
    return gear.run(folder, sounds, systems(module, *names), **options)


def tones(module, n, **options):
    return gear.played(synth.synthesizer(f"{module}:tone"), n, **options)


@pytest.mark.parametrize("takes_batches", [True, False])
def test_sounds_cannot_be_changed_by_a_representation(takes_batches):
    def louder(y, sr):  # noqa: ARG001
        y *= 2
        return y

    louder.takes_batches = takes_batches
    sounds = np.ones((3, 4), dtype=np.float32)
    with pytest.raises(ValueError, match="read-only"):
        gear.describe(louder, sounds, 8192)
    assert (sounds == 1).all()


def test_systems_that_fail_are_listed_and_the_others_finish(own, tmp_path):
    module, _ = own
    bad = ("constant", "broken", "growing", "raising")
    found, failures = examined(tmp_path, tones(module, 4), module, "spectrum", *bad)
    assert [each.name for each in found] == ["spectrum", "ideal", "chance"]
    errors = {failure.track: failure.error for failure in failures}
    assert sorted(errors) == sorted(bad)
    assert "same vector" in errors["constant"]
    assert "got nan" in errors["broken"]
    assert "one size" in errors["growing"]
    assert "KeyError('no weights')" in errors["raising"]


def test_a_size_that_changes_between_batches_is_refused(own, tmp_path):
    module, _ = own
    sounds = tones(module, 9, ranges={"f": (50, 51)})
    order = np.argsort(sounds.theta[:, 1])
    sounds = gear.PlayedSounds(
        synth=sounds.synth, parameters=sounds.parameters, theta=sounds.theta[order]
    )
    _, failures = examined(tmp_path, sounds, module, "growing")
    assert "one size for all sounds, got" in failures[0].error


def test_a_second_run_describes_nothing_again(own, tmp_path):
    module, log = own
    examined(tmp_path, tones(module, 4), module, "spectrum")
    scores = (tmp_path / "ratios.csv").read_bytes()
    examined(tmp_path, tones(module, 4), module, "spectrum")
    assert len(log.read_text()) == 16
    assert (tmp_path / "ratios.csv").read_bytes() == scores


def test_other_sounds_are_described_anew(own, tmp_path):
    module, log = own
    examined(tmp_path, tones(module, 4), module, "spectrum")
    examined(tmp_path, tones(module, 4, ranges={"f": (50, 100)}), module, "spectrum")
    assert len(log.read_text()) == 32


@pytest.mark.parametrize("joined", ["", "+mfcc"])
def test_what_changed_code_of_ones_own_gives_is_described_anew(own, tmp_path, joined):
    module, log = own
    system = gear.System(name="own", extract=gear.representation(f"{module}:spectrum{joined}"))
    sounds = gear.played(synth.synthesizer("additive:duration=0.1"), 2)
    for n_described in (8, 8, 16):
        if n_described == 16:
            file = Path(sys.modules[module].__file__)
            file.write_text(file.read_text() + "# another version\n")
        gear.run(tmp_path, sounds, [system], n_neighbors=3, source="tones")
        assert len(log.read_text()) == n_described


def test_an_interrupted_run_goes_on(own, tmp_path):
    module, log = own

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examined(tmp_path, tones(module, 7), module, "spectrum", step=stop)
    assert len(log.read_text()) == gear.BATCH
    examined(tmp_path, tones(module, 7), module, "spectrum")
    assert len(log.read_text()) == 49


def test_a_rerun_says_that_vectors_are_kept(own, tmp_path):
    module, _ = own
    for end in (" sounds", " sounds: kept"):
        told = []
        examined(tmp_path, tones(module, 7), module, "spectrum", step=told.append)
        assert {line.endswith(end) for line in told} == {True}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("own", "own"), "a name of its own, got own, own"),
        (("ideal",), "'ideal' is one of the baselines"),
    ],
)
def test_systems_of_one_name_are_refused(own, tmp_path, names, message):
    module, log = own
    extract = gear.representation(f"{module}:spectrum")
    systems = [gear.System(name=name, extract=extract) for name in names]
    with pytest.raises(ValueError, match=message):
        gear.run(tmp_path, tones(module, 4), systems, n_neighbors=3, source="tones")
    assert log.read_text() == ""


def test_vectors_that_cannot_be_read_are_told(own, tmp_path):
    module, _ = own
    examined(tmp_path, tones(module, 4), module, "spectrum")
    (stored,) = (tmp_path / "features").rglob("*.npz")
    stored.write_bytes(b"half")
    _, failures = examined(tmp_path, tones(module, 4), module, "spectrum")
    assert "delete it, it is made again" in failures[0].error


def test_a_folder_is_examined_as_the_grid_it_came_from(own, tmp_path):
    module, _ = own
    assert scatseg("synth", f"{module}:tone", "--grid", 4, "-o", tmp_path / "sounds") == 0
    recorded, played = gear.recorded(tmp_path / "sounds"), tones(module, 4)
    np.testing.assert_allclose(recorded.theta, played.theta)
    ranges = [
        [(each.low, each.high) for each in sounds.parameters] for sounds in (recorded, played)
    ]
    np.testing.assert_allclose(*ranges)
    (read, *_), _ = examined(tmp_path / "a", recorded, module, "spectrum")
    (heard, *_), _ = examined(tmp_path / "b", played, module, "spectrum")
    np.testing.assert_allclose(
        read.evaluation.errors[:, 0], heard.evaluation.errors[:, 0], atol=1e-9
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("name,f\na.wav,1\n", "needs a column `file`"),
        ("file,f\na.wav,1\na.wav,1\n", "no column but `file` holds numbers that differ"),
        ("file,f\na.wav,1\nb.wav,2\n", "lists 'b.wav'"),
        ("file,f\na.wav,1,2\na.wav,2\n", "line 2: has 3 cells, but the header names 2"),
        ("file,f,F\na.wav,1,2\na.wav,2,3\n", "each column needs a name of its own, got file, f, F"),
        ('file,f\na.wav,1\n"a.wav,2\n', "is a quote not closed"),
    ],
)
def test_an_index_that_leads_nowhere_is_told(index, message, tmp_path):
    (tmp_path / "index.csv").write_text(index)
    audio.save(tmp_path / "a.wav", np.zeros(100), 8000)
    with pytest.raises(ValueError, match=message):
        gear.recorded(tmp_path)


def test_columns_of_words_are_no_parameters(tmp_path):
    audio.save(tmp_path / "a.wav", np.zeros(100), 8000)
    text = '\ufefffile,note,f,r\na.wav,"two\nlines",1,-1\na.wav,x,4,1\n'
    (tmp_path / "index.csv").write_text(text, encoding="utf-8")
    sounds = gear.recorded(tmp_path)
    assert [(each.name, each.scale) for each in sounds.parameters] == [
        ("f", "log"),
        ("r", "linear"),
    ]
    assert sounds.sr == 8000


def test_recordings_of_any_length_stay_in_order(tmp_path):
    sounds = [np.full(n, i / 8) for i, n in enumerate([300, 200, 200, 300, 300, 300], 1)]
    names = [f"{i}.wav" for i in range(len(sounds))]
    for name, y in zip(names, sounds, strict=True):
        audio.save(tmp_path / name, y, 8000)
    lines = ["file,f", *(f"{name},{i}" for i, name in enumerate(names))]
    (tmp_path / "index.csv").write_text("\n".join(lines))
    batches = gear.recorded(tmp_path).batch(1, 6)
    assert [batch.shape for batch in batches] == [(2, 200), (3, 300)]
    found = [row[0] for batch in batches for row in batch]
    np.testing.assert_allclose(found, [i / 8 for i in range(2, 7)], atol=1e-4)


@pytest.mark.parametrize(
    "table",
    [
        b"file,f\na.wav,1,\na.wav,4,\n",  # as spreadsheets write rows and columns once used
        b"file,f,\na.wav,1,\na.wav,4,\n,,\n",
        b"File;f\na.wav;1,0\na.wav;4,0\n",
        b"file,f,player\na.wav,1,Ren\xe9\na.wav,4,Ren\xe9\n",
        b",file,f\n0,a.wav,1\n1,a.wav,4\n",  # as pandas writes the index
    ],
)
def test_an_index_is_read_as_spreadsheets_write_it(table, tmp_path):
    audio.save(tmp_path / "a.wav", np.zeros(100), 8000)
    (tmp_path / "index.csv").write_bytes(table)
    sounds = gear.recorded(str(tmp_path))
    assert [each.name for each in sounds.parameters] == ["f"]
    assert sounds.theta.tolist() == [[1], [4]]


# ---------------------------------------------------------------- the command


def test_the_command_writes_scores_tables_and_figures(own, tmp_path, capsys):
    name, _ = own
    run = tmp_path / "run"
    arguments = ("--synth", f"{name}:tone", "--grid", 6, "--neighbors", 5, "-o", run)
    features = ("--features", f"{name}:spectrum", "--features", f"{name}:constant")
    assert scatseg("gear", *arguments, *features) == cli.SOME_FAILED
    scores = json.loads((run / "scores.json").read_text())
    found = {system["features"]: system for system in scores["systems"]}
    assert list(found) == [f"{name}:spectrum", "ideal", "chance"]
    assert scores["grid"] == [6, 6]
    assert scores["ranges"] == {"f": [50.0, 200.0], "level": [0.25, 1.0]}
    assert (scores["n_neighbors"], scores["n_sounds"]) == (5, 36)
    spectrum = found[f"{name}:spectrum"]
    assert spectrum["dim"] == 33
    assert spectrum["error"]["f"] < found["chance"]["error"]["f"] / 2
    assert len(spectrum["ratio_quantiles"]["f"]) == 7
    for table, columns in (("ratios", ["f_ratio", "level_ratio"]), ("embedding", ["x", "y", "z"])):
        with (run / f"{table}.csv").open(newline="") as file:
            rows = list(csv.reader(file))
        assert rows[0] == ["system", "sound", "f", "level", *columns]
        assert len(rows) == 1 + 3 * 36
    for figure in ("ratios.png", "ratios.svg", "embedding.png", "embedding.svg"):
        assert (run / "figures" / figure).stat().st_size > 1000
    ratios = (run / "figures" / "ratios.svg").read_text(encoding="utf-8")
    assert "<!-- median -->" in ratios
    assert json.loads((run / "run.json").read_text())["options"]["grid"] == 6
    assert "same vector" in (run / "failures.csv").read_text()
    out, err = capsys.readouterr()
    assert f"{name}:spectrum" in out
    assert f"{name}:constant failed to examine" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--synth", "theremin"], "unknown synth"),
        (["--features", "smell"], "unknown feature"),
        (["--features", "chance"], "one of the baselines"),
        (["--grid", "2", "--neighbors", "8"], "8 sounds have 1 to 7 neighbors"),
        (["--range", "f_m=16,4"], "low to a high"),
        (["--range", "f_m=0,4"], "must be positive"),
        (["--range", "f_c=512,6000"], "at most 4096 Hz, half the sampling rate, got 6000 Hz"),
        (["--range", "loudness=1,2"], "unknown parameter"),
        (["--grid", "3", "--signed"], "even number"),
        (["--device", "nowhere"], "device"),
        (["nothing-here"], "index.csv: a table is needed, with a column `file` and one for each"),
        (["nothing-here", "--grid", "16"], "are for synthesizers, not for a folder"),
        (["nothing-here", "--synth", "ripple"], "are for synthesizers, not for a folder"),
        (["--sr", "16000"], "--sr is for a folder of sounds"),
    ],
)
def test_wrong_usage_is_one_line(arguments, message, tmp_path, capsys):
    assert scatseg("gear", *arguments, "-o", tmp_path / "run") == cli.USAGE
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------- figures


def test_long_names_of_many_systems_stand_clear_of_each_other():
    parameter = Parameter("f", "Hz", 1.0, 8.0)
    names = [f"mfcc:n_mfcc={n},n_mels=80,eps=100" for n in range(1, 9)]
    ratios = {name: np.array([0.5, 2.0]) for name in names}
    figure = axes_figure(lambda axes: plot_ratios(ratios, parameter, ax=axes[0, 0]), heights=[2])
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert len(boxes) == len(names)
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_ratios_are_drawn_around_one_on_a_logarithmic_axis():
    ratios = {"good": np.array([0.9, 1.0, 1.1]), "bad": np.array([0.3, 1.0, 2.9])}

    def draw(axes):
        ax = axes[0, 0]
        plot_ratios(ratios, CHIRPS[1], ax=ax)
        assert ax.get_yscale() == "log"
        assert ax.get_ylim()[0] * ax.get_ylim()[1] == pytest.approx(1)
        assert [label.get_text() for label in ax.get_xticklabels()] == ["good", "bad"]
        drawn = [points.get_offsets()[:, 1] for points in ax.collections[:1]]
        np.testing.assert_allclose(drawn[0], ratios["good"])
        ticks = [ax.yaxis.get_major_formatter()(tick, 0) for tick in ax.get_yticks()]
        assert ticks == ["1/3", "1/2", "1", "2", "3"]

    axes_figure(draw, heights=[2])


def test_evaluation_takes_lists_and_holds_its_own_parameters():
    parameters = (Parameter("f", "Hz", 1.0, 8.0),)
    theta = 2.0 ** np.arange(5)[:, None]
    X = np.log(theta)
    evaluation = gear.examine(X, theta, parameters, n_neighbors=2)
    listed = gear.examine(X.tolist(), theta.tolist(), parameters, n_neighbors=2)
    np.testing.assert_array_equal(listed.ratios, evaluation.ratios)
    theta[0] = 100
    assert evaluation.theta[0] == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_parameters_without_a_place_on_their_scale_are_refused(value):
    theta = 2.0 ** np.arange(5)[:, None]
    X = np.log(theta)
    theta[3] = value
    with pytest.raises(ValueError, match=f"values of f must be finite and not 0, got {value}"):
        gear.examine(X, theta, (Parameter("f", "Hz", 1.0, 8.0),), n_neighbors=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop_length": 200.5}, "hop_length must be an integer of at least 1, got 200.5"),
        ({"n_fft": 0}, "n_fft must be an integer of at least 1, got 0"),
        ({"eps": np.inf}, "eps must be positive and finite, got inf"),
        ({"n_mfcc": 129}, "n_mfcc must be 1 to n_mels = 128, got 129"),
    ],
)
def test_options_of_mean_mfcc_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        gear.MeanMFCC(**options)


def test_sounds_are_described_at_a_sampling_rate(rng):
    with pytest.raises(ValueError, match="sr must be a positive whole number of Hz, got -1"):
        gear.describe(gear.representation("mfcc"), rng.normal(size=(1, 4096)), -1)
