"""Prints the price list."""

from shop.prices import PriceList


def report(prices: PriceList) -> None:
    """Print every item."""
    for item in prices.prices:
        print(item, prices.price(item))
