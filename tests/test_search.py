"""An index finds passages where they are, and stays whole wherever its writer is stopped."""

import contextlib
import errno
import io
import itertools
import json
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from tests.commands import scatseg

from scatseg import audio, cli, runs
from scatseg.explain import kind_of
from scatseg.features import FeatureName
from scatseg.plotting.search import map_figure
from scatseg.report import hits
from scatseg.runs import find_sources, read_failures
from scatseg.search import Index, SearchIndexError, ask, building, committing, store
from scatseg.search.building import (
    add_recordings,
    rebuild_index,
    remove_recordings,
    verify_index,
)
from scatseg.search.descriptions import (
    Describer,
    Description,
    DescriptionError,
    cell_edges,
    read_description,
)
from scatseg.search.explaining import explain_likeness
from scatseg.search.hits import Hit, weighed
from scatseg.search.matching import nearest_rows, one_per_passage
from scatseg.search.passages import (
    LENGTHS,
    excerpt_statistics,
    nearest_length,
    passages,
    relative,
    statistics,
    window_cells,
)
from scatseg.search.projection import ProjectionError, fit_projection
from scatseg.search.queries import make_query, tempo_ratios
from scatseg.search.shifting import shift_matrix
from scatseg.search.sliding import Course, Pattern, best_near, slide

SR = 22050


def melody(seed, *, seconds=14.0, transpose=0.0, tempo=1.0):
    """Play random notes of three partials, up to half a second each."""
    rng = np.random.default_rng(seed)
    y, time = np.zeros(round(seconds / tempo * SR)), 0.0
    brightness = rng.uniform(0.3, 0.9)
    while time < seconds - 0.6:
        length, pitch = rng.uniform(0.12, 0.5), 220 * 2 ** (rng.integers(0, 25) / 12)
        loud = rng.uniform(0.3, 1)
        start = round(time / tempo * SR)
        t = np.arange(round(length / tempo * SR)) / SR
        note = sum(
            brightness**k * np.sin(2 * np.pi * (k + 1) * pitch * 2 ** (transpose / 12) * t)
            for k in range(3)
        )
        y[start : start + t.size] += loud * note * np.exp(-4 * t * tempo)
        time += length
    return (0.2 * y).astype(np.float32)


def tremolo(rate, carrier, seconds=8.0):
    t = np.arange(round(seconds * SR)) / SR
    y = (1 + np.sin(2 * np.pi * rate * t)) * np.sin(2 * np.pi * carrier * t)
    return (0.2 * y).astype(np.float32)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Six melodies."""
    folder = tmp_path_factory.mktemp("music")
    for seed in range(6):
        audio.save(folder / f"melody{seed}.flac", melody(seed), SR)
    return folder


@pytest.fixture(scope="module")
def built(music, tmp_path_factory):
    """An index that tests only read."""
    return Index.build([music], tmp_path_factory.mktemp("built") / "music.index")


@pytest.fixture
def folder(built, tmp_path):
    """A copy of it that tests may spoil."""
    return shutil.copytree(built.folder, tmp_path / "music.index")


def excerpt(seed, start, seconds, **how):
    tempo = how.get("tempo", 1.0)
    first = round(start / tempo * SR)
    return melody(seed, **how)[first : first + round(seconds / tempo * SR)]


def assert_found(hits, seed, start, tolerance=0.1):
    assert hits[0].track == f"melody{seed}"
    assert abs(hits[0].start - start) < tolerance


def contents(folder):
    """All bytes of an index but the lock's."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


# ---- search ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 3])
def test_an_excerpt_is_found_where_it_was(built, seed):
    hits = built.search(excerpt(seed, 3.37, 6.0), SR, top=3)
    assert_found(hits, seed, 3.37, 0.01)
    assert hits[0].similarity > 0.97
    assert abs(hits[0].end - 9.37) < 0.1


def test_noise_and_gain_and_a_filter_do_not_hide_it(built, rng):
    y = excerpt(2, 4.1, 6.0)
    noisy = y + 0.1 * np.sqrt(np.mean(y**2)) * rng.normal(size=y.size)
    tilted = np.diff(y, prepend=0)  # 6 dB an octave
    for heard in (noisy, 0.25 * y, tilted):
        assert_found(built.search(heard.astype(np.float32), SR), 2, 4.1)


def test_transposed_music_is_found_by_how_much(built):
    hits = built.search(excerpt(1, 3.0, 7.0, transpose=2), SR, transpose=3)
    assert_found(hits, 1, 3.0)
    assert hits[0].semitones == -2  # the hit lies below the query


def test_faster_music_is_found_by_how_much(built):
    hits = built.search(excerpt(4, 3.0, 7.0, tempo=1.05), SR, tempo=0.1)
    assert_found(hits, 4, 3.0, 0.25)
    assert hits[0].tempo == pytest.approx(1 / 1.05, abs=0.021)  # the hit is slower


def test_an_excerpt_of_a_recording_is_what_is_looked_for(built):
    hits = built.search(melody(5), SR, start=4.0, end=9.0)
    assert_found(hits, 5, 4.0, 0.03)
    assert hits[0].similarity > 0.97


def test_what_to_exclude_may_come_from_a_generator(built):
    hits = built.search(excerpt(0, 3.0, 4.0), SR, exclude=(f"melody{n}" for n in (0, 1)))
    assert {"melody0", "melody1"}.isdisjoint(hit.track for hit in hits)


@pytest.mark.parametrize(
    ("passage", "message"),
    [
        (("melody0", 7.0, 3.0), r"start before end, got \('melody0', 7.0, 3.0\)"),
        (("melody0", 3.0, np.nan), "start before end, got"),
        (("melody0", 3.0, None), r"\(id, start, end\), in seconds, .* got \('melody0', 3.0, None"),
        (("melody0", 3.0), r"passage must be \(id, start, end\), .* got \('melody0', 3.0\)"),
    ],
)
def test_a_passage_to_exclude_begins_before_it_ends(built, passage, message):
    with pytest.raises(ValueError, match=message):
        built.search(excerpt(0, 3.0, 4.0), SR, passage=passage)


def test_a_passage_to_exclude_may_have_a_margin_beyond_its_recording(built):
    hits = built.search(excerpt(0, 0.0, 2.0), SR, passage=("melody0", -1.0, np.inf))
    assert "melody0" not in {hit.track for hit in hits}


def test_a_passage_is_one_hit(built):
    hits = built.search(excerpt(0, 3.0, 4.0), SR, top=30)
    spans = [(hit.start, hit.end) for hit in hits if hit.track == "melody0"]
    assert len(spans) > 1
    for i, (start, end) in enumerate(spans):
        for other_start, other_end in spans[:i]:
            assert min(end, other_end) - max(start, other_start) <= 2.01


def test_hits_are_sorted_and_between_0_and_1(built):
    similarities = [hit.similarity for hit in built.search(excerpt(0, 2.0, 4.0), SR, top=20)]
    assert similarities == sorted(similarities, reverse=True)
    assert all(0 <= each <= 1 for each in similarities)


def hit(course):
    return Hit(track="a", path="", start=0, end=8, similarity=0, timbre=0, course=course)


def test_the_same_course_outranks_a_similar_sound():
    same = weighed(hit(0.99), 0.1, seconds=8.0)
    similar = weighed(hit(0.73), 0.64, seconds=8.0)
    assert same.similarity > similar.similarity


def test_a_similar_sound_outranks_the_same_decay():
    similar = weighed(hit(0.95), 0.6, seconds=0.8)
    decay = weighed(hit(0.999), 0.2, seconds=0.8)
    assert similar.similarity > decay.similarity


@pytest.mark.parametrize(
    ("timbre", "course", "seconds", "similarity"),
    [
        (1.0, 0.2, 8.0, 1.0),
        (0.3, 0.3, 8.0, 0.3),
        (-0.5, -0.5, 8.0, 0.0),
        (0.64, 0.0, 8.0, 0.4),
        (0.6, 0.9, 1.0, 0.6),
        (0.5, 0.75, 2.5, 1 - (0.5 * 0.25**0.5) ** (1 / 1.5)),
        (0.6, None, 8.0, 0.6),
    ],
)
def test_similarity_by_hand(timbre, course, seconds, similarity):
    assert weighed(hit(course), timbre, seconds).similarity == pytest.approx(similarity)


def test_what_is_excluded_is_not_found(built):
    hits = built.search(excerpt(0, 3.0, 6.0), SR, top=50, exclude={"melody0", "melody2"})
    assert {hit.track for hit in hits}.isdisjoint({"melody0", "melody2"})


def test_a_passage_that_is_left_out_leaves_its_recording(built):
    y = melody(0)
    hits = built.search(y, SR, start=3.0, end=5.0, top=50, passage=("melody0", 3.0, 5.0))
    spans = [(hit.start, hit.end) for hit in hits if hit.track == "melody0"]
    assert spans
    assert all(min(end, 5.0) - max(start, 3.0) <= 1.01 for start, end in spans)


def test_the_windows_of_a_long_query_leave_room_for_others(tmp_path, monkeypatch):
    audio.save(tmp_path / "long.flac", melody(0, seconds=130), SR)
    audio.save(tmp_path / "short.flac", melody(1), SR)
    index = Index.build([tmp_path], tmp_path / "music.index")
    monkeypatch.setattr("scatseg.search.index._CANDIDATES", 4)
    assert [hit.track for hit in ask(index, "long", start=1, top=1).hits] == ["short"]


def test_features_of_other_columns_for_each_recording_are_refused(tmp_path):
    t = np.arange(20 * SR) / SR
    audio.save(tmp_path / "clicks.wav", np.where(t % 0.5 < 0.01, 0.5, 0.0), SR)
    with pytest.raises(SearchIndexError, match=r"bars has \d+ columns here and \d+ of silence"):
        Index.build([tmp_path], tmp_path / "music.index", features="bars")


def test_a_query_longer_than_every_recording_is_answered(built):
    y = np.concatenate([melody(0), melody(1)])
    hits = built.search(y, SR, start=0.0, end=27.0, top=6)
    assert {hit.track for hit in hits[:2]} == {"melody0", "melody1"}


def test_a_long_recording_is_compared_with_whole_recordings(built):
    y = np.concatenate([melody(3)] * 5)
    best = built.search(y, SR)[0]
    assert (best.track, best.start) == ("melody3", 0.0)
    assert best.end == pytest.approx(14.0)


def test_a_whole_recording_is_found_transposed(built):
    changed = melody(3, seconds=70, transpose=3)
    plain, best = (built.search(changed, SR, transpose=each)[0] for each in (0, 4))
    assert (best.track, best.semitones) == ("melody3", -3)
    assert best.similarity > plain.similarity + 0.05
    assert len({hit.track for hit in built.search(changed, SR, transpose=4)}) == 6
    with pytest.raises(ValueError, match="other tempi need an excerpt as query"):
        built.search(changed, SR, tempo=0.1)


def test_a_long_recording_does_not_find_itself(built):
    y = np.concatenate([melody(3)] * 5)
    hits = built.search(y, SR, top=6, passage=("melody3", 0.0, 70.0))
    assert {hit.track for hit in hits} == {f"melody{seed}" for seed in (0, 1, 2, 4, 5)}


@pytest.fixture(scope="module")
def tremolos(tmp_path_factory):
    """An index of tones with tremolo, each rate at several carriers."""
    folder = tmp_path_factory.mktemp("tremolos")
    for rate, carrier in itertools.product((4.0, 8.0, 16.0), (300.0, 420.0, 590.0, 830.0)):
        audio.save(folder / f"{rate:g}-{carrier:g}.flac", tremolo(rate, carrier, 3.0), SR)
    return Index.build([folder], folder / "index")


@pytest.mark.parametrize("rate", [4.0, 8.0, 16.0])
def test_the_rate_that_makes_sounds_alike_is_named(tremolos, rate):
    best = tremolos.search(tremolo(rate, 425.0, 2.5), SR)[0]
    assert best.track == f"{rate:g}-420"
    named = next(reason.rate for reason in best.likeness.alike if reason.rate is not None)
    assert abs(np.log2(named / rate)) < 0.5


def test_the_rate_that_tells_sounds_apart_is_named(tremolos):
    hits = tremolos.search(tremolo(4.0, 420.0, 2.5), SR, top=12)
    other = next(hit for hit in hits if hit.track == "16-420")
    named = next(reason.rate for reason in other.likeness.apart if reason.rate is not None)
    assert min(abs(np.log2(named / 4)), abs(np.log2(named / 16))) < 0.5


def test_modulations_slower_than_a_sound_are_not_named(short):
    periods = []  # in durations of the sound
    for seconds in (0.1, 0.4):
        for hit in short.search(melody(0, seconds=2)[: round(seconds * SR)], SR):
            length = short.track(hit.track).duration
            alike, apart = hit.likeness[1:]
            for reasons, heard in ((alike, min(length, seconds)), (apart, max(length, seconds))):
                rates = [each.rate for each in reasons if each.rate is not None]
                periods += [1 / (rate * heard) for rate in rates]
    assert 0.5 < max(periods) <= 1


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ((5.0, 3.0), "begin before it ends"),
        ((20.0, None), "ends at 14 s, before the start"),
        ((1.0, 30.0), "ends at 14 s, before the end"),
        ((-1.0, 2.0), "begin before it ends"),
        ((1.0, 1.01), "too short: 0.05 s are needed, got 0.00998 s"),
        ((1.0, 1.04999), "too short: 0.05 s are needed, got 0.04998 s"),
    ],
)
def test_excerpts_that_are_not_there_are_refused(built, span, message):
    with pytest.raises(ValueError, match=message):
        built.search(melody(0), SR, start=span[0], end=span[1])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"start": "1:02"}, ValueError, "start must be a number of seconds, got '1:02'"),
        ({"end": [3.0]}, ValueError, r"end must be a number of seconds, got \[3.0\]"),
        ({"top": 2.5}, ValueError, "top must be an integer of at least 1, got 2.5"),
        ({"top": 0}, ValueError, "top must be an integer of at least 1, got 0"),
        ({"transpose": 1.5}, ValueError, "transpose must be an integer of at least 0, got 1.5"),
        ({"transpose": 25}, ValueError, "transpose must be at most 24 semitones, got 25"),
        ({"tempo": "5%"}, ValueError, "tempo must be a share from 0 to 1, got '5%'"),
        ({"tempo": 2}, ValueError, "tempo must be a share from 0 to 1, got 2"),
        ({"exclude": "melody0"}, TypeError, r"write \['melody0'\] for one"),
        ({"exclude": ["melody0", "melody0.flac"]}, ValueError, "has the id 'melody0.flac', which"),
        ({"passage": ("melody", 0.0, 4.0)}, ValueError, "no recording .* has the id 'melody'"),
    ],
)
def test_invalid_options_are_refused(built, options, error, message):
    with pytest.raises(error, match=message):
        built.search(melody(0), SR, **options)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.ones((2, 4 * SR)), ValueError, r"mono, .* got shape \(2, 88200\): average its"),
        ("melody0.flac", TypeError, "scatseg.load reads the samples of a file"),
        (np.full(4 * SR, np.nan), ValueError, "must be finite, got nan at index"),
        (np.ones(0), ValueError, "n_samples > 0"),
    ],
)
def test_signals_that_are_not_mono_are_refused_before_the_excerpt(built, y, error, message):
    with pytest.raises(error, match=message):
        built.search(y, SR, start=1, end=2)


def test_silence_is_refused(built):
    with pytest.raises(ValueError, match="silent"):
        built.search(np.zeros(SR, dtype=np.float32), SR)


def test_a_copy_of_an_index_finds_the_same(built):
    index = built
    copy = pickle.loads(pickle.dumps(index))
    assert (copy.folder, copy.n_windows) == (index.folder.absolute(), index.n_windows)


def test_an_index_is_shown_by_its_size(built):
    index = built
    shown = f"Index('{index.folder}', {len(index.tracks)} recordings, scattering at 22050 Hz)"
    assert repr(index) == shown


def test_an_index_has_a_length_and_knows_its_recordings(built, music):
    assert len(built) == len(built.tracks) == 6
    assert "melody0" in built
    assert music / "melody0.flac" in built
    assert "melody6" not in built
    assert 0 not in built


def test_a_folder_is_opened_and_not_made_an_index(built):
    index = built
    with pytest.raises(TypeError, match=r"Index.open\(folder\) opens an index, .* got '"):
        Index(str(index.folder))


def test_an_index_keeps_features_by_name(tmp_path):
    with pytest.raises(TypeError, match="one's own as module:callable, got <function"):
        Index.build([tmp_path], tmp_path / "index", features=excerpt_statistics)


def test_another_sampling_rate_is_refused(built):
    with pytest.raises(ValueError, match="22050 Hz, got 44100 Hz"):
        built.search(melody(0), 44100)


# ---- parts ----------------------------------------------------------------------------------


@given(
    arrays(np.float32, (23, 4), elements=st.floats(-1, 1, width=32)),
    arrays(np.float32, (2, 4), elements=st.floats(-1, 1, width=32)),
    st.integers(1, 30),
)
@settings(deadline=None, max_examples=30)
def test_the_nearest_rows_are_those_of_a_full_sort(matrix, queries, k):
    allowed = np.arange(len(matrix)) % 3 > 0
    nearest = nearest_rows(matrix, queries, k, allowed=allowed)
    for query, rows, similarities in zip(queries, nearest.rows, nearest.similarities, strict=True):
        expected = np.sort((matrix @ query)[allowed])[::-1][:k]
        there = rows >= 0
        assert there.sum() == len(expected)
        np.testing.assert_allclose(similarities[there], expected, atol=1e-6)
        assert allowed[rows[there]].all()


def test_blocks_do_not_change_what_is_nearest(rng, monkeypatch):
    matrix = rng.normal(size=(500, 8)).astype(np.float32)
    whole = nearest_rows(matrix, matrix[:5], 7)
    monkeypatch.setattr("scatseg.search.matching._BLOCK", 5 * 33)
    np.testing.assert_array_equal(nearest_rows(matrix, matrix[:5], 7).rows, whole.rows)


def test_sliding_is_correlation_at_every_place(rng):
    frames = rng.normal(size=(30, 3)).astype(np.float32)
    query = rng.normal(size=(8, 3)).astype(np.float32)
    (found,) = slide(frames, Pattern([query]))
    moved = query - query.mean(axis=0)
    for start, similarity in zip(found.starts, found.similarities, strict=True):
        part = frames[int(start) : int(start) + 8]
        part = part - part.mean(axis=0)
        expected = (part * moved).sum() / np.linalg.norm(part) / np.linalg.norm(moved)
        assert similarity == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("starts", "duration", "found"),
    [
        (range(21), 4, 10),  # centers within the window from 8 to 12 s
        (range(21), 8, 10),  # or as far from it as the query is longer on each side
        (range(21), 2, 12),  # or shorter
        ((13, 5), 4, 5),  # the nearest, if there is none
    ],
)
def test_the_best_alignment_is_searched_around_the_window(starts, duration, found):
    starts = np.array(starts, dtype=float)
    assert best_near(Course(starts / 30, starts), 8.0, 12.0, duration) == (found / 30, found)


def test_a_query_longer_than_the_excerpt_slides_under_it(rng):
    query = rng.normal(size=(40, 3)).astype(np.float32)
    (found,) = slide(query[12:30], Pattern([query]))
    best = found.similarities.argmax()
    assert found.starts[best] == -12
    assert found.similarities[best] == pytest.approx(1)


@pytest.mark.parametrize(("first", "n", "start"), [(0, 40, 9.25), (64, 8, -6.75)])
def test_the_phase_that_meets_the_frames_tells_where_between_them_a_query_starts(
    first, n, start, rng
):
    fine = rng.normal(size=(160, 3)).astype(np.float32)  # four per frame
    begin = first + round(4 * start)
    phases = [fine[begin + phase :: 4][:20] for phase in range(4)]
    (found,) = slide(fine[first::4][:n], Pattern(phases))
    best = found.similarities.argmax()
    assert found.starts[best] == start
    assert found.similarities[best] == pytest.approx(1)


@given(st.integers(1, 200), st.sampled_from([0.0, *LENGTHS]))
def test_windows_cover_all_cells_and_overlap_by_half_or_more(n_cells, length):
    windows = window_cells(n_cells, length)
    assert windows[0, 0] == 0
    assert windows[-1, 1] == n_cells
    sizes = windows[:, 1] - windows[:, 0]
    assert (sizes == sizes[0]).all()
    overlaps = windows[:-1, 1] - windows[1:, 0]
    assert (2 * overlaps >= sizes[0]).all()


@given(st.floats(1.0, 500.0))
def test_cells_last_a_second_but_for_the_last(duration):
    lengths = np.diff(cell_edges(duration))
    np.testing.assert_allclose(lengths[:-1], 1)
    assert lengths[-1] + 1e-9 >= 0.5
    assert lengths[-1] <= 1.5 + 1e-9
    assert lengths.sum() == pytest.approx(duration)


def test_passages_hold_the_statistics_of_their_frames():
    describer = Describer()
    y = melody(0, seconds=13.6)  # the last cell is shorter
    description, features = describer.describe(y), describer.extract(y)
    windows = window_cells(len(description.cells) - 1, 4.0)
    found = passages(description, windows)
    for i in (0, 2, -1):
        expected = statistics(features, *description.cells[windows[i]])
        both = relative(np.stack([found[i], expected]), describer.columns())
        np.testing.assert_allclose(both[0], both[1], rtol=1e-5, atol=1e-6)
    whole = excerpt_statistics(description, *description.cells[windows[2]])
    np.testing.assert_allclose(whole, found[2], rtol=1e-6)


def test_passages_of_all_lengths_are_computed_at_once(few, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        committing, "passages", lambda *arguments: calls.append(1) or passages(*arguments)
    )
    rebuild_index(shutil.copytree(few / "whole.index", tmp_path / "rebuilt.index"))
    assert len(calls) == 2 * 2  # of two tracks, to fit the projection, then to apply it


def test_an_excerpt_counts_cells_by_the_time_that_it_spends_in_them():
    means = np.array([[0.0], [1.0], [4.0]], dtype=np.float32)
    description = Description(
        means=means,
        deviations=np.zeros((3, 1), dtype=np.float32),
        frames=np.zeros((33, 1), dtype=np.float32),
        duration=3.0,
        hop=2048 / SR,
    )
    mean, deviation = excerpt_statistics(description, 0.5, 2.0)
    assert mean == pytest.approx(2 / 3)
    assert deviation == pytest.approx(np.sqrt(2) / 3)
    assert excerpt_statistics(description, 2.2, 2.2)[0] == 4


def test_loudness_plays_no_role():
    describer = Describer()
    loud, soft = (describer.extract(gain * melody(1)) for gain in (1.0, 0.01))
    X = np.stack([statistics(each, 0.0, 10.0) for each in (loud, soft)])
    both = relative(X, describer.columns())
    np.testing.assert_allclose(both[0], both[1], rtol=1e-3, atol=1e-6)


def test_a_semitone_moves_carriers_by_one():
    columns = Describer().columns()
    levels = np.flatnonzero(columns.levels)
    X = np.zeros(len(columns.names))
    X[levels[40]] = 1.0
    moved = X @ shift_matrix(columns.names, 1 / 12)
    source, target = (columns.names[int(i)].carrier for i in (levels[40], moved.argmax()))
    assert target / source == pytest.approx(2 ** (1 / 12), rel=1e-3)


def test_rates_move_alone():
    names = tuple(
        FeatureName("scattering", i, order=2, carrier=carrier, modulation=rate)
        for i, (carrier, rate) in enumerate(itertools.product((500.0, 900.0), (4.0, 8.0)))
    )
    moved = np.array([1.0, 0.0, 0.0, 0.0]) @ shift_matrix(names, 0.0, 1.0)
    np.testing.assert_allclose(moved, [1, 1, 0, 0])


def test_a_projection_tells_apart_what_differs_and_repeats(rng):
    X = rng.gamma(2.0, size=(50, 12))
    projection = fit_projection(X, np.ones(12, dtype=bool), n_dims=5)
    vectors = projection(X)
    assert vectors.shape == (50, 5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    again = fit_projection(X, np.ones(12, dtype=bool), n_dims=5)
    np.testing.assert_array_equal(again(X), vectors)


def test_a_projection_is_fitted_on_a_limited_number_of_passages(tmp_path, monkeypatch):
    monkeypatch.setattr(committing, "_FITTED_ON", 5)
    for i in range(12):
        audio.save(tmp_path / f"{i}.wav", melody(i, seconds=1.2), SR)
    index = Index.build([tmp_path], tmp_path / "index")
    assert index.n_windows == dict.fromkeys(LENGTHS, 12)
    assert store.read_state(index.folder).n_dims == 4  # centered: of 72 passages, every 15th


def test_the_parts_of_a_likeness_sum_to_the_cosine(rng):
    columns = Describer().columns()
    X = rng.gamma(2.0, size=(40, 2 * len(columns.names)))
    projection = fit_projection(X, np.tile(columns.uncompressed, 2))
    likeness = explain_likeness(X[0], X[1], projection, columns, seconds=(2.0, 2.0))
    vectors = projection(X[:2]).astype(np.float64)
    assert likeness.similarity == pytest.approx(vectors[0] @ vectors[1], abs=1e-5)


def test_nothing_makes_passages_alike_and_apart_at_once(rng):
    columns = Describer().columns()
    X = rng.gamma(2.0, size=(40, 2 * len(columns.names)))
    X[:2, : len(columns.names)] *= 20  # more than usual of everything, and not the same
    X[1] *= rng.uniform(0.5, 2, size=X.shape[1])
    projection = fit_projection(X, np.tile(columns.uncompressed, 2))
    likeness = explain_likeness(X[0], X[1], projection, columns, seconds=(2.0, 2.0))
    alike, apart = ({kind_of(each.band) for each in part} for part in likeness[1:])
    assert alike
    assert apart
    assert alike.isdisjoint(apart)


def test_of_overlapping_excerpts_the_first_is_kept():
    kept = one_per_passage("aaab", np.array([0, 1, 3, 0.5]), np.array([4, 5, 7, 4.5]))
    assert list(kept) == [0, 2, 3]


def test_no_more_excerpts_are_compared_than_needed():
    class Times(list):
        n_read = 0

        def __getitem__(self, i):
            Times.n_read += 1
            return super().__getitem__(i)

    starts = Times(range(100))
    kept = one_per_passage("a" * 50 + "b" * 50, starts, [each + 1 for each in starts])
    assert list(itertools.islice(kept, 5)) == [0, 1, 2, 3, 4]
    assert Times.n_read <= 5 * 10
    assert len(list(kept)) == 95


def test_lengths_are_compared_by_their_ratio():
    assert [nearest_length(seconds) for seconds in (0.5, 2.7, 2.9, 8, 25, 300)] == [
        2.0,
        2.0,
        4.0,
        8.0,
        30.0,
        30.0,
    ]


def test_tempi_reach_as_far_as_asked():
    ratios = tempo_ratios(0.1)
    assert ratios[0] == 1
    assert max(ratios) >= 1.1
    assert min(ratios) <= 1 / 1.1


def test_the_frames_of_a_query_are_those_of_its_recording(built):
    y = melody(0)
    query = make_query(y, built.describer, start=4.0, end=9.0)
    frames = read_description(
        built.folder / "tracks" / built.track("melody0").description, frames_only=True
    ).frames
    (found,) = slide(frames, Pattern(query.phases(built.describer)))
    best = found.similarities.argmax()
    assert found.starts[best] * query.hop == pytest.approx(4.0, abs=query.hop / 8 + 1e-3)


# ---- the folder -----------------------------------------------------------------------------


def test_a_second_call_changes_no_byte(music, folder):
    before = contents(folder)
    Index.build([music], folder)
    assert contents(folder) == before


def test_what_is_new_is_added_and_the_rest_kept(folder, tmp_path):
    vectors = Index.open(folder).whole_vectors()
    audio.save(tmp_path / "new.flac", melody(77), SR)
    index = Index.build([tmp_path / "new.flac"], folder)
    assert len(index.tracks) == 7
    assert index.search(melody(77), SR, start=5.0, end=10.0)[0].track == "new"
    np.testing.assert_array_equal(index.whole_vectors()[1][:6], vectors[1])
    assert verify_index(folder) == []


def test_a_changed_recording_is_described_anew(tmp_path):
    for seed in range(3):
        audio.save(tmp_path / f"melody{seed}.wav", melody(seed, seconds=6), SR)
    Index.build([tmp_path], tmp_path / "index")
    audio.save(tmp_path / "melody1.wav", melody(50, seconds=7), SR)
    index = Index.build([tmp_path], tmp_path / "index")
    assert index.track("melody1").duration == pytest.approx(7)
    assert index.search(melody(50), SR, start=1.0, end=5.0)[0].track == "melody1"
    assert len(list((tmp_path / "index" / "tracks").iterdir())) == 3
    assert verify_index(tmp_path / "index") == []


def test_what_is_removed_is_not_found(folder):
    assert remove_recordings(folder, "*[0-3]") == ["melody0", "melody1", "melody2", "melody3"]
    index = Index.open(folder)
    assert {hit.track for hit in index.search(melody(0), SR, top=50)} <= {"melody4", "melody5"}
    assert verify_index(folder) == []
    assert index.n_windows[2.0] == 26


def test_workers_get_what_is_new_and_nothing_of_the_rest(folder, music, tmp_path, monkeypatch):
    shutil.copy(music / "melody0.flac", tmp_path / "new.flac")
    map_sources, given = building.map_sources, []

    def watched(work, sources, **options):
        given.append(([source.id for source in sources], len(pickle.dumps(work))))
        return map_sources(work, sources, **options)

    monkeypatch.setattr(building, "map_sources", watched)
    Index.build([tmp_path / "new.flac"], tmp_path / "small.index")
    Index.build([music, tmp_path / "new.flac"], folder)
    (_, small), (ids, large) = given
    assert ids == ["new"]
    assert abs(large - small) < 100  # not more for six recordings in the index


def test_what_is_removed_may_be_named_by_a_relative_path(music, folder, monkeypatch):
    monkeypatch.chdir(music.parent)
    pattern = f"{music.name}/melody[01].flac"
    assert remove_recordings(folder, pattern) == ["melody0", "melody1"]


def test_an_id_with_brackets_can_be_removed(music, folder, tmp_path):
    shutil.copy(music / "melody0.flac", tmp_path / "take [1].flac")
    Index.build([tmp_path / "take [1].flac"], folder)
    assert remove_recordings(folder, "take [1]") == ["take [1]"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_name_that_is_not_utf8_is_indexed_and_found(music, folder, capsysbinary):
    sound = Path(os.fsdecode(os.fsencode(folder.parent) + b"/caf\xe9.flac"))
    shutil.copy(music / "melody0.flac", sound)
    assert scatseg("index", sound, "-o", folder, "--jobs", 1) == 0
    assert scatseg("index", sound, "-o", folder, "--jobs", 1) == 0
    assert b"kept" in capsysbinary.readouterr().err
    assert verify_index(folder) == []
    index = Index.open(folder)
    (id_,) = {track.id for track in index.tracks} - {f"melody{i}" for i in range(6)}
    assert index.track(id_).path == str(sound)
    answer = ask(index, sound, start=2.0, end=7.0, top=1)
    assert [hit.track for hit in answer.hits] == ["melody0"]
    assert remove_recordings(folder, str(sound)) == [id_]


def test_a_description_that_is_lost_is_an_error_and_one_that_was_removed_is_none(folder):
    index = Index.open(folder)
    remove_recordings(folder, "melody4")
    assert "melody4" not in {hit.track for hit in index.search(melody(4), SR, top=50)}
    next((folder / "tracks").glob("melody1.*")).unlink()
    with pytest.raises(DescriptionError, match="melody1"):
        index.search(melody(1), SR, start=2.0, end=6.0)


def test_removing_all_and_adding_again_works(music, folder):
    remove_recordings(folder, "*")
    with pytest.raises(SearchIndexError, match="nothing is indexed"):
        Index.open(folder).search(melody(0), SR)
    with pytest.raises(SearchIndexError, match="nothing is indexed"):
        ask(Index.open(folder), "melody0")
    index = Index.build([music / "melody2.flac"], folder)
    assert index.search(melody(2), SR, start=2.0, end=8.0)[0].track == "melody2"
    assert verify_index(folder) == []


def test_a_rebuilt_index_is_a_new_one(music, folder, tmp_path):
    remove_recordings(folder, "melody5")
    rebuild_index(folder)
    for seed in range(5):
        shutil.copy2(music / f"melody{seed}.flac", tmp_path)
    fresh = Index.build([tmp_path / f"melody{seed}.flac" for seed in range(5)], tmp_path / "fresh")
    np.testing.assert_array_equal(Index.open(folder).whole_vectors()[1], fresh.whole_vectors()[1])


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"other")])
def test_a_file_that_goes_or_changes_once_described_loses_nothing(tmp_path, change):
    for seed in range(3):
        audio.save(tmp_path / f"melody{seed}.wav", melody(seed, seconds=3), SR)
    sources = find_sources([tmp_path], extensions=[".wav"]).sources

    def changing(receipt):
        if receipt.track == "melody1":
            change(tmp_path / "melody1.wav")

    folder = tmp_path / "music.index"
    add_recordings(folder, sources, Describer(), on_receipt=changing)
    assert [track.id for track in Index.open(folder).tracks] == ["melody0", "melody1", "melody2"]
    assert verify_index(folder) == []
    audio.save(tmp_path / "melody1.wav", melody(50, seconds=4), SR)
    assert Index.build([tmp_path], folder).track("melody1").duration == pytest.approx(4)


def test_a_file_that_changes_while_it_is_described_is_described_anew(tmp_path, monkeypatch):
    path, decode = tmp_path / "melody.wav", audio.decode
    audio.save(path, melody(0, seconds=3), SR)

    def late(source, **options):
        recording = decode(source, **options)
        audio.save(path, melody(50, seconds=4), SR)
        return recording

    with monkeypatch.context() as patched:
        patched.setattr(audio, "decode", late)
        assert Index.build([path], tmp_path / "index").track("melody").duration == pytest.approx(3)
    assert Index.build([path], tmp_path / "index").track("melody").duration == pytest.approx(4)


def test_two_recordings_of_one_name_are_two(folder, tmp_path):
    audio.save(tmp_path / "melody0.flac", melody(60), SR)
    index = Index.build([tmp_path / "melody0.flac"], folder)
    assert len(index.tracks) == 7
    assert index.track("melody0").path != str(tmp_path / "melody0.flac")
    assert index.track(tmp_path / "melody0.flac").id.startswith("melody0-")


def test_broken_files_are_listed_and_the_rest_indexed(tmp_path):
    audio.save(tmp_path / "good.wav", melody(0, seconds=5), SR)
    audio.save(tmp_path / "silent.wav", np.zeros(SR), SR)
    audio.save(tmp_path / "tiny.wav", np.ones(220) / 2, SR)
    (tmp_path / "broken.mp3").write_bytes(b"no sound at all")
    index = Index.build([tmp_path], tmp_path / "index")
    assert [track.id for track in index.tracks] == ["good"]
    failures = {failure.track: failure for failure in read_failures(index.folder)}
    assert "silent" in failures["silent"].error
    assert "too short" in failures["tiny"].error
    assert failures["broken"].stage == "read"


def test_where_all_fails_there_is_no_index_but_a_list_of_failures(tmp_path, capsys):
    audio.save(tmp_path / "silent.wav", np.zeros(SR), SR)
    folder = tmp_path / "music.index"
    assert scatseg("index", tmp_path / "silent.wav", "-o", folder, "--sr", "16000") == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "no index was made" in err
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "failures.csv"]
    with pytest.raises(SearchIndexError, match="nothing could be indexed; silent: "):
        Index.build([tmp_path / "silent.wav"], folder)
    assert scatseg("index", "--info", folder) == 2
    assert "is no index" in capsys.readouterr().err


def test_where_all_failed_an_index_of_other_options_is_made_later(tmp_path):
    audio.save(tmp_path / "silent.wav", np.zeros(SR), SR)
    audio.save(tmp_path / "good.wav", melody(0, seconds=3), SR)
    folder = tmp_path / "music.index"
    scatseg("index", tmp_path / "silent.wav", "-o", folder, "--sr", "16000")
    index = Index.build([tmp_path / "good.wav"], folder)
    assert [track.id for track in index.tracks] == ["good"]
    assert [failure.track for failure in read_failures(folder)] == ["silent"]
    assert verify_index(folder) == []


def test_an_index_that_was_emptied_says_so(folder, capsys):
    remove_recordings(folder, "*")
    for option in ("--info", "--verify"):
        assert scatseg("index", option, folder) == 3
        out, err = capsys.readouterr()
        assert "holds no recording" in err
        assert "no problems found" not in out


def test_an_index_that_is_being_made_says_so(tmp_path, capsys):
    folder = tmp_path / "music.index"
    usual = Describer()
    store.create(folder, options=usual.fingerprint(), features=usual.features, sr=usual.sr)
    with runs.locked(folder):
        assert scatseg("index", "--info", folder) == 3
        assert "is being written by another scatseg" in capsys.readouterr().err
    assert scatseg("index", "--info", folder) == 3
    assert "holds no recording: scatseg index" in capsys.readouterr().err


def test_an_index_of_one_short_sound_is_searched(tmp_path, capsys):
    audio.save(tmp_path / "hit.wav", melody(0, seconds=1.5)[:4000], SR)
    index = Index.build([tmp_path], tmp_path / "index")
    assert index.search(melody(0, seconds=1.5)[:4000], SR)[0].similarity > 0.99
    assert scatseg("index", "--info", index.folder) == 0
    assert "passages:    each recording as a whole\n" in capsys.readouterr().out


def test_windows_are_told_up_to_the_length_at_which_they_are_whole_recordings(tmp_path, capsys):
    audio.save(tmp_path / "a.wav", melody(0, seconds=5), SR)
    audio.save(tmp_path / "b.wav", melody(1, seconds=1.5), SR)
    index = Index.build([tmp_path], tmp_path / "index")
    assert scatseg("index", "--info", index.folder) == 0
    assert "passages:    5 of 2 s, 3 of 4 s\n" in capsys.readouterr().out


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """An index of sounds shorter than the second to which they are padded."""
    folder = tmp_path_factory.mktemp("short")
    for seconds in (0.06, 0.3, 0.5):
        audio.save(folder / f"{seconds}.wav", melody(0, seconds=2)[: round(seconds * SR)], SR)
    return Index.build([folder], folder / "short.index")


@pytest.mark.parametrize(
    ("seconds", "start", "end"), [(0.5, 0.25, 0.5), (2.0, 0.1, 0.16), (2.0, 0.1, 0.7)]
)
def test_hits_do_not_lie_in_the_silence_after_short_sounds(short, seconds, start, end):
    y = melody(0, seconds=2)[: round(seconds * SR)]
    hits = short.search(y, SR, start=start, end=end)
    assert {hit.track for hit in hits} == {"0.06", "0.3", "0.5"}
    for hit in hits:
        duration = short.track(hit.track).duration
        assert 0 <= hit.start < hit.end <= duration
        assert hit.end - hit.start >= min(end - start, duration) / 2 - 1e-9


def test_an_excerpt_of_a_short_sound_ends_where_asked(built):
    y = melody(0, seconds=2)[: round(0.8 * SR)]
    of_excerpt = make_query(y, built.describer, start=0.1, end=0.4)
    assert (of_excerpt.start, of_excerpt.end) == pytest.approx((0.1, 0.4))
    assert of_excerpt.unpadded == pytest.approx(0.3)
    for whole in (make_query(y, built.describer), make_query(y, built.describer, end=0.8)):
        assert (whole.start, whole.end) == (0.0, 1.0)  # with the silence, as in an index
        assert whole.unpadded == pytest.approx(0.8)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_single_path_is_no_list_of_its_letters(kind, tmp_path):
    with pytest.raises(TypeError, match=r"paths are several, got '(.*)': write \['\1'\] for one"):
        Index.build(kind(tmp_path), tmp_path / "music.index")
    assert not (tmp_path / "music.index").exists()


def test_where_only_the_query_itself_is_indexed_nothing_is_found_and_why(tmp_path, capsys):
    audio.save(tmp_path / "hit.wav", melody(0, seconds=3), SR)
    Index.build([tmp_path], tmp_path / "index")
    assert scatseg("search", tmp_path / "index", "hit") == 3
    assert capsys.readouterr().out == "nothing: all that is indexed is left out, see --exclude\n"


def test_an_index_knows_labels_and_groups_of_a_table(tmp_path):
    for seed in range(2):
        audio.save(tmp_path / f"{seed}.wav", melody(seed, seconds=4), SR)
    (tmp_path / "index.csv").write_text("file,label,group\n0.wav,a,x\n1.wav,b,x\ngone.wav,b,y\n")
    index = Index.build([tmp_path], tmp_path / "music.index")
    assert [(track.labels, track.group) for track in index.tracks] == [(("a",), "x"), (("b",), "x")]
    assert [failure.track for failure in read_failures(index.folder)] == [
        f"{tmp_path / 'index.csv'}: gone.wav"
    ]


def test_rows_that_cannot_be_used_are_failures_until_they_are_mended(tmp_path, capsys):
    audio.save(tmp_path / "0.wav", melody(0, seconds=4), SR)
    table, folder = tmp_path / "index.csv", tmp_path / "music.index"
    table.write_text("file,label,group\n0.wav,a,x\ngone.wav,b,y\n")
    assert scatseg("index", tmp_path, "-o", folder, "--jobs", 1) == 1
    err = capsys.readouterr().err
    assert "gone.wav: line 3: there is no such file" in err
    assert "1 recording indexed, 1 failed" in err
    table.write_text("file,label,group\n0.wav,a,x\n0.wav,a,x\n")
    assert scatseg("index", tmp_path, "-o", folder, "--jobs", 1) == 0
    assert "1 repeated row left out" in capsys.readouterr().err
    assert read_failures(folder) == []


def test_a_table_that_cannot_be_read_is_a_failure(tmp_path):
    audio.save(tmp_path / "0.wav", melody(0, seconds=4), SR)
    (tmp_path / "index.csv").write_text('file,label\n"0.wav,a\n')
    folder = tmp_path / "music.index"
    assert scatseg("index", tmp_path, "-o", folder, "--jobs", 1) == 1
    assert [failure.track for failure in read_failures(folder)] == [str(tmp_path / "index.csv")]


def test_failures_of_a_table_stay_listed_until_it_is_read_again(tmp_path):
    tables = [tmp_path / name / "index.csv" for name in ("one", "two")]
    for seed, table in enumerate(tables):
        table.parent.mkdir()
        audio.save(table.parent / f"{seed}.wav", melody(seed, seconds=3), SR)
        table.write_text(f"file,label\n{seed}.wav,a\ngone.wav,b\n")
    folder = tmp_path / "music.index"

    def listed_after_indexing(table):
        Index.build([table.parent], folder)
        return [failure.track for failure in read_failures(folder)]

    one, two = (f"{table}: gone.wav" for table in tables)
    assert listed_after_indexing(tables[0]) == [one]
    assert listed_after_indexing(tables[1]) == [one, two]
    tables[0].write_text("file,label\n0.wav,a\n")
    assert listed_after_indexing(tables[1]) == [one, two]
    assert listed_after_indexing(tables[0]) == [two]
    tables[1].unlink()
    assert listed_after_indexing(tables[0]) == []


def test_labels_are_kept_unless_a_table_says_otherwise(tmp_path):
    files = [tmp_path / f"{seed}.wav" for seed in range(2)]
    for seed, file in enumerate(files):
        audio.save(file, melody(seed, seconds=4), SR)
    table, folder = tmp_path / "index.csv", tmp_path / "music.index"
    table.write_text("file,label,group\n0.wav,a,x\n1.wav,b,x\n")
    Index.build([tmp_path], folder)
    audio.save(files[0], melody(2, seconds=4), SR)
    kept = Index.build(files, folder)
    assert [(track.labels, track.group) for track in kept.tracks] == [(("a",), "x"), (("b",), "x")]
    table.write_text("file,label\n0.wav,c\n")
    said = Index.build([tmp_path], folder)
    assert [(track.labels, track.group) for track in said.tracks] == [(("c",), ""), ((), "")]


def test_a_table_of_something_else_is_named_and_gives_no_labels(tmp_path, capsys):
    audio.save(tmp_path / "melody.wav", melody(0, seconds=4), SR)
    (tmp_path / "index.csv").write_text("file,f_c,f_m\nmelody.wav,400,8\n")
    folder = tmp_path / "music.index"
    assert scatseg("index", tmp_path, "-o", folder, "--jobs", 1) == 0
    assert "index.csv: gives no labels: " in capsys.readouterr().err
    assert read_failures(folder) == []
    assert [track.labels for track in Index.open(folder).tracks] == [()]


class Stopped(BaseException):
    """Stands for the death of the process."""


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Two short recordings, and their index."""
    folder = tmp_path_factory.mktemp("few")
    (folder / "sounds").mkdir()
    for seed in range(2):
        audio.save(folder / "sounds" / f"{seed}.wav", melody(seed, seconds=3), SR)
    Index.build([folder / "sounds"], folder / "whole.index")
    return folder


@pytest.mark.parametrize("step", [0, 1, 2, 9, 13, 14, 15, 16, 17])
def test_a_stopped_writer_leaves_a_whole_index_and_resuming_gives_the_same_bytes(
    few, tmp_path, monkeypatch, step
):
    folder, calls = tmp_path / "music.index", iter(range(100))

    def stopping(function):
        def called(*arguments, **keywords):
            if next(calls) == step:
                raise Stopped
            result = function(*arguments, **keywords)
            if next(calls) == step:
                raise Stopped
            return result

        return called

    with monkeypatch.context() as patched:
        patched.setattr(committing, "write_state", stopping(store.write_state))
        patched.setattr(committing, "append_rows", stopping(store.append_rows))
        patched.setattr(committing, "write_projection", stopping(store.write_projection))
        patched.setattr(committing, "remove_unnamed", stopping(store.remove_unnamed))
        with pytest.raises(Stopped):
            Index.build([few / "sounds"], folder)
    assert verify_index(folder) == []
    assert len(Index.open(folder).tracks) in (0, 2)
    Index.build([few / "sounds"], folder)
    assert contents(folder) == contents(few / "whole.index")


KILLS = int(os.environ.get("SCATSEG_KILLS", "4"))  # as many as there is time for
KILLING = """
import os, signal, sys, time
from scatseg.search import Index

source, work, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
for name in ("warm", "timed"):
    began = time.monotonic()
    Index.build([source], os.path.join(work, name))
seconds = time.monotonic() - began
for i in range(n):
    child = os.fork()
    if not child:
        Index.build([source], os.path.join(work, str(i)))
        os._exit(0)
    time.sleep(seconds * (i + 0.5) / n)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_a_killed_writer_leaves_a_whole_index_and_resuming_gives_the_same_bytes(few, tmp_path):
    command = [sys.executable, "-c", KILLING, few / "sounds", tmp_path, str(KILLS)]
    subprocess.run(command, check=True)
    for folder in (tmp_path / str(i) for i in range(KILLS)):
        if (folder / store.DATABASE).exists():  # it comes to be whole, so that early there is none
            assert verify_index(folder) == []
        Index.build([few / "sounds"], folder)
        assert contents(folder) == contents(few / "whole.index")


def test_an_open_index_answers_as_before_while_another_writes(folder):
    index = Index.open(folder)
    expected = index.search(excerpt(0, 3.0, 6.0), SR, top=3)
    remove_recordings(folder, "melody5")
    rebuild_index(folder)
    assert index.search(excerpt(0, 3.0, 6.0), SR, top=3) == expected


WRITING = """
import sys
from pathlib import Path
from scatseg.search import Index
from scatseg.search.building import rebuild_index, remove_recordings

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
for _ in range(2):
    remove_recordings(folder, "melody[345]")
    rebuild_index(folder)
    Index.build([source], folder)
"""


def test_an_index_is_opened_and_searched_while_another_process_writes(music, folder):
    command = [sys.executable, "-c", WRITING, music, folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        n_tracks = set()
        while writer.poll() is None:
            index = Index.open(folder)
            n_tracks.add(len(index.tracks))
            assert_found(index.search(excerpt(0, 3.0, 4.0), SR, top=1, explain=False), 0, 3.0)
    assert writer.returncode == 0
    assert n_tracks <= {3, 6}
    assert verify_index(folder) == []


def test_an_index_whose_files_go_while_it_is_opened_is_opened_anew(folder, monkeypatch):
    matrix, rebuilt = store.State.matrix, []

    def gone(state, length):
        if not rebuilt:
            rebuilt.append(True)
            rebuild_index(folder)
            raise FileNotFoundError(state.matrix_path(length))
        return matrix(state, length)

    monkeypatch.setattr(store.State, "matrix", gone)
    assert_found(Index.open(folder).search(excerpt(0, 3.0, 4.0), SR, top=1), 0, 3.0)


def test_a_spoiled_vector_is_noticed(folder):
    path = next(folder.glob("vectors-*-4s.f32"))
    data = bytearray(path.read_bytes())
    data[40:44] = np.float32(7).tobytes()
    path.write_bytes(data)
    assert verify_index(folder) == ["melody0: its vectors are not those of its description"]


def test_a_flipped_bit_of_a_vector_is_noticed_though_it_is_below_rounding(folder, music):
    remove_recordings(folder, "melody5")  # checksums are kept, and written anew by packing
    Index.build([music], folder)
    assert verify_index(folder) == []
    path = next(folder.glob("vectors-*-4s.f32"))
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert verify_index(folder) == ["melody0: its vectors are not those of its description"]


def test_an_index_without_checksums_is_read_and_gets_those_of_new_recordings(folder, music):
    with contextlib.closing(sqlite3.connect(folder / store.DATABASE)) as database, database:
        database.execute("ALTER TABLE windows DROP COLUMN crc32")
    assert verify_index(folder) == []
    remove_recordings(folder, "melody5")
    Index.build([music], folder)
    assert verify_index(folder) == []
    rows = store.read_state(folder).rows[4.0]
    known = dict(zip(rows.tracks, rows.checksums >= 0, strict=True))
    assert known == {f"melody{i}": i == 5 for i in range(6)}


def test_a_truncated_index_says_so(folder):
    path = next(folder.glob("vectors-*-2s.f32"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SearchIndexError, match="bytes of vectors are needed, there are"):
        Index.open(folder)


def test_a_damaged_database_says_so(folder):
    (folder / store.DATABASE).write_bytes(b"no database" * 400)
    with pytest.raises(SearchIndexError, match="the index is damaged"):
        Index.open(folder)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM meta WHERE key = 'sr'",
        "UPDATE meta SET value = '3' WHERE key = 'features'",
        "UPDATE meta SET value = '\"../../x\"' WHERE key = 'generation'",
        "UPDATE meta SET value = '-1' WHERE key = 'rows 2'",
        "UPDATE meta SET value = '{' WHERE key = 'options'",
        "UPDATE tracks SET labels = 'none'",
        "UPDATE tracks SET duration = 'long'",
        "DROP TABLE windows",
    ],
)
def test_a_database_that_holds_something_else_says_so(folder, change):
    with sqlite3.connect(folder / store.DATABASE) as database:
        database.execute(change)
    database.close()
    with pytest.raises(SearchIndexError, match="the index is damaged"):
        Index.open(folder)


def test_an_index_cannot_ask_for_more_memory_than_there_is(folder):
    with sqlite3.connect(folder / store.DATABASE) as database:
        database.execute("UPDATE meta SET value = '1000000000000' WHERE key = 'sr'")
    database.close()
    with pytest.raises(ValueError, match="sr must be a whole number of Hz from 1 to 1000000"):
        Index.open(folder)


@pytest.mark.parametrize(
    ("setting", "kind", "message"),
    [
        ("max_page_count=1", OSError, "No space left on device: '.*index.sqlite'"),
        (
            "query_only=ON",
            SearchIndexError,
            r"cannot be written \(.*readonly database.*\); its content is unchanged",
        ),
    ],
)
def test_a_full_or_read_only_disk_is_no_damage(tmp_path, setting, kind, message):
    store.create(tmp_path / "index", options="", features="scattering", sr=SR)

    def write():
        with store.connected(tmp_path / "index", write=True) as database:
            database.execute(f"PRAGMA {setting}")
            database.execute("INSERT INTO meta VALUES ('x', ?)", ("x" * 100_000,))

    with pytest.raises(kind, match=message):
        write()


def test_an_index_on_a_full_disk_is_not_read_and_says_why(folder, monkeypatch, capsys):
    def refuse(*_, **__):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
        raise error

    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(store.sqlite3, "connect", refuse)
    assert scatseg("search", folder, "melody0") == cli.USAGE
    assert "cannot be read (disk I/O error)" in capsys.readouterr().err
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage._replace(free=0))
    assert scatseg("search", folder, "melody0") == cli.NOTHING_DONE
    full = f"Error: {folder / store.DATABASE}: No space left on device: make room there"
    assert full in capsys.readouterr().err


def test_an_index_on_a_disk_that_is_unplugged_says_what_failed(folder, monkeypatch):
    def refuse(*_, **__):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise error

    def gone(path):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))

    monkeypatch.setattr(store.sqlite3, "connect", refuse)
    monkeypatch.setattr(store.shutil, "disk_usage", gone)
    with pytest.raises(SearchIndexError, match=r"cannot be read \(disk I/O error\)"):
        store.read_state(folder)


def test_an_index_that_cannot_be_made_on_a_full_disk_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_SCHEMA", f"PRAGMA max_page_count=1; {store._SCHEMA}")
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path / 'index'}'"):
        store.create(tmp_path / "index", options="", features="scattering", sr=SR)
    assert list(tmp_path.iterdir()) == []


def test_an_index_in_a_file_names_the_folder_given(tmp_path):
    (tmp_path / "file").touch()
    inside = tmp_path / "file" / "index"
    with pytest.raises(SearchIndexError, match=f"^{inside}: an index cannot be made here"):
        store.create(inside, options="", features="scattering", sr=SR)


def test_an_index_of_another_version_says_so(folder):
    with sqlite3.connect(folder / store.DATABASE) as database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    database.close()
    with pytest.raises(SearchIndexError, match="another version of scatseg"):
        Index.open(folder)


def test_an_index_of_other_options_says_so(music, folder):
    with pytest.raises(SearchIndexError, match=r"by scattering at .* Hz, not by scattering:Q=8 "):
        Index.build([music], folder, features="scattering:Q=8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "music.index", "melody0"),
        ("search", "evaluate", "music.index"),
        ("index", "--info", "music.index"),
        ("index", "--verify", "music.index"),
        ("index", "--rebuild", "music.index"),
        ("index", "--remove", "melody0", "music.index"),
        ("index", "music.index", "-o", "music.index"),
    ],
)
def test_an_index_that_names_code_does_not_run_it(folder, monkeypatch, capsys, arguments):
    with sqlite3.connect(folder / store.DATABASE) as database:
        code = json.dumps("os:mkdir:path=ran")
        database.execute("UPDATE meta SET value = ? WHERE key = 'features'", (code,))
    database.close()
    monkeypatch.chdir(folder.parent)
    status = scatseg(*arguments)
    assert not (folder.parent / "ran").exists()
    assert status == 2
    assert "its features are the code os:mkdir; if you trust" in capsys.readouterr().err


def test_features_that_are_all_0_are_refused_where_a_projection_is_fitted():
    with pytest.raises(ProjectionError, match="all features are 0 in all recordings"):
        fit_projection(np.zeros((5, 3)), np.zeros(3, dtype=bool))


def test_features_of_ones_own_are_allowed_by_name(tmp_path, capsys):
    audio.save(tmp_path / "melody.flac", melody(0), SR)
    own, folder = "scatseg.spectral:MFCC", tmp_path / "music.index"
    assert len(Index.build([tmp_path], folder, features=own).tracks) == 1
    with pytest.raises(SearchIndexError, match=r"the code scatseg\.spectral:MFCC"):
        Index.open(folder)
    assert Index.open(folder, trusted=[own]).describer.features == own
    assert scatseg("index", tmp_path, "-o", folder, "--trust", own) == 0
    assert scatseg("index", "--verify", folder, "--trust", own) == 0
    assert "no problems found" in capsys.readouterr().out


def test_an_exit_in_custom_features_is_a_failure_of_the_recording(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    code = """
        import sys
        from scatseg.spectral import MFCC
        def mine(y, sr):
            return sys.exit(3) if y.any() else MFCC()(y, sr)
    """
    (tmp_path / "leaving_feature_of_index.py").write_text(textwrap.dedent(code))
    audio.save(tmp_path / "melody.flac", melody(0), SR)
    sources = find_sources([tmp_path], extensions=[".flac"]).sources
    describer = Describer(features="leaving_feature_of_index:mine")
    (receipt,) = add_recordings(tmp_path / "index", sources, describer)
    assert receipt.failure == ("melody", "features", "SystemExit: 3")


def test_an_index_is_not_mixed_with_changed_code_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "indexed_feature.py"
    module.write_text("from scatseg.spectral import MFCC\nclass Mine(MFCC): pass\n")
    song, folder, own = tmp_path / "melody.flac", tmp_path / "music.index", "indexed_feature:Mine"
    audio.save(song, melody(0), SR)
    before = Index.build([song], folder, features=own)
    commands = [
        ("index", song, "-o", folder),
        ("index", song, "-o", folder, "--rebuild"),
        ("index", folder, "--rebuild"),
        ("search", folder, song, "--exclude", "none"),
    ]
    for command in commands:
        assert scatseg(*command, "--trust", own) == 0
    module.write_text(module.read_text() + "# otherwise\n")
    said = "describes recordings by another version of indexed_feature:Mine, whose code has changed"
    for command in commands:
        capsys.readouterr()
        assert scatseg(*command, "--trust", own) == 2
        assert said in " ".join(capsys.readouterr().err.split())
    with pytest.raises(SearchIndexError, match=said):
        Index.open(folder, trusted=[own])
    with pytest.raises(SearchIndexError, match=said):
        pickle.loads(pickle.dumps(before))
    assert len(Index.build([song], tmp_path / "new.index", features=own).tracks) == 1


def test_a_folder_of_something_else_is_left_alone(music, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(SearchIndexError, match="something else than an index"):
        Index.build([music], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("folder", [".", None])
def test_an_index_fills_an_empty_folder_in_place(folder, music, tmp_path, monkeypatch):
    # A mount point cannot be replaced, and the current folder must not be.
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    assert len(Index.build([music], folder or tmp_path, features="mfcc").tracks) == 6
    assert tmp_path.stat().st_ino == before


def test_what_a_killed_attempt_left_does_not_prevent_an_index(tmp_path):
    for name in (".lock", "failures.csv", ".scatseg-0123.tmp", ".scatseg-0123.tmp-wal"):
        (tmp_path / name).touch()
    store.create(tmp_path, options="", features="scattering", sr=SR)
    assert store.read_state(tmp_path).tracks == {}


@pytest.mark.parametrize("sr", [22050.0, np.int64(22050)])
def test_a_sampling_rate_is_a_whole_number_of_any_type(sr):
    assert Describer(sr=sr) == Describer()
    assert Describer(sr=sr).fingerprint() == Describer().fingerprint()
    with pytest.raises(ValueError, match=r"sr must be a positive whole number of Hz, got 22050\.5"):
        Describer(sr=22050.5)


# ---- the command line -----------------------------------------------------------------------


def test_the_command_line_indexes_tells_and_removes(music, tmp_path, capsys):
    folder = tmp_path / "music.index"
    assert (
        scatseg("index", music / "melody0.flac", music / "melody1.flac", "-o", folder, "--jobs", 1)
        == 0
    )
    assert capsys.readouterr().out == f"{folder}\n"
    assert scatseg("index", "--info", folder) == 0
    assert "recordings:  2" in capsys.readouterr().out
    assert scatseg("index", "--verify", folder) == 0
    assert "no problems found" in capsys.readouterr().out
    assert scatseg("index", "--remove", "melody1", folder) == 0
    assert capsys.readouterr().out == "melody1\n"
    assert scatseg("index", "--remove", "nobody", folder) == 3


def test_the_page_of_something_else_is_not_replaced_by_that_of_a_search(built, tmp_path, capsys):
    asked = ("search", built.folder, "melody2", "--to", 4, "--top", 1, "-o")
    assert scatseg(*asked, built.folder) == 2
    assert "is an index for search: choose another -o" in capsys.readouterr().err
    command, page = (*asked, tmp_path), tmp_path / "index.html"
    page.write_text("a run")
    assert scatseg(*command) == 2
    assert "not of a search" in capsys.readouterr().err
    assert [page.read_text(), *tmp_path.iterdir()] == ["a run", page]
    page.unlink()
    assert [scatseg(*command), scatseg(*command)] == [0, 0]


def test_recordings_that_are_gone_are_named_and_pruned(music, tmp_path, capsys):
    here, folder = tmp_path / "here", tmp_path / "music.index"
    here.mkdir()
    for name in ("melody0", "melody1", "melody2"):
        shutil.copy(music / f"{name}.flac", here)
    assert scatseg("index", here, "-o", folder, "--jobs", 1) == 0
    (here / "melody1.flac").unlink()
    capsys.readouterr()
    assert scatseg("index", here, "-o", folder, "--jobs", 1) == 0
    named = "1 recording without a file: melody1"
    assert f"the index still has {named}; --prune removes" in capsys.readouterr().err
    assert scatseg("index", here, "-o", folder, "--jobs", 1, "--prune") == 0
    assert f"removed {named}\n" in capsys.readouterr().err
    (here / "melody2.flac").rename(here / "other.flac")
    assert scatseg("index", folder, "--info") == 0
    assert "1 recording without a file: melody2" in capsys.readouterr().err
    assert scatseg("index", folder, "--info", "--prune") == 2
    assert "one of --info, --verify, --remove and --prune" in capsys.readouterr().err
    assert scatseg("index", folder, "--prune") == 0
    told = capsys.readouterr()
    assert "removed 1 recording without a file: melody2" in told.err
    assert "recordings:  1" in told.out
    assert [track.id for track in Index.open(folder).tracks] == ["melody0"]
    assert scatseg("index", folder, "--verify") == 0


def test_a_renamed_recording_keeps_its_features_and_labels(few, tmp_path, capsys):
    sounds, folder = tmp_path / "sounds", tmp_path / "music.index"
    shutil.copytree(few / "sounds", sounds)
    (sounds / "index.csv").write_text("file,label,group\n0.wav,folk,band\n1.wav,rock,trio\n")
    assert scatseg("index", sounds, "-o", folder, "--jobs", 1) == 0
    (sounds / "index.csv").unlink()
    (sounds / "1.wav").rename(sounds / "new name.wav")
    assert scatseg("index", sounds, "-o", folder, "--jobs", 1) == 0
    assert "[2/2] new name: kept" in capsys.readouterr().err
    shutil.copy(sounds / "0.wav", sounds / "copy.wav")  # which takes nothing over
    assert scatseg("index", sounds, "-o", folder, "--jobs", 1) == 0
    found = {track.id: (track.labels, track.group) for track in Index.open(folder).tracks}
    assert found == {
        "0": (("folk",), "band"),
        "copy": ((), ""),
        "new name": (("rock",), "trio"),
    }
    assert "without a file" not in capsys.readouterr().err
    assert verify_index(folder) == []


def test_recordings_that_cannot_be_looked_at_are_not_gone(folder, music, monkeypatch, capsys):
    stat = os.stat

    def refused(path, *arguments, **options):
        if os.fspath(path) == str(music / "melody1.flac"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refused)
    assert scatseg("index", folder, "--prune") == 0
    told = capsys.readouterr()
    assert "recordings:  6" in told.out
    assert "without a file" not in told.err


def test_the_command_line_finds_and_writes_a_page(built, tmp_path, capsys):
    audio.save(tmp_path / "part.wav", excerpt(1, 3.0, 5.0), SR)
    status = scatseg(
        *("search", built.folder, tmp_path / "part.wav", "--json", "--top", 2),
        *("-o", tmp_path / "page"),
    )
    assert status == 0
    answer = json.loads(capsys.readouterr().out)
    best = answer["hits"][0]
    assert best["track"] == "melody1"
    assert best["from"] == pytest.approx(3.0, abs=0.1)
    assert {"similarity", "semitones", "tempo", "alike", "apart"} <= set(best)
    assert json.loads((tmp_path / "page" / "hits.json").read_text()) == answer
    assert audio.load(tmp_path / "page" / "audio" / "hit-01.flac")[0].size / SR == pytest.approx(5)
    assert (tmp_path / "page" / "index.html").is_file()


def test_a_page_leaves_sounds_alone_that_are_not_its_own(built, tmp_path, capsys):
    own, old = (tmp_path / "audio" / name for name in ("song.flac", "hit-09.flac"))
    own.parent.mkdir()
    for file in (own, old):
        file.write_bytes(b"sound")
    command = ("search", built.folder, "melody2", "--to", 4, "--top", 1, "-o", tmp_path)
    assert scatseg(*command) == 0
    assert own.read_bytes() == b"sound"
    assert not old.exists()
    assert "index.html" in capsys.readouterr().out


def test_a_page_names_recordings_by_their_files_as_a_report_does(tmp_path, capsys):
    names = ("caf\udce9", "what?", "plain")
    for i, name in enumerate(names):
        audio.save(tmp_path / f"{name}.wav", melody(i, seconds=4), SR)
    sounds = [tmp_path / f"{name}.wav" for name in names]
    assert scatseg("index", *sounds, "-o", tmp_path / "index") == 0
    assert scatseg("search", tmp_path / "index", sounds[1], "-o", tmp_path / "page") == 0
    page = (tmp_path / "page" / "index.html").read_text()
    assert set(re.findall('"title":("[^"]*")', page)) == {json.dumps(name) for name in names}
    assert "caf_-dafd66c0" in capsys.readouterr().out


def test_a_page_without_room_for_its_sounds_is_not_written(built, tmp_path, monkeypatch):
    def full(path, *_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    answer = ask(built, "melody1", start=3.0, end=8.0, top=1)
    monkeypatch.setattr(hits, "save", full)
    with pytest.raises(OSError, match="No space left on device"):
        hits.build_hits(answer, tmp_path)
    assert not (tmp_path / "index.html").exists()


def test_a_recording_is_decoded_once_for_all_its_hits_on_a_page(built, tmp_path, monkeypatch):
    read = []

    def decode(path, **how):
        read.append(path)
        return audio.decode(path, **how)

    monkeypatch.setattr(hits, "decode", decode)
    answer = ask(built, "melody2", start=2, end=4, top=12)
    hits.build_hits(answer, tmp_path)
    assert len(answer.hits) > len({hit.track for hit in answer.hits})
    assert sorted(read) == sorted({answer.path, *(Path(hit.path) for hit in answer.hits)})
    for i, hit in enumerate(answer.hits, 1):
        y, sr = audio.load(tmp_path / "audio" / f"hit-{i:02d}.flac", sr=None)
        whole, _ = audio.load(hit.path, sr=sr)
        first = round(hit.start * sr)
        np.testing.assert_allclose(y, whole[first : first + y.size], atol=1e-4)


def test_a_recording_of_the_index_is_asked_for_by_its_id(built, capsys):
    assert scatseg("search", built.folder, "melody2", "--from", "0:02", "--to", "0:08") == 0
    lines = capsys.readouterr().out.splitlines()
    assert all("melody2" not in line or "0:02.0" not in line for line in lines)
    status = scatseg(
        "search", built.folder, "melody2", "--from", "2", "--to", "8", "--exclude", "none"
    )
    assert status == 0
    assert "0:02.0" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("melody0", "--from", "9", "--to", "3"), 2, "begin before it ends"),
        (("melody0", "--from", "90"), 2, "the recording ends at 14 s"),
        (("nobody.wav",), 3, "nobody.wav: neither a file, nor the id of a recording"),
        (("melody", "--to", "3"), 3, "of the index; there are melody"),
        (("MELODY1",), 3, "of the index; there are melody1"),
        (("melody0", "--exclude", "group"), 2, "has no group"),
        (("melody0", "--tempo", "fast"), 2, "not a share like 10%"),
    ],
)
def test_the_command_line_says_what_is_wrong(built, capsys, arguments, status, message):
    assert scatseg("search", built.folder, *arguments) == status
    assert message in capsys.readouterr().err


def test_a_path_is_asked_for_as_its_text_is(built, music):
    text, path = (
        ask(built, query, start=2, end=4, top=2)
        for query in (os.fspath(music / "melody2.flac"), music / "melody2.flac")
    )
    assert path.as_json() == text.as_json()
    with pytest.raises(audio.AudioError, match="neither a file, nor the id of a recording"):
        ask(built, music / "melody22.flac")


def test_what_is_excluded_must_be_there(built, tmp_path, capsys):
    audio.save(tmp_path / "new.wav", melody(7, seconds=4), SR)
    assert scatseg("search", built.folder, tmp_path / "new.wav", "--exclude", "group") == 2
    assert "a file that is not in the index has no group" in capsys.readouterr().err
    with pytest.raises(
        ValueError, match="exclude must be one of none, self, track, group, got 'gr"
    ):
        ask(built, "melody0", exclude="grup")


def test_a_silent_query_is_named(built, tmp_path, capsys):
    audio.save(tmp_path / "nothing.wav", np.zeros(SR), SR)
    assert scatseg("search", built.folder, tmp_path / "nothing.wav") == 3
    assert "nothing.wav: silent" in capsys.readouterr().err


def test_an_index_is_asked_one_thing_at_a_time(built, capsys):
    assert scatseg("index", "--info", "--verify", built.folder) == 2
    assert "got several" in capsys.readouterr().err


def test_searching_what_is_no_index_is_a_usage_error(tmp_path, capsys):
    assert scatseg("search", tmp_path, "song.wav") == 2
    assert "is no index" in capsys.readouterr().err
    assert scatseg("index", "--info", tmp_path / "nowhere") == 2
    assert "there is no index" in capsys.readouterr().err


def test_the_map_puts_like_near_like(tremolos, tmp_path, capsys):
    assert scatseg("search", "--map", tremolos.folder, "-o", tmp_path / "map.png") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'map.png'}\n"
    rows = [line.split(",") for line in (tmp_path / "map.csv").read_text().splitlines()[1:]]
    places = {row[0]: np.array([float(row[2]), float(row[3])]) for row in rows}
    near = np.linalg.norm(places["4-300"] - places["8-300"])
    assert near < np.linalg.norm(places["4-300"] - places["4-830"])
    assert scatseg("search", "--map", tremolos.folder) == 2


def test_a_map_refuses_what_would_do_nothing(tremolos, tmp_path, capsys):
    command = ("search", tremolos.folder, "4-300", "--from", 1, "--map", "-o", tmp_path / "map.png")
    assert scatseg(*command) == 2
    assert "--map takes no query or --from: leave out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [("search", "{}", "--map"), ("search", "evaluate", "{}")], ids=["map", "evaluate"]
)
def test_nothing_is_written_among_the_files_of_an_index(command, tremolos, capsys):
    before = sorted(tremolos.folder.iterdir())
    assert scatseg(*(each.format(tremolos.folder) for each in command), "-o", tremolos.folder) == 2
    assert "is an index for search: choose another -o" in capsys.readouterr().err
    assert sorted(tremolos.folder.iterdir()) == before


@pytest.mark.parametrize(("name", "label"), [("$a_^$", ""), ("a", "$a_^$")])
def test_names_and_labels_on_a_map_are_no_formulas(name, label):
    figure = map_figure(np.eye(2), [name, "b"], [label, ""])
    figure.savefig(io.BytesIO())  # formulas are read when they are drawn
    texts = [text.get_text() for text in figure.findobj(match=Text)]
    assert {name, label} <= {*texts, ""}


def test_a_folder_can_hold_the_map(tremolos, tmp_path, capsys):
    assert scatseg("search", "--map", tremolos.folder, "-o", tmp_path / "made") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'made' / 'map.png'}\n"
    written = {path.name for path in (tmp_path / "made").iterdir()}
    assert written == {"map.png", "map.svg", "map.csv"}
    assert scatseg("search", "--map", tremolos.folder, "-o", tmp_path / "map.pdf") == 2


def test_names_on_a_map_are_not_written_over_each_other():
    places = np.array(
        [[0, 0], [1, 1], [0.5, 0.5], [0.54, 0.5], [0.52, 0.515], [0.9, 0], [1, 0.005]]
    )
    figure = map_figure(places, [f"recording {i}" for i in range(7)], [""] * 7)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_long_names_are_written_in_full_on_an_empty_map(rng):
    names = [f"{i} the name of a recording, with its artist and album" for i in range(8)]
    figure = map_figure(rng.random((8, 2)), names, [""] * 8)
    figure.draw_without_rendering()
    texts = figure.axes[0].texts
    assert [text.get_text() for text in texts] == names
    boxes = [text.get_window_extent() for text in texts]
    assert all(box.x0 > 0 and box.x1 < figure.bbox.x1 for box in boxes)


def test_no_two_labels_look_alike_on_a_map(rng):
    labels = [f"label {i}" for i in range(16)]
    (ax,) = map_figure(rng.normal(size=(16, 2)), [""] * 16, labels).axes
    looks = {
        (*dots.get_facecolor()[0], *dots.get_paths()[0].vertices.ravel()) for dots in ax.collections
    }
    assert len(looks) == 16


def test_recordings_at_one_place_of_the_map_share_a_label():
    places = np.array([[0, 0], [0, 1e-4], [1, 1], *[[2, 0]] * 8])
    names = ["a", "a copy", "b", *(f"take {n}" for n in range(8))]
    (ax,) = map_figure(places, names, [""] * 11).axes
    takes = "take 0\ntake 1\ntake 2\ntake 3\ntake 4\nand 3 more"
    assert [text.get_text() for text in ax.texts] == ["a\na copy", "b", takes]


def test_a_very_large_index_says_how_it_is_searched(built, monkeypatch):
    assert built.manner(8.0) == ""
    monkeypatch.setattr("scatseg.search.approximate.ABOVE", 10)
    assert built.manner(4.0).startswith("searched exactly: 36 windows of 4 s")


def test_only_the_search_of_passages_is_said_to_be_slow(built, tmp_path, monkeypatch):
    monkeypatch.setattr("scatseg.search.approximate.ABOVE", 3)
    audio.save(tmp_path / "long.flac", melody(0, seconds=61.0), SR)
    assert ask(built, tmp_path / "long.flac").notes == ()  # among whole recordings
    (note,) = ask(built, tmp_path / "long.flac", start=3.0, end=7.0).notes
    assert note.startswith("searched exactly: 36 windows of 4 s")


def test_a_graph_finds_what_exact_search_finds(music, tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr("scatseg.search.approximate.ABOVE", 10)
    Index.build([music], tmp_path / "index")
    exact, quick = (Index.open(tmp_path / "index", exact=each) for each in (True, False))
    assert quick.manner(4.0).startswith("searched approximately")
    query = excerpt(2, 3.0, 4.0)
    both = [index.search(query, SR, top=3, exclude={"melody0"}) for index in (exact, quick)]
    assert [hit.track for hit in both[0]] == [hit.track for hit in both[1]]
    assert verify_index(tmp_path / "index") == []
