"""The daemon's plug-ins: one broken one takes no other with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from underpaint.daemon.plugins import Plugins
from underpaint.hookspecs import (
    ENGINE_GROUP,
    FamilyDescriptor,
    PostprocessorDescriptor,
    PreprocessorDescriptor,
    SafetyFilter,
    hookimpl,
)

GOOD = FamilyDescriptor(
    name="good", title="Good", engine="x:Y", schedulers=("euler",), recognise=lambda folder, index: None
)
EDGES = PreprocessorDescriptor(name="edges", title="Edges", role="canny", engine="x:edges")
OTHER_EDGES = PreprocessorDescriptor(name="edges", title="Other edges", role="canny", engine="y:edges")


class Good:
    @hookimpl
    def underpaint_families(self) -> list[FamilyDescriptor]:
        return [GOOD]

    @hookimpl
    def underpaint_model_roots(self) -> list[Path]:
        return [Path("/good")]

    @hookimpl
    def underpaint_preprocessors(self) -> list[PreprocessorDescriptor]:
        return [EDGES]

    @hookimpl
    def underpaint_postprocessors(self) -> list[PostprocessorDescriptor]:
        return [PostprocessorDescriptor(name="grain", title="Grain", engine="x:grain")]

    @hookimpl
    def underpaint_safety_filters(self) -> list[SafetyFilter]:
        return [SafetyFilter(name="none-at-all", title="Nothing passes", check_request=lambda r, o: "No.")]


class Raises:
    @hookimpl
    def underpaint_families(self) -> list[FamilyDescriptor]:
        raise ZeroDivisionError("in the hook")


class Misspelt:
    @hookimpl
    def underpaint_famlies(self) -> list[FamilyDescriptor]:
        return []


class SameName:
    @hookimpl
    def underpaint_preprocessors(self) -> list[PreprocessorDescriptor]:
        return [OTHER_EDGES]


class NoDescriptor:
    @hookimpl
    def underpaint_preprocessors(self) -> list[str]:
        return ["edges-too"]


class RelativeRoot:
    @hookimpl
    def underpaint_model_roots(self) -> list[Path]:
        return [Path("models")]


class NoList:
    @hookimpl
    def underpaint_postprocessors(self) -> None:
        return None


class TakesWhatIsNotThere:
    @hookimpl
    def underpaint_families(self, daemon: object) -> list[FamilyDescriptor]:
        return []


good, raises, misspelt, same_name, no_descriptor, relative_root, no_list, takes = (
    Good(),
    Raises(),
    Misspelt(),
    SameName(),
    NoDescriptor(),
    RelativeRoot(),
    NoList(),
    TakesWhatIsNotThere(),
)


def finder(*entries: EntryPoint) -> Callable[..., Sequence[EntryPoint]]:
    return lambda group: [entry for entry in entries if entry.group == group]


def engine(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, ENGINE_GROUP)


GOOD_ENTRY = engine("good", f"{__name__}:good")


def check_good(plugins: Plugins) -> None:
    assert plugins.families == (GOOD,)
    assert plugins.model_roots == (Path("/good"),)
    assert plugins.preprocessors == {"edges": EDGES}
    assert list(plugins.postprocessors) == ["grain"]
    assert list(plugins.safety_filters) == ["none-at-all"]


@pytest.mark.parametrize(
    ("broken", "trace"),
    [
        (engine("absent", "no_such_module_at_all"), "ModuleNotFoundError"),
        (engine("ends", f"{__name__.rpartition('.')[0]}.ends_the_interpreter"), "SystemExit"),
        (engine("raises", f"{__name__}:raises"), "ZeroDivisionError: in the hook"),
        (engine("misspelt", f"{__name__}:misspelt"), "underpaint_famlies"),
        (engine("same_name", f"{__name__}:same_name"), "'edges' is good's already"),
        (engine("no_descriptor", f"{__name__}:no_descriptor"), "'edges-too' has no name, role, engine"),
        (engine("relative_root", f"{__name__}:relative_root"), "is no absolute path"),
        (engine("takes", f"{__name__}:takes"), "daemon"),
    ],
    ids=lambda value: value.name if isinstance(value, EntryPoint) else "",
)
def test_one_broken_plugin_is_reported_and_the_rest_go_on(broken: EntryPoint, trace: str) -> None:
    plugins = Plugins(finder(GOOD_ENTRY, broken))
    check_good(plugins)
    problems = {info.name: info.problem for info in plugins.infos()}
    assert set(problems) == {"good", broken.name}
    assert problems["good"] == ""
    assert trace in problems[broken.name]


def test_a_hook_that_gives_nothing_breaks_nothing() -> None:
    plugins = Plugins(finder(GOOD_ENTRY, engine("no_list", f"{__name__}:no_list")))
    check_good(plugins)
    assert [info.problem for info in plugins.infos()] == ["", ""]


def test_a_plugin_is_listed_with_its_hooks() -> None:
    (info,) = Plugins(finder(GOOD_ENTRY)).infos()
    assert info.hooks == (
        "underpaint_families",
        "underpaint_model_roots",
        "underpaint_postprocessors",
        "underpaint_preprocessors",
        "underpaint_safety_filters",
    )


def test_a_plugin_that_is_blocked_or_not_allowed_is_listed_and_never_imported() -> None:
    # Importing it would report it as broken.
    absent = engine("absent", "no_such_module_at_all")
    for plugins in (
        Plugins(finder(GOOD_ENTRY, absent), block=("absent",)),
        Plugins(finder(GOOD_ENTRY, absent), allow=("good",)),
        Plugins(finder(GOOD_ENTRY, absent), allow=("good", "absent"), block=("absent",)),
    ):
        check_good(plugins)
        assert [(info.name, info.blocked, info.problem) for info in plugins.infos()] == [
            ("absent", True, ""),
            ("good", False, ""),
        ]


def test_two_plugins_of_one_name_are_told_apart() -> None:
    plugins = Plugins(finder(GOOD_ENTRY, engine("good", "no_such_module_at_all")))
    check_good(plugins)
    assert [bool(info.problem) for info in plugins.infos()] == [False, True]


def test_models_that_came_as_packages_can_be_left_out() -> None:
    plugins = Plugins(finder(GOOD_ENTRY), installed_models=False)
    assert plugins.model_roots == ()
    assert plugins.families == (GOOD,)


def test_the_installed_distributions_bring_families_models_processors_and_a_filter() -> None:
    plugins = Plugins()
    assert plugins.family("sd15") is not None
    assert plugins.family("unheard-of") is None
    assert {"canny", "soft-edge", "line-art", "scribble", "blur", "normal-from-depth"} <= set(
        plugins.preprocessors
    )
    assert {"match-colors", "sharpen"} <= set(plugins.postprocessors)
    assert "word-list" in plugins.safety_filters
    assert [root.parent.name for root in plugins.model_roots] == ["underpaint_swatch"]
    assert not [info for info in plugins.infos() if info.problem]
    assert Plugins(installed_models=False).model_roots == ()
