"""Prices of the shop."""

VAT = 0.07


def gross(net: float) -> float:
    """The price with tax."""
    return round(net * (1 + VAT), 2)


def discount(price: float, percent: int) -> float:
    """The price after a discount."""
    return round(price * (100 - percent) / 100, 2)
