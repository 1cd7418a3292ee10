"""Query by example: an index of recordings and their passages, searched by sound."""

from scatseg.search.asking import Answer, ask
from scatseg.search.hits import Hit
from scatseg.search.index import Index
from scatseg.search.retrieval import Retrieval, evaluate
from scatseg.search.store import SearchIndexError

__all__ = ["Answer", "Hit", "Index", "Retrieval", "SearchIndexError", "ask", "evaluate"]
