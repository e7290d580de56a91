#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GIMP starts: it looks for a file named like its folder. Everything is in underpaint_gimp."""

import sys

from underpaint_gimp.plugin import main

main(sys.argv)
