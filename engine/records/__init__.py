"""What people said, in SQLite: judgments, query sets, splits, search logs, verdicts. Never derived.

Nothing here is rewritten: every change, an undo too, is one more record. Opening is cheap, and
nothing here imports polars: the app opens its records before it can paint.
"""

from engine.records.database import SCHEMA
from engine.records.judged import Judged
from engine.records.judgments import Judgments, Records
from engine.records.merged import Merged, Word, merge, own_word
from engine.records.query_sets import QuerySets, check_name, find_queries
from engine.records.verdicts import Verdict, Verdicts

__all__ = [
    "SCHEMA",
    "Judged",
    "Judgments",
    "Merged",
    "QuerySets",
    "Records",
    "Verdict",
    "Verdicts",
    "Word",
    "check_name",
    "find_queries",
    "merge",
    "own_word",
]
