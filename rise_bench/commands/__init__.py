"""One file a command: parse, one call, print. Each is imported only when its command is called."""
