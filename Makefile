# Everything that a developer and CI run. `make test` needs Go, git and Debian (as root, or with sudo). It
# installs the rest.
#
#   make test          all tests: vet, Go with the race detector, browsers, the browser client, a short fuzz
#   make lint          linters, formatting, links in the documentation
#   make vuln          known vulnerabilities in what the node is made of; needs the network
#   make test-go       … or one part: test-web test-backend test-deploy test-release test-browser test-fuzz
#   make fuzz          fuzz for longer: make fuzz FUZZTIME=10m, or a number of inputs: 1000000x
#   make run           the node, as `go run ./cmd/sfu`
#   make build         bin/sfu, static
#   make release       bin/release: what people install, for linux on amd64 and arm64; VERSION=1.2.3
#   make client        the browser client as an npm package, in web/dist
#   make bench         measure: make bench SCENARIO=video-1x100, or all
#   make profile       measure with profiles of the node, and show where its time goes

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO ?= go
# A number of inputs, not a time. Go at times reports a failure ("context deadline exceeded") if the time is
# up while an input is being worked on.
FUZZTIME ?= 10000x
# The directory for screenshots of the browser tests, and for inputs that a fuzzer has found to fail. It is
# never inside the source tree proper.
ARTIFACTS ?= $(CURDIR)/bin/artifacts
# Both are built outside go.mod, so that the linter's hundreds of dependencies do not become the product's.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
# VULNDB may be another address than the Go team's, or file:// and the directory of a copy.
VULNDB ?= https://vuln.go.dev

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
comma := ,
stage = @printf '\n\033[1m== %s\033[0m\n' "$(1)"

.PHONY: help
help:
	@sed -n 's/^#   //p' Makefile

.PHONY: build run
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/sfu ./cmd/sfu
run:
	$(GO) run ./cmd/sfu

# What people install, and what they check it by. Without VERSION it is named after the commit.
VERSION ?= 0.0.0-g$(shell git rev-parse --short HEAD)$(if $(shell git status --porcelain),.dirty)
ARCHS ?= amd64 arm64
# Where the packages' users may write to.
MAINTAINER ?= Parlor <parlor@example.org>
RELEASE := bin/release
# The same commit makes the same bytes, except for images: no time but the commit's is in them.
export SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct)
TAR := tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$(SOURCE_DATE_EPOCH) -cf -
NFPM := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.48.0
.PHONY: release images
release: tools
	$(call stage,release $(VERSION) for $(ARCHS))
	@[[ '$(VERSION)' =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$$ ]] || { \
		echo "VERSION is '$(VERSION)', and has to be as 1.2.3 or 1.2.3-rc.1, without a v" >&2; exit 1; }
	rm -rf $(RELEASE); mkdir -p $(RELEASE)
	@set -x; for arch in $(ARCHS); do \
		GOARCH=$$arch CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X parlor/sfu.version=$(VERSION)' -o $(RELEASE)/sfu_linux_$$arch ./cmd/sfu; \
		ARCH=$$arch VERSION=$(VERSION) MAINTAINER='$(MAINTAINER)' GOFLAGS= $(GO) run $(NFPM) package -f deploy/debian/nfpm.yaml -p deb -t $(RELEASE); \
		chmod 0755 $(RELEASE)/sfu_linux_$$arch; \
		$(TAR) --transform 's,^$(RELEASE)/sfu_linux_.*,sfu,;s,^,parlor-$(VERSION)/,' $(RELEASE)/sfu_linux_$$arch README.md CHANGELOG.md \
			| gzip -n > $(RELEASE)/parlor-$(VERSION)_linux_$$arch.tar.gz; \
	done
	cd deploy/check && $(GO) run ./pack ../chart $(VERSION) ../../$(RELEASE)
	$(MAKE) client
	cp web/dist/*.tgz $(RELEASE)/
	$(MAKE) images
	cd $(RELEASE) && rm sfu_linux_* && sha256sum -- * > SHA256SUMS && cat SHA256SUMS

# images are for `docker load`. They are made from the binaries by the last stage of the Dockerfile, without a
# Docker engine. The first stage, which would build the binary anew, is replaced by a directory.
BUILDAH := buildah --storage-driver vfs --root $(CURDIR)/bin/buildah --runroot $(CURDIR)/bin/buildah-run
images:
	@set -x; for arch in $(ARCHS); do \
		rm -rf bin/image $(RELEASE)/parlor-$(VERSION)_linux_$$arch.image.tar; mkdir -p bin/image/out/data bin/image/etc/ssl/certs; \
		cp /etc/ssl/certs/ca-certificates.crt bin/image/etc/ssl/certs/; cp $(RELEASE)/sfu_linux_$$arch bin/image/out/sfu; \
		$(BUILDAH) build --isolation chroot --format docker --timestamp $(SOURCE_DATE_EPOCH) --platform linux/$$arch \
			--build-context build=bin/image -t parlor:$(VERSION) .; \
		$(BUILDAH) push -q parlor:$(VERSION) docker-archive:$(RELEASE)/parlor-$(VERSION)_linux_$$arch.image.tar:parlor:$(VERSION); \
	done

SCENARIO ?= all
PROFILES ?= $(CURDIR)/bin/profiles
.PHONY: bench profile
bench:
	$(GO) run ./bench $(SCENARIO)
profile: SCENARIO := $(if $(filter all,$(SCENARIO)),video-1x100,$(SCENARIO))
profile:
	$(GO) run ./bench $(SCENARIO) --profile '$(PROFILES)'
	$(GO) tool trace -pprof=sched '$(PROFILES)/$(SCENARIO)/trace.out' > '$(PROFILES)/$(SCENARIO)/sched.pprof'
	@for p in cpu heap mutex sched; do printf '\n== %s\n' $$p; $(GO) tool pprof -top -nodecount 25 '$(PROFILES)/$(SCENARIO)/'$$p.pprof; done

.PHONY: test
test: tools test-web test-backend test-go test-deploy test-release test-browser test-fuzz

# tools installs what is missing, and leaves alone what is there. The race detector needs a C compiler.
.PHONY: tools
tools:
	$(call stage,tools)
	@missing=(); \
	need() { command -v "$$1" >/dev/null || missing+=("$${@:2}"); }; \
	need gcc gcc libc6-dev; need chromium chromium; need firefox-esr firefox-esr; need ip iproute2; \
	need nsenter util-linux; need node nodejs; need npm npm; need python3 python3; need buildah buildah; need systemd-analyze systemd; \
	need fish fish; \
	[[ -e /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates); \
	: encoders and players that others wrote; \
	need ffmpeg ffmpeg; need gst-launch-1.0 gstreamer1.0-tools; \
	for p in gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav \
		gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0 python3-gi python3-aiortc; do \
		dpkg -s $$p >/dev/null 2>&1 || missing+=($$p); \
	done; \
	if (( $${#missing[@]} )); then \
		echo "installing $${missing[*]}"; \
		$(SUDO) apt-get update -q; \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$${missing[@]}"; \
	fi
	@chromium --version 2>/dev/null; firefox-esr --version; echo "node $$(node --version)"; $(GO) version

web/node_modules/.installed: web/package-lock.json
web/foreign/node_modules/.installed: web/foreign/package-lock.json
web/node_modules/.installed web/foreign/node_modules/.installed:
	cd '$(<D)' && npm ci --no-progress
	@touch $@

.PHONY: client
client: web/node_modules/.installed
	cd web && node package/build.js --pack

.PHONY: test-web
test-web: web/node_modules/.installed
	$(call stage,browser client: types$(comma) documentation$(comma) unit tests$(comma) npm package)
	cd web && npm test

# The packages for back ends, against a node. The Go one is a module of its own, so that those who use it need
# none of the node's dependencies.
.PHONY: test-backend
test-backend: web/node_modules/.installed
	$(call stage,packages for back ends: Go$(comma) Node$(comma) Python)
	cd backend/go && $(GO) vet . && $(GO) test -count 1 .
	$(GO) test -count 1 -timeout 5m ./backend/...

.PHONY: test-go
test-go:
	$(call stage,go vet)
	$(GO) vet ./...
	$(call stage,go test -race)
	$(GO) test -race -timeout 20m $$($(GO) list ./... | grep -v -e '^parlor/web' -e '^parlor/backend/check')
	$(call stage,allocations per packet: counted without the race detector)
	$(GO) test -count 1 -run Alloc ./router ./transport
	$(call stage,calls over bad networks$(comma) simulated)
	$(GO) test -count 1 -run CallsOverBadNetworks ./router -calls 14

# deploy/check and acme/pebble are modules of their own, so that the libraries that read those files, and the
# ACME authority, are no dependencies of the node. acme/pebble builds the node: after a change of go.mod it needs
# `go mod tidy` in its folder as well.
.PHONY: test-deploy
test-deploy:
	$(call stage,deploy: compose file$(comma) manifests$(comma) alerts$(comma) dashboard)
	cd deploy/check && $(GO) vet ./... && $(GO) test -count 1 -timeout 5m .
	$(call stage,certificates of an ACME authority)
	cd acme/pebble && $(GO) vet . && $(GO) test -count 1 -timeout 2m .

# A release for this machine, and what people do with it: install the package, start the image.
.PHONY: test-release
test-release:
	$(call stage,release: packages$(comma) chart$(comma) image)
	$(MAKE) release ARCHS=$$($(GO) env GOARCH)
	.ci/package $(RELEASE)
	.ci/image $(RELEASE)

# Browsers need both cores to themselves to be on time. So these tests run apart from the others, and one
# package at a time.
.PHONY: test-browser
test-browser: web/node_modules/.installed web/foreign/node_modules/.installed
	$(call stage,browsers)
	@mkdir -p '$(ARTIFACTS)'
	$(GO) test -race -p 1 -count 1 -timeout 25m -artifacts -outputdir '$(ARTIFACTS)' ./web/...

.PHONY: test-fuzz fuzz
test-fuzz fuzz:
	$(call stage,fuzz every target for $(FUZZTIME))
	@.ci/fuzz '$(FUZZTIME)' '$(ARTIFACTS)/fuzz'

.PHONY: lint
lint:
	$(call stage,gofmt)
	@dirty=$$(git ls-files -z -- '*.go' | xargs -0 gofmt -l); if [[ $$dirty ]]; then echo "$$dirty"; exit 1; fi
	$(call stage,golangci-lint)
	GOFLAGS= $(GO) run $(GOLANGCI) run ./...
	$(call stage,links in the documentation)
	@.ci/links
	$(call stage,file maps of packages)
	@.ci/maps

# vuln is no part of lint or test, since its answer changes when the database does, without a change here. It
# looks first whether there is a database, so that nobody takes its absence for an answer.
.PHONY: vuln
vuln:
	$(call stage,govulncheck)
	@curl -fsSL --max-time 20 -o /dev/null '$(VULNDB)/index/db.json' || { \
		echo 'nothing was checked: the database of vulnerabilities at $(VULNDB) cannot be read, for the reason above. VULNDB names another.' >&2; \
		exit 1; }
	GOFLAGS= $(GO) run $(GOVULNCHECK) -db '$(VULNDB)' ./...
