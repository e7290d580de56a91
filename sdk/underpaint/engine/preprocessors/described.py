"""The maps of a material, described without their libraries."""

from __future__ import annotations

from underpaint.hookspecs import PreprocessorDescriptor
from underpaint.types import Parameter

_MATERIALS = "underpaint.engine.preprocessors.materials"


def _switch(name: str, title: str) -> Parameter:
    return Parameter(name=name, title=title, default=0, minimum=0, maximum=1, step=1)


_HEIGHT = (
    Parameter(
        name="flatten",
        title="Uneven light, share of the shorter side",
        default=0.1,
        minimum=0.0,
        maximum=1.0,
    ),
    Parameter(name="smooth", title="Blur, pixels", default=1.0, minimum=0.0, maximum=64.0),
    _switch("invert", "Dark is high"),
    _switch("wrap_x", "Left and right meet"),
    _switch("wrap_y", "Top and bottom meet"),
)
_RELIEF = (
    Parameter(name="relief", title="Height of white, pixels", default=8.0, minimum=0.1, maximum=1024.0),
    _switch("from_height", "The picture is a height map"),
    *_HEIGHT,
)


def material_maps() -> list[PreprocessorDescriptor]:
    """Height, normals, roughness, ambient occlusion."""
    return [
        PreprocessorDescriptor(
            name="height-map",
            title="Height map",
            role="height",
            engine=f"{_MATERIALS}:height_map",
            parameters=_HEIGHT,
        ),
        PreprocessorDescriptor(
            name="normal-map",
            title="Normal map",
            role="normal",
            engine=f"{_MATERIALS}:normal_map",
            parameters=(*_RELIEF, _switch("directx", "Green points down, as DirectX wants it")),
        ),
        PreprocessorDescriptor(
            name="roughness-map",
            title="Roughness map",
            role="roughness",
            engine=f"{_MATERIALS}:roughness_map",
            parameters=(
                *_RELIEF,
                Parameter(
                    name="base", title="Roughness of what is even", default=0.5, minimum=0.0, maximum=1.0
                ),
                Parameter(name="share", title="What unevenness adds", default=0.5, minimum=0.0, maximum=4.0),
                Parameter(
                    name="scale", title="Unevenness within, pixels", default=4.0, minimum=0.5, maximum=64.0
                ),
            ),
        ),
        PreprocessorDescriptor(
            name="occlusion-map",
            title="Ambient occlusion map",
            role="ambient-occlusion",
            engine=f"{_MATERIALS}:occlusion_map",
            parameters=(
                *_RELIEF,
                Parameter(name="radius", title="Radius, pixels", default=24, minimum=1, maximum=256, step=1),
                Parameter(name="strength", title="Strength", default=1.0, minimum=0.0, maximum=1.0),
            ),
        ),
    ]
