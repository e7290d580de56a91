"""HostSandbox: a place of its own in which a test runs the real Krita, GIMP and Blender."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts import programs
from tests.hosts.processes import SCRIPT_S, HostFailed, HostProcess, RunningHost, Script

HOME_INSIDE = "/home/painter"
SEED = "home-seed"
Arguments = dict[str, Any] | None
ENTER = Path(__file__).resolve().parent / "enter.sh"
DELETE_S = 60.0
"""Longest that what was killed may go on writing into a folder that is being deleted."""


def delete(folder: Path) -> None:
    """Delete a folder, also while a daemon or a host that was just ended still tidies up in it."""
    deadline = time.monotonic() + DELETE_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:  # a file came or went between two looks
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    returncode: int
    output: str


class HostSandbox:
    """The hosts' folder with a home, a run-time folder and binds that are this sandbox's own.

    ``home`` is seen inside as /home/painter *and* at its own path; ``runtime`` and every folder
    given to ``bind`` are seen at their own paths. What a host writes elsewhere is gone when it
    ends. Close it (or use it in a ``with``) to end whatever still runs.

    The home is that of somebody who has opened each host once (their caches are warm, which makes
    a start five times faster); with ``new_user`` it is empty.
    """

    def __init__(self, root: Path, folder: Path, *, screen: str = "1280x900", new_user: bool = False) -> None:
        self._root = root
        # As long as this is held, nobody who builds a newer folder deletes this one.
        self._in_use = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._in_use, fcntl.LOCK_SH)
        self._folder = folder
        self._screen = screen
        self.home = folder / "home"
        if new_user or not (root / SEED).exists():
            self.home.mkdir(parents=True)
        else:  # with times: GIMP compares its plug-ins' with those in its cache
            shutil.copytree(root / SEED, self.home, symlinks=True)
        # Short, since a Unix socket's path has at most 104 bytes and pytest's folders are long.
        self.runtime = Path(tempfile.mkdtemp(prefix="underpaint-run-"))
        self._binds = [self.home, self.runtime, programs.CHECKOUT / "tests"]
        self._processes: list[HostProcess] = []

    @property
    def krita_plugins(self) -> Path:
        """Where Krita looks for plug-ins: ``NAME/`` with ``NAME.desktop`` beside it."""
        return self.home / ".local/share/krita/pykrita"

    @property
    def gimp_plugins(self) -> Path:
        """Where GIMP looks for plug-ins: ``NAME/NAME.py``, executable."""
        return self.home / ".config/GIMP/3.0/plug-ins"

    @property
    def blender_extensions(self) -> Path:
        """Where Blender keeps the extensions that were installed from files."""
        return self.home / ".config/blender/4.3/extensions/user_default"

    @property
    def environ_outside(self) -> dict[str, str]:
        """Variables with which a program *outside* (an installer, the daemon) shares our places."""
        return self._places(str(self.home))

    def bind(self, *folders: Path) -> None:
        """Show these folders inside at their own paths, in everything started from now on."""
        self._binds += [folder.absolute() for folder in folders]

    def enable_krita_plugin(self, name: str, *, enabled: bool = True) -> None:
        """Tick a plug-in, as a user would in Krita's Python Plugin Manager."""
        programs.enable_krita_plugin(self.home, name, enabled=enabled)

    def run(
        self,
        command: list[str],
        *,
        window: bool = False,
        timeout: float = SCRIPT_S,
        environ: dict[str, str] | None = None,
    ) -> Finished:
        """Run any command inside to its end; a non-zero exit status is the caller's to judge."""
        process = HostProcess(*self._launch(command, window, environ))
        self._processes.append(process)
        return Finished(process.wait(timeout), process.output)

    def open_krita(self, *, plugins: tuple[str, ...] = (), **options: Any) -> RunningHost:
        """Start Krita with these (installed) plug-ins enabled; it then takes scripts."""
        programs.prepare_krita(self.home)
        for name in plugins:
            self.enable_krita_plugin(name)
        return self._open(programs.krita_command(), window=True, **options)

    def open_gimp(self, *, window: bool = False, **options: Any) -> RunningHost:
        """Start GIMP; it then takes scripts."""
        programs.prepare_gimp(self.home)
        return self._open(programs.gimp_command(window=window), window=window, **options)

    def open_blender(self, *, window: bool = False, **options: Any) -> RunningHost:
        """Start Blender; it then takes scripts."""
        return self._open(programs.blender_command(window=window), window=window, **options)

    def run_krita(
        self, script: Script, *, timeout: float = SCRIPT_S, arguments: Arguments = None, **options: Any
    ) -> dict[str, Any]:
        """Start Krita, run one script, quit; return what the script reported."""
        return self._once(self.open_krita(**options), script, timeout, arguments)

    def run_gimp(
        self, script: Script, *, timeout: float = SCRIPT_S, arguments: Arguments = None, **options: Any
    ) -> dict[str, Any]:
        """Start GIMP, run one script, quit; return what the script reported."""
        return self._once(self.open_gimp(**options), script, timeout, arguments)

    def run_blender(
        self, script: Script, *, timeout: float = SCRIPT_S, arguments: Arguments = None, **options: Any
    ) -> dict[str, Any]:
        """Start Blender, run one script, quit; return what the script reported."""
        return self._once(self.open_blender(**options), script, timeout, arguments)

    def install_blender_extension(self, archive: Path) -> None:
        """Install and enable an extension's zip with Blender's own importer."""
        self.bind(archive.parent)
        command = ["blender", "--command", "extension", "install-file", "-r", "user_default", "-e"]
        finished = self.run([*command, str(archive)])
        if finished.returncode != 0:
            raise HostFailed(f"Blender refused {archive.name}:\n{finished.output}")

    def close(self) -> None:
        """End whatever still runs and delete the home; logs and screenshots stay."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
        delete(self.runtime)
        delete(self.home)
        os.close(self._in_use)

    def __enter__(self) -> HostSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _once(
        self, host: RunningHost, script: Script, timeout: float, arguments: Arguments
    ) -> dict[str, Any]:
        with host:
            return host.run(script, timeout=timeout, **(arguments or {}))

    def _open(
        self, command: list[str], *, window: bool, environ: dict[str, str] | None = None
    ) -> RunningHost:
        host = RunningHost(*self._launch(command, window, environ))
        self._processes.append(host)
        host.wait_ready()
        return host

    def _launch(
        self, command: list[str], window: bool, environ: dict[str, str] | None
    ) -> tuple[list[str], dict[str, str], Path]:
        folder = self._folder / f"{len(self._processes) + 1}-{command[0]}"
        scratch, screen = folder / "scratch", folder / "screen"
        scratch.mkdir(parents=True)
        screen.mkdir()
        binds = [str(path) for path in (*self._binds, folder)]
        variables = {
            **self._places(HOME_INSIDE),
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "USER": "painter",
            "NO_AT_BRIDGE": "1",  # no accessibility bus here; GTK waits for one otherwise
            "UNDERPAINT_TEST_TASKS": str(folder),
            "UNDERPAINT_TEST_SCREEN": str(screen / "Xvfb_screen0"),
            **(environ or {}),
        }
        if window:
            variables["SCREEN"] = self._screen
            variables["SCREEN_FOLDER"] = str(screen)
            variables["WINDOW_RULES"] = str(programs.DRIVERS / "openbox.xml")
        # A test run that is killed takes its hosts along.
        unshare = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return (
            [
                *unshare,
                *("sh", str(ENTER), str(self._root), str(scratch), str(self.home), *binds),
                *("--", *command),
            ],
            variables,
            folder,
        )

    def _places(self, home: str) -> dict[str, str]:
        return {
            "HOME": home,
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_CACHE_HOME": f"{home}/.cache",
            "XDG_RUNTIME_DIR": str(self.runtime),
        }
