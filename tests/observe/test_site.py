"""The server over a real socket: who may ask, and how."""

import base64
import http.client
import threading

import pytest

from streamframe.core.errors import ConfigError
from streamframe.observe.site import CONCURRENT_MAX, Answer, Request, Site


def echo(request: Request) -> Answer:
    return Answer.json({"path": request.path, "query": dict(request.query)})


@pytest.fixture
def serve():
    open_sites = []

    def start(respond=echo, **options) -> Site:
        site = Site(respond, **{"host": "127.0.0.1", "port": 0, **options})
        open_sites.append(site)
        return site

    yield start
    for site in open_sites:
        site.close()


def get(site: Site, path: str = "/", method: str = "GET", **headers: str):
    host, _, port = site.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def test_path_and_query_arrive_decoded(serve):
    status, body, headers = get(serve(), "/api/stores/a%20b/?user=%C3%A4&page=")
    assert (status, body) == (200, b'{"path": "/api/stores/a%20b", "query": {"user": "\xc3\xa4"}}')
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_head_has_no_body(serve):
    status, body, headers = get(serve(), method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(serve, method):
    status, _, headers = get(serve(), method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_a_page_of_somebody_else_cannot_read_through_the_browser(serve):
    assert get(serve(), Host="evil.example:80")[0] == 403
    assert get(serve(), Host="localhost:80")[0] == 200


def test_a_token_is_asked_for_except_by_probes(serve):
    site = serve(token="s3cret")
    basic = base64.b64encode(b"anybody:s3cret").decode()

    assert get(site)[0] == 401
    assert get(site, Authorization="Bearer wrong")[0] == 401
    assert get(site, Authorization="Basic %%%")[0] == 401
    assert get(site, Authorization="Bearer s3cret")[0] == 200
    assert get(site, Authorization=f"Basic {basic}")[0] == 200
    assert get(site, "/livez")[0] == get(site, "/readyz")[0] == 200


def test_more_than_a_few_at_once_are_told_to_come_back(serve):
    inside, go_on = threading.Semaphore(0), threading.Event()

    def slow(request: Request) -> Answer:
        inside.release()
        go_on.wait(10)
        return echo(request)

    site = serve(slow)
    threads = [threading.Thread(target=get, args=(site,)) for _ in range(CONCURRENT_MAX)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert inside.acquire(timeout=10)
    try:
        assert get(site)[0] == 503
    finally:
        go_on.set()
        for thread in threads:
            thread.join(10)
    assert get(site)[0] == 200


def test_a_port_that_is_taken_is_one_clear_error(serve):
    port = int(serve().address.rpartition(":")[2])
    with pytest.raises(ConfigError, match="cannot be served"):
        serve(port=port)


def test_a_closed_site_does_not_answer_and_its_port_is_free_again(serve):
    site = Site(echo, host="127.0.0.1", port=0)
    port = int(site.address.rpartition(":")[2])
    site.close()
    with pytest.raises(OSError, match="refused"):
        get(site)
    assert get(serve(port=port))[0] == 200


def test_a_page_that_fails_is_500_and_in_the_log_without_a_word_to_the_visitor(serve, caplog):
    def broken(request: Request) -> Answer:
        raise ValueError("secret detail")

    status, body, _ = get(serve(broken))

    assert status == 500
    assert b"secret" not in body
    assert "secret detail" in caplog.text
