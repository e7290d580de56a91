#!/usr/bin/env python3
"""A plug-in for GIMP 3 with one procedure that does nothing."""

import sys

import gi

gi.require_version("Gimp", "3.0")
from gi.repository import Gimp  # noqa: E402 - after the version


class Tiny(Gimp.PlugIn):  # type: ignore[misc]  # gi has no types here
    def do_query_procedures(self) -> list[str]:
        return ["tiny"]

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        return Gimp.Procedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)


def run(procedure: Gimp.Procedure, config: object, data: object) -> object:
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)


Gimp.main(Tiny.__gtype__, sys.argv)
