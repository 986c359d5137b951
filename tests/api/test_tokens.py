"""Tokens: what they claim, what ends them, the keys that sign them (§2)."""

from __future__ import annotations

import time
from unittest.mock import Mock

import jwt
import pytest
import time_machine

from mi_ldap.state.signing_keys import rotate_key
from mi_ldap.store import RenewEpoch
from tests.api.client import Api
from tests.api.conftest import MakeApi
from tests.api.tokens import KEY, claims_of, header_of, refusal, signed
from tests.memory_store import MemoryStore

# What they claim


def test_a_token_claims_what_the_contract_says(admin: Api) -> None:
    claims = claims_of(admin)
    user = admin.services.store.find_user("admin")
    assert user is not None
    assert {"sub", "scope", "epoch", "iss", "iat", "exp", "jti"} <= set(claims)
    assert (claims["sub"], claims["scope"], claims["iss"]) == ("admin", "admin", "mi-ldap")
    assert user.id in claims.values()
    assert claims["exp"] - claims["iat"] == 3600
    assert header_of(admin)["kid"] == admin.services.keys.current
    assert header_of(admin)["alg"] == "HS256"


def test_who_is_no_admin_has_the_default_scope(bob: Api) -> None:
    assert claims_of(bob)["scope"] == "default"


def test_its_life_and_issuer_are_configured(light_api_of: MakeApi) -> None:
    token = "MANAGEMENT_API__JWT_TOKEN_SECURITY_HANDLER__TOKEN_CONFIG__"
    api = light_api_of(**{f"{token}EXPIRY": "60", f"{token}ISSUER": "me", f"{token}KEY": KEY})
    admin = api.logged_in("admin")
    assert claims_of(admin)["exp"] - claims_of(admin)["iat"] == 60
    assert jwt.decode(admin.token, KEY, ["HS256"], issuer="me")


def test_the_scheme_has_no_case(light_admin: Api) -> None:
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "):
        assert refusal(light_admin, f"{scheme} {light_admin.token}") == 200


def test_the_scope_is_information_and_never_authority(light_admin: Api) -> None:
    light_admin.add_user("bob")
    bob = light_admin.stranger().logged_in("bob")
    forged = signed(light_admin, {**claims_of(bob), "scope": "admin"})
    answer = light_admin.stranger()("GET", "/users", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 403


def test_a_promotion_needs_no_new_token(admin: Api, bob: Api) -> None:
    assert bob("GET", "/users").status_code == 403
    admin.give("bob", "admin")
    assert bob("GET", "/users").status_code == 200


# What ends them


def test_a_token_is_decoded_once_and_judged_each_time(
    light_admin: Api, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Mock(wraps=jwt.decode)
    monkeypatch.setattr(jwt, "decode", decode)
    light_admin.add_user("bob")
    bob = light_admin.stranger().logged_in("bob")
    bob.get("/server")
    decode.reset_mock()
    bob.get("/server")
    memory.account("bob").enabled = False
    assert bob("GET", "/server").status_code == 401
    memory.account("bob").enabled = True
    bob.get("/server")
    bob("GET", "/logout")
    assert "was logged out" in bob("GET", "/server").text
    decode.assert_not_called()


def test_an_expired_token_is_refused(light_admin: Api) -> None:
    with time_machine.travel(time.time() + 3590, tick=False):
        assert refusal(light_admin, f"Bearer {light_admin.token}") == 200
    with time_machine.travel(time.time() + 3601, tick=False):
        assert refusal(light_admin, f"Bearer {light_admin.token}") == 401


@pytest.mark.parametrize(("ahead_s", "status"), [(1, 200), (59, 200), (120, 401), (86_400, 401)])
def test_a_token_of_a_clock_that_is_a_little_ahead_is_good(
    light_admin: Api, ahead_s: int, status: int
) -> None:
    claims = claims_of(light_admin)
    moved = {key: claims[key] + ahead_s for key in ("iat", "nbf", "exp")}
    assert refusal(light_admin, f"Bearer {signed(light_admin, {**claims, **moved})}") == status


def test_another_epoch_ends_it_at_once(admin: Api, bob: Api) -> None:
    user = admin.services.store.find_user("bob")
    assert user is not None
    admin.services.store.apply(RenewEpoch(user))
    assert bob("GET", "/server").status_code == 401


def test_a_disabled_user_is_out(light_admin: Api, memory: MemoryStore) -> None:
    light_admin.add_user("bob")
    bob = light_admin.stranger().logged_in("bob")
    memory.account("bob").enabled = False
    assert bob("GET", "/server").status_code == 401


def test_while_the_store_is_down_it_is_neither_accepted_nor_refused(
    light_admin: Api, memory: MemoryStore
) -> None:
    memory.is_down = True
    answer = light_admin("GET", "/server")
    assert answer.status == "503 Service Unavailable"
    memory.is_down = False
    assert light_admin("GET", "/server").status_code == 200


# Keys


def test_after_a_rotation_old_tokens_are_good_and_new_ones_are_signed_anew(
    light_api_of: MakeApi,
) -> None:
    before = light_api_of().logged_in("admin")
    rotate_key(before.services.settings.state_dir / "signing-keys")
    restarted = light_api_of()
    after = restarted.logged_in("admin")
    assert header_of(before)["kid"] != header_of(after)["kid"]
    assert refusal(after, f"Bearer {before.token}") == 200
    assert refusal(after, f"Bearer {after.token}") == 200


def test_the_other_keys_signature_under_this_key_id_is_refused(light_api_of: MakeApi) -> None:
    first = light_api_of()
    rotate_key(first.services.settings.state_dir / "signing-keys")
    api = light_api_of()
    admin = api.logged_in("admin")
    old_key = api.services.keys.keys["1"]
    assert refusal(admin, f"Bearer {signed(admin, claims_of(admin), key=old_key)}") == 401


def test_a_token_of_another_installation_is_refused(light_admin: Api) -> None:
    claims = claims_of(light_admin)
    assert refusal(light_admin, f"Bearer {signed(light_admin, claims, key='f' * 64)}") == 401
