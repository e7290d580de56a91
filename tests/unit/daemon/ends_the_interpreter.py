"""A plug-in as nobody should write one."""

import sys

sys.exit("This module ends whoever imports it.")
