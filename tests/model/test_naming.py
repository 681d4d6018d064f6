"""What candles are called, by the address that they come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.errors import RequestError
from rxcandles.model.naming import address_of, is_own, name_of, says_simulated
from rxcandles.util.arguments import check_exchange_name

OWN = (
    "https://api.upbit.com", "https://api.upbit.com/", "https://API.Upbit.COM", "HTTPS://api.upbit.com:443//",
    "https://api.upbit.com.", "https://api.upbit.com.:443/",
)  # fmt: skip


@pytest.mark.parametrize("url", OWN)
def test_own_address(url: str) -> None:
    """The exchange's own address has the exchange's name, however it is spelled."""
    assert is_own(url)
    assert name_of("upbit", url) == name_of("upbit") == "upbit"
    with pytest.raises(RequestError, match=r"^base_url is the exchange's own address, which simulates nothing"):
        name_of("simulated", url)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:8080", "upbit@127.0.0.1:8080"),
        ("http://LocalHost:8080/", "upbit@localhost:8080"),
        ("http://[::1]:8080", "upbit@[::1]:8080"),
        ("http://[0:0:0:0:0:0:0:1]:8080", "upbit@[::1]:8080"),
        ("http://[FE80::A]", "upbit@[fe80::a]"),
        ("https://mirror.example:443", "upbit@mirror.example"),
        ("http://mirror.example.:80", "upbit@mirror.example"),
        ("http://mirror.example:443", "upbit@mirror.example:443"),
        ("https://mirror.example/upbit/v2/", "upbit@mirror.example/upbit/v2"),
        ("http://api.upbit.com", "upbit@api.upbit.com"),
        ("https://api.upbit.com:444", "upbit@api.upbit.com:444"),
        ("https://api.upbit.com/proxy", "upbit@api.upbit.com/proxy"),
        ("https://sg-api.upbit.com", "upbit@sg-api.upbit.com"),
        ("https://api.upbit.com.evil.example", "upbit@api.upbit.com.evil.example"),
    ],
)
def test_other_address(url: str, name: str) -> None:
    """Any other address has a name of its own, and one name only; a simulator is called the same wherever it runs."""
    assert not is_own(url)
    assert name_of("upbit", url) == name
    assert check_exchange_name("name", name) == name
    assert name_of("simulated", url) == "simulated"


LABEL = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)


@given(
    host=st.lists(LABEL, min_size=2, max_size=3).map(".".join),
    port=st.sampled_from([None, 80, 443, 8080]),
    path=st.lists(LABEL, max_size=3),
    scheme=st.sampled_from(["http", "https"]),
    capitals=st.booleans(),
    dot=st.sampled_from(["", "."]),
    slash=st.sampled_from(["", "/", "//"]),
)
def test_one_name_for_one_server(
    host: str, port: int | None, path: list[str], scheme: str, capitals: bool, dot: str, slash: str
) -> None:
    """Case, the final dot, final slashes and the scheme's own port change nothing; host, port and path do."""
    usual = {"http": 80, "https": 443}[scheme]
    where = (scheme.upper() + "://" + host.upper()) if capitals else f"{scheme}://{host}"
    parts = "".join(f"/{each}" for each in path)
    url = f"{where}{dot}{'' if port is None else f':{port}'}{parts}{slash}"
    expected = f"{host}{'' if port in (None, usual) else f':{port}'}{parts}"
    assert address_of(url) == expected
    assert name_of("upbit", url) == f"upbit@{expected}"


@pytest.mark.parametrize(
    "path",
    ["/Path", "/a%20b", "/a//b", "/../a", "/.", "/a;b", "/0123456789abcdef0123456789abcdef", "/a/b/c/d"],
)
def test_no_name_can_be_made(path: str) -> None:
    """A path that has more spellings than one, or may hold a key, is not shown: the user gives a name."""
    with pytest.raises(
        RequestError, match=r"^name is not given, and none can be made of base_url: .*; give a name"
    ) as e:
        name_of("upbit", f"http://mirror.example{path}")
    assert path not in str(e.value)
    assert name_of("upbit", f"http://mirror.example{path}", "mirror") == "mirror"
    with pytest.raises(RequestError, match="give a name"):
        name_of("upbit", f"http://{'a' * 60}.{'b' * 60}.example")


ELSEWHERE = "http://127.0.0.1:8080"


@pytest.mark.parametrize("name", ["upbit", "mirror", "upbit-mirror", "upbit@lab", "my_proxy.2", "upbit@10.0.0.1:1/x"])
def test_given(name: str) -> None:
    """A name that is given is the user's word, ``upbit`` too: then it is a mirror or a proxy of the exchange's own."""
    assert name_of("upbit", ELSEWHERE, name) == name


@pytest.mark.parametrize(
    ("exchange", "url", "name", "says"),
    [
        ("upbit", None, "mirror", r"^name is 'mirror'; give base_url with it, since .* are candles of 'upbit'"),
        ("simulated", None, "lab", r"^name is 'lab'; give base_url with it, since .* are candles of 'simulated'"),
        (
            "upbit",
            ELSEWHERE,
            "simulated",
            r"^name is 'simulated'; candles of 'upbit' are never stored as those of 'sim",
        ),
        ("upbit", ELSEWHERE, "simulated@lab", r"never stored as those of 'simulated'"),
        ("simulated", ELSEWHERE, "upbit", r"candles of 'simulated' are never stored as those of 'upbit'"),
        ("simulated", ELSEWHERE, "upbit@lab", r"never stored as those of 'upbit'"),
        ("upbit", ELSEWHERE, "UPBIT", r"^name is 'UPBIT'; write 'upbit'"),
        ("upbit", ELSEWHERE, "a b", r"^name is 'a b'; take up to 64 letters"),
        ("upbit", ELSEWHERE, "a@", r"^name is 'a@'; take"),
        ("upbit", ELSEWHERE, "a@b c", r"^name is 'a@b c'; take"),
        ("upbit", ELSEWHERE, "a@b@c", r"^name is 'a@b@c'; take"),
        ("upbit", ELSEWHERE, "", r"^name is ''; take"),
        ("upbit", ELSEWHERE, 5, r"^name is 5; take"),
        ("other", None, None, r"^exchange is 'other'; take one of upbit, binance, simulated"),
    ],
)
def test_refused(exchange: str, url: str | None, name: str | None, says: str) -> None:
    """Where candles of one source would get the name of another, one sentence says which of whom."""
    with pytest.raises(RequestError, match=says):
        name_of(exchange, url, name)


def test_what_a_server_must_say() -> None:
    """An exchange's names are for servers that don't say they are simulators, ``simulated`` is for those that do."""
    assert says_simulated("upbit", "upbit") is says_simulated("upbit", "upbit@127.0.0.1:8080") is False
    assert says_simulated("simulated", "simulated") is says_simulated("simulated", "lab") is True
    assert says_simulated("upbit", "mirror") is None
