"""Prices of the shop."""

from decimal import Decimal

VAT = Decimal("0.16")


def net_price(gross: Decimal) -> Decimal:
    """The price without tax."""
    return gross / (1 + VAT)
