"""A cross-encoder that the user names: a model that reads query and document together and says how well they fit."""

import importlib
import importlib.util
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from acclimate.core.errors import UsageError

_PAIRS = 32  # read together


def load_cross_encoder(name: str, device: str) -> Callable[[Sequence[tuple[str, str]]], NDArray[np.float32]]:
    """What scores pairs of query and document [P], as the model's own settings say (most often from 0 to 1).

    Args:
        name: a folder, or an id of the hub. Weights are read from safetensors alone, and no code of the model's runs.
        device: where it computes.

    Raises:
        UsageError: sentence-transformers is not installed, or there is no such model, or it gives several scores.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        problem = "data.mining kind cross_encoder needs sentence-transformers, which is not installed"
        raise UsageError(problem, "pip install 'acclimate[st]', or take kind base")
    # By name: Acclimate works without it, and no other file may come to depend on it.
    library = importlib.import_module("sentence_transformers")
    try:
        model = library.CrossEncoder(
            name, device=device, trust_remote_code=False, model_kwargs={"use_safetensors": True}
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        remedy = "name a folder or a hub id of a cross-encoder with safetensors"
        raise UsageError(f"data.mining.model={name!r} cannot be read: {reason}", remedy) from None
    if model.num_labels != 1:
        problem = f"data.mining.model={name!r} gives {model.num_labels} scores a pair"
        raise UsageError(problem, "name a cross-encoder that gives one: how well two texts fit")

    def score(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        found = model.predict(list(pairs), batch_size=_PAIRS, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(found, np.float32)

    return score
