"""QR codes for authenticator apps, made here: a provisioning address holds a secret that no other service may see."""

import io
from typing import Final

from singr_config.extras import extra

with extra("singr-auth", "qr"):
    import segno


_BORDER: Final = 4  # modules of quiet zone, as ISO/IEC 18004 asks
_PIXELS: Final = 6  # per module


def qr_svg(uri: str) -> str:
    """Return an SVG document that shows `uri`: black on white, to scale, without script, style or text.

    Raises:
        ValueError: `uri` is longer than a QR code holds.
    """
    code, target = _code(uri), io.BytesIO()
    code.save(target, kind="svg", border=_BORDER, scale=_PIXELS, dark="#000", light="#fff", xmldecl=False, nl=False)
    return target.getvalue().decode()


def qr_png(uri: str) -> bytes:
    """Return a PNG image that shows `uri`, six pixels a module.

    Raises:
        ValueError: `uri` is longer than a QR code holds.
    """
    code, target = _code(uri), io.BytesIO()
    code.save(target, kind="png", border=_BORDER, scale=_PIXELS, dark="#000", light="#fff")
    return target.getvalue()


def _code(uri: str) -> segno.QRCode:
    # quartile correction would double the modules of a long address: M reads well from a screen
    return segno.make_qr(uri, error="m")
