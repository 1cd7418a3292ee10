"""A cache of plans: those of blocks, not those of whole long signals."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

MakePlan = TypeVar("MakePlan", bound=Callable[..., object])


def remembered(longest: Callable[[Any], int], n_plans: int) -> Callable[[MakePlan], MakePlan]:
    """Cache the last plans of a function, those of longer blocks only while they are in use.

    The latter are plans of whole signals, one per length and larger than the signal.
    """

    def decorate(make: MakePlan) -> MakePlan:
        kept = lru_cache(maxsize=n_plans)(make)
        in_use: WeakValueDictionary[tuple[Any, ...], object] = WeakValueDictionary()

        @wraps(make)
        def recall(options: Any, period: int, dtype: str) -> object:
            if period <= longest(options):
                return kept(options, period, dtype)
            key = options, period, dtype
            plan = in_use.get(key)
            if plan is None:
                plan = in_use[key] = make(*key)
            return plan

        return cast(MakePlan, recall)

    return decorate
