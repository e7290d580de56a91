"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from underpaint.errors import HostError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes `path`'s place at the end; after an error nothing has changed.

    Raises `HostError` if the disk or its owner refuses.
    """
    draft: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.absolute().parent, prefix=f".{path.name}-", delete=False
        ) as file:
            draft = Path(file.name)
            yield file
        # A temporary file is its owner's alone; a picture is as open as the user's other files.
        os.chmod(draft, _usual_mode())  # noqa: PTH101
        draft.replace(path)
        draft = None
    except OSError as problem:
        raise HostError(f"{path} cannot be written ({problem}): choose another place.") from problem
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def _usual_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
