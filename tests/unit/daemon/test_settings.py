from __future__ import annotations

from pathlib import Path

import pytest

from underpaint.daemon.arguments import parse
from underpaint.daemon.settings import Settings, for_workers, options, variable
from underpaint.engine.memory.settings import MemorySettings
from underpaint.errors import InvalidRequest


def test_the_environment_sets_fields_and_arguments_win() -> None:
    environ = {"UNDERPAINT_DRAIN_S": "3", "UNDERPAINT_JOBS_PER_WORKER": "2", "UNDERPAINT_REFLECTION": "yes"}
    settings = parse(["--drain-s", "7.5", "--devices", "cpu, cuda:1"], environ)
    assert settings.drain_s == 7.5
    assert settings.jobs_per_worker == 2
    assert settings.reflection is True
    assert settings.devices == ("cpu", "cuda:1")


def test_model_roots_are_split_at_the_systems_separator() -> None:
    import os

    settings = parse([], {"UNDERPAINT_MODEL_ROOTS": os.pathsep.join(("/a", "/b"))})
    assert settings.model_roots == (Path("/a"), Path("/b"))


def test_workers_are_told_what_concerns_memory() -> None:
    told = for_workers(parse(["--vram-reserve-bytes", "123"], {"UNDERPAINT_KEEP_ALIVE": "2.5"}))
    assert MemorySettings.of(told).keep_alive == 2.5 and MemorySettings.of(told).reserve == 123
    untold = MemorySettings.of(for_workers(Settings()))
    assert (untold.keep_alive, untold.reserve) == (Settings().keep_alive, None)
    assert MemorySettings.of(for_workers(Settings(keep_alive=0.0))).keep_alive == 0.0


def test_every_field_says_what_it_means() -> None:
    assert all(option.metadata["help"] for option in options())
    assert len({variable(option.name) for option in options()}) == len(options())


@pytest.mark.parametrize(
    ("arguments", "environ", "named"),
    [
        (["--drain-s", "soon"], {}, "--drain-s"),
        ([], {"UNDERPAINT_START_WORKERS": "maybe"}, "UNDERPAINT_START_WORKERS"),
        (["--transport", "pigeon"], {}, "transport"),
        (["--jobs-per-worker", "0"], {}, "jobs_per_worker"),
        (["--devices", ","], {}, "devices"),
    ],
)
def test_nonsense_is_named(arguments: list[str], environ: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse(arguments, environ)
    assert raised.value.violations[0].field == named
    assert named in str(raised.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().drain_s = 1.0  # type: ignore[misc]
