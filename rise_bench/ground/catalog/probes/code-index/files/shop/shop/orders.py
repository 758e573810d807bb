"""Orders of the shop."""

from dataclasses import dataclass

from shop.prices import discount, gross


@dataclass
class Order:
    """One order of a customer."""

    number: int
    customer: str
    net: float
    member: bool = False

    def total(self) -> float:
        """What the customer pays; members of the reading circle get ten percent off."""
        price = gross(self.net)
        return discount(price, 10) if self.member else price
