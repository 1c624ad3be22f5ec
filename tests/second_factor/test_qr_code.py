"""QR codes."""

from xml.etree import ElementTree as ET

import segno

from wutang_auth.second_factor.qr_code import svg
from wutang_auth.second_factor.totp import new_secret, uri

SVG = "{http://www.w3.org/2000/svg}"


def test_it_is_a_document_of_paths_that_scales() -> None:
    text = uri(new_secret(), issuer="shop.example", account="ada@wutang.example")
    document = ET.fromstring(svg(text))
    assert document.tag == f"{SVG}svg"
    assert {child.tag for child in document} == {f"{SVG}path"}
    size = segno.make_qr(text).symbol_size(border=4)
    assert document.attrib["viewBox"] == f"0 0 {size[0]} {size[1]}"
    assert "width" not in document.attrib


def test_nothing_of_a_text_is_markup() -> None:
    drawn = svg("otpauth://totp/<script>alert(1)</script>")
    assert "script" not in drawn
    assert ET.fromstring(drawn).tag == f"{SVG}svg"
