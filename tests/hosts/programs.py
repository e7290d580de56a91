"""What each of the three hosts needs in a fresh home, and the command that starts it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DRIVERS = CHECKOUT / "tests/hosts/drivers"
DRIVER_PLUGIN = "underpaint_test_driver"

DESKTOP = """\
[Desktop Entry]
Type=Service
ServiceTypes=Krita/PythonPlugin
X-KDE-Library={name}
X-Python-2-Compatible=false
Name={name}
"""


def prepare_krita(home: Path) -> None:
    """Install and enable the driver plug-in in Krita's folders under ``home``."""
    plugin = home / ".local/share/krita/pykrita" / DRIVER_PLUGIN
    plugin.mkdir(parents=True, exist_ok=True)
    (plugin / "__init__.py").write_text(
        f"import sys\n\nsys.path.insert(0, {str(CHECKOUT)!r})\n"
        "from tests.hosts.drivers import krita_driver\n\nkrita_driver.add()\n"
    )
    plugin.with_suffix(".desktop").write_text(DESKTOP.format(name=DRIVER_PLUGIN))
    enable_krita_plugin(home, DRIVER_PLUGIN)


def enable_krita_plugin(home: Path, name: str, *, enabled: bool = True) -> None:
    """Tick (or clear) a plug-in as the Python Plugin Manager of Krita's settings would."""
    path = home / ".config/kritarc"
    text = path.read_text() if path.exists() else ""
    text = re.sub(rf"^enable_{re.escape(name)}=.*\n", "", text, flags=re.MULTILINE)
    line = f"enable_{name}={str(enabled).lower()}\n"
    if "[python]\n" in text:
        text = text.replace("[python]\n", f"[python]\n{line}", 1)
    else:
        text = f"{text.rstrip()}\n\n[python]\n{line}".lstrip()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def prepare_gimp(home: Path) -> None:
    """Spare GIMP the welcome to a new user, and let its window fill the screen."""
    config = home / ".config/GIMP/3.0"
    if not (config / "gimprc").exists():
        config.mkdir(parents=True, exist_ok=True)
        (config / "gimprc").write_text("(show-welcome-dialog no)\n(check-updates no)\n")
        shutil.copyfile(DRIVERS / "gimp-sessionrc", config / "sessionrc")


def krita_command() -> list[str]:
    """Krita with its window; it has no other mode that runs plug-ins."""
    return ["krita", "--nosplash"]


def gimp_command(*, window: bool) -> list[str]:
    """GIMP running the driver as its batch, with its window or without one."""
    driver = DRIVERS / "gimp_driver.py"
    batch = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); exec(open({str(driver)!r}).read())"
    program = ["gimp-3.0", "-ns"] if window else ["gimp-console-3.0", "-idf"]
    return [*program, "--batch-interpreter=python-fu-eval", "-b", batch, "--quit"]


def blender_command(*, window: bool) -> list[str]:
    """Blender running the driver, with its window or without one."""
    mode = ["--window-maximized"] if window else ["--background"]
    import_driver = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); import tests.hosts.drivers.blender_driver"
    )
    # A painter who uses underpaint has allowed online access: it is asked for even for this machine.
    return ["blender", "--online-mode", *mode, "--python-exit-code", "1", "--python-expr", import_driver]
