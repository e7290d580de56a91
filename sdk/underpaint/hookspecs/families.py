"""Model families, described without their libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from underpaint.hookspecs.presets import Preset
from underpaint.types import SchedulerInfo

if TYPE_CHECKING:
    from underpaint.weights import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTraits:
    """What a family knows about a model without loading it. Sizes in pixels."""

    operations: tuple[str, ...]
    """Of "txt2img", "img2img", "inpaint" and "edit" (by instruction)."""
    components: Mapping[str, Path]
    """Folder of each component (or the single file that holds it), by name: "unet", "vae", "text_encoder",
    "tokenizer", "scheduler" and what else a family has, "text_encoder_2" for one."""
    title: str = ""
    native_size: int = 512
    size_multiple: int = 8
    min_size: int = 64
    max_size: int = 2048
    default_steps: int = 20
    default_guidance_scale: float = 7.5
    default_scheduler: str = ""
    native_inpainting: bool = False
    puts_back: bool = False
    """Of native inpainting: whether what is kept goes back to the picture's own latents after each step, as
    with all other models. It ties the new to the old where a small model does not look there enough."""
    fill_strength: float = 1.0
    """Strength of inpainting where none is asked for, above 0.0 to 1.0. Below 1.0 the hole then begins with
    what is around it, carried on into it: good for small models, which look around less than words tell."""
    wordless_fill_strength: float = 0.0
    """The same where there is no prompt; 0.0: as with one."""
    agreement: float | None = None
    """From what gain on a prompt counts as saying what is around the hole already, so that the hole is filled
    as without one; see `underpaint.engine.diffusion.comparing`. 0.0: where it helps at all. None: they are
    not compared."""
    license: str = ""
    control_base: str = ""
    """What a control net must agree with to fit, in words; "" takes none."""
    adapter_bases: Mapping[str, str] = field(default_factory=dict)
    """The same for control models of other kinds, by kind: "ip-adapter", "t2i-adapter", "control-lora" or
    "redux"."""
    shown_role: str = ""
    """The role of the control image that the model itself reads in every step; "": it reads none."""
    lora_base: str = ""
    """What a LoRA must agree with to fit, in words (see `underpaint.weights.loras`); "" takes no LoRAs."""
    regions: bool = False
    """Whether parts of a picture may have prompts of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTraits:
    """What a family knows about a control model without loading it."""

    base: str
    """Fits the models whose `ModelTraits.control_base` (or, by kind, `adapter_bases`) is the same."""
    roles: tuple[str, ...] = ()
    """Kebab-case, the main one first; none where the folder does not say: it takes any, if it is named."""
    title: str = ""
    license: str = ""
    kind: str = "control-net"
    """How it steers: "control-net", "control-net-union", "t2i-adapter", "ip-adapter", "control-lora" or
    "redux"."""
    encoder: str = ""
    """The image encoder that it needs: "projects to N" or "N wide" of CLIP, "SigLIP, N wide"; "": none."""


class Companions(Protocol):
    """What else the user has, for files that do not hold everything."""

    def tokenizer(self, words: int) -> Path | None:
        """CLIP's tokenizer with so many words, from another model or a package; None if there is none.

        A folder with vocab.json and merges.txt or with tokenizer.json, or OpenAI's
        `bpe_simple_vocab_16e6.txt.gz`.
        """

    def t5_tokenizer(self) -> Path | None:
        """A folder with T5's tokenizer.json, from another model; None if there is none."""

    def weights(self, kind: str, *families: str) -> Sequence[Path]:
        """Files of a kind (`underpaint.weights.kinds`) and one of these families that can be read.

        Of several, the widest number format first, then in order of name.
        """

    def chosen(self, model: Path) -> Mapping[str, Path]:
        """Files by component ("vae", "text_encoder" …) that the user named for the model at this path.

        Raises `ModelUnusable` for a name that none has.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyDescriptor:
    """A model family, described without importing torch: the daemon holds it too.

    `recognise(folder, model_index)` gets a model's folder and its parsed `model_index.json` and returns
    None for a model of another family; it raises `ModelUnusable` for a broken one of its own. It runs in
    the daemon, reads small files only, and may be called from any thread.
    `recognise_control(folder, config)` does the same for a control model, a folder with `config.json`;
    where a control model is a pipeline (FLUX.1 Redux) it gets the parsed `model_index.json`. None: the family
    has none.
    `recognise_control_file(path, kind)` does it for a control model in one safetensors file whose header says
    that it is of `kind`: "ip-adapter", "t2i-adapter", "redux", "control-lora" or "control-net" (a union net
    among them, which its traits tell).
    `recognise_file(path, probe, companions)` does the same for a single weight file, of which `probe` tells
    what its header says; left out by a family that runs folders only.
    `engine` names the class that a worker imports, "module:Class" (see `underpaint.engine.family`).
    """

    name: str
    title: str
    engine: str
    schedulers: tuple[str, ...]
    recognise: Callable[[Path, Mapping[str, Any]], ModelTraits | None]
    recognise_control: Callable[[Path, Mapping[str, Any]], ControlTraits | None] | None = None
    recognise_file: Callable[[Path, Probe, Companions], ModelTraits | None] | None = None
    recognise_control_file: Callable[[Path, str], ControlTraits | None] | None = None
    scheduler_info: tuple[SchedulerInfo, ...] = ()
    """What a person may set of `schedulers`; one that is left out takes nothing."""
    presets: tuple[Preset, ...] = ()
    """Ways to paint in few steps."""
