"""Functions over pictures, described without their libraries: the daemon lists them, a worker runs them.

In a worker a picture is a numpy array, float32, 0.0 to 1.0, sRGB, top row first. A function may be called
from any thread, several at once; it must leave its inputs as they are. What it raises ends its job:
an `UnderpaintError` as it is, anything else as `PluginFailed` with the plug-in's name.
"""

from __future__ import annotations

from dataclasses import dataclass

from underpaint.types import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessorDescriptor:
    """Makes a control image or a mask from a picture.

    `engine`, "module:callable", names `function(picture, parameters, check)`:

    - `picture`: `(height, width, 4)`, straight alpha; under transparent pixels lie the colours nearby,
      so that no edge runs along a hole.
    - `parameters`: every parameter by name, inside its range.
    - `check()` raises `JobCancelled` if the job was cancelled: call it between parts that take long.
    - Returns `(height, width)` or `(height, width, 3)`, float32, 0.0 to 1.0, of the picture's own size.

    With `weights` it is called with one more argument, `weights=`, the `Path` of their folder; with `helpers`
    also with `helper=`, the folder of such a network or None.
    """

    name: str
    """Kebab-case."""
    title: str
    role: str
    """What the result is, kebab-case: "canny", "soft-edge", "line-art", "scribble", "tile", "normal"…;
    "mask": coverage, 1.0 = repaint."""
    engine: str
    parameters: tuple[Parameter, ...] = ()
    weights: tuple[str, ...] = ()
    """Architectures of transformers' networks ("architectures" in config.json), one of which must lie in a
    model root, the best first; none for one without weights."""
    helpers: tuple[str, ...] = ()
    """Architectures of a second network, which is used where one lies in a model root."""
    example: str = ""
    """A repository of the Hugging Face hub with such weights, OWNER/NAME, for who lacks them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostprocessorDescriptor:
    """Works on a finished picture, at its final size, before it is blended into what it was made from.

    `engine`, "module:callable", names `function(picture, scene)`:

    - `picture`: `(height, width, 3)`.
    - `scene`: what is around it (see `underpaint.engine.postprocessing.Scene`): the source picture, the
      mask, the tiled axes, and `check()`, which raises `JobCancelled`.
    - Returns a picture of the same shape. Whatever it holds, a fill changes no pixel outside its mask.
    """

    name: str
    """Kebab-case."""
    title: str
    engine: str
    operations: tuple[str, ...] = ()
    """Operations it is for: "txt2img", "img2img", "edit", "inpaint"; none means all."""
