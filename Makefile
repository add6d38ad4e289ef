GO      ?= go
ARGS    ?=
PKGS    ?= ./...
# The race detector needs a C compiler.
CC_HERE := $(shell command -v $${CC:-cc} 2>/dev/null || command -v gcc 2>/dev/null)
RACE    := $(if $(CC_HERE),-race,)
FUZZTIME ?= 30s

.PHONY: help build demo test e2e lint fuzz bench bench-accuracy bench-talkoff golden cover clean

help: ## print this list
	@grep -E '^[a-z0-9-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 16

build: ## bin/siprecd, static
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/siprecd ./cmd/siprecd

demo: build ## record three calls on loopback into ./demo-data (ARGS=--once ends by itself)
	./bin/siprecd demo --data ./demo-data $(ARGS)

test: ## every test that needs nothing but Go
	@$(if $(RACE),:,echo "no C compiler: the race detector is left out")
	$(if $(RACE),CGO_ENABLED=1) $(GO) test $(RACE) -timeout 280s $(PKGS)
	$(if $(RACE),$(GO) test -timeout 280s -run 'PowerCut|SealFailsAnywhere|ABadDisk' ./store)

e2e: build ## tests with real outside programs; installs them with apt when missing
	@for p in sipp:sip-tester tshark:tshark sox:sox ffmpeg:ffmpeg opusenc:opus-tools gcc:gcc socat:socat openssl:openssl; do \
	  command -v $${p%%:*} >/dev/null || missing="$$missing $${p##*:}"; done; \
	for p in spandsp.h:libspandsp-dev bcg729/encoder.h:libbcg729-dev vo-amrwbenc/enc_if.h:libvo-amrwbenc-dev stdio.h:libc6-dev; do \
	  [ -e /usr/include/$${p%%:*} ] || missing="$$missing $${p##*:}"; done; \
	ls /usr/lib/*/sox/libsox_fmt_amr_nb.so >/dev/null 2>&1 || missing="$$missing libsox-fmt-all"; \
	if [ -n "$$missing" ]; then \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$SUDO apt-get update -q && DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -q $$missing; fi
	$(GO) test -tags e2e -count=1 -timeout 20m -v ./cmd/siprecd/e2e

lint: ## gofmt, vet, staticcheck; it compiles for other systems
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "not gofmt-ed: $$bad"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags e2e ./cmd/siprecd/e2e
	GOOS=darwin $(GO) build ./...
	GOOS=windows $(GO) build ./...
	$(GO) tool staticcheck ./...

fuzz: ## every fuzz target for FUZZTIME each (TARGETS="FuzzTape FuzzRTP" for some)
	@GO="$(GO)" FUZZTIME=$(FUZZTIME) .ci/fuzz $(TARGETS)

bench: ## measure all parts; its two million rows take 20 GB and half an hour
	$(GO) test -run '^$$' -bench . -timeout 2h ./media ./store ./cmd/siprecd/...

bench-accuracy: build ## two-hour calls of bad clocks and networks: how far from its place anything is
	$(GO) run ./cmd/siprecd/replay/accuracy -siprecd bin/siprecd $(ARGS)

bench-talkoff: ## how often a key is heard where people only talk; installs a synthesiser with apt when missing
	@for p in espeak-ng sox; do command -v $$p >/dev/null || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$SUDO apt-get update -q && DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -q $$missing; fi
	$(GO) test -tags talkoff -run TalkOff -count=1 -timeout 60m -v ./media

golden: ## rewrite the golden files, and only those
	$(GO) test ./... -update

cover: ## coverage by package
	$(GO) test -cover ./...

clean: ## remove what the other targets made
	rm -rf bin demo-data
