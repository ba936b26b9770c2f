#!/bin/sh
# Run as root in a mount namespace of its own: gives the namespace its own folders of libvirt, so that a second libvirt daemon works
# beside that of the machine, and then holds the namespace until it is killed.
set -eu
mount --make-rprivate /
copy=$(mktemp -d)
cp -a /etc/libvirt/. "$copy"
rm -rf "$copy"/qemu/*.xml "$copy"/qemu/autostart "$copy"/qemu/networks
for folder in /run /etc/libvirt /var/lib/libvirt; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
cp -a "$copy"/. /etc/libvirt
rm -rf "$copy"
mkdir -p /run/lock /run/libvirt
echo ready
exec sleep infinity
