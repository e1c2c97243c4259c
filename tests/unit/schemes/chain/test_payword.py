"""What makes PayWord: nothing but its names."""

import msgspec
import pytest

from farthing.errors import Forged
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.payword import FAMILY, PAYWORD, PaywordCommitment
from tests.kit.parties import NOW_S
from tests.kit.payword import Hand, Scene, public_ring


def test_a_commitment_has_no_field_of_its_own() -> None:
    assert Hand(Scene().certificate).commitment.details() == ()
    assert PaywordCommitment.message == "commitment"
    assert PAYWORD.mint.published == b"payword/revoked/"
    assert FAMILY.revoked_key("p_1") == b"payword/revoked/p_1"


def test_a_certificate_of_one_member_is_none_of_another() -> None:
    certificate = Hand(Scene().certificate).commitment.certificate
    other = Family(tag="other", short="o")
    (key,) = public_ring().known(FAMILY.certificate_key)
    ring = public_ring(msgspec.structs.replace(key, purpose=other.certificate_key))
    certificate.verify(FAMILY, public_ring(), NOW_S)
    with pytest.raises(Forged, match="signature_wrong"):
        certificate.verify(other, ring, NOW_S)
