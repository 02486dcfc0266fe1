package io.millpond

import io.millpond.internal.Handle
import io.millpond.internal.call
import io.millpond.internal.callBlocking
import io.millpond.internal.failing
import io.millpond.internal.generated.Outcome
import io.millpond.internal.generated.durableOffsets
import io.millpond.internal.generated.isOpen
import io.millpond.internal.generated.nodeId
import io.millpond.internal.generated.ownStream
import io.millpond.internal.generated.stats
import io.millpond.internal.generated.storePath
import io.millpond.internal.generated.swarmId
import io.millpond.internal.textOf
import io.millpond.payload.Value
import java.nio.file.Path
import kotlin.time.Duration

/**
 * One installation: a key pair and a log. Any thread may use it.
 *
 * Every call that waits takes a timeout and is cancelled with its coroutine: after that nothing
 * happens any more, but that events which were handed over for publishing may still be stored.
 */
public class Node internal constructor(id: ULong) : AutoCloseable {
    private val handle = Handle(this, id)

    internal val id0: ULong get() = handle.id

    /** Its id: the public key, as hex. */
    public val id: String = failing { nodeId(id) }

    /** Id of its swarm. */
    public val swarmId: String = failing { swarmId(id) }

    /** The folder of its store. */
    public val path: Path = Path.of(failing { storePath(id) })

    /** Id of the stream that it writes. After a restored backup that is another one. */
    public val stream: String get() = failing { ownStream(id0) }

    /** True until it is closed. */
    public val isOpen: Boolean get() = failing { isOpen(id0) }

    /** What is durable here. */
    public fun offsets(): Offsets = Offsets.trusted(failing { durableOffsets(id0) })

    /** The sizes of its store, as JSON text: `docs/status.md`. */
    public fun statsJson(): String = failing { stats(id0) }

    /** Publishes one event; returns when it is durable. */
    public suspend fun publish(
        payload: Value,
        tags: Collection<String> = emptyList(),
        options: PublishOptions = PublishOptions(),
        timeout: Duration? = null,
    ): Receipt = publishAll(listOf(Draft(payload, tags)), options, timeout)[0]

    /** Publishes 1 to 65,536 events together, of at most 16 MiB: all of them or none. */
    public suspend fun publishAll(
        drafts: List<Draft>,
        options: PublishOptions = PublishOptions(),
        timeout: Duration? = null,
    ): Published {
        val bytes = packed(drafts)
        val raw = options.raw()
        val came = call(timeout) { ticket, limit -> publish(ticket, id0, bytes, raw, limit) }
        return Published((came as Outcome.Stored).published)
    }

    /** Asks a question: `docs/query.md`. Nothing happens before it is collected. */
    public fun query(text: String, options: QueryOptions = QueryOptions()): Query =
        Query(this, text, options)

    /** Follows a question. Nothing happens before it is collected. */
    public fun subscribe(
        text: String,
        options: SubscribeOptions = SubscribeOptions(),
    ): Subscription = Subscription(this, text, options)

    /**
     * Waits until the log covers [token]; with a [query], as far as that can tell.
     *
     * @throws MillpondException.NotYetVisible it did not in that time.
     */
    public suspend fun waitFor(token: Offsets, query: String? = null, timeout: Duration? = null) {
        call(timeout) { ticket, limit -> waitFor(ticket, id0, token.token, query, limit) }
    }

    /** Keeps a session with a peer: a ticket, or `<node id>@<ip>:<port>[,<ip>:<port>…]`. */
    public suspend fun connect(target: String, timeout: Duration? = null) {
        call(timeout) { ticket, limit -> connect(ticket, id0, target, limit) }
    }

    /** Forgets a peer. */
    public suspend fun disconnect(nodeId: String, timeout: Duration? = null) {
        call(timeout) { ticket, limit -> disconnect(ticket, id0, nodeId, limit) }
    }

    /** A ticket to paste: the swarm's secret, and where this node is. */
    public suspend fun ticket(timeout: Duration? = null): String =
        textOf(call(timeout) { ticket, limit -> swarmTicket(ticket, id0, limit) })

    /** Ends all sessions and talks to nobody, or to everybody again. */
    public suspend fun setNetwork(enabled: Boolean, timeout: Duration? = null) {
        call(timeout) { ticket, limit -> setNetwork(ticket, id0, enabled, limit) }
    }

    /** Replaces the swarm's secret; former ones admit meanwhile. */
    public suspend fun setSecrets(
        current: SwarmSecret,
        former: List<SwarmSecret> = emptyList(),
        timeout: Duration? = null,
    ) {
        val admitting = former.map(SwarmSecret::hex)
        call(timeout) { ticket, limit -> setSecrets(ticket, id0, current.hex, admitting, limit) }
    }

    /** Its status, as JSON text: `docs/status.md`. */
    public suspend fun statusJson(timeout: Duration? = null): String =
        textOf(call(timeout) { ticket, limit -> status(ticket, id0, limit) })

    /** Its figures for Prometheus. */
    public suspend fun metrics(timeout: Duration? = null): String =
        textOf(call(timeout) { ticket, limit -> metrics(ticket, id0, limit) })

    /** Reads all of the store and says what it found, as JSON text. */
    public suspend fun verifyJson(timeout: Duration? = null): String =
        textOf(call(timeout) { ticket, limit -> verify(ticket, id0, limit) })

    /** Gives back space of the store and says how much, as JSON text. */
    public suspend fun compactJson(timeout: Duration? = null): String =
        textOf(call(timeout) { ticket, limit -> compact(ticket, id0, limit) })

    /** A view over this and other nodes: see [Session]. */
    public fun session(): Session = Session()

    /**
     * Closes it: every subscription ends, and what was acknowledged is durable. Returns false if
     * that happened before.
     */
    public suspend fun shutdown(timeout: Duration? = null): Boolean =
        closed(call(timeout) { ticket, limit -> closeNode(ticket, id0, limit) })

    /** As [shutdown], on the calling thread. Legal anywhere, as often as you like. */
    override fun close() {
        closed(callBlocking(null) { ticket, limit -> closeNode(ticket, id0, limit) })
    }

    private fun closed(came: Outcome): Boolean {
        handle.forget()
        return !(came as Outcome.Closed).before
    }
}
