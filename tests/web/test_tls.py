"""TLS of a page that others reach: which files it takes, and what travels then."""

from __future__ import annotations

import shlex
import subprocess

import httpx
import pytest

from cpep.cli.main import main
from cpep.types import UserError
from cpep.web.tls import OPENSSL, tls_of
from tests.web.browser.serving import Server
from tests.web.fake import page


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a certificate and its key, made as the sentences and pages say."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(shlex.split(OPENSSL), cwd=folder, check=True, capture_output=True)
    return folder


def serve_tls(folder, certificates):
    from cpep.web.server import serve

    tls = tls_of(certificates / "cert.pem", certificates / "key.pem")
    serve(page(folder / "my.book"), "0.0.0.0", 0, show=False, tls=tls)


def test_a_page_over_tls_keeps_its_cookie_to_tls(made, tmp_path):
    with Server(serve_tls, tmp_path, made) as server:
        assert server.address.startswith("https://127.0.0.1:")
        with httpx.Client(verify=False, timeout=10) as browser:
            answer = browser.get(server.address)
            assert answer.status_code == 303 and "Secure" in answer.headers["set-cookie"]
            assert browser.get(server.address.partition("?")[0] + "api/view").status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(server.address.replace("https", "http"), timeout=10)


def test_certificates_that_do_not_do(made, tmp_path, capsys):
    assert tls_of(None, None) is None
    certificate, key = made / "cert.pem", made / "key.pem"

    def refused(*files):
        with pytest.raises(UserError) as found:
            tls_of(*files)
        return str(found.value)

    assert "give both, --tls-cert and --tls-key" in refused(certificate, None)
    assert "no.pem is no file" in refused(certificate, tmp_path / "no.pem")
    subprocess.run(shlex.split(OPENSSL), cwd=tmp_path, check=True, capture_output=True)
    assert "does not belong to the certificate" in refused(certificate, tmp_path / "key.pem")
    readable = tmp_path / "readable.pem"
    readable.write_bytes(key.read_bytes())
    readable.chmod(0o640)
    assert f"chmod 600 {readable}" in refused(certificate, readable)
    (tmp_path / "noise.pem").write_bytes(bytes(range(256)))
    assert "noise.pem is no certificate" in refused(tmp_path / "noise.pem", key)
    locked = [*shlex.split("openssl rsa -aes256 -passout pass:secret -in"), key, "-out", tmp_path / "locked.pem"]
    subprocess.run(locked, check=True, capture_output=True)
    assert "no key without a password" in refused(certificate, tmp_path / "locked.pem")
    assert main(["serve", "--source", "sim[1-4]", "--tls-cert", str(certificate)]) == 2
    assert "give both, --tls-cert and --tls-key" in capsys.readouterr().err
