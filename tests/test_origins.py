"""Origins: the values of CORS_ORIGINS, and the form that browsers send."""

import pytest

from service.origins import origin


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        ("https://app.example", "https://app.example"),
        ("https://app.example:8443", "https://app.example:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("https://app.example:", "https://app.example"),
        ("HTTPS://App.Example", "https://app.example"),
        ("https://app.example.", "https://app.example."),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
        ("https://MÜNCHEN.example:443", "https://xn--mnchen-3ya.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://例え.テスト", "https://xn--r8jz45g.xn--zckzah"),
        ("https://my_app.example", "https://my_app.example"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[2001:DB8::1]", "http://[2001:db8::1]"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        (
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        ),
        (
            "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc",
            "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc",
        ),
        ("app://obsidian.md", "app://obsidian.md"),
    ],
)
def test_an_origin_is_stored_as_browsers_send_it(listed: str, sent: str) -> None:
    """An origin is taken in any spelling that leads a browser to it, and kept in the browser's."""
    assert origin(listed) == sent
    assert origin(sent) == sent


@pytest.mark.parametrize(
    "listed",
    [
        "*",
        "null",
        "",
        "app.example",
        "//app.example",
        "https:app.example",
        "https://",
        "https://app.example/",
        "https://app.example?a",
        "https://app.example#a",
        "https://alice@app.example",
        "https://app.example:port",
        "https://app.example:65536",
        "https://*.app.example",
        "https://app.*",
        "https://app..example",
        "https://app example",
        "https://[::1",
        "https://[::g]",
        "http://127.1",
        "http://0x7f.0.0.1",
        "http://1.2.3.4.5",
        "http://app.300",
        "https://\u2024.example",
        "file://",
        "file:///index.html",
        "ws://app.example",
        "data://a",
        "1a://app.example",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(listed: str) -> None:
    """What would never match is refused, without its value in the message."""
    with pytest.raises(ValueError, match=r"^(is|has) ") as raised:
        origin(listed)
    if len(listed) > 4:
        assert listed not in str(raised.value)
