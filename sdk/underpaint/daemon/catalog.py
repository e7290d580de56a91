"""Scans of all roots: diffusers folders and weight files, each read once as long as it does not change."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import structlog

from underpaint.daemon.companions import Companions
from underpaint.daemon.estimators import Estimators
from underpaint.daemon.files import file_kind, file_name, look_at_file
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.previews import TinyVaes
from underpaint.daemon.probes import ProbeCache
from underpaint.daemon.roots import kept, layouts
from underpaint.daemon.roots.folders import ModelFolder
from underpaint.daemon.roots.walk import INDEX, Entry, walk
from underpaint.daemon.scan import FoundModel, fingerprint, look
from underpaint.daemon.tokenizers import Tokenizers
from underpaint.errors import InvalidRequest
from underpaint.weights import Probe
from underpaint.weights.probe import SUFFIXES

log = structlog.get_logger(__name__)


class Catalog:
    """Everything below the roots, by name. Any thread; one scan at a time."""

    def __init__(
        self, roots: Sequence[Path], roots_file: Path | None = None, cache_file: Path | None = None
    ) -> None:
        self._roots = tuple(root.absolute() for root in roots)
        self._roots_file = roots_file
        self._probes = ProbeCache(cache_file)
        self._folders: dict[Path, tuple[tuple[object, ...], FoundModel]] = {}
        self._vocabularies: dict[tuple[str, int, int], int] = {}
        self._companions = Companions(Tokenizers((), self._vocabularies), {})
        self._tiny_vaes = TinyVaes()
        self._complained: set[tuple[Path, str]] = set()
        self._lock = threading.Lock()

    @property
    def looked(self) -> int:
        """Weight files whose header was read."""
        return self._probes.looked

    def scan(self, plugins: Plugins) -> list[FoundModel]:
        """Every model in order of name; where two have one name, that of the earlier root."""
        with self._lock:
            return sorted(self._scan(plugins).values(), key=lambda found: found.name)

    def folders(self, plugins: Plugins) -> tuple[Path, ...]:
        """Every folder of every root, the one that wins first. Reads names only."""
        roots = dict.fromkeys((*self._roots, *self._added(), *plugins.model_roots))
        found = (folder.path for root in roots for folder in layouts.read(root).folders)
        return tuple(dict.fromkeys(found))

    def at(self, path: Path, name: str, plugins: Plugins) -> FoundModel | None:
        """A diffusers folder or a weight file anywhere; None for anything else."""
        with self._lock:
            if (path / INDEX).is_file():
                chosen = self._companions.with_chosen(self._folder(name, path, path.parent, plugins))
                return self._tiny_vaes.beside(chosen)
            if not path.name.lower().endswith(SUFFIXES) or not path.is_file():
                return None
            status = path.stat()
            probe = self._probes.probe(path, status)
            kind = file_kind(Entry(path, name, "", status), probe)
            size = status.st_size
            found = look_at_file(name, path, size, probe, kind, plugins.families, self._companions)
            return self._tiny_vaes.beside(found)

    def _scan(self, plugins: Plugins) -> dict[str, FoundModel]:
        models: dict[str, FoundModel] = {}
        files: dict[str, tuple[Entry, Probe, str]] = {}
        seen: set[str] = set()
        tokenizers: list[Path] = []
        estimators = Estimators(plugins.preprocessors.values())
        for root in dict.fromkeys((*self._roots, *self._added(), *plugins.model_roots)):
            layout = layouts.read(root)
            self._complain(root, layout.problem)
            tokenizers += layout.tokenizers
            for folder in layout.folders:
                for entry in self._walk(folder):
                    if entry.status is None:
                        if entry.name not in models and entry.name not in files:
                            models[entry.name] = self._folder(entry.name, entry.path, folder.path, plugins)
                        continue
                    seen.add(str(entry.path))
                    probe = estimators.told(entry.path, self._probe(entry))
                    kind = file_kind(entry, probe)
                    name = file_name(entry, kind)
                    # A pickle beside its safetensors is no second model.
                    hidden = name in models or (name in files and not _better(probe, files[name][1]))
                    if not hidden:
                        files[name] = (entry, probe, kind)
        tokenizers += _own_tokenizers(models.values())
        files_found = {name: (entry.path, probe) for name, (entry, probe, _) in files.items()}
        self._companions = Companions(Tokenizers(tokenizers, self._vocabularies), files_found)
        models = {name: self._companions.with_chosen(found) for name, found in models.items()}
        for name, (entry, probe, kind) in files.items():
            size = entry.status.st_size if entry.status is not None else 0
            models[name] = look_at_file(
                name, entry.path, size, probe, kind, plugins.families, self._companions
            )
        self._probes.save(seen)
        self._tiny_vaes = TinyVaes(models.values())
        return {name: self._tiny_vaes.beside(found) for name, found in models.items()}

    def _added(self) -> tuple[Path, ...]:
        if self._roots_file is None:
            return ()
        try:
            return kept.read(self._roots_file)
        except InvalidRequest as error:
            self._complain(self._roots_file, error.message)
            return ()

    def _walk(self, folder: ModelFolder) -> Iterator[Entry]:
        try:
            yield from walk(folder)
        except OSError as error:
            self._complain(folder.path, error.strerror or str(error))

    def _probe(self, entry: Entry) -> Probe:
        assert entry.status is not None, "folders are not probed"
        try:
            return self._probes.probe(entry.path, entry.status)
        except OSError as error:
            return Probe(problem=f"{entry.path}: {error.strerror}")

    def _folder(self, name: str, path: Path, root: Path, plugins: Plugins) -> FoundModel:
        try:
            mark = (name, *fingerprint(path))
        except OSError as error:
            return FoundModel(name, path, problem=f"{error.filename}: {error.strerror}")
        cached = self._folders.get(path)
        if cached is not None and cached[0] == mark:
            return cached[1]
        found = look(name, path, root, plugins.families)
        self._folders[path] = (mark, found)
        return found

    def _complain(self, root: Path, problem: str) -> None:
        # Once: scans are frequent, and a disk that is not mounted stays so for a while.
        if problem and (root, problem) not in self._complained:
            self._complained.add((root, problem))
            log.warning("model root cannot be read", root=str(root), error=problem)


def _better(probe: Probe, than: Probe) -> bool:
    return than.format == "pickle" and probe.format != "pickle"


def _own_tokenizers(models: Iterable[FoundModel]) -> list[Path]:
    return [
        model.traits.components[part]
        for model in models
        if model.traits is not None
        for part in ("tokenizer", "tokenizer_2")
        if part in model.traits.components
    ]
