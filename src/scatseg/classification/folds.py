"""Labels and groups -> training and test folds that keep groups together."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

from scatseg.scattering.arguments import check_integer

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows for training, rows for testing."""

LEAVE_ONE_GROUP_OUT = "leave-one-group-out"

# Names of the parts of published splits.
_ROLES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
}


class SplitError(ValueError):
    """Clips that cannot be split as requested."""


def split(
    labels: ArrayLike,
    *,
    groups: ArrayLike | None,
    n_folds: int = 5,
    leave_one_group_out: bool = False,
    parts: ArrayLike | None = None,
    seed: int = 0,
) -> list[Fold]:
    """Split clips into stratified folds that keep groups together.

    Parameters
    ----------
    labels : array_like of shape (n_clips,)
        Classes.
    groups : array_like of shape (n_clips,) or None
        Groups of clips that share a player, a kit or a recording; None if there are none.
    n_folds : int, default 5
        Number of folds.
    leave_one_group_out : bool, default False
        Make one fold per group instead.
    parts : array_like of str, shape (n_clips,), optional
        A published split to use instead, see `published_folds`.
    seed : int, default 0
        Seed of the shuffling.

    Returns
    -------
    folds : list of (train, test)
        Each clip is in one test set; for a published train/test split, only the clips of the test
        part are.

    Raises
    ------
    SplitError
        When labels or groups are not in one row, or there is one class, too few groups, or without
        groups a class with too few clips.
    """
    labels = np.asarray(labels)
    for name, column in (("labels", labels), ("groups", groups)):
        if column is not None and np.ndim(column) != 1:
            msg = f"{name} must have shape (n_clips,), got {np.shape(column)}"
            raise SplitError(msg)
    names, counts = np.unique(labels, return_counts=True)
    if len(names) < 2:
        msg = f"at least 2 classes are needed, got {len(names)}: {', '.join(map(str, names))}"
        raise SplitError(msg)
    if parts is not None:
        return published_folds(parts)
    if isinstance(n_folds, Real) and n_folds < 2:
        msg = f"at least 2 folds are needed, got {n_folds}"
        raise SplitError(msg)
    check_integer("n_folds", n_folds, 2)
    if groups is None:
        if leave_one_group_out:
            msg = "leaving one group out needs groups: name their column, or ask for folds"
            raise SplitError(msg)
        if counts.min() < n_folds:
            rare = names[counts.argmin()]
            msg = (
                f"{n_folds} folds need as many clips of every class, {rare} has {counts.min()}: "
                "use fewer folds, or leave the class out"
            )
            raise SplitError(msg)
        return inner_folds(labels, None, n_folds, seed)
    groups = np.asarray(groups)
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        msg = "clips of at least 2 groups are needed, all are of one: check the column of groups"
        raise SplitError(msg)
    if n_groups < n_folds and not leave_one_group_out:
        msg = (
            f"{n_folds} folds need as many groups, there are {n_groups}: use fewer folds, or leave "
            "one group out"
        )
        raise SplitError(msg)
    if leave_one_group_out:
        return list(LeaveOneGroupOut().split(labels, labels, groups))
    folds = inner_folds(labels, groups, n_folds, seed)
    if len(folds) < n_folds:
        msg = f"{n_folds} folds need a class of as many clips, the largest has {counts.max()}"
        raise SplitError(msg)
    return folds


def published_folds(parts: ArrayLike) -> list[Fold]:
    """Convert a published split to folds.

    Parameters
    ----------
    parts : array_like of str, shape (n_clips,)
        Either "train" and "test" (or "training", "testing"), where "validation" ("valid", "val",
        "dev") is not used; or names of folds, each of which is tested once.

    Raises
    ------
    SplitError
        When a clip is in no part, or the parts are of neither kind.

    Examples
    --------
    >>> [(train.tolist(), test.tolist()) for train, test in published_folds(list("0110"))]
    [([1, 2], [0, 3]), ([0, 3], [1, 2])]
    >>> published_folds(["train", "validation", "test"])
    [(array([0]), array([2]))]
    """
    names = [str(part).strip().lower() for part in np.asarray(parts)]
    n_without = names.count("")
    if n_without:
        msg = (
            f"every clip needs a part of the split, {n_without} of {len(names)} have none: "
            "fill the column, or ask for folds"
        )
        raise SplitError(msg)
    roles = np.array([_ROLES.get(name, "") for name in names])
    if "train" in roles or "test" in roles:
        strange = sorted({name for name, role in zip(names, roles, strict=True) if not role})
        if strange or not {"train", "test"} <= set(roles.tolist()):
            msg = f"parts named train and test are needed, got {', '.join(sorted(set(names)))}"
            raise SplitError(msg)
        return [(np.flatnonzero(roles == "train"), np.flatnonzero(roles == "test"))]
    folds = np.array(names)
    if len(np.unique(folds)) < 2:
        msg = f"at least 2 parts of the split are needed, got {names[0] if names else 'none'}"
        raise SplitError(msg)
    return [
        (np.flatnonzero(folds != name), np.flatnonzero(folds == name)) for name in np.unique(folds)
    ]


def inner_folds(
    labels: NDArray[Any], groups: ArrayLike | None, n_folds: int, seed: int
) -> list[Fold]:
    """Split a training set into stratified folds, by group if groups are given.

    Parameters
    ----------
    labels : ndarray of shape (n_clips,)
        Classes.
    groups : array_like of shape (n_clips,), optional
        Groups, which are not split.
    n_folds : int
        Maximum number of folds; at most the number of groups, or without groups, of clips of the
        rarest class.
    seed : int
        Seed of the shuffling.

    Returns
    -------
    folds : list of (train, test)
        Empty if there are too few clips for two folds.
    """
    _, counts = np.unique(labels, return_counts=True)
    if groups is None:
        n_splits = min(n_folds, int(counts.min()))
        splitter: Any = StratifiedKFold(max(2, n_splits), shuffle=True, random_state=seed)
    else:
        # A fold may lack a class, but there cannot be more folds than clips of the largest class.
        n_splits = min(n_folds, len(np.unique(np.asarray(groups))), int(counts.max()))
        splitter = StratifiedGroupKFold(max(2, n_splits), shuffle=True, random_state=seed)
    if n_splits < 2:
        return []
    with warnings.catch_warnings():
        # Classes missing in a fold are reported elsewhere.
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(splitter.split(np.zeros(len(labels)), labels, groups))
