"""Draw the README's picture from the demo shop: `make picture`, or `picture.py FILE [WORKSPACE]`.

Types a query whose jargon the demo's tuned encoder has met, waits for both sides, and saves what
the app shows. The demo must have its tuned encoder: run `make demo` first.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from engine.workspace import open_workspace
from tests.workbench.looking import answered, until
from workbench.app import RankbenchApp
from workbench.commands.options import demo_root

QUERY = "ez up 10x10 with sides"


async def draw(target: Path, root: Path) -> None:
    app = RankbenchApp(open_workspace(root))
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: bool(app.sides), 60)
        await pilot.press(*("space" if letter == " " else letter for letter in QUERY))
        await until(lambda: sum(side.ready for side in app.sides) >= 5, 120)
        await until(answered(app, QUERY), 30)
        await pilot.pause(1)
        target.parent.mkdir(parents=True, exist_ok=True)
        svg = app.export_screenshot(title="rankbench")
        # No web fonts: the picture asks nothing of the network.
        svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
        target.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    file = Path(sys.argv[1])
    asyncio.run(draw(file, Path(sys.argv[2]) if len(sys.argv) > 2 else demo_root()))
