"""Plug-ins for hosts: `build` writes the zip, `install` puts it where the host looks, `status` tells."""

from underpaint.cli.packaging.build import build
from underpaint.cli.packaging.install import install
from underpaint.cli.packaging.layouts import HOSTS
from underpaint.cli.packaging.status import HostStatus, status

__all__ = ["HOSTS", "HostStatus", "build", "install", "status"]
