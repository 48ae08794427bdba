"""An app that is configured for the bitnami chart needs no change: names, Secret and key are the chart's."""

import pytest

from cluster import PASSWORD, namespace

pytestmark = pytest.mark.usefixtures("images")


def test_an_app_of_the_chart_finds_everything(a_cluster):
    with namespace("bitnami") as place:
        place.secret("redis", redis_password=PASSWORD)
        place.install("bitnami")
        place.wait_ready(3, "redis")
        place.wait_in_sync(3, "redis")
        place.tools()
        for number, name in enumerate(("redis-master", "redis", "redis-0.redis-headless", "redis-1.redis-headless")):
            assert place.redis(name, "SET", "by-%d" % number, name) == "OK"
            assert place.redis("redis-replicas", "GET", "by-%d" % number) == name
        assert "NOAUTH" in place.redis("redis-master", "GET", "by-0", password="")
