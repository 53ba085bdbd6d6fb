"""A search log into a workspace: its counts become the weights of the judged queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LogFindings:
    """What a log holds, and what it says of the judged queries.

    Attributes:
        number: the log's in the records.
        format, counted, repeated, dropped, notes: as `engine.formats.search_log.SearchLog`.
        searches: of all queries; queries: how many different ones.
        judged: judged queries of the workspace; judged_in_log: those that the log holds.
        judged_searches: searches of these.
        own_weight: those of these that keep the weight of their query file.
    """

    number: int
    format: str
    counted: str
    searches: float
    queries: int
    judged: int
    judged_in_log: int
    judged_searches: float
    own_weight: int
    repeated: int
    dropped: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def share(self) -> float:
        """The judged queries' part of the traffic, from 0 to 1."""
        return self.judged_searches / self.searches

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "share": self.share}


def add_log(workspace: Workspace, path: Path) -> LogFindings:
    """Read a search log and keep it; from here on its counts are the queries' weights.

    Raises:
        RankbenchError: as `engine.formats.search_log.read_search_log` and the records.
    """
    from engine.formats.search_log import read_search_log
    from engine.records import Records

    log = read_search_log(path)
    with Records(workspace.records_path) as records:
        number = records.add_log(log.queries, path.resolve(), log.format)
        judged = records.judged_queries(logged=False)
        found = records.searches_of({query.query_id: query.query for query in judged})
    own = sum(query.weight is not None for query in judged if query.query_id in found)
    return LogFindings(
        number=number,
        format=log.format,
        counted=log.counted,
        searches=log.searches,
        queries=len(log.queries),
        judged=len(judged),
        judged_in_log=len(found),
        judged_searches=sum(found.values()),
        own_weight=own,
        repeated=log.repeated,
        dropped=log.dropped,
        notes=log.notes,
    )
