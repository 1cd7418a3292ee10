"""The search index: build, open, search."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scatseg import naming
from scatseg.audio import AUDIO_EXTENSIONS
from scatseg.counts import counted
from scatseg.runs import absolute, find_sources, read_failures
from scatseg.scattering.arguments import check_integer, check_mono
from scatseg.search import approximate
from scatseg.search.building import add_recordings, describer_of
from scatseg.search.comparing import compared, explained
from scatseg.search.descriptions import (
    LEAST_SECONDS,
    Describer,
    Description,
    DescriptionError,
    cell_edges,
    read_description,
)
from scatseg.search.gathering import read_belonging
from scatseg.search.hits import Hit, best_hits, overlaps, weighed
from scatseg.search.matching import Nearest, nearest_rows
from scatseg.search.passages import (
    LENGTHS,
    WHOLE,
    nearest_length,
    relative,
    window_cells,
)
from scatseg.search.projection import Projection
from scatseg.search.queries import (
    RATE_STEP,
    Query,
    asks_for_whole,
    check_passage,
    make_query,
    rate_step,
    tempo_ratios,
)
from scatseg.search.sliding import Course, Pattern, best_near, overlapping, slide
from scatseg.search.store import DATABASE, IndexedTrack, SearchIndexError, State, read_state

_CANDIDATES = 100
"""Candidate windows per transposition and projection."""

_THROUGH_FILTERS = 1.5
"""Flattening of the second projection, which is less sensitive to spectral balance."""

_SHORTLIST = 3
"""Number of hits compared exactly, relative to the number requested."""

_MOST_SEMITONES = 24
"""Furthest transposition."""

_CACHED = 256
"""Tracks whose frames are kept in memory."""


class _Region(NamedTuple):
    """Overlapping candidate windows of a track."""

    track: IndexedTrack
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    timbres: NDArray[np.float32]


class Index:
    """A searchable index of recordings and their passages.

    Create one with `Index.build` or `Index.open`. Later changes on disk are not seen. `len(index)`
    is the number of recordings, and `name in index` says whether one has that id or path.

    Parameters
    ----------
    state : State
        State of its folder.
    exact : bool, default True
        Whether to search all windows, even if there is a graph for approximate search (HNSW, from
        200,000 windows on, with the `ann` extra).

    Examples
    --------
    >>> import tempfile
    >>> from scatseg import audio
    >>> t = np.arange(3 * 22050) / 22050
    >>> tones = {hertz: 0.5 * np.sin(2 * np.pi * hertz * t) for hertz in (220, 880)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for hertz, y in tones.items():
    ...         audio.save(f"{folder}/{hertz}.wav", y, 22050)
    ...     index = Index.build([folder], f"{folder}/tones.index")
    ...     hit, *_ = index.search(tones[880], 22050, start=1.0)
    >>> hit.track, hit.start, hit.end
    ('880', 1.0, 3.0)
    """

    def __init__(self, state: State, *, exact: bool = True) -> None:
        if not isinstance(state, State):
            msg = f"Index.open(folder) opens an index, Index.build makes one; got {state!r:.100}"
            raise TypeError(msg)
        self._state = state
        self._exact = exact
        self._graphs: dict[float, Any] = {}
        self.describer = describer_of(state)
        self._matrices = {length: state.matrix(length) for length in (WHOLE, *LENGTHS)}
        self.projection: Projection | None = state.projection() if state.generation else None
        self._frames = functools.lru_cache(maxsize=_CACHED)(self._read_frames)

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        """Pickle only the path of the index, which is opened again."""
        trusted = naming.foreign_code(self._state.features)
        opened = functools.partial(Index.open, exact=self._exact, trusted=trusted)
        return opened, (self.folder.absolute(),)

    def __len__(self) -> int:
        return len(self._state.tracks)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str | os.PathLike) and self.track(name) is not None

    def __repr__(self) -> str:
        described = f"{self._state.features} at {self._state.sr} Hz"
        size = counted(len(self.tracks), "recording")
        return f"Index({os.fspath(self.folder)!r}, {size}, {described})"

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        *,
        exact: bool = True,
        trusted: Collection[str] = (),
    ) -> Index:
        """Open an index for reading; another process may write to it meanwhile.

        Parameters
        ----------
        folder : path-like
            The index.
        exact : bool, default True
            See `Index`.
        trusted : collection of str
            Custom features (`module:callable`) that the index is allowed to run.

        Raises
        ------
        SearchIndexError
            When it is not an index, is damaged, of another version, names untrusted code, or the
            code of its features has changed.
        """
        state = read_state(Path(folder), trusted=trusted)
        while True:
            try:
                return cls(state, exact=exact)
            except (FileNotFoundError, ValueError):
                again = read_state(Path(folder), trusted=trusted)
                if again.generation == state.generation:
                    raise
                state = again  # a writer replaced the files meanwhile

    @classmethod
    def build(
        cls,
        paths: Iterable[str | os.PathLike[str]],
        folder: str | os.PathLike[str],
        *,
        features: str = "scattering",
        sr: int = 22050,
        n_jobs: int = 1,
        rebuild: bool = False,
    ) -> Index:
        """Build an index of recordings, or add recordings to an existing one.

        Parameters
        ----------
        paths : iterable of path-like
            Audio files, folders (searched recursively) or patterns. Labels and groups are read from
            an index.csv in a folder, if it has a label column; otherwise, they are kept.
        folder : path-like
            Folder of the index.
        features, sr : str, int
            Feature settings, see `Describer`.
        n_jobs : int, default 1
            Number of processes; -1 for all cores.
        rebuild : bool, default False
            Refit the projection.

        Returns
        -------
        index : Index
            The opened index. Failures are in `folder/failures.csv`.

        Raises
        ------
        SearchIndexError
            When nothing could be indexed, or the folder holds something else.
        TypeError
            When `paths` is a single one.
        """
        if isinstance(paths, str | os.PathLike):
            name = os.fspath(paths)
            msg = f"paths are several, got {name!r}: write [{name!r}] for one"
            raise TypeError(msg)
        given = [Path(path) for path in paths]
        found = find_sources(given, extensions=AUDIO_EXTENSIONS)
        said = read_belonging(given)
        add_recordings(
            Path(folder),
            found.sources,
            Describer(features=features, sr=sr),
            belonging=said.belonging,
            failures=[*found.failures, *said.failures],
            tables=said.tables,
            n_jobs=n_jobs,
            rebuild=rebuild,
        )
        if not (Path(folder) / DATABASE).is_file():
            failures = read_failures(Path(folder))
            reason = f"; {failures[0].track}: {failures[0].error}" if failures else ""
            msg = f"{folder}: nothing could be indexed{reason}"
            raise SearchIndexError(msg)
        return cls.open(folder, trusted=naming.foreign_code(features))

    @property
    def folder(self) -> Path:
        """Folder of the index."""
        return self._state.folder

    @property
    def tracks(self) -> tuple[IndexedTrack, ...]:
        """The recordings, by id."""
        return tuple(self._state.tracks.values())

    @property
    def n_windows(self) -> dict[float, int]:
        """Number of windows by length in seconds."""
        return {length: int(self._state.rows[length].counts.sum()) for length in LENGTHS}

    def track(self, name: str | os.PathLike[str]) -> IndexedTrack | None:
        """Find a recording by id or path."""
        text = os.fspath(name)
        if text in self._state.tracks:
            return self._state.tracks[text]
        path = os.fspath(absolute(text))
        return next((each for each in self.tracks if each.path == path), None)

    def whole_vectors(self) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Return ids and vectors of all recordings."""
        rows = self._state.rows[WHOLE]
        return rows.tracks, np.array(self._matrices[WHOLE][rows.firsts])

    def search(
        self,
        y: NDArray[np.floating],
        sr: int,
        *,
        start: float | None = None,
        end: float | None = None,
        top: int = 10,
        exclude: Iterable[str] = (),
        passage: tuple[str, float, float] | None = None,
        transpose: int = 0,
        tempo: float = 0.0,
        explain: bool = True,
    ) -> list[Hit]:
        """Find passages similar to a signal, or to an excerpt of it.

        Recordings longer than a minute, without an excerpt, are compared with whole recordings, all
        other queries with passages.

        Parameters
        ----------
        y : ndarray of float, shape (n_samples,)
            Mono signal.
        sr : int
            Sampling rate in Hz, equal to that of the index.
        start, end : float, optional
            Excerpt in seconds.
        top : int, default 10
            Maximum number of hits.
        exclude : iterable of str
            Ids of recordings to exclude.
        passage : (str, float, float), optional
            Recording, start and end of a passage to exclude, such as the query itself. If whole
            recordings are compared, its recording is excluded.
        transpose : int, default 0
            Also search up to this many semitones above and below.
        tempo : float, default 0
            Also search passages faster or slower by up to this share, 0.1 for 10 %.
        explain : bool, default True
            Add an explanation to each hit.

        Returns
        -------
        hits : list of Hit
            Most similar first, without overlaps of more than half.

        Raises
        ------
        TypeError
            When the signal is a path, or `exclude` a single id.
        ValueError
            When the signal, excerpt or an option is invalid, an id to exclude is not in the index,
            or `tempo` is given for a whole recording.
        SearchIndexError
            When the index is empty.
        """
        y = np.asarray(check_mono(y, sr))
        self._check(sr, top, transpose, tempo, exclude)
        exclude = frozenset(exclude)  # an iterator is used up once
        if passage is not None:
            check_passage(passage)
        excluded = exclude | frozenset(() if passage is None else passage[:1])
        self._check_known(excluded)
        is_whole = asks_for_whole(len(y) / sr, start, end)
        if is_whole and tempo:
            msg = "other tempi need an excerpt as query: give its start and end"
            raise ValueError(msg)
        query = make_query(y, self.describer, start=start, end=end)
        shifts = sorted(range(-transpose, transpose + 1), key=abs)
        if is_whole:
            return self._whole_hits(query, top, excluded, shifts, explain=explain)
        found: list[Hit] = []
        allowed = self._allowed(nearest_length(query.duration), exclude, passage)
        for semitones, rate, regions in self._regions(query, shifts, tempo, allowed, top):
            shifted = query.shifted(self.describer.columns(), semitones)
            ratios = [r for r in tempo_ratios(tempo) if rate_step(r) == rate]
            patterns = {ratio: Pattern(shifted.phases(self.describer, ratio)) for ratio in ratios}
            for region in regions:
                found += self._aligned(query, region, patterns, semitones)
        if passage is not None:
            found = [hit for hit in found if not overlaps(hit, passage)]
        return self._compared(query, found, top, explain=explain)

    def _check(
        self, sr: int, top: int, transpose: int, tempo: float, exclude: Iterable[str]
    ) -> None:
        if sr != self.describer.sr:
            msg = (
                f"the index is of {self.describer.sr} Hz, got {sr} Hz: load(path, sr=...) resamples"
            )
            raise ValueError(msg)
        check_integer("top", top, 1)
        check_integer("transpose", transpose, 0)
        if transpose > _MOST_SEMITONES:
            msg = f"transpose must be at most {_MOST_SEMITONES} semitones, got {transpose}"
            raise ValueError(msg)
        if not isinstance(tempo, Real) or not 0 <= tempo <= 1:
            msg = f"tempo must be a share from 0 to 1, got {tempo!r}"
            raise ValueError(msg)
        naming.check_several("exclude", exclude)
        self.check_not_empty()

    def _check_known(self, ids: Iterable[str]) -> None:
        """Raise a ValueError if an id to exclude is not in the index, and would exclude nothing."""
        unknown = [id_ for id_ in ids if id_ not in self._state.tracks]
        if unknown:
            msg = f"no recording of the index has the id {unknown[0]!r}, which is to be excluded"
            raise ValueError(msg)

    def check_not_empty(self) -> None:
        """Raise a SearchIndexError if no recording is indexed."""
        if self.projection is None or not self._state.tracks:
            msg = f"nothing is indexed in {self.folder}: scatseg index PATH... -o {self.folder}"
            raise SearchIndexError(msg)

    def _vectors(
        self, statistics: Sequence[NDArray[np.float64]], flattening: float | None = None
    ) -> NDArray[np.float32]:
        assert self.projection is not None
        X = relative(np.stack(statistics), self.describer.columns())
        if flattening is None:
            return self.projection(X)
        return self.projection(X, flattening=flattening)

    def _whole_hits(
        self,
        query: Query,
        top: int,
        excluded: Collection[str],
        shifts: Sequence[int],
        *,
        explain: bool,
    ) -> list[Hit]:
        rows, matrix = self._state.rows[WHOLE], self._matrices[WHOLE]
        columns = self.describer.columns()
        vectors = self._vectors([query.shifted(columns, each).statistics() for each in shifts])
        near = nearest_rows(matrix, vectors, top, allowed=rows.allowed(frozenset(excluded)))
        hits = []
        for i, semitones in enumerate(shifts):
            for row, similarity in zip(near.rows[i], near.similarities[i], strict=True):
                if row >= 0:
                    track = self._state.tracks[rows.track_of(int(row))[0]]
                    timbre = float(similarity)
                    hit = Hit(
                        track=track.id,
                        path=track.path,
                        start=0.0,
                        end=track.duration,
                        similarity=max(timbre, 0.0),
                        timbre=timbre,
                        course=None,
                        semitones=semitones,
                    )
                    hits.append(hit)
        return self._compared(query, hits, top, explain=explain)

    def _regions(
        self,
        query: Query,
        shifts: Sequence[int],
        tempo: float,
        allowed: NDArray[np.bool_],
        top: int,
    ) -> list[tuple[int, int, list[_Region]]]:
        """Find candidate windows for each transposition and modulation rate."""
        length = nearest_length(query.duration)
        matrix = self._matrices[length]
        rates = sorted({rate_step(ratio) for ratio in tempo_ratios(tempo)}, key=abs)
        ways = [(semitones, rate) for semitones in shifts for rate in rates]
        columns = self.describer.columns()
        statistics = [
            query.shifted(columns, semitones, float(np.exp(rate * RATE_STEP))).statistics()
            for semitones, rate in ways
        ]
        plain = self._vectors(statistics)
        through = self._vectors(statistics, _THROUGH_FILTERS)
        k = max(_CANDIDATES, 5 * top)
        near = self._near(length, np.concatenate([plain, through]), k, allowed)
        found = []
        for i, (semitones, rate) in enumerate(ways):
            chosen = np.unique(near.rows[[i, i + len(ways)]])
            chosen = chosen[chosen >= 0]
            timbres = matrix[chosen] @ plain[i]
            found.append((semitones, rate, self._merged(length, chosen, timbres)))
        return found

    def _allowed(
        self, length: float, exclude: Collection[str], passage: tuple[str, float, float] | None
    ) -> NDArray[np.bool_]:
        """Return a mask of allowed windows, so that a long query does not only find itself."""
        rows = self._state.rows[length]
        allowed = rows.allowed(frozenset(exclude))
        if passage is not None and passage[0] in rows.tracks:
            id_, start, end = passage
            i = rows.tracks.index(id_)
            starts, ends = self._windows(self._state.tracks[id_], length)
            own = slice(rows.firsts[i], rows.firsts[i] + rows.counts[i])
            allowed[own] &= (starts < start) | (ends > end)
        return allowed

    def _windows(
        self, track: IndexedTrack, length: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return starts and ends of the windows of a recording in seconds."""
        edges = cell_edges(max(track.duration, LEAST_SECONDS))
        cells = window_cells(len(edges) - 1, length)
        return edges[cells[:, 0]], edges[cells[:, 1]]

    def manner(self, seconds: float) -> str:
        """Describe the search of passages by one of `seconds`, if it may be slow or inexact."""
        length = nearest_length(seconds)
        n_rows = self._state.rows[length].n_rows
        if n_rows <= approximate.ABOVE:
            return ""
        windows = f"{n_rows:,} windows of {length:g} s"
        graph = self._state.graph_path(length).exists() and approximate.is_installed()
        if graph and not self._exact:
            return f"searched approximately (HNSW): {windows}; --exact compares all of them"
        return f"searched exactly: {windows}; an index made with the ann extra is faster"

    def _near(
        self,
        length: float,
        vectors: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_],
    ) -> Nearest:
        """Find the nearest windows, by a graph if available and allowed."""
        path = self._state.graph_path(length)
        if self._exact or not path.exists() or not approximate.is_installed():
            return nearest_rows(self._matrices[length], vectors, k, allowed=allowed)
        if length not in self._graphs:
            self._graphs[length] = approximate.read_graph(path)
        return approximate.near_rows(self._graphs[length], vectors, k, allowed=allowed)

    def _merged(
        self, length: float, chosen: NDArray[np.intp], timbres: NDArray[np.float32]
    ) -> list[_Region]:
        """Merge overlapping windows of a track."""
        rows = self._state.rows[length]
        by_track: dict[str, list[tuple[int, float]]] = {}
        for row, timbre in zip(chosen, timbres, strict=True):
            id_, window = rows.track_of(int(row))
            by_track.setdefault(id_, []).append((window, float(timbre)))
        regions = []
        for id_, windows in by_track.items():
            track = self._state.tracks[id_]
            numbers = [window for window, _ in windows]
            starts, ends = (each[numbers] for each in self._windows(track, length))
            values = np.array([timbre for _, timbre in windows], dtype=np.float32)
            gaps = np.flatnonzero(starts[1:] >= np.maximum.accumulate(ends)[:-1]) + 1
            regions += [
                _Region(track, starts[part], ends[part], values[part])
                for part in np.split(np.arange(len(starts)), gaps)
            ]
        return regions

    def _aligned(
        self,
        query: Query,
        region: _Region,
        patterns: Mapping[float, Pattern],
        semitones: int,
    ) -> list[Hit]:
        """Align the query with each window of a region."""
        frames, hop = self._frames(region.track.id), query.hop
        if not frames.size:
            return []
        margin = max(query.duration, region.ends[0] - region.starts[0])
        first = max(0, int((region.starts.min() - margin) / hop))
        last = int((region.ends.max() + margin) / hop) + 2
        courses: list[tuple[float, Course]] = []
        for ratio, course in zip(
            patterns, slide(frames[first:last], *patterns.values()), strict=True
        ):
            starts = (course.starts + first) * hop - query.trimmed[0] / ratio
            course = Course(course.similarities, starts)
            duration = region.track.duration
            courses.append((ratio, overlapping(course, query.duration / ratio, duration)))
        hits = []
        for start, end, timbre in zip(region.starts, region.ends, region.timbres, strict=True):
            best = max(
                (*best_near(course, start, end, query.duration / ratio), ratio)
                for ratio, course in courses
            )
            hits.append(self._hit(region.track, query, best, float(timbre), semitones))
        return hits

    def _hit(
        self,
        track: IndexedTrack,
        query: Query,
        best: tuple[float, float, float],
        timbre: float,
        semitones: int,
    ) -> Hit:
        course, start, ratio = best
        hit = Hit(
            track=track.id,
            path=track.path,
            start=max(0.0, start),
            end=min(start + query.duration / ratio, track.duration),
            similarity=0.0,
            timbre=timbre,
            course=course,
            semitones=semitones,
            tempo=ratio,
        )
        return weighed(hit, timbre, query.duration)

    def _compared(self, query: Query, hits: Sequence[Hit], top: int, *, explain: bool) -> list[Hit]:
        """Compare the query with the exact extents of the best hits, and explain them."""
        assert self.projection is not None
        best = best_hits(hits, _SHORTLIST * top)
        pairs = compared(query, best, self.describer, self.projection, self._read)[:top]
        if explain:
            return explained(query, pairs, self.describer, self.projection)
        return [hit for hit, _ in pairs]

    def _read(self, id_: str, *, frames_only: bool = False) -> Description | None:
        """Read the description of a recording; None if it was removed meanwhile."""
        name = self._state.tracks[id_].description
        path = self.folder / "tracks" / name
        try:
            return read_description(path, frames_only=frames_only)
        except DescriptionError:
            trusted = naming.foreign_code(self._state.features)
            now = read_state(self.folder, trusted=trusted).tracks.get(id_)
            if now is not None and now.description == name:
                raise
            return None

    def _read_frames(self, id_: str) -> NDArray[np.float32]:
        description = self._read(id_, frames_only=True)
        if description is None:
            return np.empty((0, 0), np.float32)
        return description.frames.astype(np.float32)
