"""Plain functions: arrays in, metrics by name out. Knows no model, no training and no file format."""

from acclimate.evaluation.article import evaluate_embeddings
from acclimate.evaluation.gate import Verdict, judge, passes
from acclimate.evaluation.outcome import GeneralOutcome, Outcome
from acclimate.evaluation.suite import (
    MEAN,
    Encode,
    compare,
    compare_general,
    evaluate,
    evaluate_general,
    evaluate_together,
)
from acclimate.evaluation.tasks import ClassificationTask, LabelMatchingTask, RetrievalTask, SimilarityTask, Task

__all__ = [
    "MEAN",
    "ClassificationTask",
    "Encode",
    "GeneralOutcome",
    "LabelMatchingTask",
    "Outcome",
    "RetrievalTask",
    "SimilarityTask",
    "Task",
    "Verdict",
    "compare",
    "compare_general",
    "evaluate",
    "evaluate_embeddings",
    "evaluate_general",
    "evaluate_together",
    "judge",
    "passes",
]
