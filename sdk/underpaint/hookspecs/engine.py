"""The hooks of the daemon and its workers, entry point group `underpaint.engine`.

The daemon calls each hook once, when it first needs plug-ins, in a background thread; workers import only
what a job names. Nothing heavy may be imported by a plug-in's module itself: name it as "module:callable".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from underpaint.hookspecs.families import FamilyDescriptor
from underpaint.hookspecs.markers import hookspec
from underpaint.hookspecs.processors import PostprocessorDescriptor, PreprocessorDescriptor
from underpaint.hookspecs.safety import SafetyFilter


class EngineSpecs:
    """Hooks of the daemon and its workers."""

    @hookspec
    def underpaint_families(self) -> Sequence[FamilyDescriptor]:
        """Model families to add.

        Example:
            >>> from underpaint.hookspecs import FamilyDescriptor, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def underpaint_families(self):
            ...         return [FamilyDescriptor(
            ...             name="mine", title="My family", engine="my_package.engine:Mine",
            ...             schedulers=("euler",), recognise=lambda folder, index: None)]
            >>> Plugin().underpaint_families()[0].name
            'mine'
        """
        raise NotImplementedError

    @hookspec
    def underpaint_model_roots(self) -> Sequence[Path]:
        """Folders in which models lie, each model a subfolder: how a package brings models.

        Asked unless the setting `installed_models` says no. Folders of the setting `model_roots` go first;
        where two roots have a model of one name, the earlier root wins. Names must be absolute; a folder
        that does not exist yet is looked at again at every listing.

        Example:
            >>> from pathlib import Path
            >>> from underpaint.hookspecs import hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def underpaint_model_roots(self):
            ...         return [Path("/srv/models")]
            >>> [root.name for root in Plugin().underpaint_model_roots()]
            ['models']
        """
        raise NotImplementedError

    @hookspec
    def underpaint_preprocessors(self) -> Sequence[PreprocessorDescriptor]:
        """Functions that make a control image or a mask from a picture.

        Example, the plug-in and the function that a worker runs for it:
            >>> from underpaint.hookspecs import PreprocessorDescriptor, hookimpl
            >>> from underpaint.types import Parameter
            >>> class Plugin:
            ...     @hookimpl
            ...     def underpaint_preprocessors(self):
            ...         return [PreprocessorDescriptor(
            ...             name="dark-parts", title="Dark parts", role="mask",
            ...             engine="my_package.masks:dark_parts",
            ...             parameters=(Parameter(name="below", default=0.2, minimum=0.0, maximum=1.0),))]
            >>> def dark_parts(picture, parameters, check):
            ...     return (picture[..., :3].max(axis=2) < parameters["below"]).astype("float32")
            >>> import numpy
            >>> dark_parts(numpy.zeros((2, 3, 4), "float32"), {"below": 0.2}, lambda: None).shape
            (2, 3)
        """
        raise NotImplementedError

    @hookspec
    def underpaint_postprocessors(self) -> Sequence[PostprocessorDescriptor]:
        """Functions that work on a finished picture when a request names them.

        Example, the plug-in and the function that a worker runs for it:
            >>> from underpaint.hookspecs import PostprocessorDescriptor, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def underpaint_postprocessors(self):
            ...         return [PostprocessorDescriptor(
            ...             name="invert", title="Invert", engine="my_package.effects:invert")]
            >>> def invert(picture, scene):
            ...     return 1.0 - picture
            >>> import numpy
            >>> float(invert(numpy.zeros((1, 1, 3), "float32"), None).min())
            1.0
        """
        raise NotImplementedError

    @hookspec
    def underpaint_safety_filters(self) -> Sequence[SafetyFilter]:
        """Filters that may refuse a request or a picture. Offered here, turned on by settings or policy.

        Example:
            >>> from underpaint.hookspecs import SafetyFilter, hookimpl
            >>> def short_prompts(request, options):
            ...     long = len(str(request["prompt"])) > int(options.get("most", 500))
            ...     return "Say it in fewer words." if long else ""
            >>> class Plugin:
            ...     @hookimpl
            ...     def underpaint_safety_filters(self):
            ...         return [SafetyFilter(name="brevity", title="Brevity", check_request=short_prompts)]
            >>> Plugin().underpaint_safety_filters()[0].check_request({"prompt": "moss"}, {"most": 3})
            'Say it in fewer words.'
        """
        raise NotImplementedError
