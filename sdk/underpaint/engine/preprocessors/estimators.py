"""Preprocessors by networks of transformers', described without them: what each needs and gives.

Only architectures whose classes and image processors need nothing beside transformers and torch.
"""

from __future__ import annotations

from typing import Final

from underpaint.hookspecs import PreprocessorDescriptor
from underpaint.types import Parameter

_SEGMENTS = "underpaint.engine.preprocessors.segments"

_DEPTH = "underpaint.engine.preprocessors.depth"

DEPTH: Final = (
    "DepthAnythingForDepthEstimation",
    "DPTForDepthEstimation",
    "DepthProForDepthEstimation",
    "ZoeDepthForDepthEstimation",
    "GLPNForDepthEstimation",
)
DEPTH_EXAMPLE: Final = "depth-anything/Depth-Anything-V2-Small-hf"
SEGMENTS: Final = (
    "UperNetForSemanticSegmentation",
    "SegformerForSemanticSegmentation",
    "BeitForSemanticSegmentation",
    "Data2VecVisionForSemanticSegmentation",
    "DPTForSemanticSegmentation",
)
PEOPLE: Final = (
    "RTDetrV2ForObjectDetection",
    "RTDetrForObjectDetection",
    "DFineForObjectDetection",
    "YolosForObjectDetection",
)
"""They find people for poses."""
SEGMENTS_EXAMPLE: Final = "openmmlab/upernet-convnext-small"
PERSON: Final = 12
"""ADE20K's number."""


def estimators() -> list[PreprocessorDescriptor]:
    """Depth, normals, poses, segments, the mask of one class."""
    return [
        PreprocessorDescriptor(
            name="depth",
            title="Depth, by a network",
            role="depth",
            engine=f"{_DEPTH}:depth",
            weights=DEPTH,
            example=DEPTH_EXAMPLE,
        ),
        PreprocessorDescriptor(
            name="normal",
            title="Normals, from depth by a network",
            role="normal",
            engine=f"{_DEPTH}:normal",
            weights=DEPTH,
            example=DEPTH_EXAMPLE,
            parameters=(
                Parameter(
                    name="relief", title="Height of white, pixels", default=128.0, minimum=0.1, maximum=1024.0
                ),
                Parameter(name="smooth", title="Blur before, pixels", default=1.0, minimum=0.0, maximum=16.0),
            ),
        ),
        PreprocessorDescriptor(
            name="pose",
            title="Poses, by a network",
            role="pose",
            engine="underpaint.engine.preprocessors.poses:pose",
            weights=("VitPoseForPoseEstimation",),
            helpers=PEOPLE,
            example="usyd-community/vitpose-base",
            parameters=(
                Parameter(name="joints", title="Least sure joint", default=0.3, minimum=0.0, maximum=1.0),
                Parameter(name="people", title="Least sure person", default=0.5, minimum=0.0, maximum=1.0),
            ),
        ),
        PreprocessorDescriptor(
            name="segmentation",
            title="Segments, by a network",
            role="segmentation",
            engine=f"{_SEGMENTS}:segmentation",
            weights=SEGMENTS,
            example=SEGMENTS_EXAMPLE,
        ),
        PreprocessorDescriptor(
            name="class-mask",
            title="Mask of one class, by a network",
            role="mask",
            engine=f"{_SEGMENTS}:class_mask",
            weights=SEGMENTS,
            example=SEGMENTS_EXAMPLE,
            parameters=(
                Parameter(
                    name="class",
                    title="Number of the class, 12 is a person",
                    default=PERSON,
                    minimum=0,
                    maximum=999,
                    step=1,
                ),
            ),
        ),
    ]
