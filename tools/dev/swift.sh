# The Swift toolchain for Linux, of Debian, in a folder of its own that is a whole small Debian.
#
# There is none for Debian 12, and what trixie has wants trixie's libraries. So it lives in a root
# beyond the checkout, which all checkouts of this user share, and sees the checkout under the path
# that it has outside. Nothing of it is ever changed once it is there.
# Rule: needs root and, the first time, the network. Begin with `setup_swift`; use `swift_in`.

SWIFT_PACKAGE=bindings/swift/Package.swift
SWIFT_DEBIAN=trixie
# `libc6-dev` and `g++` bring the headers that Swift imports, and the linker.
SWIFT_PACKAGES=(swiftlang libc6-dev g++ libncurses-dev)
SWIFT_KEYS=/usr/share/keyrings/debian-archive-keyring.gpg
MILLPOND_CACHE="${MILLPOND_CACHE:-$HOME/.cache/millpond}"

# Where Swift cannot be had this says so and goes on: then the stage says that it is skipped.
setup_swift() {
    [ -f "$SWIFT_PACKAGE" ] || return 0
    local root
    root=$(swift_root)
    [ ! -d "$root" ] || return 0
    if [ "$(id -u)" != 0 ] || ! have apt-get || ! have unshare; then
        say "dev: Swift cannot be set up here: that needs root and a Debian or Ubuntu"
        return 0
    fi
    local missing=()
    have debootstrap || missing+=(debootstrap)
    [ -e "$SWIFT_KEYS" ] || missing+=(debian-archive-keyring)
    if [ ${#missing[@]} -gt 0 ] && ! (install_packages "${missing[@]}"); then
        say "dev: Swift cannot be set up without ${missing[*]}"
        return 0
    fi
    say "dev: Swift: $SWIFT_DEBIAN with ${SWIFT_PACKAGES[*]} in $root (some minutes, once)"
    mkdir -p "$MILLPOND_CACHE"
    # One at a time, as other checkouts may want the same.
    if ! flock "$MILLPOND_CACHE/swift.lock" unshare --mount --propagation private bash -euc "
        $(declare -f swift_install)
        SWIFT_PACKAGES=(${SWIFT_PACKAGES[*]})
        swift_install '$root' '$SWIFT_DEBIAN' '$(debian_mirror)' '$SWIFT_KEYS'" >&2; then
        rm -rf "$root.new"
        say "dev: Swift could not be set up (offline?)"
    fi
}

# Before a run of tests: when it has the stage, that is when no stage was named, or this one.
setup_swift_if_asked() {
    local word asked=yes
    for word in "$@"; do
        case "$word" in
        swift) asked=yes && break ;;
        -*) ;;
        *) asked=no ;;
        esac
    done
    [ "$asked" = no ] || setup_swift
}

# Named after all that decides what is in it, so another recipe makes another folder.
swift_root() {
    local recipe
    recipe=$(declare -f swift_install; echo "$SWIFT_DEBIAN ${SWIFT_PACKAGES[*]}")
    printf '%s/swift-%s-%.12s\n' "$MILLPOND_CACHE" "$SWIFT_DEBIAN" \
        "$(sha256sum <<<"$recipe" | cut -d ' ' -f 1)"
}

# The mirror of Debian that this machine uses, or the one that everybody knows.
debian_mirror() {
    local site
    site=$(apt-get indextargets --format '$(SITE)' 2>/dev/null | grep -m 1 '/debian/*$') ||
        site=http://deb.debian.org/debian
    printf '%s\n' "${site%/}"
}

# swift_install ROOT RELEASE MIRROR KEYS: makes ROOT, whole or not at all. Runs in a mount namespace
# of its own, so that nothing stays mounted however it ends.
swift_install() {
    local root=$1 release=$2 mirror=$3 keys=$4 new=$1.new
    [ ! -d "$root" ] || return 0
    rm -rf "$new"
    debootstrap --variant=minbase --keyring="$keys" "$release" "$new" "$mirror"
    printf 'path-exclude=/usr/share/%s/*\n' doc man info locale lintian \
        >"$new/etc/dpkg/dpkg.cfg.d/millpond"
    mount -t proc proc "$new/proc"
    inside() { chroot "$new" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
    inside apt-get update -qq
    inside apt-get install -y -qq --no-install-recommends "${SWIFT_PACKAGES[@]}"
    inside apt-get clean
    inside swift --version
    rm -rf "$new"/var/lib/apt/lists/* "$new"/usr/share/{doc,man,info,locale,lintian}/*
    umount "$new/proc"
    mv "$new" "$root"
}

swift_present() { [ "$(id -u)" = 0 ] && have unshare && [ -d "$(swift_root)" ]; }

# swift_in COMMAND…: runs it where Swift is, in the same folder of the checkout. All that it mounts
# goes with it; it can write to the checkout and to a home and a /tmp of its own, and nowhere else.
swift_in() {
    unshare --mount --propagation private bash -euc '
        root=$1 checkout=$2 folder=$3
        shift 3
        mkdir -p "$root$checkout"
        mount --bind "$root" "$root"
        mount -o remount,bind,ro "$root"
        mount -t proc proc "$root/proc"
        for own in tmp root dev/shm; do mount -t tmpfs tmpfs "$root/$own"; done
        # Once more, for a checkout below one of these.
        mkdir -p "$root$checkout"
        mount --bind "$checkout" "$root$checkout"
        exec chroot "$root" env -i HOME=/tmp LC_ALL=C.UTF-8 PATH=/usr/bin:/bin \
            ${CI:+"CI=$CI"} ${MILLPOND_LONG:+"MILLPOND_LONG=$MILLPOND_LONG"} \
            sh -c "cd \"\$0\" && exec \"\$@\"" "$folder" "$@"
    ' swift_in "$(swift_root)" "$ROOT" "$PWD" "$@"
}
