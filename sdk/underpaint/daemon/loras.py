"""The index of LoRAs on disk: which there are, by which names, and which models they fit."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from underpaint.daemon.models import ModelIndex
from underpaint.daemon.scan import FoundModel
from underpaint.errors import ModelNotFound, ModelUnusable
from underpaint.types import LoraInfo
from underpaint.weights import Prober, kinds
from underpaint.weights.loras import LoraHeader, read_lora_header

PREFIX = f"{kinds.LORA}:"
"""Before a LoRA's name in the list of all models."""
MAX_LISTED = 12
"""Names that an error lists."""


@dataclass(frozen=True, slots=True)
class FoundLora:
    """A LoRA's file; `problem` says why it cannot be used."""

    name: str
    path: Path
    header: LoraHeader = LoraHeader()
    told: str = ""
    """The family that its header tells, "" or "unknown" where it does not."""
    size_bytes: int = 0
    problem: str = ""


class LoraIndex:
    """LoRAs below the roots of the model index, and files named by absolute path.

    Names are paths below a root, without the ending; the last part alone will do where no other LoRA has it.
    Reads headers in a thread; an unchanged file is not read again.
    """

    def __init__(self, models: ModelIndex) -> None:
        self._models = models
        self._headers: dict[Path, tuple[tuple[int, int], LoraHeader | str]] = {}
        self._lock = threading.Lock()

    async def all(self) -> list[FoundLora]:
        """Every LoRA by name, broken ones with their problem."""
        found = await self._models.all(kinds.LORA)
        return await asyncio.to_thread(lambda: [self._look(model) for model in found])

    async def called(self, patterns: Iterable[str]) -> dict[str, list[FoundLora]]:
        """LoRAs by the regular expression that finds their file names; no other header is read."""
        known = await self._models.all(kinds.LORA, recent=True)

        def look(pattern: str) -> list[FoundLora]:
            return [self._look(model) for model in known if is_called(pattern, model.name)]

        wanted = list(dict.fromkeys(patterns))
        return await asyncio.to_thread(lambda: {pattern: look(pattern) for pattern in wanted})

    async def find(self, name: str) -> FoundLora:
        """A usable LoRA by name or absolute path; raises ModelNotFound or ModelUnusable."""
        known = await self._models.all(kinds.LORA, recent=True)
        if Path(name).is_absolute() and "\0" not in name:
            # Only an absolute path leaves the roots, and only because the user wrote it out.
            lora = await asyncio.to_thread(self._at, Path(os.path.normpath(name)), name)
        else:
            await self._refuse_controls(name)
            lora = await asyncio.to_thread(self._look, _named(name, known))
        if lora.problem:
            raise ModelUnusable(
                f"The LoRA {lora.name!r} cannot be used: {lora.problem}.",
                metadata={"model": lora.name, "path": str(lora.path)},
            )
        return lora

    async def _refuse_controls(self, name: str) -> None:
        """Raises ModelUnusable for a LoRA that counts through a control."""
        wanted = name.removeprefix(PREFIX).removesuffix(".safetensors")
        for found in await self._models.all(kinds.CONTROL_LORA, recent=True):
            own = found.name.removeprefix(f"{kinds.CONTROL_LORA}:")
            if wanted in (own, own.rpartition("/")[2]):
                raise ModelUnusable(
                    f"The LoRA {name!r} reads a control image: name it as the model of a control, on the "
                    f"command line --control depth=IMAGE,model={own}.",
                    metadata={"model": name, "path": str(found.path)},
                )

    def _at(self, path: Path, name: str) -> FoundLora:
        try:
            probe, size = Prober().probe(path), path.stat().st_size
        except OSError as error:
            raise _not_found(name, (), f" {error.strerror}: {path}.") from error
        problem = probe.problem
        if not problem and probe.kind != kinds.LORA:
            problem = f"{path.name} is no LoRA but of the kind {probe.kind}"
        return self._look(FoundModel(name, path, None, None, size, problem, kinds.LORA, probe.family))

    def _look(self, found: FoundModel) -> FoundLora:
        name, problem = found.name.removeprefix(PREFIX), found.problem
        header: LoraHeader | str = problem or self._header(found.path)
        if isinstance(header, str):
            return FoundLora(name, found.path, told=found.told, size_bytes=found.size_bytes, problem=header)
        return FoundLora(name, found.path, header, found.told, found.size_bytes)

    def _header(self, path: Path) -> LoraHeader | str:
        try:
            status = path.stat()
            mark = (status.st_size, status.st_mtime_ns)
            with self._lock:
                known = self._headers.get(path)
            if known is None or known[0] != mark:
                known = (mark, read_lora_header(path))
                with self._lock:
                    self._headers[path] = known
            return known[1]
        except OSError as error:
            return f"{path}: {error.strerror}"
        except ModelUnusable as error:
            return error.message


def is_called(pattern: str, *names: str) -> bool:
    """Whether a regular expression finds one of these names, the last part of paths, whatever their case."""
    return any(re.search(pattern, name.rpartition("/")[2], re.IGNORECASE) for name in names)


def fits(lora: FoundLora, model: FoundModel) -> bool:
    """Whether a LoRA fits a model; False where either cannot be used.

    One that changes text encoders only, or no layer that tells its base, is taken at its family's word.
    """
    if lora.problem or model.traits is None or model.family is None or not model.traits.lora_base:
        return False
    if lora.header.base:
        return lora.header.base == model.traits.lora_base
    return lora.told in ("", kinds.UNKNOWN) or lora.told.startswith(model.family.name)


def to_lora_info(lora: FoundLora, models: Iterable[FoundModel]) -> LoraInfo:
    """As it is listed."""
    return LoraInfo(
        name=lora.name,
        title=lora.header.title,
        family="" if lora.told == kinds.UNKNOWN else lora.told,
        path=str(lora.path),
        models=tuple(model.name for model in models if fits(lora, model)),
        trigger=lora.header.trigger,
        size_bytes=lora.size_bytes,
        problem=lora.problem,
        license=lora.header.license,
    )


def _named(name: str, known: Sequence[FoundModel]) -> FoundModel:
    """The LoRA of that name, or the only one with that file name. Raises ModelNotFound."""
    wanted = name.removeprefix(PREFIX).removesuffix(".safetensors")
    by_name = {found.name.removeprefix(PREFIX): found for found in known}
    if wanted in by_name:
        return by_name[wanted]
    alike = [full for full in by_name if full.rpartition("/")[2] == wanted]
    if len(alike) == 1:
        return by_name[alike[0]]
    if alike:
        raise _not_found(name, alike, " Several have this file name: say which.")
    near = difflib.get_close_matches(
        wanted, [*by_name, *(full.rpartition("/")[2] for full in by_name)], 5, 0.5
    )
    if near:
        raise _not_found(name, near, " Near ones:", near=True)
    raise _not_found(name, list(by_name))


def _not_found(name: str, known: Sequence[str], hint: str = "", *, near: bool = False) -> ModelNotFound:
    names = ", ".join(known[:MAX_LISTED]) + (" …" if len(known) > MAX_LISTED else "")
    if near:
        there = f"{hint} {names}."
    else:
        there = hint + (f" There are: {names}." if known else " None lies in a model root.")
    return ModelNotFound(
        f"There is no LoRA {name[:200]!r}.{there} 'underpaint models loras' lists them all; a file elsewhere "
        "can be named by its absolute path.",
        metadata={"model": name[:200]},
    )
