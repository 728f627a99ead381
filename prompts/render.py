"""Turns typed context into the text of a request. A template of one's own folder replaces the one shipped."""

from pathlib import Path

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
)

from prompts.context import ProposalContext, RepairContext
from replay.errors import AutoTTSError


class PromptError(AutoTTSError):
    """A template is missing, malformed, or asks for something that the context does not hold."""


class Renderer:
    """Renders the project's templates, or those of a folder where it has them."""

    def __init__(self, folder: Path | None = None) -> None:
        """Looks for templates in `folder` first, then among those shipped.

        Raises:
            PromptError: If the folder does not exist.
        """
        if folder is not None and not folder.is_dir():
            raise PromptError(f"{folder} is not a folder of templates", hint="give one with files such as advice.j2")
        loaders: list[BaseLoader] = [FileSystemLoader(folder)] if folder else []
        self._environment = Environment(
            loader=ChoiceLoader([*loaders, PackageLoader("prompts")]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            keep_trailing_newline=False,
        )
        self._environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
        self._environment.filters["thousands"] = lambda tokens: f"{tokens / 1000:.0f}k"

    def system(self, context: ProposalContext) -> str:
        """The instructions that stand before every request of a run."""
        return self._render("system.j2", context)

    def proposal(self, context: ProposalContext) -> str:
        """The request for one controller."""
        return self._render("proposal.j2", context)

    def repair(self, context: RepairContext) -> str:
        """The request to repair a controller that was refused."""
        return self._render("repair.j2", context)

    def _render(self, name: str, context: ProposalContext | RepairContext) -> str:
        try:
            return self._environment.get_template(name).render(it=context)
        except TemplateError as error:
            raise PromptError(f"the template {name} can't be rendered: {error}", hint="mend or remove it") from error
