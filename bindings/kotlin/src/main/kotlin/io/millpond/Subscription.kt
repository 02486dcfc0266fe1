package io.millpond

import io.millpond.internal.Handle
import io.millpond.internal.call
import io.millpond.internal.count
import io.millpond.internal.failing
import io.millpond.internal.generated.Outcome
import io.millpond.internal.generated.SubscribeOptions as RawSubscribeOptions
import io.millpond.internal.generated.lag
import io.millpond.internal.generated.position
import io.millpond.internal.handleOf
import kotlin.time.Duration
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/** Where a subscription begins. */
public sealed interface StartAt {
    /** With the first event. */
    public data object Beginning : StartAt

    /** With what comes from now on. */
    public data object Now : StartAt

    /** After what this counts. */
    public data class After(public val offsets: Offsets) : StartAt

    /** Where another one stood: [EventBatch.resume]. */
    public data class Position(public val text: String) : StartAt
}

/** Which events a subscription delivers. */
public enum class Delivery(internal val text: String) {
    /** Those on this node's disk. */
    Durable("durable"),

    /** Also those that are on their way there. */
    Live("live"),
}

/** In which order a subscription delivers. */
public enum class DeliveryOrder(internal val text: String) {
    /** As they arrive, each stream in order. */
    Arrival("arrival"),

    /** By key; what comes late is preceded by a rewind. */
    Key("key"),
}

/**
 * How to subscribe.
 *
 * @property from where it begins.
 * @property delivery which events.
 * @property order in which order.
 * @property after it begins when the log covers this.
 * @property session one user's view.
 * @property batchSize most events at once.
 */
public class SubscribeOptions(
    public val from: StartAt? = null,
    public val delivery: Delivery? = null,
    public val order: DeliveryOrder? = null,
    public val after: Offsets? = null,
    public val session: Session? = null,
    public val batchSize: Int? = null,
) {
    internal fun raw(): RawSubscribeOptions {
        val start = when (from) {
            null -> null
            StartAt.Beginning -> "beginning"
            StartAt.Now -> "now"
            is StartAt.After -> from.offsets.token
            is StartAt.Position -> from.text
        }
        return RawSubscribeOptions(start, delivery?.text, order?.text, after?.token, session?.id)
    }
}

/**
 * A question that stays open. Each time it is collected it begins anew, and it ends with the
 * collector: nothing is fetched that nobody asks for, so a slow one lags and slows nobody.
 */
public class Subscription internal constructor(
    private val node: Node,
    private val text: String,
    private val options: SubscribeOptions,
) {
    /** Its events, one by one. Use [batches] where rewinds matter. */
    public fun events(): Flow<Event> = flow { batches().collect { for (event in it) emit(event) } }

    /** Its events as they come together, with rewinds. It ends when the node is closed. */
    public fun batches(): Flow<EventBatch> = flow {
        open().use { subscription ->
            while (true) {
                val batch = subscription.nextBatch(options.batchSize)
                if (batch.isEnd) break
                emit(batch)
            }
        }
    }

    /** Begins it. */
    public suspend fun open(): OpenSubscription {
        val raw = options.raw()
        return OpenSubscription(handleOf(call(null) { ticket, limit ->
            subscribe(ticket, node.id0, text, raw, limit)
        }))
    }
}

/** A subscription that was begun. Close it in the end. */
public class OpenSubscription internal constructor(id: ULong) : AutoCloseable {
    private val handle = Handle(this, id)

    /** The next events, at most [max]; waits for some. At the end none, with [EventBatch.isEnd]. */
    public suspend fun nextBatch(max: Int? = null, timeout: Duration? = null): EventBatch {
        val most = count("max", max)
        val came =
            call(timeout) { ticket, limit -> nextOfSubscription(ticket, handle.id, most, limit) }
        return EventBatch((came as Outcome.Events).batch)
    }

    /** How many events it has not passed yet. */
    public val lag: Long get() = failing { lag(handle.id) }.toLong()

    /** Where it stands: another one goes on there by [StartAt.Position]. */
    public val position: String get() = failing { position(handle.id) }

    override fun close() {
        handle.release()
    }
}
