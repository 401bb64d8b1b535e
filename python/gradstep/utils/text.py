"""Numbers and values as text: the one place that writes them."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

#: For what was not measured.
NOTHING = "\u2013"

# From here on numbers are written as decimals where they are short.
_DECIMAL_FROM = 0.001

#: No line break between a number and its unit.
GAP = "\u00a0"

# What a terminal obeys, and what no encoding has.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]")


def printable(content: str, keep: str = "") -> str:
    r"""Return a text with escapes in place of what a terminal obeys or no encoding has.

    Parameters
    ----------
    content : str
    keep : str
        Such characters that stay, as line ends in a text of several lines.

    >>> printable("a\x1b[31m\udce9"), printable("a\n\t", keep="\n")
    ('a\\x1b[31m\\xe9', 'a\n\\t')
    """
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), content)


def _escape(letter: str) -> str:
    """Return an escape; a byte of a file's name that is no text is a surrogate, and written as that byte."""
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


_ADDRESS = re.compile(" at 0x[0-9a-fA-F]+")


class _Given(reprlib.Repr):
    """Says in short what was given: never an address, and never the thousands of digits of an int."""

    def repr_int(self, value: int, level: int) -> str:
        if abs(value) < 10**self.maxlong:
            return repr(value)
        return f"an int of about {round(value.bit_length() * math.log10(2))} digits"

    def repr_instance(self, value: Any, level: int) -> str:
        try:
            said = repr(value)
        except Exception:
            # Whatever the repr of a user's class does, the message is about something else.
            return f"a {type(value).__name__}"
        said = _ADDRESS.sub("", said)
        half = (self.maxother - len(self.fillvalue)) // 2
        return said if len(said) <= self.maxother else f"{said[:half]}{self.fillvalue}{said[-half - 1 :]}"


_GIVEN = _Given()


def given(value: Any) -> str:
    """Return what a user gave in one short line, for messages; never fails.

    >>> given(0.5), given("adam"), given(list(range(20)))
    ('0.5', "'adam'", '[0, 1, 2, 3, 4, 5, ...]')
    """
    return " ".join(_GIVEN.repr(value).split())


def number(value: float, digits: int = 4, zeros: bool = False) -> str:
    """Return a number with so many digits, whatever its size; zeros at its end stay if wished.

    >>> number(0.123456), number(12345678.0), number(1.5, 3, zeros=True)
    ('0.1235', '1.235e+07', '1.50')
    """
    if math.isnan(value):
        return NOTHING
    return f"{value:#.{digits}g}".rstrip(".") if zeros else f"{value:.{digits}g}"


def decimals(value: float, places: int = 4) -> str:
    """Return a number with so many decimals, or in powers of ten where those say nothing.

    >>> decimals(0.25), decimals(0.00001), decimals(123456.0)
    ('0.2500', '1e-05', '1.23e+05')
    """
    if not math.isfinite(value):
        return NOTHING if math.isnan(value) else str(value)
    small = 10.0 ** (1 - places)
    return f"{value:.{places}f}" if value == 0 or small <= abs(value) < 1000 else f"{value:.3g}"


def percent(share: float, places: int = 2) -> str:
    """Return a share of 1 in percent.

    >>> percent(0.98765)
    '98.77%'
    """
    return f"{100 * share:.{places}f}%" if math.isfinite(share) else NOTHING


def scientific(value: float) -> str:
    """Return a number in powers of ten with one decimal.

    >>> scientific(0.00012)
    '1.2e-04'
    """
    return f"{value:.1e}"


def epochs(value: float) -> str:
    """Return epochs, which are whole but for those within one, and for means over folds.

    >>> epochs(12.0), epochs(29 / 3), epochs(0.05)
    ('12', '9.7', '0.05')
    """
    if not math.isfinite(value):
        return NOTHING
    if value == round(value):
        return str(round(value))
    return f"{value:.1f}" if value >= 1 else number(value, 2)


def count(value: int) -> str:
    """Return a whole number with commas between thousands.

    >>> count(12345)
    '12,345'
    """
    return f"{value:,}"


def duration(seconds: float, gap: str = " ") -> str:
    """Return seconds in the units that people use.

    >>> duration(9.5), duration(95), duration(7260)
    ('9.50 s', '1 min 35 s', '2 h 1 min')
    """
    if seconds < 59.95:
        return f"{seconds:.{2 if seconds < 9.995 else 1}f}{gap}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{gap}h {minutes}{gap}min" if hours else f"{minutes}{gap}min {rest}{gap}s"


def setting(value: Any) -> str:
    """Return a setting in short: numbers without noise, functions by name, never an address.

    >>> setting((50, 20)), setting(0.1), setting(setting)
    ('(50, 20)', '0.1', 'setting')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(setting, value))}{',' * (len(value) == 1)})"
    if hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text


def short(value: Any) -> str:
    """Return a value of a parameter as few characters: at most four digits, layers joined by dashes.

    >>> [short(value) for value in (1e-5, 0.25, 12000.0, (50, 30), (), None, "sigmoid")]
    ['1e-5', '0.25', '12000', '50-30', 'none', 'None', 'sigmoid']
    """
    if isinstance(value, (tuple, list)):
        return "-".join(map(str, value)) or "none"
    if isinstance(value, bool) or not isinstance(value, Real):
        return setting(value)
    given = float(value)
    if given.is_integer() and abs(given) < 1e6:
        return str(int(given))
    if _DECIMAL_FROM <= abs(given) < 1e6 or not math.isfinite(given):
        return number(given)
    return _power(given)


def _power(value: float) -> str:
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def alike(values: Sequence[Any]) -> list[str]:
    """Return values as `short` does, but those below 1 all as decimals or all in powers of ten.

    >>> alike([0, 1e-4, 0.001, 0.01, 1]), alike([0.001, 0.01, 0.5])
    (['0', '1e-4', '1e-3', '1e-2', '1'], ['0.001', '0.01', '0.5'])
    """
    small = [abs(value) for value in values if _is_small(value)]
    are_powers = bool(small) and min(small) < _DECIMAL_FROM
    return [_power(value) if are_powers and _is_small(value) else short(value) for value in values]


def _is_small(value: Any) -> bool:
    return isinstance(value, Real) and 0 < abs(float(value)) < 1


def aligned(lines: Sequence[Sequence[str]], left: Sequence[bool] = ()) -> str:
    """Return rows of cells as lines whose columns are aligned: to the right, or to the left where said.

    >>> print(aligned([["name", "n"], ["a", "10"]], left=[True]))
    name   n
    a     10
    """
    lines = [[printable(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = [*left, *(False,) * (len(widths) - len(left))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(line, widths, sides, strict=True)
        ).rstrip()
        for line in lines
    )
