# Ordinal on a Kubernetes; included by the Makefile.
#
#   make test-k8s         against the cluster that KUBECONFIG names, in namespaces of its own: 20 minutes
#   make test-manifests   the manifests alone, against the schema of a current Kubernetes: no cluster is needed
#
# K8S_IMAGE and K8S_APPS_IMAGE name images that the cluster can get (the second is built from tests/k8s/apps/Dockerfile and
# build/tests/k8s/apps); without them they are built with docker on this machine. K8S_RESTART_NODE is a command that restarts a
# node's kubelet and container runtime; without it the test of that is left out. K8S_KEEP=1 leaves the namespaces.

K8S_PACKAGES := python3-yaml
K8S := tests/k8s
K8S_APPS := build/$(K8S)/apps

.PHONY: test-k8s test-manifests k8s-apps
test-k8s: k8s-apps $(K8S)/schema/node_modules/.package-lock.json
	$(PYTEST) $(K8S) $(PYTEST_ARGS)

test-manifests: $(K8S)/schema/node_modules/.package-lock.json
	$(PYTEST) $(K8S)/manifests_test.py $(PYTEST_ARGS)

$(K8S)/schema/node_modules/.package-lock.json: $(K8S)/schema/package.json $(K8S)/schema/package-lock.json
	npm ci --prefix $(K8S)/schema --no-audit --no-fund
	@touch $@

k8s-apps: srp-packages fib-packages
	@rm -rf $(K8S_APPS) && mkdir -p $(K8S_APPS)
	@cp -r k8s/examples/srp k8s/examples/fib $(K8S)/apps/*.py $(K8S_APPS)
