#!/usr/bin/env bash
# Installs the libraries that `make codec-compare` measures the codecs and SRTP by (Debian packages). Does nothing where they are present.
set -euo pipefail
packages=(gcc libc6-dev libgsm1-dev libspandsp-dev libopus-dev libsrtp2-dev libbcg729-dev)
missing=()
for package in "${packages[@]}"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing ${missing[*]}"
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get -o DPkg::Lock::Timeout=600 update -qq
$sudo apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
