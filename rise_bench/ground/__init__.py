"""Servers, sandboxes and what happens in them: install, launch, call, read the state; live and replayed."""
