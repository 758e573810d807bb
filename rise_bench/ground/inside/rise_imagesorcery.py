"""Runs inside the sandbox: starts imagesorcery-mcp in its home, for it wants to write beside its own code."""

import importlib
import logging
import os
import sys
import types

PACKAGE = "imagesorcery_mcp"


def main() -> None:
    """Become the server, with a logger on standard error and the working folder as it is."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    stand_in = types.ModuleType(f"{PACKAGE}.logging_config")
    vars(stand_in)["logger"] = logging.getLogger("imagesorcery")
    sys.modules[stand_in.__name__] = stand_in
    chdir, os.chdir = os.chdir, lambda path: None
    server = importlib.import_module(PACKAGE)
    os.chdir = chdir
    # Else the first call, whatever it is, writes the file of settings.
    importlib.import_module(f"{PACKAGE}.config").get_config_manager()
    server.main()


if __name__ == "__main__":
    main()
