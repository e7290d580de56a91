# SPDX-License-Identifier: GPL-3.0-or-later
"""Model, seed and steps, and the fields that are needed less often."""

from __future__ import annotations

from underpaint.host import preset_tooltip, presets_for
from underpaint.types import ModelInfo

from .controller import Controller
from .lorarows import LorasSection
from .qt import Qt, QtWidgets
from .widgets import PromptEdit, SeedEdit, narrow

_AUTO_GUIDANCE = -0.5
"""The field's lowest value, which reads "auto"."""


class Details(QtWidgets.QWidget):  # type: ignore[misc]  # Qt's classes have no types here
    """A form; what it says is kept as it is typed."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        choices = controller.choices
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.model = narrow(QtWidgets.QComboBox())
        self.model.currentIndexChanged.connect(self._on_model)
        self.seed = SeedEdit(choices.seed)
        self.seed.changed.connect(lambda text: controller.choose(seed=text))
        self.steps = QtWidgets.QSpinBox()
        self.steps.setRange(0, 1000)
        self.steps.setValue(choices.steps)
        self.steps.setToolTip("More steps take longer and show more detail")
        self.steps.valueChanged.connect(lambda value: controller.choose(steps=value))
        self.preset = narrow(QtWidgets.QComboBox())
        self.preset.activated.connect(lambda: controller.choose(preset=self.preset.currentData() or ""))
        column.addLayout(
            _form(("Model", self.model), ("Preset", self.preset), ("Seed", self.seed), ("Steps", self.steps))
        )
        self.loras = LorasSection(controller)
        column.addWidget(self.loras)
        self.fold = QtWidgets.QToolButton()
        self.fold.setText("More")
        self.fold.setAutoRaise(True)
        self.fold.setCheckable(True)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.toggled.connect(self._on_fold)
        column.addWidget(self.fold)
        self.negative = PromptEdit("What shall not be there", 2)
        self.negative.setPlainText(choices.negative)
        self.negative.textChanged.connect(lambda: controller.choose(negative=self.negative.toPlainText()))
        self.guidance = QtWidgets.QDoubleSpinBox()
        self.guidance.setRange(_AUTO_GUIDANCE, 100.0)
        self.guidance.setSingleStep(0.5)
        self.guidance.setDecimals(1)
        self.guidance.setValue(choices.guidance if choices.guidance >= 0 else _AUTO_GUIDANCE)
        self.guidance.setToolTip("How closely the words are followed")
        self.guidance.valueChanged.connect(
            lambda value: controller.choose(guidance=value if value >= 0 else -1.0)
        )
        self.scheduler = narrow(QtWidgets.QComboBox())
        self.scheduler.currentIndexChanged.connect(self._on_scheduler)
        self._folded = QtWidgets.QWidget()
        self._folded.setLayout(
            _form(("Avoid", self.negative), ("Guidance", self.guidance), ("Scheduler", self.scheduler))
        )
        column.addWidget(self._folded)
        self.fold.setChecked(choices.details)
        self._on_fold(choices.details)
        controller.models_changed.connect(self.list_models)
        controller.changed.connect(self._on_changed)
        self.list_models()
        self.loras.update_state()

    def list_models(self) -> None:
        """Fills the list of models, and what depends on the one that is chosen."""
        models = self._controller.models
        chosen = self._controller.choices.model
        self.model.blockSignals(True)
        self.model.clear()
        default = models.get(models.default_model) if models else None
        self.model.addItem(f"Automatic ({_name(default)})" if default else "Automatic", "")
        for info in models.models if models else ():
            self.model.addItem(_name(info), info.name)
            facts = [info.problem or info.family, info.license, info.path]
            row = self.model.count() - 1
            self.model.setItemData(
                row, "\n".join(fact for fact in facts if fact), Qt.ItemDataRole.ToolTipRole
            )
        if chosen and self.model.findData(chosen) < 0:
            self.model.addItem(chosen if models is None else f"{chosen} (not found)", chosen)
        self.model.setCurrentIndex(max(0, self.model.findData(chosen)))
        self.model.blockSignals(False)
        self._list_schedulers()
        self._list_presets()

    def _list_presets(self) -> None:
        info, chosen = self._controller.model(), self._controller.choices.preset
        self.preset.clear()
        self.preset.addItem("none", "")
        self.preset.setToolTip("Steps, guidance, scheduler and LoRA that belong together, for few steps")
        for one in presets_for(info):
            self.preset.addItem(one.title or one.name, one.name)
            row = self.preset.count() - 1
            self.preset.setItemData(row, preset_tooltip(one), Qt.ItemDataRole.ToolTipRole)
            # Greyed out with its reason: what is missing and where it comes from.
            self.preset.model().item(row).setEnabled(not one.problem)
        if chosen and self.preset.findData(chosen) < 0:
            self.preset.addItem(f"{chosen} (not found)" if info is not None else chosen, chosen)
        self.preset.setCurrentIndex(max(0, self.preset.findData(chosen)))

    def _list_schedulers(self) -> None:
        info, chosen = self._controller.model(), self._controller.choices.scheduler
        self.steps.setSpecialValueText(f"auto ({info.default_steps})" if info else "auto")
        self.guidance.setSpecialValueText(f"auto ({info.default_guidance_scale:g})" if info else "auto")
        self.scheduler.blockSignals(True)
        self.scheduler.clear()
        default = info.default_scheduler if info else ""
        self.scheduler.addItem(f"auto ({default})" if default else "auto", "")
        for name in info.schedulers if info else ():
            self.scheduler.addItem(name, name)
        if chosen and self.scheduler.findData(chosen) < 0:
            self.scheduler.addItem(chosen, chosen)
        self.scheduler.setCurrentIndex(max(0, self.scheduler.findData(chosen)))
        self.scheduler.blockSignals(False)

    def _on_model(self) -> None:
        self._controller.choose(model=self.model.currentData() or "")
        self._list_schedulers()
        self._list_presets()

    def _on_scheduler(self) -> None:
        self._controller.choose(scheduler=self.scheduler.currentData() or "")

    def _on_fold(self, unfolded: bool) -> None:
        self._folded.setVisible(unfolded)
        self.fold.setArrowType(Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow)
        self._controller.choose(details=unfolded)

    def _on_changed(self) -> None:
        """Shows what was chosen elsewhere: in another window's docker, or by *Keep seed*."""
        choices = self._controller.choices
        if self.seed.edit.text() != choices.seed:
            self.seed.edit.setText(choices.seed)
        if self.negative.toPlainText() != choices.negative:
            self.negative.setPlainText(choices.negative)
        self.steps.setValue(choices.steps)
        self.guidance.setValue(choices.guidance if choices.guidance >= 0 else _AUTO_GUIDANCE)
        self.fold.setChecked(choices.details)
        self.loras.update_state()
        for combo, chosen in (
            (self.model, choices.model),
            (self.preset, choices.preset),
            (self.scheduler, choices.scheduler),
        ):
            row = combo.findData(chosen)
            if row >= 0:
                combo.setCurrentIndex(row)


def _name(info: ModelInfo) -> str:
    return info.title or info.name


def _form(*rows: tuple[str, QtWidgets.QWidget]) -> QtWidgets.QFormLayout:
    form = QtWidgets.QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setSpacing(4)
    form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for text, widget in rows:
        form.addRow(text, widget)
    return form
