"""Everything that can be set about a daemon, in one frozen value.

Every field can be given as an environment variable (`idle_timeout_s` is `UNDERPAINT_IDLE_TIMEOUT_S`) and
as an argument of `python -m underpaint.daemon` (`--idle-timeout-s`); arguments win.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from underpaint.errors import InvalidRequest, Violation
from underpaint.wire import paths

ENVIRONMENT_PREFIX = "UNDERPAINT_"
GIB = 1 << 30


def _flag(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("say yes or no")


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(Path(part).expanduser() for part in text.split(os.pathsep) if part)


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _command(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


def _setting(parse: Callable[[str], Any], what: str, default: Any = None, factory: Any = None) -> Any:
    metadata = {"parse": parse, "help": what}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a daemon runs. Times in seconds, sizes in bytes or pixels as the names say."""

    model_roots: tuple[Path, ...] = _setting(_paths, "folders with models, of any layout that is known", ())
    model_roots_file: Path = _setting(
        _path, "the folders that 'underpaint models roots add' keeps", factory=paths.model_roots_file
    )
    installed_models: bool = _setting(_flag, "offer models that were installed as packages", True)
    plugins_allow: tuple[str, ...] = _setting(_names, "only these plug-ins; empty: all", ())
    plugins_block: tuple[str, ...] = _setting(_names, "never these plug-ins", ())
    safety_filters: tuple[str, ...] = _setting(_names, "safety filters to turn on", ())
    policy_file: Path = _setting(_path, "the administrator's policy, if it exists", factory=paths.policy_file)
    default_model: str = _setting(str, "model when a request names none", "")
    default_inpaint_model: str = _setting(str, "model for inpainting when a request names none", "")
    runtime_dir: Path = _setting(_path, "socket, lock and discovery file", factory=paths.runtime_dir)
    state_dir: Path = _setting(_path, "journal and logs", factory=paths.state_dir)
    pixel_dir: Path = _setting(_path, "pixels of inputs and results", factory=paths.pixel_dir)
    pixel_quota_bytes: int = _setting(int, "at most this much in the pixel folder", 32 * GIB)
    lease_s: float = _setting(float, "how long a client holds a blob without renewing", 600.0)
    devices: tuple[str, ...] = _setting(_names, "one worker each; auto lets the worker choose", ("auto",))
    jobs_per_worker: int = _setting(int, "jobs that one worker steps together", 4)
    keep_alive: float = _setting(
        float, "how long an idle model stays in memory, in seconds; 0: no longer than its job", 600.0
    )
    vram_reserve_bytes: int = _setting(
        int, "left free on a graphics card for hosts; -1: a sixteenth of it, 512 MiB at least", -1
    )
    start_workers: bool = _setting(_flag, "start workers at once, not with the first job", True)
    worker_command: tuple[str, ...] = _setting(_command, "command of a worker, instead of the engine's", ())
    worker_start_timeout_s: float = _setting(float, "how long a worker may take to get ready", 300.0)
    cancel_patience_s: float = _setting(
        float, "end a worker that is silent for so long about a cancelled job", 60.0
    )
    idle_timeout_s: float = _setting(float, "end after so long without calls and jobs; 0: never", 0.0)
    drain_s: float = _setting(float, "how long running jobs get when the daemon ends", 10.0)
    max_jobs_per_client: int = _setting(int, "queued and running jobs of one client", 64)
    max_image_pixels: int = _setting(int, "pixels of one image", 1 << 28)
    max_step_pixels: int = _setting(int, "pixels times steps of one job", 8_000_000_000)
    keep_finished_s: float = _setting(float, "how long finished jobs are kept", 7 * 86400.0)
    keep_finished_jobs: int = _setting(int, "how many finished jobs are kept", 500)
    transport: str = _setting(str, "unix, tcp, or auto: unix where it is possible", "auto")
    tcp_port: int = _setting(int, "port on 127.0.0.1; 0: any free one", 0)
    reflection: bool = _setting(_flag, "serve gRPC reflection", False)
    log_level: str = _setting(str, "debug, info, warning or error", "info")

    def __post_init__(self) -> None:
        found = [
            Violation(name, f"must be at least {minimum}, is {getattr(self, name)}")
            for name, minimum in _MINIMA.items()
            if getattr(self, name) < minimum
        ]
        found += [
            Violation(name, f"is {getattr(self, name)!r}; may be {', '.join(allowed)}")
            for name, allowed in _CHOICES.items()
            if getattr(self, name) not in allowed
        ]
        if not self.devices:
            found.append(Violation("devices", "names no device; may be auto, cpu, cuda:0 and so on"))
        if found:
            raise InvalidRequest(
                "settings: " + "; ".join(f"{name} {text}" for name, text in found), violations=found
            )


_MINIMA = {
    "pixel_quota_bytes": 1,
    "lease_s": 1,
    "jobs_per_worker": 1,
    "keep_alive": 0,
    "vram_reserve_bytes": -1,
    "worker_start_timeout_s": 1,
    "cancel_patience_s": 0.1,
    "idle_timeout_s": 0,
    "drain_s": 0,
    "max_jobs_per_client": 1,
    "max_image_pixels": 1,
    "max_step_pixels": 1,
    "keep_finished_s": 0,
    "keep_finished_jobs": 0,
    "tcp_port": 0,
}
_CHOICES = {"transport": ("auto", "unix", "tcp"), "log_level": ("debug", "info", "warning", "error")}


def options() -> tuple[Field[Any], ...]:
    """The fields, with `metadata["parse"]` and `metadata["help"]`."""
    return fields(Settings)


def from_texts(texts: Mapping[str, str], *, source: Callable[[str], str] = str) -> dict[str, Any]:
    """Parses settings given as text, by field name; raises InvalidRequest that names `source(field)`."""
    values: dict[str, Any] = {}
    for option in options():
        if option.name not in texts:
            continue
        try:
            values[option.name] = option.metadata["parse"](texts[option.name])
        except ValueError as error:
            where = source(option.name)
            message = f"{texts[option.name]!r} does not do ({error}); it means: {option.metadata['help']}"
            raise InvalidRequest(f"{where}: {message}", violations=[Violation(where, message)]) from error
    return values


def variable(name: str) -> str:
    """The environment variable of a field."""
    return ENVIRONMENT_PREFIX + name.upper()


def for_workers(settings: Settings) -> dict[str, str]:
    """What workers are told, as variables of their environment."""
    return {
        variable("keep_alive"): repr(settings.keep_alive),
        variable("vram_reserve_bytes"): str(settings.vram_reserve_bytes),
        variable("state_dir"): str(settings.state_dir),
    }


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The fields that the environment sets."""
    texts = {
        option.name: environ[variable(option.name)]
        for option in options()
        if environ.get(variable(option.name))
    }
    return from_texts(texts, source=variable)
