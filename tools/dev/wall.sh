# No packet leaves loopback and no name is asked for in a whole test run, and how that is known.
#
# The run happens in a network of its own, whose one way out leads nowhere and counts. The resolver
# of this run lies behind it too, so a question about a name is a packet that is counted.
# Source: network_namespaces(7). Not here: the stages. Begin with `test_walled`.

WALL_INTERFACE=out

# Runs `./dev test` behind the wall where the system lets us build one, else without it.
test_walled() {
    if [ "${MILLPOND_WALL:-}" != inside ]; then
        setup_all
        setup_fuzz_if_asked "$@"
        setup_swift_if_asked "$@"
        if wall_can_be_built; then
            export MILLPOND_WALL=inside
            exec unshare --net --mount bash "$ROOT/dev" test "$@"
        fi
        say "dev: SKIPPED: no network of our own here (root is needed); packets are not counted"
        export MILLPOND_WALL=absent
    else
        wall_build
    fi
    test_main "$@"
}

wall_can_be_built() {
    [ "$(id -u)" = 0 ] && have unshare && have ip || return 1
    mkdir -p "$ROOT/.dev"
    unshare --net --mount bash -c 'source tools/dev/common.sh
        source tools/dev/wall.sh
        set -e
        wall_build' >&2
}

# Loopback, and an interface with the default route behind which nobody is.
wall_build() {
    local interface ipv6=/proc/sys/net/ipv6/conf
    ip link set lo up
    ip link add "$WALL_INTERFACE" type dummy 2>/dev/null ||
        ip link add "$WALL_INTERFACE" type veth peer name sink
    for interface in "$WALL_INTERFACE" sink; do
        ip link show "$interface" >/dev/null 2>&1 || continue
        [ ! -e "$ipv6/$interface" ] || echo 1 >"$ipv6/$interface/disable_ipv6"
        ip link set "$interface" up
    done
    ip addr add 10.79.0.1/30 dev "$WALL_INTERFACE"
    ip neigh add 10.79.0.2 lladdr 02:00:00:00:00:02 dev "$WALL_INTERFACE"
    ip route add default via 10.79.0.2
    echo "nameserver 10.79.0.2" >"$ROOT/.dev/resolv.conf"
    mount --bind "$ROOT/.dev/resolv.conf" /etc/resolv.conf
    # The counter counts: one packet to an address that documents may use.
    echo counted >/dev/udp/192.0.2.1/9
    [ "$(packets_sent)" = 1 ] || {
        say "dev: a packet that was sent was not counted: $(packets_sent)"
        return 1
    }
}

packets_sent() {
    sed -n "s/^ *$WALL_INTERFACE: *//p" /proc/self/net/dev | awk '{ print $10 }'
}

# The claim, after all stages.
stage_wall() {
    if [ "${MILLPOND_WALL:-}" != inside ]; then
        echo "SKIPPED: no packet leaves loopback and no name is asked for (needs root)"
        echo "0 passed, 0 failed, 1 skipped"
        return 0
    fi
    local sent
    sent=$(($(packets_sent) - 1))
    if [ "$sent" = 0 ]; then
        echo "ok no packet left loopback and no name was asked for in the whole run"
        echo "1 passed, 0 failed"
    else
        echo "FAILED no packet leaves loopback and no name is asked for: $sent packets went out"
        echo "0 passed, 1 failed"
        return 1
    fi
}
