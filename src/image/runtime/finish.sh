# Run by mmdebstrap in the unpacked runtime, $1 is its root: does what maintainer scripts would have done and a
# read-only root cannot do later, and drops what no job needs.
#
# Never touch tmp/ or etc/apt/apt.conf.d/00mmdebstrap here: mmdebstrap's APT_CONFIG lives in tmp/, and without it an
# apt-get that mmdebstrap starts later works on the host's own lists and archives, as root.
set -eu
root="$1"
cd "$root"

rm -rf @REMOVE@
find usr/lib -name '*.a' -delete

mkdir -p work tmp proc sys dev run root etc usr/share/tidepool
chmod 1777 tmp
[ -e usr/bin/sh ] || ln -s dash usr/bin/sh
[ -e usr/bin/python ] || ln -s python3 usr/bin/python
cat >etc/passwd <<'EOF'
root:x:0:0:root:/root:/usr/sbin/nologin
job:x:1000:1000:job:/work:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
EOF
cat >etc/group <<'EOF'
root:x:0:
job:x:1000:
nogroup:x:65534:
EOF
printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >etc/nsswitch.conf
: >etc/resolv.conf
mkdir -p etc/ssl/certs
cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt

for library in @LIBRARIES@; do
  for found in usr/lib/*-linux-gnu/$library; do ln -sf "${found#usr/lib/*-linux-gnu/}" "${found%/*/*}/${found##*/}"; done
done
chroot . /sbin/ldconfig

cat >usr/share/tidepool/prepare.py <<'EOF'
@PREPARE@
EOF
mkdir -p var/tmp/prepare
HOME=/var/tmp/prepare TMPDIR=/var/tmp/prepare PYTHONDONTWRITEBYTECODE=1 chroot . python3 /usr/share/tidepool/prepare.py
rm -rf var/tmp/prepare usr/share/tidepool/prepare.py

# Unchecked: the root never changes, so Python need not compare times. Files that do not compile (templates, tests
# of syntax errors) are no reason to stop.
echo 'tidepool: compiling modules'
find usr/lib/python3* -name __pycache__ -prune -exec rm -rf {} +
chroot . python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /usr/lib/python3* || true
# The settings of the host's apt may hold a proxy's password.
rm -rf etc/apt/sources.list etc/apt/sources.list.d etc/apt/apt.conf.d/99mmdebstrap var/lib/apt var/cache/apt var/lib/dpkg

# The guard for the warning at the top: a failing hook ends mmdebstrap before it starts another apt-get.
if [ -n "${MMDEBSTRAP_APT_CONFIG:-}" ] && [ ! -e "$MMDEBSTRAP_APT_CONFIG" ]; then
  echo "E: the runtime's finish script removed mmdebstrap's apt configuration"
  exit 1
fi
