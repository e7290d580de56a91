"""How each host wants its plug-in: the folders of the source and those of the zip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import underpaint
from underpaint.errors import NotFound, Unusable


@dataclass(frozen=True, slots=True)
class Layout:
    """One host's plug-in. Sources are paths in `plugins/HOST`, places are paths in the zip."""

    host: str
    title: str
    package: str
    """The plug-in's own Python package."""
    package_path: str
    """Where that package lies in the zip; "" is the zip's root."""
    extras: tuple[tuple[str, str], ...] = ()
    """Files outside the package: source → place in the zip."""
    executable: tuple[str, ...] = ()

    def inside(self, name: str) -> str:
        """The zip's path of a file of the package."""
        return f"{self.package_path}/{name}" if self.package_path else name


# Krita's importer takes the .desktop file and the folder that it names; GIMP runs NAME/NAME.py; Blender's
# extensions have their manifest beside __init__.py.
LAYOUTS = {
    layout.host: layout
    for layout in (
        Layout(
            host="krita",
            title="Krita",
            package="underpaint_krita",
            package_path="underpaint_krita",
            extras=(
                ("underpaint_krita.desktop", "underpaint_krita.desktop"),
                ("underpaint_krita.action", "underpaint_krita.action"),
            ),
        ),
        Layout(
            host="gimp",
            title="GIMP",
            package="underpaint_gimp",
            package_path="underpaint-gimp/underpaint_gimp",
            extras=(("underpaint-gimp/underpaint-gimp.py", "underpaint-gimp/underpaint-gimp.py"),),
            executable=("underpaint-gimp/underpaint-gimp.py",),
        ),
        Layout(
            host="blender",
            title="Blender",
            package="underpaint_blender",
            package_path="",
            extras=(("blender_manifest.toml", "blender_manifest.toml"),),
        ),
    )
}
HOSTS = tuple(LAYOUTS)


def layout_of(host: str) -> Layout:
    """The layout of a host by its name. Raises `NotFound`."""
    if host not in LAYOUTS:
        raise NotFound(f"There is no plug-in for {host!r}; there are plug-ins for {', '.join(HOSTS)}.")
    return LAYOUTS[host]


def plugins_folder() -> Path:
    """The plug-ins' sources: inside an installed package, or beside `sdk/` in a checkout."""
    package = Path(underpaint.__file__).resolve().parent
    for folder in (package / "_plugins", package.parent.parent / "plugins"):
        if all((folder / layout.host).is_dir() for layout in LAYOUTS.values()):
            return folder
    raise Unusable(
        f"The plug-ins' sources are missing from this installation of underpaint ({package}). "
        "Install it again: `pip install --force-reinstall underpaint`."
    )
