"""Stable Diffusion's own checker of pictures, refusing in words what it would have blackened.

    {"safety_filters": ["safety-checker"], "safety-checker": {"folder": "/srv/models/safety_checker"}}

`folder` holds `config.json` and safetensors of diffusers' `StableDiffusionSafetyChecker`, as it lies in the
folder `safety_checker` of many models; its weights do not come with underpaint. `message` is what the user is
told. It knows a fixed list of concepts, errs in both directions, and was made for photographs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from underpaint.errors import InvalidRequest
from underpaint.hookspecs import SafetyFilter, hookimpl

NAME = "safety-checker"
MESSAGE = (
    "the checker takes it for something that the policy of this machine does not allow. Another seed or "
    "other words may do; nothing was kept."
)


def check_request(request: Mapping[str, object], options: Mapping[str, object]) -> str:
    """ "": requests pass, pictures are looked at. Raises `InvalidRequest` where the weights are not there."""
    folder_of(options)
    return ""


def folder_of(options: Mapping[str, object]) -> Path:
    """Where the checker's weights lie. Raises `InvalidRequest`, which says what the policy file must hold."""
    folder = Path(str(options.get("folder") or ""))
    problem = ""
    if not options.get("folder"):
        problem = "the policy file does not say where its weights are"
    elif not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        problem = f"{folder} holds no config.json with safetensors"
    if problem:
        raise InvalidRequest(
            f'The safety filter {NAME} is on, but {problem}: the policy file must hold {{"{NAME}": '
            '{"folder": "…"}}, the folder safety_checker of a model, or not turn it on.'
        )
    return folder


@hookimpl
def underpaint_safety_filters() -> Sequence[SafetyFilter]:
    """The filter."""
    return [
        SafetyFilter(
            name=NAME,
            title="Stable Diffusion's safety checker",
            check_request=check_request,
            check_picture="underpaint.engine.filters.checker:check_picture",
        )
    ]
