"""What a panel offers for controls: roles, what a document has to show, preprocessors, and what is wrong.

offers = control_offers(adapter, extensions.control_sources_for(adapter), preprocessors)
row = offers.new_row(roles_of([model]))
reason = offers.problem(row, model)  # beside the row; "" if it can be used
settings = Settings(controls=offers.attach([row]))
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from underpaint.errors import InvalidRequest, UnderpaintError, Violation
from underpaint.hookspecs import ControlSource
from underpaint.host.adapter import HostAdapter
from underpaint.host.control_rows import ControlRow
from underpaint.host.controls import AttachedControl, AttachedMask
from underpaint.host.offers import missing
from underpaint.types import ModelInfo, PreprocessorInfo

AS_IT_IS = "As it is"
"""What a list of preprocessors calls none of them."""
LINES = frozenset({"line-art", "canny", "soft-edge", "scribble"})
"""Roles whose images are white lines on black, which hardly any layer is before it was preprocessed."""
_ALIKE = (LINES, frozenset({"depth", "height"}), frozenset({"tile", "blur"}))
"""Roles of which one's preprocessors serve the others."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ControlPlace:
    """Something of a document that can be a control image: an entry of a list."""

    source: ControlSource
    choice: str
    title: str
    problem: str = ""
    """Why it cannot be read now; "" if it can."""

    @property
    def key(self) -> str:
        """Names it among all places of a document."""
        return _key(self.source.name, self.choice)


@dataclass(frozen=True, slots=True)
class ControlOffers:
    """What there is to choose in one document now."""

    places: tuple[ControlPlace, ...]
    """In the order of their sources, layers from top to bottom."""
    preprocessors: tuple[PreprocessorInfo, ...] = ()
    """Those of the daemon; none while it has not told of them."""

    @property
    def masks(self) -> tuple[ControlPlace, ...]:
        """Those that cover a part of the document: all but what is visible as a whole."""
        return tuple(place for place in self.places if place.source.name != "merged")

    def place_of(self, row: ControlRow) -> ControlPlace | None:
        """What a row looks at; None if that is gone."""
        return place_named(self.places, row.source, row.choice)

    def mask_of(self, row: ControlRow) -> ControlPlace | None:
        """What says where a row counts; None where that is everywhere, or gone."""
        return place_named(self.places, row.mask_source, row.mask_choice)

    def preprocessors_for(self, role: str) -> list[PreprocessorInfo]:
        """Those that make an image of this role, its own first. `AS_IT_IS` goes before them all."""
        alike = next((roles for roles in _ALIKE if role in roles), frozenset({role}))
        fitting = (one for one in self.preprocessors if one.role in alike)
        return sorted(fitting, key=lambda one: one.role != role)

    def new_row(
        self, roles: Sequence[str], rows: Iterable[ControlRow] = (), *, layer: str = ""
    ) -> ControlRow | None:
        """A row for *Add*: the first role that `rows` leave, of `layer` or else of what comes first.

        None where there are no roles or nothing to look at. `layer` is a layer's id, the active one's.
        """
        taken = {row.role for row in rows}
        # A drawing is what most people have at hand.
        ordered = sorted(roles, key=lambda role: (role in taken, role != "line-art"))
        usable = [place for place in self.places if not place.problem] or list(self.places)
        if not ordered or not usable:
            return None
        active = [place for place in usable if layer and place.key == _key("layer", layer)]
        layers = [place for place in usable if place.source.name == "layer"]
        place = (active or layers or usable)[0]
        return self.with_role(self.with_place(ControlRow(role=""), place), ordered[0])

    def with_role(self, row: ControlRow, role: str) -> ControlRow:
        """The row for another role, and with a preprocessor where a layer is no such image yet."""
        offered = [one.name for one in self.preprocessors_for(role)]
        if role in LINES:
            wanted_as_it_is = row.role in LINES and not row.preprocessor
            chosen = "" if wanted_as_it_is or not offered else offered[0]
        else:
            chosen = row.preprocessor if row.preprocessor in offered else ""
        return replace(row, role=role, preprocessor=chosen, model="")

    def with_place(self, row: ControlRow, place: ControlPlace) -> ControlRow:
        """The row for another part of the document."""
        return replace(row, source=place.source.name, choice=place.choice, title=place.title)

    def with_mask(self, row: ControlRow, place: ControlPlace | None) -> ControlRow:
        """The row that counts where `place` covers the document; None: everywhere."""
        if place is None:
            return replace(row, mask_source="", mask_choice="", mask_title="")
        return replace(row, mask_source=place.source.name, mask_choice=place.choice, mask_title=place.title)

    def problem(self, row: ControlRow, model: ModelInfo | None) -> str:
        """Why a row cannot be used with `model` (None: not known yet), as a sentence; "" if it can."""
        if model is not None and (reason := why_no_controls(model)):
            return reason
        roles = roles_of([model]) if model is not None else ()
        if roles and row.role not in roles and not row.model:
            name = (model.title or model.name) if model is not None else ""
            return f"{name} takes no {role_title(row.role).lower()} image: choose {_either(roles)}."
        place = self.place_of(row)
        if place is None:
            what = f"“{row.title}”" if row.title else "What it looked at"
            return f"{what} is gone: choose something else for the {role_title(row.role).lower()} image."
        if place.problem:
            return place.problem
        if row.mask_source and (reason := self._mask_problem(row)):
            return reason
        if not row.start < row.end:
            return "A control must end after it starts: raise its end, or lower its start."
        names = [one.name for one in self.preprocessors]
        if row.preprocessor and names and row.preprocessor not in names:
            return f"There is no preprocessor “{row.preprocessor}” any more: choose another one."
        chosen = next((one for one in self.preprocessors if one.name == row.preprocessor), None)
        if chosen is not None and chosen.problem:
            return chosen.problem
        return ""

    def _mask_problem(self, row: ControlRow) -> str:
        mask = self.mask_of(row)
        if mask is None:
            what = f"“{row.mask_title}”" if row.mask_title else "What it was masked by"
            return f"{what} is gone: choose something else for where this counts, or everywhere."
        return mask.problem

    def attach(self, rows: Iterable[ControlRow]) -> tuple[AttachedControl, ...]:
        """The rows as `Settings.controls` wants them. Raises `InvalidRequest` for one whose place is gone."""
        attached = []
        for number, row in enumerate(rows):
            place = self.place_of(row)
            if place is None:
                wrong = Violation(f"controls[{number}].choice", "is nothing that this document has")
                raise InvalidRequest(self.problem(row, None), violations=[wrong])
            mask = self.mask_of(row)
            if row.mask_source and mask is None:
                wrong = Violation(f"controls[{number}].mask_choice", "is nothing that this document has")
                raise InvalidRequest(self._mask_problem(row), violations=[wrong])
            attached.append(
                AttachedControl(
                    source=place.source,
                    role=row.role,
                    choice=row.choice,
                    strength=row.strength,
                    start=row.start,
                    end=row.end,
                    model=row.model,
                    preprocessor=row.preprocessor,
                    parameters=row.parameters,
                    mask=AttachedMask(mask.source, mask.choice) if mask is not None else None,
                )
            )
        return tuple(attached)


def control_offers(
    adapter: HostAdapter,
    sources: Iterable[ControlSource],
    preprocessors: Iterable[PreprocessorInfo] = (),
    *,
    selected: Callable[[], bool] | None = None,
) -> ControlOffers:
    """What the active document has to show; call it on the main thread.

    Costs what `list_layers` and `selection_bounds` cost; `selected` is asked instead of the latter. `sources`
    are those of `Extensions.control_sources_for`; one that fails is left out, and the log says why.
    """
    try:
        document = adapter.canvas().document_id
    except UnderpaintError:
        document = ""
    places: list[ControlPlace] = []
    for source in sources:
        try:
            titles = source.choices(adapter, document) if source.choices is not None else {"": source.title}
        except UnderpaintError:
            continue  # it has nothing to show here: no document, for one
        except Exception:  # noqa: BLE001 - one plug-in's fault does not take away what others offer
            _log.exception("control source %s", source.name)
            continue
        problem = missing(source, adapter, selected=selected)
        places += [ControlPlace(source, choice, title, problem) for choice, title in titles.items()]
    return ControlOffers(tuple(places), tuple(preprocessors))


def roles_of(models: Iterable[ModelInfo | None]) -> tuple[str, ...]:
    """Roles of control images that any of these models takes, each once."""
    found = (one.role for model in models if model is not None for one in model.controls)
    return tuple(dict.fromkeys(found))


def control_models_for(models: Iterable[ModelInfo | None], role: str) -> tuple[str, ...]:
    """Control models that know a role, of any of these models, the default first, each once."""
    found = (
        name
        for model in models
        if model is not None
        for one in model.controls
        if one.role == role
        for name in one.models
    )
    return tuple(dict.fromkeys(found))


def why_no_controls(model: ModelInfo) -> str:
    """Why a model takes no control images at all, as a sentence; "" if it takes some."""
    if model.controls:
        return ""
    return (
        f"{model.title or model.name} takes no control images: choose another model, or put a control model "
        "for it into a model folder (underpaint models controls)."
    )


def role_title(role: str) -> str:
    """A role for a list: "Line art" for "line-art"."""
    return role.replace("-", " ").capitalize()


def place_named(places: Iterable[ControlPlace], source: str, choice: str) -> ControlPlace | None:
    """The place of that source and choice; None if there is none."""
    wanted = _key(source, choice)
    return next((place for place in places if place.key == wanted), None)


def _key(source: str, choice: str) -> str:
    return f"{source}/{choice}"


def _either(roles: Sequence[str]) -> str:
    *rest, last = (role_title(role).lower() for role in roles)
    return f"{', '.join(rest)} or {last}" if rest else last
