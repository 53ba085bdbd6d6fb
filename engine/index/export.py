"""An encoder's vectors out of the workspace, for a production index."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from engine.index.build import active_build
from engine.index.matrix import read_build
from engine.workspace import Workspace, unwritable


def export_vectors(ws: Workspace, name: str, target: Path) -> int:
    """Write the active build of `name` as Parquet; returns its rows.

    Columns: `product_id` (text) and `vector` (fixed-size list of float32, unit length), sorted by
    product id. The file's metadata names the encoder, its fingerprint, the build and the template.

    Raises:
        RankbenchError: the encoder is not indexed, or the disk refuses.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    build = active_build(ws, name)
    matrix = read_build(ws, build)
    flat = pa.array(np.ascontiguousarray(matrix.vectors, np.float32).reshape(-1))
    told = {
        "encoder": build.encoder,
        "fingerprint": build.fingerprint,
        "build": build.build,
        "template": build.template,
    }
    vectors = pa.FixedSizeListArray.from_arrays(flat, matrix.vectors.shape[1])
    rows = pa.table({"product_id": pa.array(matrix.ids, pa.string()), "vector": vectors})
    rows = rows.replace_schema_metadata({f"rankbench.{key}": text for key, text in told.items()})
    target = Path(target).expanduser().absolute()
    beside = target.with_name(f".{target.name}.partial")
    try:
        pq.write_table(rows, beside)
        os.replace(beside, target)
    except OSError as error:
        raise unwritable(target.parent, error) from None
    finally:
        beside.unlink(missing_ok=True)
    return len(matrix.ids)
