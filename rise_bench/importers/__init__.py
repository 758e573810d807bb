"""Other benchmarks' tasks and outputs, and logs of OpenAI-style messages, as records that our scorers judge."""

from rise_bench.importers.agreement import Agreement, Difference, Study, study
from rise_bench.importers.bfcl import import_bfcl
from rise_bench.importers.chat import import_chat
from rise_bench.importers.export import export
from rise_bench.importers.imported import Attempt, Imported
from rise_bench.importers.tau import import_tau

__all__ = [
    "Agreement",
    "Attempt",
    "Difference",
    "Imported",
    "Study",
    "export",
    "import_bfcl",
    "import_chat",
    "import_tau",
    "study",
]
