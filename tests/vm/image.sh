#!/bin/sh
# Makes the disk of the test machine: Debian 12 with systemd, what dayfly needs to be built and tested, and Debian's cloud kernels.
#
#   sh tests/vm/image.sh FOLDER      writes FOLDER/root.img and, per kernel, FOLDER/<name>.vmlinuz, .initrd and .version
#
# Kernels: "stable" is the release's own; "backports" the newer one, if the archive has it. As a plain user it needs a range of ids in
# /etc/subuid; as root, the few mounts that are made on the way are in a mount namespace of their own. Nothing on the host changes
# but FOLDER.
set -eu
out=$1
here=$(cd "$(dirname "$0")" && pwd)
mirror=${DAYFLY_VM_MIRROR:-http://deb.debian.org/debian}
security=${DAYFLY_VM_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
suite=bookworm

# What a machine is made of; the rest is what a developer would install.
packages="systemd systemd-sysv dbus dbus-user-session libpam-systemd udev kmod iproute2 procps util-linux ca-certificates"
packages="$packages linux-image-cloud-amd64 $(sh "$here/../../contrib/install-deps.sh" all --names | tr '\n' ' ')"

mkdir -p "$out"
work=$(mktemp -d "$out/work.XXXXXX")
if [ "$(id -u)" = 0 ]; then
  mode=root
  in_namespace() { unshare --mount --propagation private -- "$@"; }
else
  mode=unshare
  # Root of a user namespace with the ids of /etc/subuid: what it unpacks has the right owners as mke2fs sees them from inside.
  in_namespace() { unshare --map-root-user --map-auto -- "$@"; }
fi
trap 'in_namespace rm -rf "$work"' EXIT

cat >"$work/setup" <<'SETUP'
set -eu
# A small initramfs: the disk's driver and its filesystem. Unpacked by an emulated machine, the usual one takes many seconds.
mkdir -p "$1/etc/initramfs-tools/conf.d"
printf 'MODULES=list\nCOMPRESS=gzip\n' >"$1/etc/initramfs-tools/conf.d/vm"
printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >"$1/etc/initramfs-tools/modules"
SETUP

cat >"$work/customize" <<'CUSTOMIZE'
set -eu
root=$1
for kernel in "$root"/boot/vmlinuz-*; do
  echo "${kernel##*/vmlinuz-}" >"$root/boot/stable.version"
done
echo "deb $MIRROR $SUITE-backports main" >"$root/etc/apt/sources.list.d/backports.list"
if chroot "$root" apt-get update && chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
  -t "$SUITE-backports" linux-image-cloud-amd64; then
  for kernel in "$root"/boot/vmlinuz-*; do
    [ "${kernel##*/vmlinuz-}" = "$(cat "$root/boot/stable.version")" ] || echo "${kernel##*/vmlinuz-}" >"$root/boot/backports.version"
  done
fi

echo vm >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 vm\n' >"$root/etc/hosts"
: >"$root/etc/resolv.conf"
# With an id of its own the machine does not take its first boot for a first boot.
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
# The plain user: with a range of ids (useradd gives one), and a service manager that runs without a login.
chroot "$root" useradd --create-home --uid 1500 --shell /bin/sh plain
mkdir -p "$root/var/lib/systemd/linger" "$root/var/log/journal"
: >"$root/var/lib/systemd/linger/plain"
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  getty@tty1.service serial-getty@ttyS0.service systemd-pstore.service systemd-networkd-wait-online.service \
  nginx.service fcgiwrap.service fcgiwrap.socket ssh.service ssh.socket; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# The payload comes as a tar on the second disk; it brings the script that does the rest. Its output goes to the second serial line.
cat >"$root/etc/systemd/system/vm-tests.service" <<'UNIT'
[Unit]
Description=The tests of the payload
After=user@1500.service
[Service]
Type=exec
ExecStart=/usr/local/sbin/vm-tests
StandardInput=null
StandardOutput=file:/dev/ttyS1
StandardError=inherit
TasksMax=infinity
LimitNOFILE=1048576
[Install]
WantedBy=multi-user.target
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../vm-tests.service "$root/etc/systemd/system/multi-user.target.wants/vm-tests.service"
cat >"$root/usr/local/sbin/vm-tests" <<'START'
#!/bin/sh
stty -F /dev/ttyS1 -opost 2>/dev/null
[ -e /srv/vm ] || { mkdir /srv/vm && tar -x --no-same-owner -f /dev/vdb -C /srv/vm; }
sh /srv/vm/tree/tests/vm/guest.sh
case $? in
100) systemctl --no-block reboot ;;
*) systemctl --no-block poweroff ;;
esac
START
chmod 755 "$root/usr/local/sbin/vm-tests"
CUSTOMIZE

MIRROR=$mirror SUITE=$suite
export MIRROR SUITE
command="mmdebstrap --mode=$mode"
[ "$mode" = unshare ] || command="in_namespace $command"
# shellcheck disable=SC2086,SC2046
$command --variant=minbase --format=tar --architectures=amd64 --include="$(echo $packages | tr ' ' ,)" \
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --skip=cleanup/reproducible/machine-id \
  --essential-hook="sh '$work/setup' \"\$1\"" --customize-hook="sh '$work/customize' \"\$1\"" \
  "$suite" "$work/root.tar" "deb $mirror $suite main" "deb $mirror $suite-updates main" "deb $security $suite-security main"

# From tar to disk without a mount: unpack, and let mke2fs copy the folder.
in_namespace sh -eu -c '
  mkdir "$1/root"
  tar -x -f "$1/root.tar" -C "$1/root" --numeric-owner --same-permissions --xattrs --xattrs-include="*" --exclude="./dev/*"
  for version in "$1"/root/boot/*.version; do
    name=${version##*/} name=${name%.version}
    cp "$1/root/boot/vmlinuz-$(cat "$version")" "$2/$name.vmlinuz"
    cp "$1/root/boot/initrd.img-$(cat "$version")" "$2/$name.initrd"
    cp "$version" "$2/$name.version"
  done
  rm -f "$2/root.img"
  mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 -L dayfly-vm -d "$1/root" "$2/root.img" 8G
' sh "$work" "$out"
