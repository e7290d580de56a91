from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.unit.daemon.harness import Caller, Home, connect, write_model


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    write_model(home.models, "tiny")
    yield home
    shutil.rmtree(home.runtime, ignore_errors=True)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A running daemon for all tests of a module that do not look at its folders."""
    home = Home(tmp_path_factory.mktemp("home"))
    write_model(home.models, "tiny")
    with home.daemon():
        yield home
    shutil.rmtree(home.runtime, ignore_errors=True)


@pytest.fixture
async def shared(shared_home: Home) -> AsyncIterator[Caller]:
    caller = connect(shared_home)
    yield caller
    await caller.channel.close()


@pytest.fixture
def running(home: Home) -> Iterator[Home]:
    with home.daemon():
        yield home


@pytest.fixture
async def caller(running: Home) -> AsyncIterator[Caller]:
    caller = connect(running)
    yield caller
    await caller.channel.close()
