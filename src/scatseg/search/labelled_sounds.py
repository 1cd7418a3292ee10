"""Vectors of labeled sounds -> similarities for scoring retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scatseg.clips import DescribedClips
from scatseg.search.descriptions import Columns
from scatseg.search.index import Index
from scatseg.search.passages import relative
from scatseg.search.projection import fit_projection
from scatseg.search.store import SearchIndexError


class Items(NamedTuple):
    """Labelled sounds as vectors.

    Parameters
    ----------
    ids : tuple of str
        Names.
    vectors : ndarray of float32, shape (n_items, n_dims)
        Unit vectors, whose inner products are similarities.
    labels : tuple of tuple of str
        One per label column.
    groups : tuple of str
        Empty strings for items without a group.
    """

    ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    labels: tuple[tuple[str, ...], ...]
    groups: tuple[str, ...]


def items_of(clips: DescribedClips) -> Items:
    """Project means and standard deviations of clips, as an index does for passages.

    Parameters
    ----------
    clips : DescribedClips
        Computed with `aggregate="mean+std"`.
    """
    half = len(clips.columns.names) // 2
    columns = Columns.of(clips.columns.names[:half], clips.columns.uncompressed[:half])
    X = relative(clips.X[:, np.tile(columns.kept, 2)], columns)
    return Items(
        ids=tuple(clip.id for clip in clips.clips),
        vectors=fit_projection(X, np.tile(columns.uncompressed, 2))(X),
        labels=tuple(clip.labels for clip in clips.clips),
        groups=tuple(clip.group for clip in clips.clips),
    )


def items_of_index(index: Index) -> Items:
    """Return the vectors of labeled recordings of an index.

    Raises
    ------
    SearchIndexError
        When no recording has a label.
    """
    ids, vectors = index.whole_vectors()
    tracks = [index.track(id_) for id_ in ids]
    rows = [i for i, track in enumerate(tracks) if track is not None and track.labels]
    if not rows:
        msg = f"{index.folder}: labels are needed, from an index.csv in a folder that is indexed"
        raise SearchIndexError(msg)
    labelled = [track for track in tracks if track is not None and track.labels]
    return Items(
        ids=tuple(track.id for track in labelled),
        vectors=vectors[rows],
        labels=tuple(track.labels for track in labelled),
        groups=tuple(track.group for track in labelled),
    )


def similarities(
    items: Items, labels: Sequence[str], *, metric: str = "cosine", seed: int = 0
) -> NDArray[np.float64]:
    """Compute the similarity of all pairs of items, shape (n_items, n_items).

    Parameters
    ----------
    items : Items
        Sounds.
    labels : sequence of str
        One column of labels, used by "nca".
    metric : {"cosine", "nca"}
        See `scatseg.search.metric`.
    seed : int, default 0
        Seed of "nca".
    """
    if metric == "nca":
        from scatseg.search.metric import learned_similarity

        groups = [group or f"\0{id_}" for id_, group in zip(items.ids, items.groups, strict=True)]
        return learned_similarity(
            items.vectors, labels, groups=groups if any(items.groups) else None, seed=seed
        )
    vectors = items.vectors.astype(np.float64)
    similarity: NDArray[np.float64] = vectors @ vectors.T
    return similarity
