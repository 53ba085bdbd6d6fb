"""Writing a model so that it is on the disk, and not only on its way there."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.workspace import unwritable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_NUMBER = re.compile(r"\(os error (\d+)\)")


def save_model(model: SentenceTransformer, directory: Path) -> None:
    """Write `model` as a plain sentence-transformers directory of safetensors.

    Raises:
        OSError: the disk refuses; safetensors has an error of its own for that.
    """
    from safetensors import SafetensorError

    try:
        model.save_pretrained(str(directory), create_model_card=False, safe_serialization=True)
    except SafetensorError as error:
        number = _NUMBER.search(str(error))
        if number is None:
            raise OSError(str(error)) from error
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def flush(path: Path) -> None:
    """Return once the disk has what was written to a file, or which names a directory holds.

    A rename may reach the disk before the file's content: without this, a power cut leaves a whole
    name on an empty file.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot be asked for a directory.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def flush_tree(directory: Path) -> None:
    """`flush` every file and directory in `directory`, and itself.

    Raises:
        OSError: the disk refuses.
    """
    for path in (*directory.rglob("*"), directory):
        flush(path)


@contextmanager
def whole_directory(target: Path) -> Iterator[Path]:
    """A directory to write into, which becomes `target` when all went well: whole or not there.

    Raises:
        RankbenchError: the disk refuses.
    """
    work = target.with_name(f".{target.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield work
        flush_tree(work)
        work.rename(target)
        flush(target.parent)
    except OSError as error:
        raise unwritable(target.parent, error) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
