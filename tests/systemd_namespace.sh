#!/usr/bin/env bash
# systemd as PID 1 of namespaces of its own, over this machine's own files: an overlay in memory takes every write, and
# the tree given lies at /opt/veilcam, read-only. No virtual machine, no download; root, unshare and overlayfs needed.
# usage: systemd_namespace.sh TREE SCRATCH     (ends when its PID 1 or this process is killed)
set -euo pipefail
tree=$(readlink -f "$1") scratch=$(readlink -f "$2")
mkdir -p "$scratch"/{cgroup,memory,root}
export tree scratch
# A cgroup of its own, which the cgroup namespace makes the root of what systemd sees.
mount -t cgroup2 none "$scratch/cgroup"
mkdir "$scratch/cgroup/veilcam-test-$$"
echo $$ > "$scratch/cgroup/veilcam-test-$$/cgroup.procs"
umount -l "$scratch/cgroup"
exec unshare --mount --pid --fork --cgroup --net --uts --ipc --kill-child bash -c '
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$scratch/memory"
mkdir "$scratch"/memory/{upper,work}
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/memory/upper,workdir=$scratch/memory/work" "$scratch/root"
cd "$scratch/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p dev/shm dev/pts opt/veilcam mnt etc/systemd/system
mount -t tmpfs tmpfs dev/shm
# Empty, as after a boot: systemd-tmpfiles would remove this machine'"'"'s own from the overlay, one by one.
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=1777 tmpfs var/tmp
for name in null zero full random urandom tty; do touch "dev/$name"; mount --bind "/dev/$name" "dev/$name"; done
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount --bind "$tree" opt/veilcam
mount -o remount,bind,ro opt/veilcam
# Nothing of the machine itself is started: only what the test starts.
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.service
pivot_root . mnt
umount -l /mnt
ip link set lo up
exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 SYSTEMD_LOG_TARGET=console \
    SYSTEMD_LOG_LEVEL=notice /lib/systemd/systemd --system --unit=multi-user.target'
