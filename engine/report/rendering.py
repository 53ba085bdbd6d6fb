"""The forms a report is written in."""

from __future__ import annotations

from engine.errors import UsageError
from engine.report.markdown import render_markdown
from engine.report.page import render_html
from engine.report.per_query import render_csv
from engine.report.report import Report

_FORMS = {"html": render_html, "md": render_markdown, "csv": render_csv}


def render(report: Report, form: str) -> str:
    """The report as "html", "md" or "csv".

    Raises:
        UsageError: another form.
    """
    if form not in _FORMS:
        raise UsageError(f"No form {form!r}.", f"Choose one of {', '.join(_FORMS)}.")
    return _FORMS[form](report)
