"""Proves a host adapter right: the same checks for every host, driven by one small class of its author.

Standard library and the client only, so that it runs in a test runner and inside a host program's own Python
alike. Write a `Rig` (see `underpaint.testing.conformance.rig`), then either

    underpaint conformance my_package.rig:MyRig          # a shell
    TestConformance = conformance_tests(MyRig)           # a pytest file
    print(run(MyRig, folder=Path("/tmp/fake")).text)     # the host's own Python, on its main thread

In a host without grpcio, start `python -m underpaint.testing.fake_process --folder /tmp/fake` outside.
"""

from underpaint.testing.conformance.check import CHECKS, Check, Failed
from underpaint.testing.conformance.pytesting import conformance_tests
from underpaint.testing.conformance.report import SUITE_VERSION, Outcome, Report, Status
from underpaint.testing.conformance.rig import DocumentSpec, LayerSpec, Rig, Unsupported
from underpaint.testing.conformance.runner import Suite, run

__all__ = [
    "CHECKS",
    "SUITE_VERSION",
    "Check",
    "DocumentSpec",
    "Failed",
    "LayerSpec",
    "Outcome",
    "Report",
    "Rig",
    "Status",
    "Suite",
    "Unsupported",
    "conformance_tests",
    "run",
]
