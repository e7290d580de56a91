#!/bin/sh
# Run one command inside the hosts' folder, in the mount and pid namespaces we were started in.
# usage: enter.sh ROOT SCRATCH HOME [FOLDER...] -- COMMAND [ARGUMENT...]
#   ROOT     the hosts' folder; only read: what is written beside the binds is lost at the end
#   SCRATCH  an empty folder for our mounts
#   HOME     appears as /home/painter; each FOLDER appears at its own path
# With SCREEN=WIDTHxHEIGHT set, the command has an X screen whose pixels lie in $SCREEN_FOLDER.
set -eu
root=$1
scratch=$2
home=$3
shift 3

mount -t tmpfs -o mode=755 tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay overlay "$scratch/root" \
    -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work"
root=$scratch/root
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mkdir -p "$root/home/painter"
mount --bind "$home" "$root/home/painter"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    shift
done
shift

if [ -n "${SCREEN:-}" ]; then
    # Abstract sockets are shared with the whole machine, so the server picks a number nobody has.
    # A server or a window manager that dies closes its end of the pipe, and `read` says so.
    mkfifo "$scratch/number" "$SCREEN_FOLDER/managed"
    chroot "$root" Xvfb -displayfd 3 -screen 0 "${SCREEN}x24" -fbdir "$SCREEN_FOLDER" \
        -nolisten tcp -noreset -ac 3>"$scratch/number" 2>"$SCREEN_FOLDER/xvfb.log" &
    read -r number <"$scratch/number" || {
        echo "no screen: Xvfb ended, and said:" >&2
        cat "$SCREEN_FOLDER/xvfb.log" >&2
        exit 70
    }
    export DISPLAY=":$number"
    chroot "$root" openbox --sm-disable --config-file "$WINDOW_RULES" \
        --startup "sh -c 'echo managed >$SCREEN_FOLDER/managed'" 4>"$SCREEN_FOLDER/managed" &
    # A window that comes before there is a manager would get neither its size nor the keyboard.
    read -r _ <"$SCREEN_FOLDER/managed" || {
        echo "no window manager: openbox ended" >&2
        exit 70
    }
fi
unset SCREEN SCREEN_FOLDER WINDOW_RULES

# Not exec: process 1 must go on reaping, and when it ends the kernel ends all the others.
chroot "$root" "$@" && status=0 || status=$?
exit "$status"
