package io.millpond

/**
 * A swarm's secret: who holds it is a member. Its text form is [hex]; printed it does not show.
 */
@JvmInline
public value class SwarmSecret(public val hex: String) {
    override fun toString(): String = "SwarmSecret(…)"
}

/**
 * How to open a node. What is not said is as in every language: `docs/` says how.
 *
 * @property network false: no sockets.
 * @property discovery whether to look for peers in the local network.
 * @property bind addresses to listen on, `<ip>:<port>`.
 * @property peers peers to keep a session with, `<node id>@<ip>:<port>[,<ip>:<port>…]`.
 * @property allow the only nodes to talk to, by id.
 * @property formerSecrets secrets that the swarm's takes the place of and that still admit: up
 *   to 4.
 * @property sendBytesPerSecondMax most bytes a second sent to all peers together, at least 1,000.
 * @property sendBytesPerSecondPerPeerMax the same for each peer.
 * @property priority a query of what peers send first.
 * @property segmentBytes size of a journal segment, 64 KiB at least.
 * @property tailBytesMax most bytes of events in memory before a checkpoint.
 * @property cacheBytes most bytes of decoded blocks in memory.
 * @property snapshotBytesMax most bytes of saved states on disk.
 * @property allowNetworkFileSystem whether to open a store on a network file system all the same.
 */
public class OpenOptions(
    public val network: Boolean? = null,
    public val discovery: Boolean? = null,
    public val bind: List<String>? = null,
    public val peers: List<String>? = null,
    public val allow: List<String>? = null,
    public val formerSecrets: List<SwarmSecret>? = null,
    public val sendBytesPerSecondMax: Long? = null,
    public val sendBytesPerSecondPerPeerMax: Long? = null,
    public val priority: String? = null,
    public val segmentBytes: Long? = null,
    public val tailBytesMax: Long? = null,
    public val cacheBytes: Long? = null,
    public val snapshotBytesMax: Long? = null,
    public val allowNetworkFileSystem: Boolean? = null,
)
