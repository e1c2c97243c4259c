"""What goes over the network, as the flow sees it."""

import hashlib

from farthing.wallet.messages import Failed, Request, Response


def test_a_header_is_set_once_whatever_its_case() -> None:
    request = Request(method="GET", url="https://a.example/x?y=1", headers=(("accept", "a"),))
    changed = request.with_header("Accept", "b")
    assert changed.headers == (("Accept", "b"),)


def test_the_digest_of_no_body_is_empty() -> None:
    assert Request(method="GET", url="https://a.example/").body_digest == b""
    sent = Request(method="POST", url="https://a.example/", body=b"x")
    assert sent.body_digest == hashlib.sha256(b"x").digest()


def test_values_of_a_header_are_found_in_order() -> None:
    headers = (("x-a", "1"), ("x-a", "2"))
    answer = Response(status=200, url="https://a.example/", headers=headers)
    assert (answer.values("x-a"), answer.value("x-a"), answer.value("no")) == (("1", "2"), "1", "")


def test_reprs_show_no_query_and_no_header() -> None:
    request = Request(method="GET", url="https://a.example/x?secret", headers=(("a", "secret"),))
    assert "secret" not in repr(request)
    assert "secret" not in repr(Response(status=200, url="secret", body=b"secret"))
    assert Failed(reason="ConnectError").reason == "ConnectError"
