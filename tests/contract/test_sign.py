"""Pictures signed with a certificate: by whom, and whether they are as they were then."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image as Pictures

from underpaint.testing.reference import Document, PaintLayer, write_document
from underpaint.types import Provenance

RECORD = Provenance(request={"prompt": "old brick", "seed": 3, "text_to_image": {}})


def _name(person: str) -> x509.Name:
    pairs = ((NameOID.COMMON_NAME, person), (NameOID.ORGANIZATION_NAME, "A Studio"))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


def _certificate(
    person: str, key: ec.EllipticCurvePrivateKey, by: str, signed_with: ec.EllipticCurvePrivateKey
) -> bytes:
    """PEM of a certificate as C2PA wants it: an authority's for itself, or a signer's by an authority."""
    authority, now = person == by, datetime.datetime.now(datetime.timezone.utc)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    ) | dict.fromkeys(("encipher_only", "decipher_only"), False)
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(person))
        .issuer_name(_name(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=authority, crl_sign=authority, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signed_with.public_key())
        made = made.add_extension(purpose, critical=False).add_extension(known, critical=False)
    return made.sign(signed_with, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate's and a key's file."""
    folder = tmp_path_factory.mktemp("papers")
    own, authority = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = _certificate("A Painter", own, "An Authority", authority)
    chain += _certificate("An Authority", authority, "An Authority", authority)
    (folder / "me.pem").write_bytes(chain)
    (folder / "me.key").write_bytes(
        own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "me.pem", folder / "me.key"


def picture(path: Path, *records: Provenance) -> Path:
    samples = np.random.default_rng(4).integers(0, 255, (24, 32, 4), np.uint8)
    samples[..., 3] = 255
    write_document(Document(32, 24, layers=(PaintLayer(name="a", samples=samples, made_by=records),)), path)
    return path


def underpaint(*arguments: str) -> Any:
    command = [sys.executable, "-m", "underpaint", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_a_signed_picture_tells_by_whom_and_still_how_it_was_made(
    papers: tuple[Path, Path], tmp_path: Path, ending: str
) -> None:
    file, signed = picture(tmp_path / f"a{ending}", RECORD), tmp_path / f"b{ending}"
    certificate, key = papers
    papers_of = ("--certificate", str(certificate), "--key", str(key))
    answer = underpaint("sign", str(file), *papers_of, "-o", str(signed))
    assert answer["signature"] == {"by": "A Painter, A Studio", "state": "Valid"}
    told = underpaint("inspect", str(signed))
    assert told["signature"] == answer["signature"]
    assert told["pictures"][0]["request"] == dict(RECORD.request)
    with Pictures.open(file) as before, Pictures.open(signed) as after:
        assert np.array_equal(np.asarray(before), np.asarray(after))
    if ending == ".png":
        damaged = bytearray(signed.read_bytes())
        at = damaged.rindex(b"IDAT") + 10
        damaged[at] ^= 1
        (tmp_path / "c.png").write_bytes(damaged)
        from underpaint.cli.sign import signature_of

        assert signature_of(tmp_path / "c.png")["state"] == "Invalid"


def test_what_cannot_be_signed_is_refused_and_left_as_it_was(
    papers: tuple[Path, Path], tmp_path: Path
) -> None:
    certificate, key = papers
    plain, made = picture(tmp_path / "plain.png"), picture(tmp_path / "made.png", RECORD)
    before = made.read_bytes()
    said = underpaint("sign", str(plain), "--certificate", str(certificate), "--key", str(key))
    assert "nothing to vouch for" in said["error"]["message"]
    said = underpaint("sign", str(made), "--certificate", str(key), "--key", str(key))
    assert "cannot be signed with this certificate" in said["error"]["message"]
    assert made.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
