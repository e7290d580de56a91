"""Post-processors through OpenCV. Described here without it; the twins run them."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.hookspecs import PostprocessorDescriptor, hookimpl


@hookimpl
def underpaint_postprocessors() -> Sequence[PostprocessorDescriptor]:
    """Colours of the surroundings for a fill, padding for a texture, sharper details for anything."""
    return [
        PostprocessorDescriptor(
            name="match-colors",
            title="Colours of the surroundings",
            engine="underpaint.engine.postprocessors.match_colors:match_colors",
            operations=("inpaint",),
        ),
        PostprocessorDescriptor(
            name="pad-islands",
            title="Padding around UV islands",
            engine="underpaint.engine.postprocessors.pad_islands:pad",
            operations=("img2img", "inpaint"),
        ),
        PostprocessorDescriptor(
            name="sharpen",
            title="Sharpen",
            engine="underpaint.engine.postprocessors.sharpen:sharpen",
        ),
    ]
