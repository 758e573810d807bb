"""Requests and replies for chains, by phrasebooks, people or a model; twins without a value or a tool; what is read back."""
