"""QR codes as SVG; drawing one takes some hundredths of a second."""

import io

import segno


def svg(text: str) -> str:
    """The QR code of a text, as an SVG document that scales, on white, which cameras need on dark pages too."""
    drawn = io.BytesIO()
    segno.make_qr(text).save(drawn, kind="svg", xmldecl=False, nl=False, border=4, light="#fff", omitsize=True)
    return drawn.getvalue().decode()
