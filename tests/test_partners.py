"""Matching of estimates and references by id, and notes on implausible pairs."""

import itertools
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatseg.datasets import read_references
from scatseg.formats import Annotation
from scatseg.partners import duration_notes, match_ids, match_systems, shared_tracks
from scatseg.runs import find_sources, safe_id
from scatseg.segmentation import Segmentation

ABA = Segmentation([0, 10, 25, 40], ["A", "B", "A"])

UNHURRIED = settings(deadline=None)


def n_calls(function, *arguments):
    """Count the calls of built-in functions."""
    calls = itertools.count()
    sys.setprofile(lambda _, event, __: next(calls) if event == "c_call" else None)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return next(calls)


def test_matching_stored_names_takes_a_time_linear_in_their_number():
    few, many = (
        n_calls(
            match_ids, [safe_id(f"A/what {i}?") for i in range(n)], [f"what {i}?" for i in range(n)]
        )
        for n in (200, 400)
    )
    assert many < 2.5 * few


# --- matching ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimates", "references", "pairs"),
    [
        (["a"], ["a"], {"a": "a"}),
        (["pop909_002_piano"], ["pop909_002"], {"pop909_002_piano": "pop909_002"}),
        (["song"], ["song.phrase"], {"song": "song.phrase"}),
        (["song-live"], ["song"], {"song-live": "song"}),
        (["song"], ["songs"], {}),
        (["song1"], ["song"], {}),
        (["a_b_c"], ["a", "a_b"], {"a_b_c": "a_b"}),
        (["a_b"], ["a", "a_b_c"], {"a_b": "a_b_c"}),
        (["a_piano", "a_band"], ["a"], {"a_piano": "a", "a_band": "a"}),
        (["song", "song_2"], ["song"], {"song": "song"}),
        (["song", "song_2"], ["song_2"], {"song_2": "song_2"}),
        (["a", "a_b"], ["a_b_c"], {"a_b": "a_b_c"}),
        (["a", "a_b_piano"], ["a_b"], {"a_b_piano": "a_b"}),
        (["a"], ["a_1", "a_2"], {}),
        (["A__song1"], ["song1"], {"A__song1": "song1"}),
        (["A__song1", "B__song1"], ["song1"], {}),
        ([], ["a"], {}),
        (["a"], [], {}),
        ([safe_id("Help!")], ["Help!"], {safe_id("Help!"): "Help!"}),
        ([safe_id("Help!")], ["Help", "Help!"], {safe_id("Help!"): "Help!"}),
        ([safe_id("Help!"), safe_id("Help?")], ["Help!"], {safe_id("Help!"): "Help!"}),
        (["Help!"], [safe_id("Help!")], {"Help!": safe_id("Help!")}),
        ([safe_id("é" * 99)], ["é" * 99], {safe_id("é" * 99): "é" * 99}),
        ([f"{safe_id('Help!')}.foote"], ["Help!"], {f"{safe_id('Help!')}.foote": "Help!"}),
        ([safe_id("A/Help!")], ["Help!"], {safe_id("A/Help!"): "Help!"}),
        ([safe_id("A/Help!")], ["Help!", "Help?"], {safe_id("A/Help!"): "Help!"}),
        ([safe_id("A?/Help!")], ["Help!", "Help?"], {}),
        ([safe_id("A/Help!"), safe_id("B/Help!")], ["Help!"], {}),
        ([safe_id("A/Help!"), safe_id("B?/Help?")], ["Help!"], {safe_id("A/Help!"): "Help!"}),
        (
            [safe_id(f"A/B/{'é' * 60} 2")],
            [f"{'é' * 60} {i}" for i in (1, 2)],
            {safe_id(f"A/B/{'é' * 60} 2"): f"{'é' * 60} 2"},
        ),
        ([safe_id(f"A/{'é' * 99}")], ["é" * 99], {safe_id(f"A/{'é' * 99}"): "é" * 99}),
    ],
)
def test_ids_match(estimates, references, pairs):
    assert match_ids(estimates, references).pairs == pairs


def test_ambiguous_ids_are_listed_with_their_candidates():
    matching = match_ids(["a", "b"], ["a_1", "a_2", "c"])
    assert matching.ambiguous == {"a": ("a_1", "a_2")}
    assert matching.unmatched_estimates == ("b",)
    assert matching.unmatched_references == ("a_1", "a_2", "c")


def test_a_recording_matches_the_annotation_of_the_same_file_name(tmp_path):
    album = "Ludwig van Beethoven/Piano Sonatas Nos. 1-32 (Complete)"
    sonata = f"{album}/Piano Sonata No. 14 in C-sharp minor, Op. 27 No. 2"
    titles = ["Help!", "Don\u2019t Stop", "Artist \u2013 Song", "\xe9" * 80]
    titles += [f"{sonata} - {movement}" for movement in ("I. Adagio", "II. Allegretto")]
    for title in titles:
        for path in (tmp_path / "music" / f"{title}.flac", tmp_path / "labels" / f"{title}.lab"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("0\t9\tA\n")
    sources = find_sources([tmp_path / "music"], extensions=[".flac"]).sources
    references = read_references(tmp_path / "labels").tracks
    pairs = match_ids([source.id for source in sources], references).pairs
    assert {s.path.stem: pairs.get(s.id) for s in sources} == {name: name for name in references}


ID_LISTS = st.lists(st.text("ab_.-", min_size=1, max_size=6), max_size=8)


@UNHURRIED
@given(ID_LISTS, ID_LISTS)
def test_every_id_is_accounted_for_once(estimates, references):
    found = match_ids(estimates, references)
    listed = [*found.pairs, *found.ambiguous, *found.unmatched_estimates]
    assert sorted(listed) == sorted(set(estimates))
    used = set(found.pairs.values())
    assert sorted([*used, *found.unmatched_references]) == sorted(set(references))


@UNHURRIED
@given(ID_LISTS, ID_LISTS)
def test_paired_ids_are_equal_or_one_begins_the_other_at_a_separator(estimates, references):
    for one, other in match_ids(estimates, references).pairs.items():
        if one.rpartition("__")[2] == other:
            continue
        short, long = sorted((one, other), key=len)
        assert long.startswith(short)
        assert short == long or long[len(short)] in "_-."


@UNHURRIED
@given(ID_LISTS, ID_LISTS)
def test_equal_ids_are_paired_with_nothing_else(estimates, references):
    pairs = match_ids(estimates, references).pairs
    for common in set(estimates) & set(references):
        assert [one for one, other in pairs.items() if other == common] == [common]


@UNHURRIED
@given(ID_LISTS, ID_LISTS, st.randoms(use_true_random=False))
def test_order_of_ids_does_not_matter(estimates, references, random):
    expected = match_ids(estimates, references)
    random.shuffle(estimates)
    random.shuffle(references)
    assert match_ids(estimates, references) == expected


@UNHURRIED
@given(st.text("ab_", min_size=1), st.text("ab_"), st.sampled_from("_-."), st.booleans())
def test_alone_an_id_goes_with_any_that_goes_on_after_a_separator(short, rest, mark, swap):
    one, other = (short, f"{short}{mark}{rest}")[:: -1 if swap else 1]
    assert match_ids([one], [other]).pairs == {one: other}


# --- several systems ---------------------------------------------------------------------------


@UNHURRIED
@given(ID_LISTS, ID_LISTS)
def test_system_alone_is_matched_by_its_ids(estimates, references):
    assert match_systems({"mine": estimates}, references) == match_ids(estimates, references)


@UNHURRIED
@given(ID_LISTS, ID_LISTS, ID_LISTS)
def test_every_id_of_several_systems_is_accounted_for_once(mine, theirs, references):
    found = match_systems({"mine": mine, "theirs": theirs}, references)
    listed = [*found.pairs, *found.ambiguous, *found.unmatched_estimates]
    assert sorted(listed) == sorted({*mine, *theirs})


def test_name_that_another_system_uses_takes_no_reference_away():
    found = match_systems({"mine": ["song"], "theirs": ["song.mp3"]}, ["song"])
    assert found.pairs == {"song": "song", "song.mp3": "song"}


def test_id_without_a_reference_in_one_system_has_none_in_another():
    found = match_systems({"mine": ["song", "song_2"], "theirs": ["song_2"]}, ["song"])
    assert (found.pairs, found.unmatched_estimates) == ({"song": "song"}, ("song_2",))


@pytest.mark.parametrize(
    ("systems", "tracks"),
    [
        (({"a_1"}, {"a_2"}, {"a_2"}), {"a_1": "a_2", "a_2": "a_2"}),
        (({"a_1", "a_2"}, {"a"}), {"a_1": "a_1", "a_2": "a_2", "a": "a"}),
    ],
    ids=["named as by most", "two of one system"],
)
def test_one_estimate_per_system_and_reference_makes_one_track(systems, tracks):
    pairs = dict.fromkeys(tracks, "a")
    assert shared_tracks(pairs, dict(zip("xyz", systems, strict=False))) == tracks


@pytest.mark.corpus
def test_every_recording_of_the_corpus_finds_its_annotations(shared):
    corpus = shared / "corpus"
    for name in ("pop909_dev", "real_bach", "real_lyrics", "real_lyrics_nd", "tracker"):
        audio = [path.stem for path in (corpus / name / "audio").iterdir()]
        matching = match_ids(audio, read_references(corpus / name / "annotations").tracks)
        assert set(matching.pairs) == set(audio)
        assert matching.unmatched_references == ()


# --- durations ---------------------------------------------------------------------------------


def said(references, answers):
    return [note.message for note in duration_notes("song", references, answers)]


def by(annotator, *times, level="1"):
    labels = "ABCDEF"[: len(times) - 1]
    return Annotation(segmentation=Segmentation(times, labels), annotator=annotator, level=level)


@pytest.mark.parametrize(
    ("end", "change"), [(38.9, "extended by an extra segment"), (41.1, "cropped")]
)
def test_estimate_of_another_length_is_noted_with_what_scoring_does(end, change):
    assert said([by("1", 0, 40)], {"foote": Segmentation([0, end], ["A"])}) == [
        f"foote ends at {end} s, annotator 1 at 40.0 s: {change}; are they of the same recording?"
    ]


@pytest.mark.parametrize("end", [39.0, 41.0])
def test_a_second_more_or_less_is_not_worth_a_note(end):
    assert said([by("1", 0, 40)], {"foote": Segmentation([0, end], ["A"])}) == []


def test_estimate_as_long_as_one_reference_is_of_that_recording():
    assert said([by("1", 0, 40), by("2", 0, 50)], {"x": Segmentation([0, 50.2], ["A"])}) == [
        "annotators differ: 1 ends at 40.0 s, 2 ends at 50.0 s; each is compared over its duration",
        "x ends at 50.2 s, annotator 1 at 40.0 s: cropped",
    ]


def test_late_beginning_is_noted():
    assert said([by("1", 0, 40)], {"x": Segmentation([5, 40], ["A"])}) == [
        "x begins at 5.0 s, annotator 1 at 0.0 s: extended to 0 s by an extra segment"
    ]


def test_levels_alike_are_noted_once():
    references = [by("1", 0, 40, level="upper"), by("1", 0, 20, 40, level="lower")]
    assert len(said(references, {"x": Segmentation([0, 60], ["A"])})) == 1


def test_level_of_a_name_is_compared_with_the_level_of_that_name():
    references = [by("1", 0, 40, level="upper"), by("1", 0, 20, 50, level="lower")]
    answer = (by("", 0, 20, 50, level="lower"), by("", 0, 40, level="upper"))
    notes = duration_notes("song", references, {"x": answer})
    assert [note.kind for note in notes] == ["levels", "levels"]
