"""How the suite behaves when an adapter, or a rig, does what nobody thought of."""

from __future__ import annotations

import threading

import pytest

from tests.conformance.flat import FlatHost, FlatRig
from underpaint.host import Canvas, Capability, Notice
from underpaint.testing.conformance import CHECKS, Report, Status, Suite, Unsupported, run
from underpaint.testing.conformance.rig import DocumentSpec


def only(rig: type[FlatRig], *names: str) -> Report:
    return run(rig, only=names)


def test_what_an_adapter_raises_is_reported_with_its_place_and_the_rest_goes_on() -> None:
    class Fragile(FlatHost):
        def canvas(self) -> Canvas:
            raise ZeroDivisionError("division by zero")

    class FragileRig(FlatRig):
        def __init__(self) -> None:
            super().__init__()
            self.adapter = self.host = Fragile()

    report = only(FragileRig, "document-described", "orientation", "run-on-main")
    described, blocked, passed = report.outcomes
    assert described.status is Status.FAILED
    assert "test_runner.py:" in described.message
    assert "ZeroDivisionError: division by zero" in described.message
    assert blocked.message == "document-described failed: mend that first, then run again"
    assert passed.status is Status.PASSED


def test_a_cause_is_named_though_another_check_stands_between() -> None:
    class Nameless(FlatRig):
        def open(self, spec: DocumentSpec) -> str:
            super().open(spec)
            return "another id"

    report = only(Nameless, "document-described", "orientation", "read-place", "read-alpha")
    assert {outcome.message for outcome in report.outcomes[1:]} == {
        "document-described failed: mend that first, then run again"
    }


def test_a_declared_capability_without_its_method_fails_by_name() -> None:
    class Boastful(FlatRig):
        def __init__(self) -> None:
            super().__init__()
            self.adapter.capabilities = frozenset({Capability.SELECTION})

        def select(self, document_id: str, mask: object) -> None:
            pass

    (outcome,) = only(Boastful, "selection-polarity").outcomes
    assert outcome.status is Status.FAILED
    assert "a method of a declared capability is missing" in outcome.message


def test_a_thread_that_falls_over_fails_the_check_that_started_it() -> None:
    def fall() -> None:
        raise ArithmeticError("in the background")

    class Background(FlatHost):
        def canvas(self) -> Canvas:
            thread = threading.Thread(target=fall, name="poller")
            thread.start()
            thread.join()
            return super().canvas()

    class BackgroundRig(FlatRig):
        def __init__(self) -> None:
            super().__init__()
            self.adapter = self.host = Background()

    (outcome,) = only(BackgroundRig, "document-described").outcomes
    assert outcome.status is Status.FAILED
    assert outcome.message.startswith("a thread fell over: poller: test_runner.py:")
    assert threading.excepthook is not fall


def test_a_rig_that_cannot_start_or_end_is_told_apart_from_an_adapter() -> None:
    class Unstarted(FlatRig):
        def __init__(self) -> None:
            raise Unsupported("the program needs a window")

    class Unended(FlatRig):
        def finish(self) -> None:
            raise OSError("still open")

    (skipped,) = only(Unstarted, "orientation").outcomes
    assert (skipped.status, skipped.message) == (Status.SKIPPED, "the program needs a window")
    (failed,) = only(Unended, "orientation").outcomes
    assert failed.status is Status.FAILED
    assert failed.message.startswith("Rig.finish: test_runner.py:")


def test_every_check_gets_a_fresh_rig_that_is_finished_once() -> None:
    life: list[str] = []

    class Counted(FlatRig):
        def __init__(self) -> None:
            super().__init__()
            life.append("made")

        def finish(self) -> None:
            life.append("finished")

    only(Counted, "orientation", "groups", "channel-order")
    assert life == ["made", "finished"] * 3


def test_calls_of_the_adapter_to_itself_are_watched_too() -> None:
    class Whispering(FlatHost):
        def canvas(self) -> Canvas:
            if self.active:
                notice = Notice("Looked.")
                thread = threading.Thread(target=lambda: self.show_notice(notice), name="whisper")
                thread.start()
                thread.join()
            return super().canvas()

    class WhisperingRig(FlatRig):
        def __init__(self) -> None:
            super().__init__()
            self.adapter = self.host = Whispering()

    (outcome,) = only(WhisperingRig, "main-thread-rule").outcomes
    assert outcome.message == "show_notice was called on the thread 'whisper', off the main thread"


def test_an_unknown_check_is_a_key_error() -> None:
    with Suite(FlatRig) as suite, pytest.raises(KeyError, match="no-such-check"):
        suite.run_all(["no-such-check"])


def test_every_check_has_a_name_a_promise_and_an_advice() -> None:
    for name, check in CHECKS.items():
        assert name == name.lower().replace("_", "-")
        assert check.meaning.endswith(".")
        assert check.advice.endswith(".")
        order = list(CHECKS)
        assert all(order.index(base) < order.index(name) for base in check.rests_on)
