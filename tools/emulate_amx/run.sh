#!/usr/bin/env bash
# Runs tests where AVX-512 and AMX are executed as Intel's manual says, on any x86-64 machine: a Linux of its own in
# Bochs, an emulator, as a Sapphire Rapids. Some 50 to 200 times as slow as a processor; times mean nothing there.
#   BOCHS=FOLDER KERNEL=FILE tools/emulate_amx/run.sh PROGRAM [ARGUMENT...]
# PROGRAM: a built test, say build/release/tests/test_backend; COLA_* of the environment reach it. README.md beside this
# file says where BOCHS and KERNEL come from. Ends with the program's exit status.
set -euo pipefail
if (($# == 0)) || [[ -z ${BOCHS:-} || -z ${KERNEL:-} ]]; then
  sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
for tool in cpio xorriso busybox; do
  command -v "$tool" >/dev/null || { echo "run.sh: $tool is missing; README.md says what to install" >&2; exit 2; }
done
files="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../tests/files" && pwd)"
work="$(mktemp -d)"
emulator=
trap '[[ -z $emulator ]] || kill "$emulator" 2>/dev/null || true; rm -rf "$work"' EXIT

# The guest: one program with its libraries, and tests/files.
guest="$work/guest"
mkdir -p "$guest"/{bin,lib,lib64,proc,sys,dev,tmp} "$work/disc/isolinux"
cp "$(command -v busybox)" "$guest/bin/"
strip -o "$guest/bin/program" "$1"
shift
ldd "$guest/bin/program" | awk '/=> \// { print $3 }' | xargs -I{} cp -L {} "$guest/lib/"
cp -L /lib64/ld-linux-x86-64.so.2 "$guest/lib64/"
cp -r "$files" "$guest/files"
{
  echo '#!/bin/busybox sh'
  echo '/bin/busybox mount -t proc none /proc; /bin/busybox mount -t devtmpfs none /dev'
  echo 'export LD_LIBRARY_PATH=/lib COLA_TEST_FILES=/files HOME=/tmp'
  for name in ${!COLA_@}; do
    [[ $name == COLA_TEST_* ]] || printf 'export %s=%q\n' "$name" "${!name}"
  done
  printf '/bin/program'
  printf ' %q' "$@"
  echo '; echo "exit status $?"'
  # The serial line's file is written in blocks: more than one block of it pushes the last words out.
  echo 'i=0; while [ $i -lt 5000 ]; do echo; i=$((i + 1)); done; /bin/busybox poweroff -f'
} >"$guest/init"
chmod +x "$guest/init"
(cd "$guest" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/disc/initrd"

# Its disc. Linux's idle loop releases tiles in a way that Bochs 3.0 refuses: no cpuidle.
cp "$KERNEL" "$work/disc/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/disc/isolinux/"
cat >"$work/disc/isolinux/isolinux.cfg" <<'END'
DEFAULT linux
LABEL linux
 KERNEL /vmlinuz
 INITRD /initrd
 APPEND console=ttyS0 loglevel=4 mitigations=off nokaslr no5lvl nopcid nopku nohpet lsm= intel_idle.max_cstate=0 cpuidle.off=1
END
xorriso -as mkisofs -quiet -o "$work/disc.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
  -boot-load-size 4 -boot-info-table "$work/disc" 2>/dev/null

cat >"$work/bochsrc" <<END
display_library: nogui
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options="fastboot"
vgaromimage: file=/usr/share/vgabios/vgabios.bin
cpu: model=sapphire_rapids, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=2048, host=2048
ata0-master: type=cdrom, path=$work/disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
log: $work/log
panic: action=fatal
error: action=report
info: action=ignore
clock: sync=none
speaker: enabled=0
END
touch "$work/serial"
"$BOCHS/bochs" -q -f "$work/bochsrc" >"$work/out" 2>&1 </dev/null &
emulator=$!
tail -f --pid="$emulator" "$work/serial" | sed -u 's/\r//; /^$/d'
wait "$emulator" || true  # powering off is a panic to Bochs
status="$(sed -n 's/^exit status \([0-9]*\).*/\1/p' "$work/serial" | tail -1)"
[[ -n $status ]] || { tail -3 "$work/log" "$work/out" >&2; echo "run.sh: the guest ended early" >&2; exit 1; }
exit "$status"
