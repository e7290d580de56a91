"""A model from the Hugging Face hub: what it would be, then the download, pinned, resumable and verified.

Nothing here runs unless somebody asked for it by `underpaint models import`. The address is the hub's, or
HF_ENDPOINT; a login is huggingface_hub's own affair.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from underpaint.cli.hub_files import INDEX, HubFile, choose
from underpaint.errors import InvalidRequest, ModelNotFound, ModelUnusable, Unavailable

RECORD: Final = "import.underpaint.json"
"""Beside the files: where they came from."""
_CHUNK = 4 << 20
_MAX_INDEX = 1 << 20
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class HubPlan:
    """What a download would be."""

    repository: str
    revision: str
    """The commit, whatever branch or tag was asked for."""
    license: str
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)


def plan(repository: str, revision: str = "", wanted: Sequence[str] = ()) -> HubPlan:
    """Asks the hub what there is. Raises `ModelNotFound`, `Unavailable` and what `choose` raises."""
    with _told(repository):
        from huggingface_hub import HfApi

        found = HfApi(endpoint=_endpoint()).model_info(
            repository, revision=revision or None, files_metadata=True
        )
    files = [
        HubFile(
            one.rfilename,
            one.size or 0,
            one.lfs.sha256 if one.lfs is not None else "",
            one.blob_id or "",
        )
        for one in found.siblings or []
    ]
    said = found.card_data.get("license") if found.card_data is not None else None
    revision, index = str(found.sha), next((file for file in files if file.name == INDEX), None)
    read = _index(repository, revision, index) if index is not None and not wanted else None
    return HubPlan(repository, revision, str(said or "not said"), tuple(choose(files, wanted, read)))


def _index(repository: str, revision: str, file: HubFile) -> dict[str, Any]:
    """What a repository's `model_index.json` says: which folders are its components."""
    if file.size > _MAX_INDEX:
        raise ModelUnusable(f"The {INDEX} of {repository!r} is larger than an index can be.")
    stream = io.BytesIO()
    with _told(repository):
        _get(repository, revision, file, stream, 0)
    try:
        content = json.loads(stream.getvalue())
    except ValueError as error:
        raise ModelUnusable(f"The {INDEX} of {repository!r} is not valid JSON ({error}).") from error
    return content if isinstance(content, dict) else {}


def download(what: HubPlan, folder: Path, progress: Progress) -> dict[str, str]:
    """Downloads into `folder` what is not there yet, and verifies all of it. SHA-256 in hex by file.

    A download that was broken off goes on where it ended. `progress` gets bytes as they come. Raises
    `Unavailable`, and `ModelUnusable` for a file that is not what the hub says; it is removed.
    """
    digests = {}
    for file in what.files:
        path = folder / file.name
        there = path.is_file() and path.stat().st_size == file.size
        known = _digest(path, file) if there else ""
        if known:
            progress(file.size)
        digests[file.name] = known or _bring(what, file, path, progress)
    record = {"repository": what.repository, "revision": what.revision, "sha256": digests}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return digests


def _bring(what: HubPlan, file: HubFile, path: Path, progress: Progress) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{what.revision[:12]}.part")
    _fetch(what, file, part, progress)
    digest = _digest(part, file)
    if not digest:
        size = part.stat().st_size
        part.unlink()
        raise ModelUnusable(
            f"{file.name!r} came with other bytes than the hub says ({size:,} of them); it was removed. "
            "Import it again.",
            metadata={"file": file.name, "expected": file.sha256 or file.blob},
        )
    part.replace(path)
    return digest


def _fetch(what: HubPlan, file: HubFile, part: Path, progress: Progress) -> None:
    """Appends to `part` what it lacks. huggingface_hub by itself begins anew in each process."""
    part.touch()
    with _told(what.repository), part.open("r+b") as stream:
        there = stream.seek(0, 2)
        if there > file.size:
            there = stream.seek(0)
            stream.truncate()
        progress(there)
        if there < file.size:
            _get(what.repository, what.revision, file, _Counted(stream, progress), there)


def _get(repository: str, revision: str, file: HubFile, stream: Any, there: int) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        disable_progress_bars,
    )

    disable_progress_bars()
    url = hf_hub_url(repository, file.name, revision=revision, endpoint=_endpoint())
    http_get(url, stream, resume_size=there, headers=build_hf_headers(), expected_size=file.size)


class _Counted:
    """A file that tells how many bytes are written to it."""

    def __init__(self, stream: BinaryIO, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress

    def write(self, data: bytes) -> int:
        written = self._stream.write(data)
        self._progress(written)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _digest(path: Path, file: HubFile) -> str:
    """The file's SHA-256 in hex; "" where it is not what the hub says."""
    digest = hashlib.sha256()
    git = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            git.update(chunk)
    good = digest.hexdigest() == file.sha256 if file.sha256 else git.hexdigest() == file.blob
    return digest.hexdigest() if good else ""


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


@contextmanager
def _told(repository: str) -> Iterator[None]:
    """Turns what huggingface_hub raises into our errors."""
    try:
        from huggingface_hub import errors
    except ImportError as error:
        raise Unavailable(
            "Importing from the hub needs huggingface_hub. Run: pip install huggingface-hub"
        ) from error
    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelUnusable(
            f"{repository!r} asks for a login and for its terms to be accepted. Do so on its page in a "
            "browser, then log in here with: hf auth login",
            metadata={"repository": repository},
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelNotFound(f"{repository!r} has no such revision.") from error
    except errors.RepositoryNotFoundError as error:
        raise ModelNotFound(
            f"The hub knows no model {repository!r}, or not for this login.", metadata={"model": repository}
        ) from error
    except errors.HFValidationError as error:
        raise InvalidRequest(f"{repository!r} is neither a file here nor a name of the hub's.") from error
    except (errors.OfflineModeIsEnabled, errors.HTTPError, OSError) as error:  # type: ignore[attr-defined]
        raise Unavailable(
            f"The hub could not be asked for {repository!r}: {str(error)[:300]}. What came so far is kept; "
            "the same command goes on from there."
        ) from error
