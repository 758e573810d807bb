"""Prices of the shop."""

from decimal import Decimal
from typing import Protocol

__all__ = ["PriceList", "gross_price", "net_price"]

VAT: Decimal = Decimal("0.19")


def net_price(gross: Decimal, rate: Decimal = VAT) -> Decimal:
    """The price without tax.

    Args:
        gross: price with tax.
        rate: tax rate, 0.19 for 19 percent.

    Returns:
        The net price, rounded to cents.
    """
    return (gross / (1 + rate)).quantize(Decimal("0.01"))


def gross_price(net: Decimal, rate: Decimal = VAT) -> Decimal:
    """The price with tax."""
    return (net * (1 + rate)).quantize(Decimal("0.01"))


class Source(Protocol):
    """Where prices come from."""

    def price(self, item: str) -> Decimal: ...


class PriceList(Source):
    """Prices by item."""

    def __init__(self, prices: dict[str, Decimal], discounts: dict[str, Decimal] = {}) -> None:
        self.prices = prices
        self.discounts = discounts

    def price(self, item: str) -> Decimal:
        try:
            return gross_price(self.prices[item] - self.discounts.get(item, Decimal(0)))
        except Exception:
            return Decimal(0)


def _unused(item: str) -> str:
    return item.upper()
