"""The roots that the user added, in a file of the configuration folder: hosts start the daemon without them.

`{"roots": ["/home/me/ComfyUI", …]}`. Read at every scan, so that a new root needs no new daemon.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from underpaint.errors import InvalidRequest

MAX_BYTES = 1 << 20


def read(file: Path) -> tuple[Path, ...]:
    """The roots in their order; none where there is no file. Raises `InvalidRequest` for a damaged one."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise _damaged(file, f"it is larger than {MAX_BYTES:,} bytes")
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return ()
    except (ValueError, RecursionError) as error:
        raise _damaged(file, "it is not valid JSON") from error
    except OSError as error:
        raise _damaged(file, error.strerror or str(error)) from error
    roots = content.get("roots") if isinstance(content, dict) else None
    if not isinstance(roots, list) or not all(isinstance(root, str) for root in roots):
        raise _damaged(file, 'it holds no list "roots" of paths')
    if not all(Path(root).is_absolute() for root in roots):
        raise _damaged(file, "its paths must be absolute")
    return tuple(Path(root) for root in roots)


def write(file: Path, roots: tuple[Path, ...]) -> None:
    """Replaces the file as a whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.new")
    temporary.write_text(json.dumps({"roots": [str(root) for root in roots]}, indent=2) + "\n", "utf-8")
    temporary.replace(file)


def _damaged(file: Path, why: str) -> InvalidRequest:
    return InvalidRequest(f"The list of model folders {file} cannot be used: {why}. Repair or delete it.")
