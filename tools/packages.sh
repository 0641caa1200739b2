# SPDX-License-Identifier: Apache-2.0
# Debian's packages, sourced by tools/quickstart and tools/check.

# Hyperscan is for x86 only; vectorscan is the same for arm64.
case $(dpkg --print-architecture) in
amd64 | i386) packages_regex=libhyperscan-dev ;;
*) packages_regex=libvectorscan-dev ;;
esac
packages_build="build-essential meson ninja-build pkg-config libdpdk-dev libnghttp2-dev libzstd-dev zlib1g-dev
libxxhash-dev libyaml-dev libcurl4-openssl-dev libjansson-dev libmicrohttpd-dev libssl-dev libnuma-dev libcmocka-dev
libprotobuf-c-dev protobuf-c-compiler protobuf-compiler $packages_regex libbpf-dev clang scdoc python3 curl"
packages_test="libclang-rt-14-dev llvm spin python3-venv python3-yaml nghttp2-client iproute2 ethtool tshark"

# packages_install NAME...: those that are missing, by apt; as root or with sudo.
packages_install() {
    local missing=() name sudo=
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2> /dev/null | grep -q 'ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] && return 0
    if [ "$(id -u)" != 0 ]; then
        command -v sudo > /dev/null || { echo "missing: ${missing[*]}: install them, or run this as root" >&2; return 1; }
        sudo=sudo
    fi
    echo "installing ${#missing[@]} packages: ${missing[*]}"
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}
