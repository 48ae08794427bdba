"""Images are built, and what has to be there is asked for, once."""

import os
import subprocess

import pytest

import cluster
from harness.limit import time_limit

LIMIT_SECONDS = 900


@pytest.fixture(autouse=True)
def limited_time():
    with time_limit(LIMIT_SECONDS):
        yield


def docker_build(tag, *arguments):
    subprocess.run(["docker", "build", "--quiet", "--tag", tag, *arguments], cwd=cluster.ROOT, check=True)


@pytest.fixture(scope="session")
def a_cluster():
    why = cluster.why_not()
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def images(a_cluster):
    """Builds what is not named: K8S_IMAGE and K8S_APPS_IMAGE are images that the cluster can get."""
    build = os.environ.get("DOCKER_BUILD_ARGS", "--network host --build-arg BASE=debian:bookworm-slim").split()
    if "K8S_IMAGE" not in os.environ:
        docker_build(cluster.IMAGE, *build, ".")
    if "K8S_APPS_IMAGE" not in os.environ:
        docker_build(cluster.APPS, *build, "--file", "tests/k8s/apps/Dockerfile", "build/tests/k8s/apps")
