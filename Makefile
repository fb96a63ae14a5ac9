# The targets of the project. `make run` and `make test` are all a newcomer needs.

CARGO ?= cargo
# All of it, tests included: another choice of packages would turn on other features of the crates below, and build them anew.
BUILD_ALL = $(CARGO) build --workspace --all-targets --locked
# Debian packages the tests need: ss, ip and nstat, and lsof; unshare, setpriv and script; a second language to open sockets with;
# a firewall and BLAKE3 for transfers; real clients (a Monero node, curl, browsers) and a server; servers and clients of RTMP (rtmp2src and rtmp2sink are in the bad plugins); a second opinion on captures; systemd-analyze for the unit; promtool; the compiler of the programs in the kernel, and
# what lists them; a terminal that keys are sent to, and traffic for it; and the C++ compiler of libFuzzer, which the fuzz targets are type-checked with.
TEST_PACKAGES := iproute2 lsof util-linux python3 python3-venv procps nftables b3sum bash dash zsh fish man-db monero curl chromium firefox-esr \
	netcat-openbsd openssl prometheus systemd clang llvm bpftool g++ nginx-light tcpdump tshark zstd dnsmasq-base bind9-dnsutils sqlite3 \
	tmux iperf3 libnginx-mod-rtmp ffmpeg rtmpdump gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
BENCH_PACKAGES := iproute2 lsof net-tools nginx-light tshark wrk bpfcc-tools libbpf-tools libpcap-dev libelf-dev zlib1g-dev \
	openssh-client openssh-server rsync rclone syncthing syncthing-relaysrv uftp srt-tools sqlite3

# Debian's compiler with the sources of its standard library: rustup's toolchain has Linux only. wine runs what was built.
CROSS_PACKAGES := rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64-win32 wine64 clang python3
WINDOWS_EXE := target/cross/x86_64-pc-windows-gnu/release/conns.exe

.PHONY: run test lint purity unit lab kernels arm64 bench soak link-faults fuzz bpf web web-packages web-test pictures docs install test-packages \
	bench-packages cross-packages windows windows-test macos-check

## Build, and list this machine's connections
run:
	$(CARGO) build --release --locked
	@echo; target/release/conns
	@echo; target/release/conns -l 2>/dev/null
	@echo; echo "Next: target/release/conns why    target/release/conns -a    target/release/conns --help"

## Everything that must hold before a change lands. As root nothing is skipped.
test: test-packages lint purity docs web-test unit lab

test-packages:
	@if command -v apt-get >/dev/null; then sh packaging/need-packages.sh $(TEST_PACKAGES); fi
	sh lab/clients/install.sh
	sh web/install.sh

## Format, clippy, no module cycles, no private words; the fuzz targets, which are a workspace of their own, are type-checked
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) check --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --locked
	python3 lint/module-cycles.py
	python3 lint/words.py

## The core has no clock, file, socket, thread: shown by a copy of it that does, and must be refused
purity:
	sh core/purity.sh

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

unit:
	$(BUILD_ALL)
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace --locked; \
	else \
		echo "cargo-nextest is not installed: running the tests one after the other"; \
		$(CARGO) test --workspace --locked -- --test-threads=1; \
	fi
	$(CARGO) test --workspace --doc --locked

## Causes every verdict and counts how often it is named so (root)
lab:
	$(BUILD_ALL)
	@if [ "$$(id -u)" = 0 ]; then \
		target/debug/conns-lab matrix; \
	else \
		echo "lab matrix: SKIPPED, it makes network namespaces and needs root"; \
	fi

## Before a release: the release binary and tests of the lab on Debian's kernels in qemu; writes the table of docs/ebpf.md
kernels:
	sh lab/kernels/run.sh

## The binary for arm64, its version, and the tests of recorded netlink, /proc and BTF, under qemu-user
arm64:
	sh lab/kernels/arm64.sh

## conns against ss, lsof, netstat and a bare drain (root); results go to bench/runs
bench: bench-packages
	$(CARGO) build --release --locked -p conns -p conns-bench
	target/release/conns-bench run
	target/release/conns-bench agent
	target/release/conns-bench blocking
	target/release/conns-bench overhead
	target/release/conns-bench short
	target/release/conns-bench capture
	target/release/conns-bench media
	target/release/conns-bench decoding
	target/release/conns-bench memory
	target/release/conns-bench screen
	target/release/conns-bench sql
	target/release/conns-bench history
	target/release/conns-bench sums

## The pictures of the README, of a real screen and a real agent with some traffic (root)
pictures: test-packages web-packages
	$(CARGO) build --release --locked -p conns
	unshare -n python3 lab/pictures/top.py docs/top.svg
	CONNS=$(CURDIR)/target/release/conns unshare -n sh -c 'ip link set lo up && exec node web/picture.mjs docs/page.png'

bench-packages:
	@if command -v apt-get >/dev/null; then sh packaging/need-packages.sh $(BENCH_PACKAGES); fi

## Attacks an agent for SOAK_TIME (root)
SOAK_TIME ?= 60s
soak:
	$(BUILD_ALL)
	target/debug/conns-lab soak --for $(SOAK_TIME)

## Faults of transfers, LINK_ROUNDS rounds of LINK_SEED (root): kills, a path that carries nothing for a minute, a full disk. Some 80 minutes
LINK_ROUNDS ?= 200
LINK_SEED ?= 1
link-faults: test-packages
	$(CARGO) build --release --locked -p conns -p conns-lab
	CONNS=target/release/conns python3 lab/cases/link_faults.py --rounds $(LINK_ROUNDS) --seed $(LINK_SEED)

## Builds conns.exe on Linux
windows: cross-packages
	sh lab/windows/cargo.sh x86_64-pc-windows-gnu build --release
	@echo $(WINDOWS_EXE)

## Runs conns.exe in wine against sockets that test programs open there. Before a release: it takes longer than `make test` may.
windows-test: windows
	python3 lab/windows/run.py $(WINDOWS_EXE)

## Type-checks the program for macOS; nothing is linked or run
macos-check: cross-packages
	sh lab/windows/macos-check.sh

cross-packages:
	@if command -v apt-get >/dev/null; then sh packaging/need-packages.sh $(CROSS_PACKAGES); fi

## Compiles the programs that run in the kernel; the result is committed, so that no build needs clang
bpf:
	sh sources/ebpf/build.sh

## Builds the page that an agent serves at `/` into one file; the result is committed, so that no build needs npm
web: web-packages
	cd web && npm run --silent build

# What the page is built and tested with, as web/package-lock.json names it.
web-packages:
	sh web/install.sh

## The page's types and its arithmetic; and the committed file is the one that its sources make
web-test: web-packages
	cd web && npm run --silent check
	cd web && node --test tests/unit.mjs
	sh web/compare.sh

## Each fuzz target for a minute; before a release for ten: sh fuzz/run.sh 600
fuzz:
	sh fuzz/run.sh 60

## Binary, man page and completions below PREFIX
PREFIX ?= /usr/local
install:
	$(CARGO) build --release --locked
	install -D -m 755 target/release/conns $(DESTDIR)$(PREFIX)/bin/conns
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	target/release/conns man > $(DESTDIR)$(PREFIX)/share/man/man1/conns.1
	target/release/conns completions bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/conns
	target/release/conns completions zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_conns
	target/release/conns completions fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/conns.fish
