"""Which refiner goes on where an SDXL base model leaves off: said in the base's `underpaint.json`.

    {"refiner": "../sdxl-refiner", "refiner_from": 0.8}

The refiner is a sibling folder. Its own text encoder and U-Net are used, and the base's VAE and scheduler.
"""

from __future__ import annotations

from pathlib import Path

from underpaint.engine.families.folder import TRAITS_FILE, find_components, notes_of, read_object, unusable

REFINER = "refiner_"
"""Before the names of the refiner's components."""
REFINER_FROM = 0.8
"""The share of the noise schedule that the base takes, where nothing is said; the stock example's."""


def refiner_components(folder: Path) -> dict[str, Path]:
    """The components of the refiner that the base in `folder` names, none for none.

    Raises `ModelUnusable` where it names one that is not there or is no refiner.
    """
    named = notes_of(folder).get("refiner")
    if named is None:
        return {}
    home = (folder / str(named)).resolve()
    # A model may name a sibling, never a folder anywhere else on the disk.
    if home.parent != folder.resolve().parent or not (home / "model_index.json").is_file():
        raise unusable(folder, f"its refiner {named!r} is no model beside it ({TRAITS_FILE})")
    index = read_object(home, home / "model_index.json")
    if any(index.get("text_encoder") or []) or "XL" not in str(index.get("_class_name")):
        raise unusable(folder, f"its refiner {named!r} is no SDXL refiner ({TRAITS_FILE})")
    refiner_from(folder)
    found = find_components(home, index, ("unet", "text_encoder_2"), ("tokenizer_2",))
    return {f"{REFINER}{name}": path for name, path in found.items()}


def refiner_from(folder: Path) -> float:
    """The share of the noise schedule behind which the refiner takes over. Raises `ModelUnusable`."""
    share = notes_of(folder).get("refiner_from", REFINER_FROM)
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0.0 < share < 1.0:
        raise unusable(folder, f"{TRAITS_FILE} says refiner_from {share!r}, which must lie between 0 and 1")
    return float(share)
