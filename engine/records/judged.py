"""The judged queries of a workspace with people's verdicts, kept in step with what is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.catalog.queries import JudgedQuery
from engine.records.judgments import Records
from engine.records.merged import Merged, Word, merge, place_of
from engine.records.verdicts import Verdicts


class Judged:
    """Imported judgments and verdicts as one set. Blocking; for one thread.

    Each look asks the records for the number of their newest verdict, which costs some ten
    microseconds, and merges again where it moved: what another process said shows at once.

    Raises (every method): as `engine.records.database.Database`.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """`read_only` as in `Database`."""
        self._path = path
        self._read_only = read_only
        self._verdicts: Verdicts | None = None
        self._imported: list[JudgedQuery] | None = None
        self._merged = Merged((), {})
        self._number = -1
        self._alone: frozenset[str] = frozenset()
        self._queries: list[JudgedQuery] = []
        self._by_place: dict[str, JudgedQuery] = {}

    def imported(self) -> list[JudgedQuery]:
        """The imported queries as they were judged, without a verdict, by query id."""
        if self._imported is None:
            with Records(self._path, read_only=self._read_only) as records:
                self._imported = records.judged_queries()
            self._number = -1
        return self._imported

    def queries(self) -> list[JudgedQuery]:
        """The imported queries with people's words applied, by query id."""
        self._look()
        return self._queries

    def find(self, text: str) -> JudgedQuery | None:
        """The query that reads like `text`, one that only verdicts know too."""
        self._look()
        return self._by_place.get(place_of(text, self._alone))

    def words(self, query: JudgedQuery | None) -> Mapping[str, Word]:
        """Product id -> what people say of it for a query that `find` gave."""
        return self._merged.words.get(query.query_id, {}) if query is not None else {}

    def shared_from(self, text: str) -> tuple[str, ...]:
        """The other spellings of `text` whose verdicts hold for it too."""
        self._look()
        return self._merged.other_spellings(text, self._alone)

    def forget(self) -> None:
        """Read the imported judgments again at the next look."""
        self._imported = None

    def close(self) -> None:
        """Close the connection; the next look opens another."""
        if self._verdicts is not None:
            self._verdicts.close()
            self._verdicts = None

    def _look(self) -> None:
        imported = self.imported()
        if self._verdicts is None:
            self._verdicts = Verdicts(self._path, read_only=self._read_only)
        number = self._verdicts.last_number()
        if number == self._number:
            return
        # Said meanwhile is merged at the next look: the number was read before.
        self._alone = self._verdicts.separated()
        self._merged = merge(imported, self._verdicts.standing(), self._alone)
        self._queries = [query for query in self._merged.queries if query.imported]
        self._by_place = {
            place_of(query.query, self._alone): query for query in reversed(self._merged.queries)
        }
        self._number = number
