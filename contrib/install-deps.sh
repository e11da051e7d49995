#!/bin/sh
# Installs what dayfly's build (or its tests) needs and this machine lacks, with apt, dnf, pacman or apk.
#
#   sh contrib/install-deps.sh [build|test|all|vm|verifiers]   build: to compile (the default); test: to run `make check`; all: both;
#                                                    vm: to run `make check-vm`; verifiers: to run `make check-verifiers`
#   sh contrib/install-deps.sh GROUP --names         only print the names of Debian's packages, whether they are there or not
#
# Each need is probed by itself, so a second run finds nothing to do and asks for no rights. Not root: sudo or doas is used when it
# is there; otherwise the command that an administrator can run is printed and the exit status is 1.
set -eu

group=${1:-build}
case $group,${2-} in build, | test, | all, | vm, | verifiers, | build,--names | test,--names | all,--names | vm,--names | verifiers,--names) ;; *)
  echo "usage: sh contrib/install-deps.sh [build|test|all|vm|verifiers] [--names]" >&2
  exit 2
  ;;
esac

if command -v apt-get >/dev/null 2>&1; then
  manager=apt
elif command -v dnf >/dev/null 2>&1; then
  manager=dnf
elif command -v pacman >/dev/null 2>&1; then
  manager=pacman
elif command -v apk >/dev/null 2>&1; then
  manager=apk
else
  manager=none
fi

# "there KIND NAME": whether a need is met.
there() {
  case $1 in
  command) command -v "$2" >/dev/null 2>&1 || [ -x "/usr/sbin/$2" ] ;;
  file) [ -e "$2" ] ;;
  git) command -v git >/dev/null 2>&1 && [ -e "$(git --exec-path)/$2" ] ;;
  header) [ -e "/usr/include/$2" ] || [ -e "/usr/include/$(uname -m)-linux-gnu/$2" ] ;;
  # pkg-config itself may still be missing: then a library counts as missing too, which is harmless.
  library) command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$2" ;;
  archive) [ -n "$(ls /usr/lib/"$2" /usr/lib64/"$2" "/usr/lib/$(uname -m)-linux-gnu/$2" 2>/dev/null)" ] ;;
  esac
}

# Group, kind of probe, what is probed, then the package for apt, dnf, pacman and apk ("-": there is none, and it builds without).
needs() {
  cat <<'TABLE'
build command cc            gcc              gcc                 gcc               gcc
build command make          make             make                make              make
build command pkg-config    pkg-config       pkgconf-pkg-config  pkgconf           pkgconf
build header  stdio.h       libc6-dev        glibc-devel         glibc             musl-dev
build header  linux/mount.h linux-libc-dev   kernel-headers      linux-api-headers linux-headers
build library libuv         libuv1-dev       libuv-devel         libuv             libuv-dev
build library jansson       libjansson-dev   jansson-devel       jansson           jansson-dev
build library inih          libinih-dev      inih-devel          libinih           inih-dev
build library sqlite3       libsqlite3-dev   sqlite-devel        sqlite            sqlite-dev
build library libseccomp    libseccomp-dev   libseccomp-devel    libseccomp        libseccomp-dev
build library libarchive    libarchive-dev   libarchive-devel    libarchive        libarchive-dev
build archive libacl.a      libacl1-dev      -                   -                 acl-static
build archive libzstd.a     libzstd-dev      libzstd-static      -                 zstd-static
build archive liblzma.a     liblzma-dev      xz-static           -                 xz-static
build archive libbz2.a      libbz2-dev       bzip2-static        -                 bzip2-static
build archive libz.a        zlib1g-dev       zlib-static         -                 zlib-static
build library libcurl       libcurl4-openssl-dev libcurl-devel    curl              curl-dev
build library nettle        nettle-dev       nettle-devel        nettle            nettle-dev
build library libsystemd    libsystemd-dev   systemd-devel       systemd-libs      -
test  library cmocka        libcmocka-dev    libcmocka-devel     cmocka            cmocka-dev
test  archive libc.a        libc6-dev        glibc-static        glibc             musl-dev
test  command readelf       binutils         binutils            binutils          binutils
test  command python3       python3          python3             python            python3
test  command newuidmap     uidmap           shadow-utils        shadow            shadow-uidmap
test  command openssl       openssl          openssl             openssl           openssl
test  command patch         patch            patch               patch             patch
test  command git           git              git-core            git               git
test  git     git-daemon    git              git-daemon          git               git-daemon
test  git     git-http-backend git           git-core            git               git-daemon
test  command nginx         nginx            nginx               nginx             nginx
test  command fcgiwrap      fcgiwrap         fcgiwrap            fcgiwrap          fcgiwrap
test  command sshd          openssh-server   openssh-server      openssh           openssh-server
test  command ssh           openssh-client   openssh-clients     openssh           openssh-client
test  command zstd          zstd             zstd                zstd              zstd
test  command gdb           gdb              gdb                 gdb               gdb
test  command strace        strace           strace              strace            strace
verifiers command node      nodejs           nodejs              nodejs            nodejs
verifiers command npm       npm              npm                 npm               npm
vm    command qemu-system-x86_64 qemu-system-x86 qemu-system-x86-core qemu-system-x86 qemu-system-x86_64
vm    command mmdebstrap    mmdebstrap       mmdebstrap          mmdebstrap        mmdebstrap
vm    command mke2fs        e2fsprogs        e2fsprogs           e2fsprogs         e2fsprogs
vm    command newuidmap     uidmap           shadow-utils        shadow            shadow-uidmap
vm    file    /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring debian-keyring debian-archive-keyring debian-archive-keyring
TABLE
}

# in_group GROUP: whether a line of the table is asked for.
in_group() { [ "$group" = "$1" ] || { [ "$group" = all ] && [ "$1" != vm ] && [ "$1" != verifiers ]; }; }

if [ "${2-}" = --names ]; then
  needs | while read -r for_group _ _ apt _; do
    if in_group "$for_group"; then echo "$apt"; fi
  done | sort -u
  exit 0
fi

missing= packages=
while read -r for_group kind name apt dnf pacman apk; do
  in_group "$for_group" || continue
  there "$kind" "$name" && continue
  case $manager in
  apt) package=$apt ;;
  dnf) package=$dnf ;;
  pacman) package=$pacman ;;
  apk) package=$apk ;;
  none) package=$name ;;
  esac
  [ "$package" = - ] && continue
  missing="$missing $name"
  case " $packages " in *" $package "*) ;; *) packages="$packages $package" ;; esac
done <<EOT
$(needs)
EOT
[ -n "$packages" ] || exit 0

case $manager in
apt) command="apt-get install -y --no-install-recommends$packages" ;;
dnf) command="dnf install -y$packages" ;;
pacman) command="pacman -S --needed --noconfirm$packages" ;;
apk) command="apk add$packages" ;;
none)
  echo "install-deps: no apt, dnf, pacman or apk here; install these by hand:$missing" >&2
  exit 1
  ;;
esac

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
  as_root=sudo
elif command -v doas >/dev/null 2>&1 && { doas -n true 2>/dev/null || [ -t 0 ]; }; then
  as_root=doas
else
  {
    echo "install-deps: missing on this machine:$missing"
    echo "  You are not root and cannot become root here. Ask the administrator to run this, then try again:"
    if [ "$manager" = apt ]; then
      echo "    apt-get update && $command"
    else
      echo "    $command"
    fi
  } >&2
  exit 1
fi

echo "install-deps: installing$packages" >&2
log=$(mktemp)
trap 'rm -f "$log"; services_may_start' EXIT

# The tests start servers of their own: what apt installs for them is neither started now nor at the next boot. Where an administrator
# has a policy already, that is what counts.
policy=/usr/sbin/policy-rc.d is_ours=
services_stay_down() {
  [ "$manager" = apt ] && [ ! -e "$policy" ] || return 0
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
  is_ours=yes
}
services_may_start() {
  [ -z "$is_ours" ] || $as_root rm -f "$policy"
  is_ours=
}
disable_services() {
  [ "$manager" = apt ] && command -v systemctl >/dev/null 2>&1 || return 0
  for package in $packages; do
    case $package in
    nginx) $as_root systemctl disable nginx.service ;;
    fcgiwrap) $as_root systemctl disable fcgiwrap.service fcgiwrap.socket ;;
    openssh-server) $as_root systemctl disable ssh.service ;;
    esac
  done
}
install() {
  # shellcheck disable=SC2086
  if [ "$manager" = apt ]; then
    # A list that could not be refreshed may still serve: only the installation decides.
    $as_root apt-get update -qq || :
    $as_root env DEBIAN_FRONTEND=noninteractive $command
  else
    $as_root $command
  fi
}
services_stay_down
if ! install >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "install-deps: failed: $command" >&2
  exit 1
fi
disable_services >>"$log" 2>&1 || :
