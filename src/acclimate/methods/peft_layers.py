"""Methods of the peft library: its layers take the place of linear ones, are saved in its files, and merge."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from safetensors.torch import load_file, save_file
from torch import nn

from acclimate.core.errors import UsageError
from acclimate.methods.base import Method
from acclimate.model.bottleneck import refuse_bottlenecks
from acclimate.model.surgery import freeze_all

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import Tensor
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder

_NAME = "default"  # of the one adapter, as peft calls it
_TENSORS = "adapter_model.safetensors"
_LENGTHS = ".lora_magnitude_vector"  # DoRA's; a tensor without ".weight" in peft's file


class PeftMethod(Method):
    """What the methods of that library share. Each says which layers it changes, by ``peft_config``."""

    #: What the names of the added parameters have in them.
    marker: ClassVar[str]
    #: What they end with, after the name of the adapter.
    ending: ClassVar[str]

    @abstractmethod
    def peft_config(self, encoder: "Encoder") -> Any:
        """The settings as peft knows them.

        Raises:
            UsageError: an encoder that has no layers to change.
        """

    def inject(self, encoder: "Encoder") -> "dict[str, Parameter]":
        """Puts peft's layers in place, those of an earlier call taken out; returns their parameters, and opens them."""
        peft = peft_library(self.kind)
        refuse_bottlenecks(encoder, f"method {self.kind}")
        _unwrap(encoder, merge=False)
        freeze_all(encoder)
        peft.inject_adapter_in_model(self.peft_config(encoder), encoder.backbone, adapter_name=_NAME)
        added = {name: p for name, p in encoder.named_parameters() if self.marker in name}
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_(name in added)
        return added

    def fold(self, encoder: "Encoder") -> None:
        """See `Method.fold`."""
        _unwrap(encoder, merge=True)

    def write_tensors(self, tensors: "dict[str, Tensor]", folder: "Path", encoder: "Encoder", base: str) -> None:
        """In peft's own two files, which ``peft.PeftModel.from_pretrained`` reads on the base's backbone."""
        save_file({_name_in_peft(name): tensor for name, tensor in tensors.items()}, folder / _TENSORS)
        config = encoder.backbone.peft_config[_NAME]
        config.base_model_name_or_path, config.inference_mode = base, True
        config.save_pretrained(folder)

    def read_tensors(self, folder: "Path") -> "dict[str, Tensor]":
        """See `Method.read_tensors`."""
        return {self._own_name(name): tensor for name, tensor in load_file(folder / _TENSORS).items()}

    def _own_name(self, name: str) -> str:
        """The inverse of `_name_in_peft`."""
        stem = name.removeprefix("base_model.model.").removesuffix(".weight")
        return f"backbone.{stem}.{_NAME}{self.ending}"


def peft_library(method: str) -> Any:
    """The library.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import peft
    except ImportError:
        raise UsageError(f"method {method} needs the peft library", "pip install 'acclimate[peft]'") from None
    return peft


def names_of(encoder: "Encoder", layers: "Iterable[nn.Module]") -> list[str]:
    """What the backbone calls its layers."""
    chosen = {id(layer) for layer in layers}
    return [name for name, module in encoder.backbone.named_modules() if id(module) in chosen]


def _name_in_peft(name: str) -> str:
    """``backbone.X.lora_A.default.weight`` -> ``base_model.model.X.lora_A.weight``."""
    shorter = "base_model.model." + name.removeprefix("backbone.").replace(f".{_NAME}", "")
    return shorter.removesuffix(".weight") if _LENGTHS in shorter else shorter


def _unwrap(encoder: "Encoder", *, merge: bool) -> None:
    """Puts the linear layers back in their places, with the changes added to their weights or without them."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in list(encoder.backbone.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, BaseTunerLayer):
                if merge:
                    child.merge(safe_merge=True)
                setattr(module, name, child.get_base_layer())
    vars(encoder.backbone).pop("peft_config", None)  # peft would take the next change for a second one
