# SPDX-License-Identifier: GPL-3.0-or-later
"""The procedures' arguments, and what they mean as settings. 0 and "" mean: the model's default."""

from __future__ import annotations

import json
from typing import Any

from gi.repository import Gimp, GObject

from underpaint.errors import InvalidRequest, Violation
from underpaint.host import Settings, unpack_loras

READWRITE = GObject.ParamFlags.READWRITE
WORDS, PICTURE, LAYER = "words", "picture", "layer"
AUTO, NONE = "auto", "none"
"""For `control-preprocessor`: what suits the role; the image as it is."""
REMEMBERED = (
    "prompt",
    "negative-prompt",
    "model",
    "seed",
    "steps",
    "guidance-scale",
    "scheduler",
    "preset",
    "loras",
    "strength",
    "verb",
    "values",
)
"""Properties that a dialog shows again the next time."""
_OPERATIONS = {
    "underpaint-fill": "inpaint",
    "underpaint-refine": "inpaint",
    "underpaint-remove": "inpaint",
    "underpaint-expand": "inpaint",
    "underpaint-variation": "img2img",
    "underpaint-edit": "edit",
}


def add_common(procedure: Any, *, strength: float | None, prompt: bool = True) -> None:
    """The arguments of every procedure that paints; `strength` None: without that one."""
    text = procedure.add_string_argument
    if prompt:
        text("prompt", "_Prompt", "What to paint", "", READWRITE)
    text("negative-prompt", "_Avoid", "What to keep out of the picture", "", READWRITE)
    text("model", "_Model", "A model's name or folder; empty: the daemon's default", "", READWRITE)
    text("seed", "Se_ed", "A whole number from 0 on; empty: a new one each time", "", READWRITE)
    procedure.add_int_argument(
        "steps", "S_teps", "Denoising steps; 0: the model's default", 0, 1000, 0, READWRITE
    )
    procedure.add_double_argument(
        "guidance-scale",
        "_Guidance",
        "How closely to follow the prompt; 0: the model's default",
        *(0.0, 100.0, 0.0, READWRITE),
    )
    text("scheduler", "S_cheduler", "A scheduler of the model; empty: its default", "", READWRITE)
    text("preset", "Pre_set", "A preset of the model for few steps; empty: none", "", READWRITE)
    text(
        "loras",
        "LoRA_s",
        'What is put on the model, as JSON: [{"name": "styles/ink", "strength": 0.6}]',
        *("", READWRITE),
    )
    if strength is not None:
        procedure.add_double_argument(
            "strength", "St_rength", "How much may change", 0.01, 1.0, strength, READWRITE
        )


def add_source(procedure: Any) -> None:
    """What *Generate* starts from."""
    choice = Gimp.Choice.new()
    choice.add(WORDS, 0, "The words alone", "")
    choice.add(PICTURE, 1, "The visible picture", "")
    choice.add(LAYER, 2, "One layer", "")
    procedure.add_choice_argument("source", "St_art from", "What is painted over", choice, WORDS, READWRITE)
    procedure.add_layer_argument(
        "source-layer", "_Layer", "The layer to start from, for the source “layer”", True, READWRITE
    )


def add_verb(procedure: Any) -> None:
    """Which verb of a plug-in, and its values."""
    text = procedure.add_string_argument
    text("verb", "_Verb", "Name of a verb that a plug-in has added", "variation", READWRITE)
    text("values", "V_alues", 'What else it takes, as JSON: {"strength": 0.3}', "{}", READWRITE)


def add_controls(procedure: Any) -> None:
    """One control as plain arguments, and any number as JSON."""
    text, number = procedure.add_string_argument, procedure.add_double_argument
    text("control-role", "Control _role", "What a layer shows: line-art, depth; empty: none", "", READWRITE)
    add_control_image(procedure)
    number("control-strength", "Control st_rength", "How strictly to keep to it", 0.0, 2.0, 1.0, READWRITE)
    number("control-start", "Control st_art", "From this share of the steps on", 0.0, 1.0, 0.0, READWRITE)
    number("control-end", "Control _end", "Up to this share of the steps", 0.0, 1.0, 1.0, READWRITE)
    text(
        "controls",
        "C_ontrols",
        'More of them, as JSON: [{"role": "depth", "choice": "7"}]; choice is a layer\'s tattoo',
        *("", READWRITE),
    )


def add_regions(procedure: Any) -> None:
    """Parts of the image with words of their own."""
    procedure.add_string_argument(
        "regions",
        "Reg_ions",
        'Layers with words of their own, as JSON: [{"prompt": "grass", "choice": "7"}]; choice is a '
        "layer's tattoo",
        *("", READWRITE),
    )


def add_control_image(procedure: Any) -> None:
    """What a control image is made of, and how."""
    text = procedure.add_string_argument
    text("control-source", "Control so_urce", "layer, merged, selection or a plug-in's", LAYER, READWRITE)
    procedure.add_layer_argument(
        "control-layer", "Control _layer", "The layer; none: the selected one", True, READWRITE
    )
    text(
        "control-preprocessor",
        "Control _preprocessor",
        f"What makes the control image; {AUTO}: what suits the role, {NONE}: it is one already",
        *(AUTO, READWRITE),
    )


def values_of(config: Any) -> dict[str, float | str]:
    """The values of a verb. Raises `InvalidRequest` for what is no JSON object of numbers and texts."""
    text = text_of(config, "values").strip() or "{}"
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, (int, float, str)) for one in found.values()):
        problem = Violation("values", 'numbers and texts by name, as JSON: {"strength": 0.3}')
        raise InvalidRequest(f"“{text}” is not understood: give {problem.description}.", violations=[problem])
    return found


def operation_of(config: Any) -> str:
    """What a model must be able to do for these arguments; "" where only the verb knows."""
    if config.find_property("source") is not None:
        return "txt2img" if config.get_property("source") == WORDS else "img2img"
    return _OPERATIONS.get(config.get_procedure().get_name(), "")


def seed_of(config: Any) -> int | None:
    """The seed; None for a new one each time. Raises `InvalidRequest` for what is no seed."""
    text = text_of(config, "seed").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) < 2**64):
        problem = Violation("seed", "a whole number from 0 to 18446744073709551615")
        raise InvalidRequest(
            f"“{text}” is no seed: give {problem.description}, or nothing for a new one each time.",
            violations=[problem],
        )
    return int(text)


def text_of(config: Any, name: str) -> str:
    """A text argument; GIMP gives None where nothing was said and nothing is remembered."""
    return config.get_property(name) or ""


def settings_of(config: Any) -> Settings:
    """A procedure's arguments as settings. Raises `InvalidRequest`."""
    return Settings(
        model=text_of(config, "model").strip(),
        negative_prompt=text_of(config, "negative-prompt"),
        seed=seed_of(config),
        steps=config.get_property("steps") or None,
        guidance_scale=config.get_property("guidance-scale") or None,
        scheduler=text_of(config, "scheduler").strip(),
        preset=text_of(config, "preset").strip(),
        loras=unpack_loras(text_of(config, "loras")),
        strength=config.get_property("strength") if config.find_property("strength") is not None else None,
    )
