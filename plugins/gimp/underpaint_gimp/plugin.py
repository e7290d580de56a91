# SPDX-License-Identifier: GPL-3.0-or-later
"""The procedures that GIMP knows. What they do is imported when one is called: GIMP starts stay fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp  # noqa: E402 - versions come first

from underpaint.hookspecs import Verb  # noqa: E402

from . import arguments, ownverbs  # noqa: E402

FILL = "underpaint-fill"
GENERATE = "underpaint-generate"
MORE = "underpaint-more"
CONTROL = "underpaint-control-layer"
RESULTS = "underpaint-results"
MENU = "<Image>/Filters/Underpaint"

_MENUS = {
    FILL: (
        "_Fill Selection…",
        "Paint the selection anew so that it fits the picture around it",
        "Sends the selection and its surroundings to the underpaint daemon on this computer, which paints "
        "what the prompt describes, and puts the picture into the image as a new layer.",
    ),
    GENERATE: (
        "_Generate…",
        "Paint a picture from words, from the visible picture or from a layer",
        "Lets the underpaint daemon on this computer paint a picture, and puts it into the image as a new "
        "layer.",
    ),
    MORE: (
        "_More Verbs…",
        "Run a verb that a plug-in of underpaint has added",
        "Shows the verbs that plug-ins have added, with what each of them takes, and puts the picture into "
        "the image as a new layer. Scripts name the verb; its values are JSON.",
    ),
    CONTROL: (
        "Make _Control Layer…",
        "Find lines and edges in a layer, and put them onto a layer of their own",
        "Lets the underpaint daemon on this computer make a control image, such as line art, of a layer, and "
        "puts it into the image as a new layer, to be edited; pictures can then keep to it. Needs no model.",
    ),
    RESULTS: (
        "F_etch Results",
        "Bring in pictures that were not finished when GIMP or the image was closed",
        "Looks for this image's jobs in the underpaint daemon on this computer, waits for those that are "
        "still at work, and puts their pictures into the image as new layers.",
    ),
}


class UnderpaintPlugin(Gimp.PlugIn):  # type: ignore[misc]  # libgimp's classes have no types
    """Made by GIMP at each start of the plug-in: to ask for its procedures, and to run one."""

    def do_set_i18n(self, procedure_name: str) -> bool:
        """No translations yet; without this GIMP warns at every start."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Names for GIMP's procedure database."""
        return [*_MENUS, *ownverbs.own_verbs()]

    def do_create_procedure(self, name: str) -> Any:
        """One procedure with its arguments, for GIMP's menus, scripts and batch mode."""
        verb = ownverbs.own_verbs().get(name)
        label, blurb, help_text = _MENUS[name] if verb is None else _menu_of(verb)
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, _run, None)
        procedure.set_image_types("*")
        # With any layers selected, none among them: the picture is read as a whole.
        procedure.set_sensitivity_mask(
            Gimp.ProcedureSensitivityMask.DRAWABLE
            | Gimp.ProcedureSensitivityMask.DRAWABLES
            | Gimp.ProcedureSensitivityMask.NO_DRAWABLES
        )
        procedure.set_documentation(blurb, help_text, name)
        procedure.set_attribution("The underpaint authors", "The underpaint authors", "2026")
        procedure.set_menu_label(label)
        procedure.add_menu_path(MENU)
        if verb is not None:
            arguments.add_common(procedure, strength=None, prompt="prompt" in verb.texts)
            ownverbs.add_values(procedure, verb)
        elif name == FILL:
            arguments.add_common(procedure, strength=1.0)
        elif name == GENERATE:
            arguments.add_common(procedure, strength=0.6)
            arguments.add_source(procedure)
        elif name == MORE:
            arguments.add_verb(procedure)
            arguments.add_common(procedure, strength=None)
        elif name == CONTROL:
            arguments.add_control_image(procedure)
        if verb is not None or name in (FILL, GENERATE, MORE):
            arguments.add_controls(procedure)
            if verb is None or "prompt" in verb.texts:
                # What works without words at all has none in parts of the image, either.
                arguments.add_regions(procedure)
        if name == RESULTS:
            procedure.add_int_return_value(
                "placed", "Placed", "How many pictures came in", 0, 2**31 - 1, 0, arguments.READWRITE
            )
        else:
            procedure.add_layer_return_value(
                "layer", "Layer", "The new layer; of several, the last", True, arguments.READWRITE
            )
        return procedure


def _menu_of(verb: Verb) -> tuple[str, str, str]:
    made = "Lets the underpaint daemon on this computer do it; what comes of it enters GIMP as a layer."
    return f"{verb.title}…", verb.description.rstrip("."), f"{verb.description} {made}"


def _run(
    procedure: Any, run_mode: Any, image: Any, drawables: Sequence[Any], config: Any, data: object
) -> Any:
    Gegl.init(None)
    from . import calls

    known = {
        FILL: calls.fill,
        GENERATE: calls.generate,
        MORE: calls.more,
        CONTROL: calls.control_layer,
        RESULTS: calls.results,
    }
    call = known.get(procedure.get_name(), calls.own_verb)
    return call(procedure, run_mode, image, config)


def main(arguments: Sequence[str]) -> None:
    """Hands over to libgimp, which talks to GIMP over the pipes that `arguments` name."""
    Gimp.main(UnderpaintPlugin.__gtype__, list(arguments))
