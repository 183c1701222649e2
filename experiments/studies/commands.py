"""Command line of the studies: `python -m experiments study NAME`."""

import importlib
from collections.abc import Sequence

from experiments.errors import UserError

# Name -> module with `main(arguments)`, and what it asks.
STUDIES = {
    "batch_size": ("experiments.studies.batch_size", "which macro F1 loss survives small batches"),
    "simulated": ("experiments.studies.simulated", "how far losses end from the best possible F1"),
}


def main(arguments: Sequence[str]) -> None:
    """Runs one study.

    Raises:
      UserError: an unknown study.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m experiments study NAME [--help] [options]\n\nstudies:")
        for name, (_, help_text) in STUDIES.items():
            print(f"  {name:12} {help_text}")
        print("\nexample: python -m experiments study batch_size --quick")
        return
    name, *rest = arguments
    if name not in STUDIES:
        raise UserError(f"unknown study {name!r}; known: {', '.join(STUDIES)}")
    importlib.import_module(STUDIES[name][0]).main(rest)
