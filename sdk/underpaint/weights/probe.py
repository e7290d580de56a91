"""What a weight file is, from its header alone: kind, family, parts, and why it cannot be read.

Tensors are never read, pickles never opened.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from underpaint.errors import ModelUnusable
from underpaint.weights import adapters, parts
from underpaint.weights.denoisers import denoiser
from underpaint.weights.gguf import ARCHITECTURE, read_gguf
from underpaint.weights.kinds import CHECKPOINT, TRANSFORMER, UNKNOWN
from underpaint.weights.listing import Listing
from underpaint.weights.quantised import quantisation
from underpaint.weights.safetensors import check_length, parse_tensors, read_header

PICKLES: Final = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")
SUFFIXES: Final = (".safetensors", ".sft", ".gguf", *PICKLES)
"""Names of weight files end so, in lower case."""

LDM: Final = "model.diffusion_model."
"""Before the denoiser's names in a checkpoint."""
_VAES = ("first_stage_model.", "vae.")
_TEXTS = ("cond_stage_model.", "conditioner.embedders.", "text_encoders.")
_TOKENS = "token_embedding.weight"
_REMEMBERED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A weight file, looked at. `problem` says why it is of no use, and what to do."""

    kind: str = UNKNOWN
    """One of `underpaint.weights.kinds`."""
    family: str = UNKNOWN
    """For example "sd15", "sdxl-inpaint", "flux-dev"; "sd15/sd2/sdxl" where the file cannot tell."""
    format: str = "safetensors"
    dtype: str = ""
    """The number format that most of the tensors have."""
    architecture: str = ""
    """As a GGUF file names it."""
    parts: tuple[str, ...] = ()
    """Of a checkpoint: "unet" or "transformer", "vae", "text_encoder"."""
    vocabulary: int = 0
    """Tokens that its first text encoder knows; 0 where there is none."""
    v_prediction: bool = False
    """Whether the file says that its denoiser predicts velocity."""
    zero_snr: bool = False
    """Whether it says that it was trained down to no signal at all (Lin et al. 2023)."""
    problem: str = ""


class Prober:
    """Looks at files. Remembers the last headers: models of one architecture share theirs. One thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Probe, int, Mapping[str, str]]] = OrderedDict()

    def probe(self, path: Path) -> Probe:
        """What a file is. Raises `OSError` only; what is wrong with its content is in `problem`."""
        suffix = path.suffix.lower()
        if suffix in PICKLES:
            return Probe(format="pickle", problem=_pickle(path))
        try:
            if suffix == ".gguf":
                listing = read_gguf(path)
                return _told(classify(listing), listing.metadata, path)
            return self._safetensors(path)
        except ModelUnusable as error:
            return Probe(format=suffix.lstrip("."), problem=error.message)

    def _safetensors(self, path: Path) -> Probe:
        header = read_header(path)
        key = hashlib.blake2b(header.tensors, digest_size=16).digest()
        known = self._known.get(key)
        if known is None:
            listing, end = parse_tensors(header)
            known = (classify(listing), end, listing.metadata)
            self._known[key] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        check_length(header, known[1])
        return _told(known[0], {**known[2], **header.metadata}, path)


def classify(listing: Listing) -> Probe:
    """Kind and family from names and shapes alone."""
    kind, family, found = _kind(listing)
    wanted = quantisation(listing)
    problem = (
        f"its weights are quantised ({wanted}), which cannot be run. Get the fp16, bf16 or plain fp8 file"
        + (", or GGUF of another kind, Q4_K or Q8_0 for one" if listing.format == "gguf" else "")
        if wanted
        else ""
    )
    tokens = next((name for name in listing.shapes if name.endswith(_TOKENS)), "")
    return Probe(
        kind=kind,
        family=family,
        format=listing.format,
        dtype=_most(listing),
        architecture=listing.metadata.get(ARCHITECTURE, ""),
        parts=found,
        vocabulary=listing.size(tokens, 0) or parts.vocabulary(listing),
        v_prediction="v_pred" in listing.shapes,
        zero_snr="ztsnr" in listing.shapes,
        problem=problem,
    )


def _kind(listing: Listing) -> tuple[str, str, tuple[str, ...]]:
    if listing.any_starts(LDM):
        inside = denoiser(listing.below(LDM)) or (UNKNOWN, UNKNOWN)
        more = tuple(
            part
            for part, prefixes in (("vae", _VAES), ("text_encoder", _TEXTS))
            if any(listing.any_starts(prefix) for prefix in prefixes)
        )
        kind = CHECKPOINT if more or inside[0] == UNKNOWN else inside[0]
        return kind, inside[1], (inside[0], *more)
    below = listing.below("control_model.")
    # From the particular to the general: an IP-Adapter may hold LoRA weights, a control net is half a U-Net.
    for find in (
        adapters.control_net,
        adapters.redux,
        adapters.ip_adapter,
        adapters.t2i_adapter,
        adapters.lora,
        denoiser,
        parts.vae,
        parts.tiny_vae,
        parts.text_encoder,
        parts.image_encoder,
        parts.upscaler,
        adapters.embedding,
    ):
        found = find(below if below.shapes and find is adapters.control_net else listing)
        if found is not None:
            return (*found, ())
    return UNKNOWN, UNKNOWN, ()


# What training programs write beside the weights, for what names and shapes cannot tell.
_SAID = (
    (re.compile(r"kontext", re.IGNORECASE), {"flux-dev": "flux-kontext"}),
    (re.compile(r"flux-?1?-?(dev|schnell)|^flux1$", re.IGNORECASE), {UNKNOWN: "flux"}),
    (re.compile(r"sdxl|stable-diffusion-xl", re.IGNORECASE), {UNKNOWN: "sdxl"}),
    (re.compile(r"^sd_v1|^sd_1\.5|stable-diffusion-v1", re.IGNORECASE), {UNKNOWN: "sd15"}),
    (re.compile(r"^sd_v2|stable-diffusion-v2", re.IGNORECASE), {UNKNOWN: "sd2"}),
)
_SAYING = ("modelspec.architecture", "modelspec.title", "ss_base_model_version", "general.name")


def _told(probe: Probe, metadata: Mapping[str, str], path: Path) -> Probe:
    """With what only metadata or the name can tell: FLUX Kontext has the tensors of FLUX dev."""
    texts = [metadata[key] for key in _SAYING if key in metadata]
    if probe.kind == TRANSFORMER or "transformer" in probe.parts:
        texts.append(path.stem)
    elif probe.kind == UNKNOWN:
        return probe
    for pattern, families in _SAID:
        if probe.family in families and any(pattern.search(text) for text in texts):
            return replace(probe, family=families[probe.family])
    return probe


def _most(listing: Listing) -> str:
    counts: dict[str, int] = {}
    for dtype in listing.dtypes.values():
        counts[dtype] = counts.get(dtype, 0) + 1
    return max(counts, key=lambda dtype: counts[dtype], default="")


def _pickle(path: Path) -> str:
    return (
        f"{path.suffix} files are pickles, and loading one runs whatever code it holds. Get the same model "
        f"as .safetensors, or make one of it: underpaint models convert '{path}'"
    )
