"""Chains of verified calls, composed or written by people, and run as a whole."""
