"""Every hook is described, with an example that runs."""

from __future__ import annotations

import doctest
import inspect

import pytest

from underpaint import hookspecs
from underpaint.hookspecs import EngineSpecs, HostSpecs

HOOKS = [
    (specs, name)
    for specs in (EngineSpecs, HostSpecs)
    for name in vars(specs)
    if name.startswith("underpaint_")
]


@pytest.mark.parametrize(("specs", "name"), HOOKS, ids=[name for _, name in HOOKS])
def test_every_hook_has_an_example_that_runs(specs: type, name: str) -> None:
    hook = getattr(specs, name)
    tests = doctest.DocTestFinder().find(hook, name, globs={})
    examples = [example for test in tests for example in test.examples]
    assert any(name in example.source for example in examples), "its example implements another hook"
    assert any(example.want for example in examples), "its example shows nothing"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in tests:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize(("specs", "name"), HOOKS, ids=[name for _, name in HOOKS])
def test_every_hook_is_typed_and_takes_nothing_by_default(specs: type, name: str) -> None:
    signature = inspect.signature(getattr(specs, name))
    assert signature.return_annotation is not inspect.Signature.empty
    defaults = [one.default for one in signature.parameters.values()]
    assert all(default is inspect.Parameter.empty for default in defaults)


@pytest.mark.parametrize("name", hookspecs.__all__)
def test_everything_public_says_what_it_is(name: str) -> None:
    value = getattr(hookspecs, name)
    assert not inspect.isclass(value) or (value.__doc__ and not value.__doc__.startswith(f"{name}("))
