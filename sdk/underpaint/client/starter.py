"""Starts a daemon that outlives us: own session, clean environment, output in the log."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from underpaint.errors import DaemonUnreachable
from underpaint.wire.discovery import Launcher, launcher_path, read_launcher
from underpaint.wire.paths import log_path, private_dir

# What hosts export for their own interpreter and libraries, and what breaks another program's.
_HOSTILE: Final = re.compile(
    r"PYTHON|LD_|DYLD_|QT_|QML|QSG_|GI_TYPELIB|GTK|GDK_|GIO_|GST_|GIMP|GEGL|BABL|BLENDER|KRITA"
    r"|VIRTUAL_ENV$|CONDA_|__PYVENV|APPDIR$|APPIMAGE$|TCL_LIBRARY$|TK_LIBRARY$"
)
_LOG_LIMIT: Final = 8 << 20
_SHELL: Final = '"$@" >>"$UNDERPAINT_LOG" 2>&1 </dev/null & echo $!'

INSTALL_HINT: Final = (
    "Install underpaint (pip install 'underpaint[engine]') and run `underpaint hosts install HOST` once, "
    "or start the daemon yourself with `underpaint serve`."
)


@dataclass(frozen=True, slots=True)
class Launched:
    """A daemon on its way up."""

    pid: int
    log: Path
    log_start: int

    def ended(self) -> bool:
        """Whether its process is gone, as far as that can be seen."""
        if os.name != "posix":
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        # Where nobody collects orphans (containers without an init), it stays in the list of processes.
        return _is_zombie(self.pid)

    def last_words(self) -> str:
        """The end of what it printed."""
        try:
            with self.log.open("rb") as file:
                file.seek(self.log_start)
                lines = file.read()[-4096:].decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-8:])


def _is_zombie(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return False
    return state[:1] == ["Z"]


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a host set up for its own interpreter and libraries."""
    return {name: value for name, value in environment.items() if not _HOSTILE.match(name)}


def find_launcher() -> Launcher:
    """The command that starts a daemon. Raises `DaemonUnreachable` if there is none."""
    launcher = read_launcher() or _beside_this_interpreter()
    if launcher is None:
        raise DaemonUnreachable(
            f"No daemon is running, and {launcher_path()} names no command to start one. {INSTALL_HINT}"
        )
    return launcher


def launch(launcher: Launcher) -> Launched:
    """Starts the daemon, detached. Blocks for some milliseconds. Raises `DaemonUnreachable`."""
    log = log_path()
    try:
        private_dir(log.parent)
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        start = log.stat().st_size
        pid = _spawn(launcher.command, log)
    except OSError as error:
        raise _cannot_start(launcher.command, str(error)) from error
    return Launched(pid, log, start)


def _spawn(command: Sequence[str], log: Path) -> int:
    environment = clean_environment(os.environ)
    if os.name != "posix":
        flags = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(
            subprocess, "CREATE_NEW_PROCESS_GROUP", 0
        )
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                creationflags=flags,
            ).pid
    if not os.access(command[0], os.X_OK):
        raise _cannot_start(command, "there is no such program")
    # A shell in between, so that the daemon is nobody's child here: a host never reaps it.
    environment["UNDERPAINT_LOG"] = str(log)
    shell = subprocess.run(
        ["/bin/sh", "-c", _SHELL, "underpaint", *command],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        umask=0o077,
        check=False,
    )
    if shell.returncode != 0:
        raise _cannot_start(command, f"the shell ended with status {shell.returncode}")
    return int(shell.stdout)


def _cannot_start(command: Sequence[str], why: str) -> DaemonUnreachable:
    return DaemonUnreachable(
        f"The daemon could not be started with `{' '.join(command)}`: {why}. {INSTALL_HINT}"
    )


def _beside_this_interpreter() -> Launcher | None:
    """For people who installed with pip and never ran the set-up; never inside a host's relocated copy."""
    program = Path(sys.executable or "/").with_name("underpaint")
    if __name__ != "underpaint.client.starter" or not program.is_file():
        return None
    return Launcher((str(program), "serve")) if importlib.util.find_spec("grpc") else None
