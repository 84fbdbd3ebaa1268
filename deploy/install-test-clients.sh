#!/usr/bin/env bash
# Installs what the interop tests drive: SIPp, baresip, linphone, Kamailio (also by TLS), Chromium, coturn, espeak-ng, and pebble for ACME (Debian packages), and builds
# the page that Chromium loads. Does nothing where they are present.
set -euo pipefail
missing=()
# Kamailio lies where not everybody looks.
PATH=$PATH:/usr/sbin
command -v sipp >/dev/null || missing+=(sip-tester)
command -v baresip >/dev/null || missing+=(baresip-core)
command -v linphonec >/dev/null || missing+=(linphone-cli)
command -v pebble >/dev/null || missing+=(pebble)
command -v kamailio >/dev/null || missing+=(kamailio)
ls /usr/lib/*/kamailio/modules/tls.so >/dev/null 2>&1 || missing+=(kamailio-tls-modules)
command -v lame >/dev/null || missing+=(lame)
command -v chromium >/dev/null || missing+=(chromium)
command -v turnserver >/dev/null || missing+=(coturn)
command -v npm >/dev/null || missing+=(npm)
command -v espeak-ng >/dev/null || missing+=(espeak-ng)
build_page() {
	cd "$(dirname "$0")/../tests/browser"
	# Only if something it is made of is newer.
	if [ ! -e node_modules/.sipjs.js ] || [ -n "$(find . -maxdepth 1 -newer node_modules/.sipjs.js -type f)" ]; then
		npm ci --silent --no-audit --no-fund && npm run --silent build
	fi
}
if [ ${#missing[@]} -eq 0 ]; then
	build_page
	exit 0
fi
echo "installing ${missing[*]}"
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
# sudo keeps no variables.
apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600"
$apt update -qq
$apt install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
build_page
