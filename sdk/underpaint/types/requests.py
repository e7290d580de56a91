"""What can be asked for, and by whom."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from underpaint.types.controls import Control
from underpaint.types.islands import UvIslands
from underpaint.types.latents import LatentsRequest
from underpaint.types.loras import Lora
from underpaint.types.pixels import Image, PixelFormat
from underpaint.types.regions import Region


class Tiling(enum.Enum):
    """Edges that continue at the opposite side."""

    NONE = "none"
    X = "x"
    Y = "y"
    XY = "xy"

    @property
    def x(self) -> bool:
        """Whether left and right meet."""
        return "x" in self.value

    @property
    def y(self) -> bool:
        """Whether top and bottom meet."""
        return "y" in self.value


class ResultForm(enum.Enum):
    """In which form a picture comes back."""

    LAYER = "layer"
    """Straight alpha, 0 where the canvas must show through."""
    MERGED = "merged"
    """Blended into the source; outside the composite mask bit-identical to it."""


class Priority(enum.Enum):
    """How urgent a job is."""

    LIVE = "live"
    INTERACTIVE = "interactive"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """Everything that decides a picture. None and "" mean: the model's default.

    Without `image` it is text to image; with `image` image to image, with `edit` editing by instruction; with
    `image` and `mask` inpainting (both of one size and place; mask 1 = repaint, 0 = keep, between = mix).
    """

    prompt: str = ""
    negative_prompt: str = ""
    model: str = ""
    seed: int | None = None
    """0 to 2**64 - 1; None: the daemon draws one."""
    steps: int | None = None
    """1 to 1000."""
    guidance_scale: float | None = None
    """0.0 to 100.0; up to 1.0 means no classifier-free guidance."""
    scheduler: str = ""
    scheduler_parameters: Mapping[str, float] = field(default_factory=dict)
    """What is set of the scheduler, by parameter name; `ModelInfo.scheduler_info` lists them."""
    preset: str = ""
    """One of `ModelInfo.presets`; its values take the place of those that are not set here."""
    width: int | None = None
    """Pixels; text to image only."""
    height: int | None = None
    """Pixels; text to image only."""
    x: int = 0
    """Where the left edge belongs on the canvas; text to image only."""
    y: int = 0
    """Where the top edge belongs on the canvas; text to image only."""
    image: Image | None = None
    mask: Image | None = None
    edit: bool = False
    """The prompt is an instruction that says what to change in `image`: for models that can "edit"."""
    strength: float | None = None
    """Above 0.0 to 1.0; None: 0.6 for image to image, 1.0 for inpainting."""
    grow: float | None = None
    """Growth of the mask in canvas pixels; inpainting only."""
    feather: float | None = None
    """Width of the soft edge in canvas pixels; inpainting only."""
    fill_mode: str = ""
    """What the hole holds before the first step, where strength is below 1.0: "keep", "blur", "neutral",
    "noise", "border" or "continue"; inpainting only."""
    tiling: Tiling = Tiling.NONE
    output: PixelFormat | None = None
    """How the result shall lie in memory; None: RGB(A), u8, sRGB, top row first."""
    form: ResultForm | None = None
    """None: LAYER for inpainting, MERGED otherwise."""
    postprocess: tuple[str, ...] = ()
    """Post-processors to run on the picture, in this order; `Client.postprocessors` lists them."""
    controls: tuple[Control, ...] = ()
    """Images that the picture keeps to, at most 8."""
    loras: tuple[Lora, ...] = ()
    """What changes the model for this picture, at most 16; `Client.loras` lists them."""
    regions: tuple[Region, ...] = ()
    """Parts with prompts of their own, the lowest first, at most 8; for models with `ModelInfo.regions`."""
    islands: UvIslands | None = None
    """Where a texture has pixels at all; None: everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessRequest:
    """A control image or a mask, made from a picture without any model. It lies where the picture lies."""

    image: Image
    preprocessor: str
    """A name from `Client.preprocessors`."""
    parameters: Mapping[str, float] = field(default_factory=dict)
    """By name; the rest take their defaults."""
    tiling: Tiling = Tiling.NONE
    """Edges that meet: what a preprocessor's `wrap_x` and `wrap_y` are unless `parameters` say it."""
    output: PixelFormat | None = None
    """How the result shall lie in memory; None: `MASK_FORMAT` for a mask, RGB, u8, top row first else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscaleRequest:
    """A larger picture: a network that enlarges, then denoising in overlapping tiles; either may be left out.

    None and "" mean the default. The size is the `factor`'s (4.0), or `width` and `height`, of which one may
    follow from the other.
    """

    image: Image
    factor: float | None = None
    """Above 0.0 to 64.0."""
    width: int | None = None
    """Pixels."""
    height: int | None = None
    """Pixels."""
    upscaler: str = ""
    """A model of the kind "upscaler" from `Client.models`, or a file's absolute path; "lanczos" does without.
    "": the first there is, else lanczos."""
    strength: float | None = None
    """How much the denoising changes, 0.0 to 1.0; 0.0 leaves it out. None: 0.0 after a network, else 0.3.

    What is coarser than a Gaussian of `1.4 * strength / (1 - strength)` pixels of the source stays its own.
    """
    tile: int | None = None
    """Edge of the denoiser's tiles in pixels; None: the model's native size."""
    prompt: str = ""
    """This and what follows is for the denoising."""
    negative_prompt: str = ""
    model: str = ""
    seed: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str = ""
    loras: tuple[Lora, ...] = ()
    controls: tuple[Control, ...] = ()
    """They lie on the canvas as the picture does, and are enlarged with it; so are regions."""
    regions: tuple[Region, ...] = ()
    tiling: Tiling = Tiling.NONE
    """Edges of the picture that meet."""
    output: PixelFormat | None = None
    """How the result shall lie in memory; None: RGB(A) as the picture has alpha, u8, sRGB, top row first."""


Request: TypeAlias = GenerateRequest | PreprocessRequest | UpscaleRequest | LatentsRequest
"""Everything that can be submitted."""


@dataclass(frozen=True, slots=True)
class JobOrigin:
    """Who asked, and where the result belongs. Opaque to the daemon, returned as given."""

    client_id: str = ""
    document_id: str = ""
    host_context: bytes = b""
    title: str = ""
