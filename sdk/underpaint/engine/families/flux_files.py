"""FLUX.1 out of files, read without torch: a checkpoint that holds everything, or a transformer alone.

What a file does not hold comes from other files that the user has: the VAE, CLIP L, T5 XXL, as ComfyUI's
folders have them. Of several, one named in the model's `underpaint.json`, else the one whose name says FLUX.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from underpaint.engine.families.folder import unusable
from underpaint.engine.families.single_file import CLIP_WORDS, CONFIG, CONFIGS, clip_tokenizer, sidecar
from underpaint.hookspecs import Companions
from underpaint.weights import Probe, kinds

FAMILIES = ("flux-dev", "flux-schnell", "flux-fill", "flux-kontext", "flux-control")
_KINDS = (kinds.CHECKPOINT, kinds.TRANSFORMER)
# Component: what it is called, its kind, its family by the names of its tensors, where it is to be had.
_NEEDED = {
    "vae": ("FLUX's VAE", kinds.VAE, "flux/sd3", "ae.safetensors"),
    "text_encoder": ("the text encoder CLIP L", kinds.TEXT_ENCODER, "clip-l", "clip_l.safetensors"),
    "text_encoder_2": ("the text encoder T5 XXL", kinds.TEXT_ENCODER, "t5-xxl", "t5xxl_fp16.safetensors"),
}


def flux_components(path: Path, probe: Probe, companions: Companions) -> dict[str, Path] | None:
    """Components of a FLUX model in `path` and other files; None for another family's.

    Raises `ModelUnusable` that names what is missing, and how to get it.
    """
    if probe.kind not in _KINDS or probe.family not in FAMILIES:
        return None
    home = CONFIGS / probe.family
    found = {"transformer": path, "scheduler": home / "scheduler", CONFIG: home}
    chosen = companions.chosen(path)
    whole = "text_encoder" in probe.parts
    for part, (what, kind, family, name) in _NEEDED.items():
        inside = whole if part.startswith("text_encoder") else part in probe.parts
        files = companions.weights(kind, family)
        if part in chosen:
            found[part] = chosen[part]
        elif inside:
            found[part] = path
        elif files:
            found[part] = _likeliest(files)
        else:
            raise unusable(
                path,
                f"it is a transformer alone, and {what} was not found. Put {name} (black-forest-labs and "
                "comfyanonymous offer it on Hugging Face) into one of your folders with models, add the "
                "folder with 'underpaint models roots add FOLDER', or name a file in "
                f"{sidecar(path).name}",
            )
    found["tokenizer"] = clip_tokenizer(path, CLIP_WORDS, companions)
    words = companions.t5_tokenizer()
    if words is None:
        raise unusable(
            path,
            "T5's tokenizer was not found. Add a folder that has it (ComfyUI's installation, any FLUX or "
            "SD3.5 folder in diffusers' format, the Hugging Face cache with google/t5-v1_1-xxl) with "
            "'underpaint models roots add FOLDER'",
        )
    return {**found, "tokenizer_2": words}


def _likeliest(files: Sequence[Path]) -> Path:
    """SD3's VAE has the names and shapes of FLUX's: what names neither comes before what names SD3."""

    def unlikely(file: Path) -> int:
        stem = file.stem.lower()
        return 0 if stem == "ae" or "flux" in stem else 2 if "sd3" in stem else 1

    return min(files, key=unlikely)
