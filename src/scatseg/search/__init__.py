"""What sounds like this: an index of recordings and their passages, asked by sound."""

from scatseg.search.index import Hit, Index
from scatseg.search.store import SearchIndexError

__all__ = ["Hit", "Index", "SearchIndexError"]
