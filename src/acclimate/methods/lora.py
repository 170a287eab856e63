"""LoRA (Hu et al. 2022) and DoRA (Liu et al. 2024) by the peft library: low-rank changes of linear layers.

::

    W x + (alpha / rank) B A x        A: [rank, in], B: [out, rank], which starts at 0

DoRA learns the length of each row of the changed matrix beside its direction. Both merge into the layers they change.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt
from safetensors.torch import load_file, save_file
from torch import nn

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import Method, counted, open_groups
from acclimate.model.surgery import freeze_all

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from acclimate.model.encoder import Encoder

_NAME = "default"  # of the one adapter, as peft calls it
_TENSORS = "adapter_model.safetensors"
_LENGTHS = ".lora_magnitude_vector"  # DoRA's; a tensor without ".weight" in peft's file


class LoRA(Method):
    """Changes of ``rank`` to the linear layers of the top ``layers`` blocks, times ``alpha / rank``."""

    kind: Literal["lora"] = "lora"
    rank: PositiveInt = 16
    alpha: PositiveFloat = 32.0
    dora: bool = False
    layers: PositiveInt | Literal["all"] = "all"

    summary: ClassVar[str] = "low-rank changes of the linear layers train; they merge into the weights"
    default_lr: ClassVar[float] = 1e-3

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        peft = _peft()
        _unwrap(encoder, merge=False)
        freeze_all(encoder)
        peft.inject_adapter_in_model(self.peft_config(encoder), encoder.backbone, adapter_name=_NAME)
        added = {name: p for name, p in encoder.named_parameters() if ".lora_" in name}
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_(name in added)
        return open_groups("lora", added)

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
        return {_own_name(name): tensor for name, tensor in load_file(folder / _TENSORS).items()}

    def peft_config(self, encoder: "Encoder") -> Any:
        """The settings as peft knows them."""
        blocks = encoder.blocks()
        top = blocks[-counted(self.layers, len(blocks)) :]
        chosen = {id(m) for _, block in top for m in block.modules() if isinstance(m, nn.Linear)}
        names = [name for name, module in encoder.backbone.named_modules() if id(module) in chosen]
        if not names:
            problem = f"the blocks of this {encoder.backbone.config.model_type} model have no linear layers"
            raise UsageError(problem, "take --method last_layers or full")
        return _peft().LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            use_dora=self.dora,
            target_modules=names,
            lora_dropout=0.0,
            task_type="FEATURE_EXTRACTION",
        )


def _name_in_peft(name: str) -> str:
    """``backbone.X.lora_A.default.weight`` -> ``base_model.model.X.lora_A.weight``."""
    shorter = "base_model.model." + name.removeprefix("backbone.").replace(f".{_NAME}", "")
    return shorter.removesuffix(".weight") if _LENGTHS in shorter else shorter


def _own_name(name: str) -> str:
    """The inverse of `_name_in_peft`."""
    module, _, _ = name.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".lora_")
    part = name.removesuffix(".weight").rpartition(".")[2]
    return f"backbone.{module}.{part}.{_NAME}.weight"


def _peft() -> Any:
    try:
        import peft
    except ImportError:
        raise UsageError("method lora needs the peft library", "pip install 'acclimate[peft]'") from None
    return peft


def _unwrap(encoder: "Encoder", *, merge: bool) -> None:
    """Puts the linear layers back in their places, with the changes added to their weights or without them."""
    layers = _peft().tuners.tuners_utils.BaseTunerLayer
    for module in list(encoder.backbone.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, layers):
                if merge:
                    child.merge(safe_merge=True)
                setattr(module, name, child.get_base_layer())
    vars(encoder.backbone).pop("peft_config", None)  # peft would take the next change for a second one
