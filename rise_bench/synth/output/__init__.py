"""What comes out: suites, training rows, pairs."""
