package io.millpond

import io.millpond.internal.Handle
import io.millpond.internal.call
import io.millpond.internal.count
import io.millpond.internal.failing
import io.millpond.internal.generated.Outcome
import io.millpond.internal.generated.QueryOptions as RawQueryOptions
import io.millpond.internal.generated.completeness
import io.millpond.internal.generated.upperOfCursor
import io.millpond.internal.handleOf
import io.millpond.internal.textOf
import kotlin.time.Duration
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.toList

/** In which order a query gives events. */
public enum class Order(internal val text: String) {
    /** By rising key. */
    Ascending("ascending"),

    /** By falling key. */
    Descending("descending"),

    /** Stream after stream, each by rising offset. */
    Stream("stream"),
}

/** What is decoded of events. */
public enum class Column(internal val text: String) {
    /** The tags. */
    Tags("tags"),

    /** The payload. */
    Payload("payload"),
}

/**
 * How to query.
 *
 * @property order in which order.
 * @property lower only what this does not count.
 * @property upper only what this counts.
 * @property columns what is decoded; all without a word.
 * @property after it answers only from a log that covers this.
 * @property session one user's view.
 * @property batchSize most events at once.
 * @property timeout how long each step may take.
 */
public class QueryOptions(
    public val order: Order? = null,
    public val lower: Offsets? = null,
    public val upper: Offsets? = null,
    public val columns: Set<Column>? = null,
    public val after: Offsets? = null,
    public val session: Session? = null,
    public val batchSize: Int? = null,
    public val timeout: Duration? = null,
) {
    internal fun raw() = RawQueryOptions(
        order?.text,
        lower?.token,
        upper?.token,
        columns?.map(Column::text),
        after?.token,
        session?.id,
    )
}

/** A question. Each time it is collected or opened, it is asked anew. */
public class Query internal constructor(
    private val node: Node,
    private val text: String,
    private val options: QueryOptions,
) {
    /** Its events, one by one; fetched in batches. */
    public fun events(): Flow<Event> = flow { batches().collect { for (event in it) emit(event) } }

    /** Its events, as they are fetched. */
    public fun batches(): Flow<EventBatch> = flow {
        open().use { cursor ->
            while (true) {
                val batch = cursor.nextBatch(options.batchSize, options.timeout)
                if (batch.isNotEmpty()) emit(batch)
                if (batch.isEnd) break
            }
        }
    }

    /** All its events, in memory. */
    public suspend fun toList(): List<Event> = events().toList()

    /** Asks; its answer is one consistent view. */
    public suspend fun open(): Cursor {
        val raw = options.raw()
        return Cursor(handleOf(call(options.timeout) { ticket, limit ->
            query(ticket, node.id0, text, raw, limit)
        }))
    }
}

/** An answer, to be read on demand. Close it when it is not read to its end. */
public class Cursor internal constructor(id: ULong) : AutoCloseable {
    private val handle = Handle(this, id)

    /** The next events, at most [max]; at the end none, with [EventBatch.isEnd]. */
    public suspend fun nextBatch(max: Int? = null, timeout: Duration? = null): EventBatch {
        val most = count("max", max)
        val came = call(timeout) { ticket, limit -> nextOfCursor(ticket, handle.id, most, limit) }
        return EventBatch((came as Outcome.Events).batch)
    }

    /** What it can have read at its end. */
    public val upper: Offsets get() = Offsets.trusted(failing { upperOfCursor(handle.id) })

    /** How complete it is, as JSON text: `docs/query.md`. */
    public val completenessJson: String get() = failing { completeness(handle.id) }

    /** How it is answered, as JSON text: `docs/query.md`. */
    public suspend fun explainJson(timeout: Duration? = null): String =
        textOf(call(timeout) { ticket, limit -> explainCursor(ticket, handle.id, limit) })

    override fun close() {
        handle.release()
    }
}
