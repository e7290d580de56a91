"""The schedulers that latent diffusion runs with, by name; `underpaint.engine.schedulers` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCHEDULERS = (
    "ddim",
    "euler",
    "euler-a",
    "dpmpp-2m",
    "dpmpp-2m-karras",
    "unipc",
    "heun",
    "lcm",
    "dpmpp-sde-karras",
)
FLOW_SCHEDULERS = ("flow-match-euler", "flow-match-heun")
"""Those of models that were trained by flow matching; `underpaint.engine.flow` makes them."""
_OF_CLASS = {
    "DDIMScheduler": "ddim",
    "PNDMScheduler": "ddim",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler-a",
    "DPMSolverMultistepScheduler": "dpmpp-2m",
    "UniPCMultistepScheduler": "unipc",
    "HeunDiscreteScheduler": "heun",
    "LCMScheduler": "lcm",
    "FlowMatchEulerDiscreteScheduler": "flow-match-euler",
    "FlowMatchHeunDiscreteScheduler": "flow-match-heun",
}


def scheduler_name(config: Mapping[str, Any], otherwise: str) -> str:
    """Our name for what `scheduler_config.json` describes."""
    return _OF_CLASS.get(str(config.get("_class_name")), otherwise)
