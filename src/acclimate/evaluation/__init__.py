"""Plain functions: arrays in, metrics by name out. Knows no model, no training and no file format."""

from acclimate.evaluation.article import evaluate_embeddings
from acclimate.evaluation.gate import Verdict, judge, passes
from acclimate.evaluation.outcome import GeneralOutcome, Outcome
from acclimate.evaluation.suite import Encode, compare, compare_general, evaluate, evaluate_general
from acclimate.evaluation.tasks import ClassificationTask, LabelMatchingTask, RetrievalTask, SimilarityTask, Task

__all__ = [
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
    "judge",
    "passes",
]
