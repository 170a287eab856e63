"""Parts of an encoder that no standard module can say, saved so that no other reader takes the rest for the whole."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from acclimate.core.errors import UsageError
from acclimate.core.specs import Spec

if TYPE_CHECKING:
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder


class Extension(Spec):
    """The settings of such parts, from which they are built again when a folder is read.

    What they add lies in the encoder's own modules under names of its own, and what the encoder had keeps its names:
    then the folder holds the backbone as it is, and beside it ``parameters``.
    """

    @abstractmethod
    def insert(self, encoder: "Encoder") -> None:
        """Adds the parts, in place.

        Raises:
            UsageError: an encoder that has no place for them.
        """

    @abstractmethod
    def parameters(self, encoder: "Encoder") -> "dict[str, Parameter]":
        """Their parameters, by the names that the encoder gives them."""


def extend(encoder: "Encoder", extension: Extension) -> "dict[str, Parameter]":
    """Adds an extension, unless the encoder has this very one already: then it stays as it was trained.

    Returns:
        its parameters by name.

    Raises:
        UsageError: the encoder has one of the same kind with other settings.
    """
    for other in encoder.extensions:
        if other.kind == extension.kind and other != extension:
            settings = ", ".join(f"{name}={value}" for name, value in other.model_dump(exclude={"kind"}).items())
            problem = f"the base has a {other.kind} of its own with {settings}"
            raise UsageError(problem, "train that one with the same settings, or take the base that it was made from")
    if extension not in encoder.extensions:
        extension.insert(encoder)
        encoder.extensions.append(extension)
    return extension.parameters(encoder)
