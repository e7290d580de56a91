"""The conformance suite inside the real hosts: `inside` runs there, `outside` in the test, rigs are users."""
