"""The hosts' folder: today's Krita, GIMP and Blender in a Debian of their own.

Run it: ``python -m tests.hosts.rootfs build|path|clean``.

The folder is a Debian *trixie* made by debootstrap from the mirror that this machine's apt already
uses. It is a cache: built under a temporary name, renamed when complete, and built again whenever
the recipe below changes; a folder that is out of date goes when nobody runs a host from it any more.
``UNDERPAINT_HOSTS_DIR`` puts it somewhere else.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.hosts import seed
from tests.hosts.mirror import HostsUnavailable, debian_mirror
from tests.hosts.processes import HostFailed

SUITE = "trixie"
PACKAGES = [
    # the hosts, and the Python that their plug-ins run in
    *["krita", "gimp", "gir1.2-gimp-3.0", "blender"],
    *["python3", "python3-gi", "python3-gi-cairo", "python3-pyqt5"],
    "python3-numpy",  # Debian's Blender imports it in its own add-ons
    # a screen without a GPU, a window manager so that dialogs get the keyboard, keys to press
    *["xvfb", "xauth", "libgl1-mesa-dri", "libegl1", "openbox", "xdotool"],
    # letters and icons, so that a screenshot shows what a person would see
    *["fonts-dejavu-core", "fonts-noto-core", "adwaita-icon-theme", "librsvg2-common"],
]
STAMP = ".underpaint-hosts"
TRIES = 3
"""How often each half of a build is begun: a mirror drops connections."""
FIRST_PAUSE_S = 10.0
"""Before the second try; each later pause is three times as long."""

# No documentation and no translations: a third of the unpacking, and no test reads them.
DPKG_OPTIONS = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/help/*
path-exclude=/usr/share/locale/*
"""

INSTALL = """\
set -eu
debootstrap --variant=minbase "$SUITE" "$TARGET" "$MIRROR"
printf '%s' "$DPKG_OPTIONS" > "$TARGET/etc/dpkg/dpkg.cfg.d/underpaint-hosts"
printf '#!/bin/sh\\nexit 101\\n' > "$TARGET/usr/sbin/policy-rc.d"   # no service may start in here
chmod 755 "$TARGET/usr/sbin/policy-rc.d"
mount -t proc proc "$TARGET/proc"
export DEBIAN_FRONTEND=noninteractive
chroot "$TARGET" apt-get update -q
chroot "$TARGET" apt-get install -qy --no-install-recommends $PACKAGES
chroot "$TARGET" apt-get clean
# Sandboxes forget what they write here: compile once, or Krita and Blender do at every start.
chroot "$TARGET" sh -c 'python3 -W ignore -m compileall -q /usr/share/blender \\
    /usr/share/krita/pykrita /usr/lib/*/krita-python-libs' || true  # templates do not compile
rm -rf "$TARGET"/var/lib/apt/lists/*
"""


def folder() -> Path:
    """Where the hosts' folder is, or would be."""
    if override := os.environ.get("UNDERPAINT_HOSTS_DIR"):
        return Path(override).absolute()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "underpaint-hosts" / SUITE


def recipe() -> str:
    """A fingerprint of everything that decides what is in the folder."""
    text = "\n".join([SUITE, *PACKAGES, DPKG_OPTIONS, INSTALL, seed.LOOK_ROUND])
    return hashlib.sha256(text.encode()).hexdigest()


def is_built(root: Path) -> bool:
    """Whether ``root`` holds a complete folder of the present recipe."""
    stamp = root / STAMP
    return stamp.is_file() and stamp.read_text().strip() == recipe()


def build() -> Path:
    """Return the hosts' folder, building it first if it is missing or out of date."""
    _need_root()
    root = folder()
    if is_built(root):
        return root
    mirror = debian_mirror()
    root.parent.mkdir(parents=True, exist_ok=True)
    with _only_builder(root):
        if not is_built(root):  # another process may have built it while we waited
            _need_tools()
            _build_into(root, mirror)
    return root


def clean() -> None:
    """Delete the hosts' folder and whatever an interrupted build left beside it."""
    root = folder()
    if not root.parent.exists():
        return
    with _only_builder(root):
        _delete_leftovers(root)
        if root.exists():
            shutil.rmtree(root)


def _delete_leftovers(root: Path) -> None:
    """Delete what interrupted builds left, and folders that are out of date. Only with the lock held."""
    for path in root.parent.glob(f"{root.name}.building-*"):
        shutil.rmtree(path)
    for path in root.parent.glob(f"{root.name}.old-*"):
        if not _is_used(path):
            shutil.rmtree(path)


def _is_used(root: Path) -> bool:
    """Whether a sandbox, here or in another process, runs hosts from this folder."""
    held = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(held)
    return False


def _build_into(root: Path, mirror: str) -> None:
    started = time.monotonic()
    _delete_leftovers(root)
    print(f"building the hosts' folder {root} (once; a few minutes)", file=sys.stderr, flush=True)
    target = _installed(root, mirror)
    _plant(target)
    (target / STAMP).write_text(recipe() + "\n")
    if root.exists():  # out of date, but of use to whoever is in it
        root.rename(tempfile.mkdtemp(prefix=f"{root.name}.old-", dir=root.parent))
    target.rename(root)
    _delete_leftovers(root)
    print(f"built in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _installed(root: Path, mirror: str) -> Path:
    """Everything installed in a new folder beside ``root``; begun anew where it fails half-way."""
    log, pause = root.parent / f"{root.name}.log", FIRST_PAUSE_S
    for left in reversed(range(TRIES)):
        target = Path(tempfile.mkdtemp(prefix=f"{root.name}.building-", dir=root.parent))
        target.chmod(0o755)
        if _install(target, mirror, log):
            return target
        shutil.rmtree(target)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        problem = f"building the hosts' folder failed; see {log}, which ends:\n{tail}"
        if left:
            print(f"{problem}\nanother try in {pause:.0f} s", file=sys.stderr, flush=True)
            time.sleep(pause)
            pause *= 3
    raise HostsUnavailable(problem)


def _plant(target: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            seed.plant(target)
            return
        except HostFailed as failure:
            if not left:
                raise HostsUnavailable(
                    f"a host could not be opened for the first time: {failure}"
                ) from failure
            print(f"{failure}\nanother try", file=sys.stderr, flush=True)


def _install(target: Path, mirror: str, log: Path) -> bool:
    settings = {
        "SUITE": SUITE,
        "TARGET": str(target),
        "MIRROR": mirror,
        "PACKAGES": " ".join(PACKAGES),
        "DPKG_OPTIONS": DPKG_OPTIONS,
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    # Mounts live and die with this namespace: no deletion of the cache can ever follow one. And so does the
    # build with us: nobody writes into a folder that the next build deletes.
    enter = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
    enter += ["--pid", "--fork", "--kill-child"]
    with log.open("wb") as output:
        finished = subprocess.run(
            [*enter, "--mount-proc", "sh", "-c", INSTALL],
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return finished.returncode == 0


@contextlib.contextmanager
def _only_builder(root: Path) -> Iterator[None]:
    """Let one process build at a time; the others wait for it and find its folder."""
    with (root.parent / f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _need_root() -> None:
    if os.geteuid() != 0:
        raise HostsUnavailable(
            "building and entering the hosts' folder needs root (mounts, chroot): "
            "run the tests with sudo, or in a container as root"
        )


def _need_tools() -> None:
    missing = [tool for tool in ("debootstrap", "unshare") if not shutil.which(tool)]
    if not missing:
        return
    packages = {"debootstrap": "debootstrap", "unshare": "util-linux"}
    names = [packages[tool] for tool in missing]
    # Somebody else may be installing, and connections drop.
    patient = ["-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=5"]
    for command in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *names]):
        done = subprocess.run(["apt-get", *patient, *command], stdin=subprocess.DEVNULL, stdout=sys.stderr)
        if done.returncode != 0:
            raise HostsUnavailable(
                f"{' and '.join(missing)} missing, and `apt-get {' '.join(command)}` failed: "
                f"install {' '.join(names)} by hand"
            )


def main() -> int:
    """Run ``python -m tests.hosts.rootfs``."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts.rootfs", description=__doc__)
    parser.add_argument("command", choices=["build", "path", "clean"])
    command = parser.parse_args().command
    try:
        if command == "clean":
            clean()
        else:
            print(build() if command == "build" else folder())
    except HostsUnavailable as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
