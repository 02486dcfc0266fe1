package io.millpond

import io.millpond.internal.call
import io.millpond.internal.failing
import io.millpond.internal.generated.OpenOptions as RawOpenOptions
import io.millpond.internal.generated.swarmSecretNew
import io.millpond.internal.generated.swarmSecretNext
import io.millpond.internal.generated.swarmTicketParse
import io.millpond.internal.generated.version as nativeVersion
import io.millpond.internal.handleOf
import io.millpond.internal.unsigned
import java.nio.file.Path
import kotlin.time.Duration

/** Where nodes are opened. */
public object Millpond {
    /**
     * Opens the store in [path], which is created when absent. One of [swarm] and [ticket] is
     * needed.
     *
     * @param app the application, stamped on every event: 1 to 64 of ASCII letters, digits, `.`,
     *   `-`, `_`.
     * @throws MillpondException.StoreLocked another process has it open.
     */
    public suspend fun open(
        path: Path,
        app: String,
        swarm: SwarmSecret? = null,
        ticket: String? = null,
        options: OpenOptions = OpenOptions(),
        timeout: Duration? = null,
    ): Node {
        val raw = raw(path, app, swarm, ticket, options)
        return Node(handleOf(call(timeout) { number, limit -> open(number, raw, limit) }))
    }

    /** The version of millpond. */
    public val version: String get() = failing { nativeVersion() }

    /** A new swarm secret. */
    public fun newSwarmSecret(): SwarmSecret = SwarmSecret(failing { swarmSecretNew() })

    /** A secret to take the place of [of] while the swarm stays the same. */
    public fun nextSwarmSecret(of: SwarmSecret): SwarmSecret =
        SwarmSecret(failing { swarmSecretNext(of.hex) })

    /** What a ticket says, without its secret. */
    public fun parseTicket(text: String): TicketParts {
        val parts = failing { swarmTicketParse(text) }
        return TicketParts(parts.swarmId, parts.nodeId, parts.addresses)
    }

    private fun raw(
        path: Path,
        app: String,
        swarm: SwarmSecret?,
        ticket: String?,
        options: OpenOptions,
    ) = RawOpenOptions(
        path = path.toString(),
        app = app,
        swarm = swarm?.hex,
        formerSecrets = options.formerSecrets?.map(SwarmSecret::hex),
        ticket = ticket,
        network = options.network,
        bind = options.bind,
        discovery = options.discovery,
        peers = options.peers,
        allow = options.allow,
        sendBytesPerSecondMax = unsigned("sendBytesPerSecondMax", options.sendBytesPerSecondMax),
        sendBytesPerSecondPerPeerMax =
            unsigned("sendBytesPerSecondPerPeerMax", options.sendBytesPerSecondPerPeerMax),
        priority = options.priority,
        segmentBytes = unsigned("segmentBytes", options.segmentBytes),
        tailBytesMax = unsigned("tailBytesMax", options.tailBytesMax),
        cacheBytes = unsigned("cacheBytes", options.cacheBytes),
        snapshotBytesMax = unsigned("snapshotBytesMax", options.snapshotBytesMax),
        allowNetworkFileSystem = options.allowNetworkFileSystem,
    )
}

/**
 * What a swarm ticket says.
 *
 * @property swarmId the swarm that it leads to.
 * @property nodeId the node to dial.
 * @property addresses where that may be, `<ip>:<port>`.
 */
public class TicketParts internal constructor(
    public val swarmId: String,
    public val nodeId: String,
    public val addresses: List<String>,
)
