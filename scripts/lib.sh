# Functions for the repository's scripts, to be sourced by bash under `set -euo pipefail`:
#
#   source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#   BH_STEPS=2
#   bh_step "wine prefix" bh_wine_prefix
#   bh_step "build for Windows" bh_build windows
#
# Each function does nothing, quickly, where there is nothing to do. None asks a question, except
# that sudo may ask for its password when there is a terminal.

BH_ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
BH_BUILD=$BH_ROOT/build
BH_STEPS=${BH_STEPS:-0} # how many steps the calling script has
BH_STEP=0

# Everything that building and testing needs, with the same names on Debian 12 and Ubuntu 24.04.
# Of mingw-w64 only x86-64 with Windows' own threads: a quarter of the size of `mingw-w64`.
BH_PACKAGES=(
  meson ninja-build gcc g++ pkg-config libglib2.0-dev libjansson-dev
  gcc-mingw-w64-x86-64-win32 g++-mingw-w64-x86-64-win32 mingw-w64-tools
  wine wine64
  wixl osslsigncode openssl
  bubblewrap python3 git xz-utils curl ca-certificates
)

bh_die() {
  echo "error: $*" >&2
  exit 1
}

# bh_step TEXT COMMAND...: runs a command or function with its output in a log file, and says how
# long it took; on failure, shows the log's end and exits.
bh_step() {
  local text=$1 start=$SECONDS status log
  shift
  BH_STEP=$((BH_STEP + 1))
  mkdir -p "$BH_BUILD/log"
  log=$BH_BUILD/log/${text//[^A-Za-z0-9]/-}.log
  printf '[%d/%d] %s ... ' "$BH_STEP" "$BH_STEPS" "$text"
  # A subshell, so that `set -e` holds inside: it would not inside `if` or `||`.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  if ((status != 0)); then
    echo "FAILED, $((SECONDS - start)) s; the end of $log:"
    tail -n 40 "$log" | sed 's/^/    /'
    exit 1
  fi
  echo "done, $((SECONDS - start)) s"
}

# ---- packages ----

bh_missing_packages() {
  local package
  for package in "${BH_PACKAGES[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

# bh_as_root COMMAND...: root, or sudo.
bh_as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo -n "$@"
  fi
}

# To be called outside of bh_step: it is a step of its own, as it may have to ask for a password.
bh_need_packages() {
  command -v dpkg-query >/dev/null ||
    bh_die "this script installs packages on Debian and Ubuntu only; see BH_PACKAGES in scripts/lib.sh"
  local missing
  missing=$(bh_missing_packages)
  if [[ -n $missing ]] && ((EUID != 0)) && ! sudo -n true 2>/dev/null; then
    # A password may be typed on a terminal; without one, nobody would ever answer.
    { [[ -t 0 ]] && command -v sudo >/dev/null && echo "sudo, to install packages:" && sudo -v; } ||
      bh_die "packages are missing, and this is neither root nor sudo. Have them installed by" \
        "apt-get install --no-install-recommends" $missing
  fi
  bh_step "packages" bh_install_packages $missing
}

bh_install_packages() {
  (($# > 0)) || return 0
  # One repository of the machine's being out of reach need not matter; the install tells.
  bh_as_root apt-get update || echo "going on with the package lists that are there"
  # The time-out is for the lock: a fresh Ubuntu may just be upgrading itself.
  bh_as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
}

# ---- subprojects ----

# bh_wrap_value WRAP KEY
bh_wrap_value() {
  sed -n "s/^$2 *= *//p" "$1"
}

bh_has_hash() {
  [[ -f $1 ]] && echo "$2  $1" | sha256sum --check --status
}

# Puts what the wraps name into subprojects/packagecache, where Meson looks first. Upstream's
# tarballs are byte for byte what Debian's source packages carry, so where only a Debian mirror can
# be reached they come from there. Whichever way a file came, its hash decides.
bh_fetch_subprojects() {
  local cache=$BH_ROOT/subprojects/packagecache name wrap file hash
  local -A debian=() # what each is called there
  # Nothing to build where the distribution has one for the cross target.
  x86_64-w64-mingw32-pkg-config --atleast-version=2.74 glib-2.0 || debian+=([glib]=glib2.0 [pcre2]=pcre2)
  x86_64-w64-mingw32-pkg-config --atleast-version=2.13 jansson || debian+=([jansson]=jansson)
  mkdir -p "$cache"
  for name in "${!debian[@]}"; do
    wrap=$BH_ROOT/subprojects/$name.wrap
    file=$cache/$(bh_wrap_value "$wrap" source_filename)
    hash=$(bh_wrap_value "$wrap" source_hash)
    bh_has_hash "$file" "$hash" && continue
    curl -fsSL --connect-timeout 5 --max-time 300 -o "$file.part" "$(bh_wrap_value "$wrap" source_url)" ||
      bh_fetch_from_debian "${debian[$name]}" "$hash" "$file.part"
    bh_has_hash "$file.part" "$hash" || bh_die "$file.part has not the hash that $wrap names"
    mv "$file.part" "$file"
  done
}

# bh_fetch_from_debian PACKAGE HASH FILE: the file with this hash from a Debian source package.
bh_fetch_from_debian() (
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  # The mirror that this machine uses anyway, but for sources. List of sources and folder of lists
  # are our own: the machine's stay as they are.
  bh_debian_sources >"$folder/sources.list"
  if [[ ! -s $folder/sources.list ]]; then
    bh_as_root apt-get update # a machine fresh from an image has no lists yet
    bh_debian_sources >"$folder/sources.list"
  fi
  [[ -s $folder/sources.list ]] || bh_die "neither upstream nor a Debian mirror can be reached for $1"
  mkdir -p "$folder/lists/partial" "$folder/files"
  chmod -R a+rwX "$folder" # apt downloads as a user of its own
  options=(
    -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=-
    -o Dir::State::Lists="$folder/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  )
  apt-get "${options[@]}" update
  cd "$folder/files"
  apt-get "${options[@]}" source --download-only "$1"
  for file in *; do
    if bh_has_hash "$file" "$2"; then
      cp "$file" "$3"
      exit 0
    fi
  done
  echo "none of the files of Debian's source package $1 has the hash $2"
  exit 1
)

bh_debian_sources() {
  apt-get indextargets --format \
    'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Identifier: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | sort -u
}

# ---- Wine ----

# The first program in a prefix starts Wine's services, which take half a second, stay for a second
# after the last program, and inherit what the first has for stdout. Whoever reads that from a pipe
# to its end, as Meson does, would wait for them: so they are started with none.

# Sets BH_WINE to package wine64's own loader (the `wine` on PATH nags about 32-bit Wine on every
# start), BH_WINESERVER, and the environment for them: this repository's prefix, quiet, no Mono, no
# Gecko, no menus.
bh_wine_env() {
  BH_WINE=/usr/lib/wine/wine64
  if [[ ! -x $BH_WINE ]]; then
    BH_WINE=$(dpkg -L wine64 | grep -m 1 '/wine64$') || bh_die "Wine is missing: run scripts/setup"
  fi
  BH_WINESERVER=$(dirname "$BH_WINE")/wineserver64
  [[ -x $BH_WINESERVER ]] || BH_WINESERVER=wineserver
  export WINEPREFIX=${BULKHEAD_WINEPREFIX:-$BH_BUILD/wine}
  export WINEDEBUG=${WINEDEBUG:--all}
  export WINEDLLOVERRIDES="mscoree=;mshtml=;winemenubuilder.exe="
}

bh_wine_prefix() (
  bh_wine_env
  # Written last, so that an interrupted first start is taken up again.
  ready=$WINEPREFIX/.bulkhead-ready
  [[ ! -e $ready ]] || exit 0
  mkdir -p "$WINEPREFIX"
  "$BH_WINE" wineboot.exe -i
  bh_wine_stop # only when its server ends does a new prefix reach the disk whole
  touch "$ready"
)

# Has Wine's services running; after bh_wine_env.
bh_wine_services() {
  "$BH_WINESERVER" -k0 2>/dev/null || # signal 0: is there a server?
    "$BH_WINE" cmd.exe /c exit </dev/null >/dev/null 2>&1
}

# Keeps Wine's services running until bh_wine_stop, by a program that waits for input for ever:
# a start then takes 0.05 s, and none meets services on their way out. Likewise the desktop, which the
# first program that has a window (an STA's, say) would start, with its own stdout.
bh_wine_start() (
  bh_wine_env
  fifo=$(mktemp -u)
  mkfifo "$fifo"
  exec 9<>"$fifo" # open for writing too: it never ends
  rm "$fifo"
  "$BH_WINE" cmd.exe <&9 9>&- >/dev/null 2>&1 &
  "$BH_WINE" cmd.exe /c exit </dev/null >/dev/null 2>&1 9>&-
  "$BH_WINE" explorer.exe /desktop </dev/null >/dev/null 2>&1 9>&- &
)

# Ends every process of this repository's prefix, and waits until they are gone.
bh_wine_stop() (
  [[ -d ${BULKHEAD_WINEPREFIX:-$BH_BUILD/wine} ]] || exit 0
  bh_wine_env
  "$BH_WINESERVER" -k || true # fails where none runs
  "$BH_WINESERVER" -w
)

# ---- Meson ----

# The distribution's, whatever else is on PATH: a pyenv's or a venv's may be older, or broken.
BH_MESON=/usr/bin/meson
[[ -x $BH_MESON ]] || BH_MESON=meson
bh_meson() {
  "$BH_MESON" "$@"
}

# bh_configure native|windows|asan|tsan|coverage|analyzer|fuzz. Once done, Ninja keeps it up to date.
bh_configure() {
  local options=() environment=()
  [[ ! -e $BH_BUILD/$1/build.ninja ]] || return 0
  # Meson puts this link into GLib's folder here, and later trips over it if that folder is gone.
  rm -f "$BH_ROOT/subprojects/gvdb.wrap"
  if [[ $1 == windows ]]; then
    printf "[binaries]\nexe_wrapper = '%s'\n" "$BH_ROOT/scripts/wine" >"$BH_BUILD/exe-wrapper.ini"
    options+=(--cross-file "$BH_ROOT/cross/x86_64-w64-mingw32.ini"
      --cross-file "$BH_BUILD/exe-wrapper.ini")
  fi
  case $1 in
    asan) options+=(-Db_sanitize=address,undefined -Dc_args=-fno-sanitize-recover=undefined) ;;
    tsan) options+=(-Db_sanitize=thread) ;;
    # Unoptimised, so that lines are what they look like; threads count without losing any.
    coverage) options+=(-Db_coverage=true -Doptimization=0 -Dc_args=-fprofile-update=atomic) ;;
    # gcc 12 takes a g_autofree variable for uninitialised where a goto leaves a block; -Wuninitialized and valgrind
    # know better.
    analyzer) options+=("-Dc_args=-fanalyzer -Wno-analyzer-use-of-uninitialized-value" -Db_colorout=never) ;;
    fuzz)
      environment+=(CC=clang)
      options+=(-Db_sanitize=address,undefined -Db_lundef=false
        "-Dc_args=-fno-sanitize-recover=undefined -fsanitize=fuzzer-no-link"
        "-Dc_link_args=-fsanitize=address") # what is instrumented by that alone could not be linked
      ;;
  esac
  env "${environment[@]}" "$BH_MESON" setup "${options[@]}" "$BH_BUILD/$1" "$BH_ROOT"
}

# bh_build FOLDER [TARGET...]
bh_build() {
  local folder=$1
  shift
  ninja -C "$BH_BUILD/$folder" "$@"
}

# All that a script needs before it runs something: packages, sources, prefix, both builds. Wine runs then. A script with
# more steps has said how many, in BH_STEPS.
bh_set_up() {
  [[ -e $BH_BUILD/windows/build.ninja ]] || echo "The first time takes about three minutes."
  BH_STEPS=$((BH_STEPS + 8))
  bh_need_packages
  bh_step "sources of libraries for Windows" bh_fetch_subprojects
  bh_step "Wine prefix" bh_wine_prefix
  bh_step "Wine" bh_wine_start
  bh_step "configure native" bh_configure native
  bh_step "configure for Windows" bh_configure windows
  bh_step "build native" bh_build native
  bh_step "build for Windows" bh_build windows
}

# ---- nothing left behind ----

# Marks this shell and all it starts, also what Wine or a guest detaches, so that bh_processes_left finds them.
bh_mark_processes() {
  export BULKHEAD_MARK=$$.$RANDOM$RANDOM
}

# The marked processes that have not ended within five seconds, one a line: number and command. Not this shell's.
bh_processes_left() {
  local process number command
  for process in /proc/[0-9]*; do
    number=${process#/proc/}
    [[ $number != "$$" && $number != "$BASHPID" ]] || continue
    grep -qzxF "BULKHEAD_MARK=$BULKHEAD_MARK" "$process/environ" 2>/dev/null || continue
    command=$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null) || continue
    timeout 5 tail --pid="$number" -f /dev/null || echo "$number $command"
  done
}
