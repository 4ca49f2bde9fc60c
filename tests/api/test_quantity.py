"""Quantities are exact, and written as upstream writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api import quantity
from podling.api.quantity import BadQuantity, Quantity, canonical, parse


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0", "0"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("+1.", "1"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1000", "1k"),
        ("1234", "1234"),
        ("-1.5", "-1500m"),
        ("100000000", "100M"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1025Ki", "1025Ki"),
        ("0.5Ki", "512"),
        ("0.1Ki", "102400m"),
        ("1e3", "1e3"),
        ("12e4", "120e3"),
        ("16e0", "16"),
        ("1E", "1E"),
        ("1n", "1n"),
        ("0.1n", "1n"),
    ],
)
def test_a_quantity_has_one_canonical_text(text: str, written: str) -> None:
    assert canonical(text) == written


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", quantity.WRONG_FORMAT),
        ("abc", quantity.WRONG_FORMAT),
        ("1 Gi", quantity.WRONG_FORMAT),
        ("1.2.3", quantity.WRONG_FORMAT),
        ("--1", quantity.WRONG_FORMAT),
        ("1x", quantity.WRONG_FORMAT),
        ("10mm", quantity.WRONG_SUFFIX),
        ("1e", quantity.WRONG_SUFFIX),
        ("1Gi3", quantity.WRONG_SUFFIX),
        ("1e999999", quantity.WRONG_NUMBER),
    ],
)
def test_what_is_no_quantity_is_refused_in_upstreams_words(text: str, says: str) -> None:
    with pytest.raises(BadQuantity) as caught:
        parse(text)
    assert str(caught.value) == says


def test_amounts_compare_however_they_are_written() -> None:
    assert parse("1Gi") == parse("1024Mi") == parse("1073741824")
    assert parse("100m") < parse("0.2") <= parse("200m")
    assert len({parse("1"), parse("1000m")}) == 1


def test_whole_units_and_thousandths_are_rounded_up() -> None:
    assert (parse("100m").value, parse("1500m").value, parse("0.1Ki").value) == (1, 2, 103)
    assert (parse("0.0001").milli, parse("250m").milli, parse("2").milli) == (1, 250, 2000)


def test_sums_keep_the_way_of_writing_of_the_first() -> None:
    assert str(parse("1Gi") + parse("1Gi")) == "2Gi"
    assert str(quantity.ZERO + parse("1Gi")) == "1Gi"
    assert str(parse("1") - parse("250m")) == "750m"
    assert str(-parse("1k")) == "-1k"


def test_numbers_are_quantities_too() -> None:
    assert (str(quantity.of(0.5)), str(quantity.of(2)), str(quantity.of("2"))) == ("500m", "2", "2")


@given(
    st.integers(min_value=-(10**20), max_value=10**20), st.sampled_from(["DecimalSI", "BinarySI", "DecimalExponent"])
)
def test_the_canonical_text_means_the_same_amount(nano: int, form: quantity.Format) -> None:
    amount = Quantity(nano, form)
    assert parse(str(amount)) == amount
    assert canonical(str(amount)) == str(amount)
