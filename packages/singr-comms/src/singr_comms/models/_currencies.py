"""Currencies that people pay in, and how many decimals each has (ISO 4217)."""

from typing import Final

_WHOLE: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THOUSANDTHS: Final = "BHD IQD JOD KWD LYD OMR TND"
# ANG and BGN ended in 2025 and 2026: what was paid in them is still told, and paid back.
_HUNDREDTHS: Final = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP
    CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR
    JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN
    NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
    SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_UNITS: Final = "(?:0|[1-9][0-9]{0,8})"


def _of(currencies: str, decimals: str) -> str:
    return f"(?:{'|'.join(currencies.split())}) {_UNITS}{decimals}"


AMOUNT_PATTERN: Final = "|".join(
    (
        _of(_WHOLE, ""),
        _of(_HUNDREDTHS, r"(?:\.[0-9]{1,2})?"),
        _of(_THOUSANDTHS, r"(?:\.[0-9]{1,3})?"),
    )
)
"""A currency's code, a space and an amount, with no more decimals than the currency has."""

_DECIMALS: Final = {
    **dict.fromkeys(_WHOLE.split(), 0),
    **dict.fromkeys(_HUNDREDTHS.split(), 2),
    **dict.fromkeys(_THOUSANDTHS.split(), 3),
}


def decimals_of(currency: str) -> int | None:
    """How many decimals amounts of a currency have; None where there is no such currency."""
    return _DECIMALS.get(currency)
