"""Preprocessors through OpenCV, and some by networks. Described here without either; the twins run them."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.engine.preprocessors.described import material_maps
from underpaint.engine.preprocessors.estimators import estimators
from underpaint.hookspecs import PreprocessorDescriptor, hookimpl
from underpaint.types import Parameter

_LINES = "underpaint.engine.preprocessors.lines"
_SURFACES = "underpaint.engine.preprocessors.surfaces"


@hookimpl
def underpaint_preprocessors() -> Sequence[PreprocessorDescriptor]:
    """Edges and lines, white on black; a blurred picture; normals; masks; what networks see; materials."""
    return [
        PreprocessorDescriptor(
            name="canny",
            title="Canny edges",
            role="canny",
            engine=f"{_LINES}:canny",
            parameters=(
                Parameter(name="low", title="Weakest edge", default=100, minimum=1, maximum=1000),
                Parameter(name="high", title="Strong edge", default=200, minimum=1, maximum=1000),
                Parameter(name="blur", title="Blur before, pixels", default=0.0, minimum=0.0, maximum=16.0),
            ),
        ),
        PreprocessorDescriptor(
            name="soft-edge",
            title="Soft edges",
            role="soft-edge",
            engine=f"{_LINES}:soft_edge",
            parameters=(
                Parameter(
                    name="detail", title="Finest detail, pixels", default=1.0, minimum=0.5, maximum=16.0
                ),
                Parameter(name="gain", title="Brightness", default=1.0, minimum=0.1, maximum=4.0),
            ),
        ),
        PreprocessorDescriptor(
            name="line-art",
            title="Line art",
            role="line-art",
            engine=f"{_LINES}:line_art",
            parameters=(
                Parameter(name="width", title="Line width, pixels", default=2.0, minimum=0.5, maximum=16.0),
                Parameter(name="contrast", title="Contrast", default=1.0, minimum=0.1, maximum=4.0),
            ),
        ),
        PreprocessorDescriptor(
            name="scribble",
            title="Scribble",
            role="scribble",
            engine=f"{_LINES}:scribble",
            parameters=(
                Parameter(name="width", title="Pen, pixels", default=5, minimum=1, maximum=64, step=1),
                Parameter(
                    name="simplify", title="Blur before, pixels", default=4.0, minimum=0.5, maximum=32.0
                ),
                Parameter(
                    name="shortest", title="Shortest stroke, pixels", default=24, minimum=0, maximum=512
                ),
            ),
        ),
        PreprocessorDescriptor(
            name="straight-lines",
            title="Straight lines",
            role="straight-lines",
            engine=f"{_LINES}:straight_lines",
            parameters=(
                Parameter(name="shortest", title="Shortest line, pixels", default=20, minimum=0, maximum=512),
                Parameter(name="width", title="Line width, pixels", default=1, minimum=1, maximum=16, step=1),
            ),
        ),
        PreprocessorDescriptor(
            name="blur",
            title="Blurred picture",
            role="tile",
            engine=f"{_SURFACES}:blur",
            parameters=(
                Parameter(name="radius", title="Radius, pixels", default=8.0, minimum=0.5, maximum=256.0),
            ),
        ),
        PreprocessorDescriptor(
            name="normal-from-depth",
            title="Normals from a depth picture",
            role="normal",
            engine=f"{_SURFACES}:normal_from_depth",
            parameters=(
                Parameter(
                    name="relief", title="Height of white, pixels", default=32.0, minimum=0.1, maximum=1024.0
                ),
                Parameter(name="smooth", title="Blur before, pixels", default=1.0, minimum=0.0, maximum=16.0),
                Parameter(
                    name="near_is_black", title="Black is near", default=0, minimum=0, maximum=1, step=1
                ),
            ),
        ),
        PreprocessorDescriptor(
            name="transparent-parts",
            title="Mask of the transparent parts",
            role="mask",
            engine=f"{_SURFACES}:transparent_parts",
        ),
        *material_maps(),
        *estimators(),
    ]
