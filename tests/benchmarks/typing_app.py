"""The child of `measure.py`: the real app on a real terminal, its paint log written at exit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from engine.workspace import open_workspace
from workbench.app import RankbenchApp


def main() -> None:
    """Arguments: workspace, file for the log."""
    app = RankbenchApp(open_workspace(Path(sys.argv[1])))
    app.run()
    Path(sys.argv[2]).write_text(json.dumps([entry._asdict() for entry in app.paint_log]))


if __name__ == "__main__":
    main()
