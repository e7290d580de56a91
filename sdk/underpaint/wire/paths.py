"""The folders through which client and daemon meet. Each can be moved by an environment variable."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path
from typing import Final

import platformdirs

from underpaint.errors import Unusable

APP: Final = "underpaint"


def runtime_dir() -> Path:
    """Socket, lock and discovery file: UNDERPAINT_RUNTIME_DIR or the user's run-time folder."""
    chosen = _folder("UNDERPAINT_RUNTIME_DIR")
    if chosen is not None:
        return chosen
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR a folder in /tmp does as well: `private_dir` checks whose it is.
        warnings.simplefilter("ignore")
        return platformdirs.user_runtime_path(APP, appauthor=False)


def state_dir() -> Path:
    """Journal, log, spooled results: UNDERPAINT_STATE_DIR or the user's state folder."""
    return _folder("UNDERPAINT_STATE_DIR") or platformdirs.user_state_path(APP, appauthor=False)


def config_dir() -> Path:
    """Settings and launcher: UNDERPAINT_CONFIG_DIR or the user's configuration folder."""
    return _folder("UNDERPAINT_CONFIG_DIR") or platformdirs.user_config_path(APP, appauthor=False)


def extensions_dir() -> Path:
    """Wheels and folders that extend every host of this user: a folder of the configuration folder."""
    return config_dir() / "extensions"


def model_roots_file() -> Path:
    """Folders with models that the user added; UNDERPAINT_MODEL_ROOTS_FILE moves it."""
    return _folder("UNDERPAINT_MODEL_ROOTS_FILE") or config_dir() / "model-roots.json"


def models_dir() -> Path:
    """Models that `underpaint models import` brings: UNDERPAINT_MODELS_DIR or a folder of the user's data."""
    return _folder("UNDERPAINT_MODELS_DIR") or platformdirs.user_data_path(APP, appauthor=False) / "models"


def pixel_dir() -> Path:
    """Mapped pixels: UNDERPAINT_PIXEL_DIR or a folder of the state folder.

    Not in the run-time folder: that is often a tenth of the memory and wiped at logout.
    """
    return _folder("UNDERPAINT_PIXEL_DIR") or state_dir() / "pixels"


def policy_file() -> Path:
    """What the administrator of this machine decided for every user; UNDERPAINT_POLICY_FILE moves it."""
    return (
        _folder("UNDERPAINT_POLICY_FILE")
        or platformdirs.site_config_path(APP, appauthor=False) / "policy.json"
    )


def log_path() -> Path:
    """Where a daemon that a client started writes what it prints."""
    return state_dir() / "daemon.log"


def private_dir(path: Path) -> Path:
    """Makes a folder that only this user may enter, and returns it.

    An existing folder must be this user's, a real one, and closed to other users' writes. Raises `Unusable`.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise Unusable(f"{path} must be a folder, not a link or a file; remove it or choose another one.")
    if os.name == "posix":
        if found.st_uid != os.geteuid():
            raise Unusable(f"{path} belongs to another user (uid {found.st_uid}); choose another folder.")
        if found.st_mode & 0o022:
            raise Unusable(
                f"Other users may write to {path}: run `chmod 700 {path}` or choose another folder."
            )
    return path


def _folder(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser().absolute() if value else None
