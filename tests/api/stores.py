"""Which stores the tests of the API run on; some want what not every directory can."""

from __future__ import annotations

import pytest

from tests.kinds import ACTIVE_DIRECTORY, DS389, PLAIN_OPENLDAP, REPLICAS, RFC_2307

KINDS = (PLAIN_OPENLDAP, REPLICAS, RFC_2307, DS389, ACTIVE_DIRECTORY)
DATABASES = ("sqlite", "postgresql", "mariadb")
STORES = ("memory", "directory", *DATABASES, *(kind.name for kind in KINDS))


def on_all_but(*kinds: str) -> pytest.MarkDecorator:
    """A test that runs on all stores but these."""
    wanted = [store for store in STORES if store not in kinds]
    return pytest.mark.parametrize("api_of", wanted, indirect=True)


where_there_is_a_policy = on_all_but(*DATABASES, PLAIN_OPENLDAP.name, REPLICAS.name)
where_names_are_any_text = on_all_but(ACTIVE_DIRECTORY.name)
where_width_is_folded = on_all_but(*DATABASES, ACTIVE_DIRECTORY.name, DS389.name)
