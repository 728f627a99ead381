"""Amounts of dollars on the command line, read exactly."""

from decimal import Decimal, InvalidOperation
from typing import Any

import click


class DollarType(click.ParamType[Decimal]):
    """An amount of 0 or more."""

    name = "USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Reads the amount exactly."""
        try:
            amount = Decimal(str(value).removeprefix("$"))
        except InvalidOperation:
            amount = Decimal(-1)
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is not an amount of dollars, such as 5 or 0.50", param, ctx)
        return amount


USD = DollarType()
