package io.millpond

import io.millpond.payload.CborReader
import io.millpond.payload.Value
import java.time.Instant

/** Where an event stands in the one order: by [lamport], then by [stream]. */
public class EventKey(public val lamport: Long, public val stream: String) : Comparable<EventKey> {
    override fun compareTo(other: EventKey): Int =
        compareValuesBy(this, other, EventKey::lamport, EventKey::stream)

    override fun equals(other: Any?): Boolean =
        other is EventKey && lamport == other.lamport && stream == other.stream

    override fun hashCode(): Int = 31 * lamport.hashCode() + stream.hashCode()

    override fun toString(): String = "$lamport/$stream"

    internal companion object {
        fun parse(text: String): EventKey {
            val slash = text.indexOf('/')
            return EventKey(text.substring(0, slash).toLong(), text.substring(slash + 1))
        }
    }
}

/** An immutable fact. What is asked of it is decoded then. */
public class Event internal constructor(private val packed: Packed, private val index: Int) {
    /** Greater than everything that its author had seen. */
    public val lamport: Long get() = packed.number(index, 0)

    /** Id of the stream that it is in. */
    public val stream: String get() = packed.text(index, Packed.STREAM)

    /** Its position in the stream: 0 for the first, no gaps. */
    public val offset: Long get() = packed.number(index, 1)

    /** Where it stands in the one order. */
    public val key: EventKey get() = EventKey(lamport, stream)

    /** Its author's wall clock, µs since 1970 UTC: shown, never used to order. */
    public val timeMicros: Long get() = packed.number(index, 2)

    /** The same. */
    public val time: Instant
        get() = Instant.ofEpochSecond(
            Math.floorDiv(timeMicros, 1_000_000L),
            Math.floorMod(timeMicros, 1_000_000L) * 1000,
        )

    /** The application that published it. */
    public val app: String get() = packed.text(index, Packed.APP)

    /**
     * Its tags, in order.
     *
     * @throws MillpondException.InvalidArgument the query's columns leave them out.
     */
    public val tags: List<String> get() = packed.tags(index)

    /**
     * Its payload.
     *
     * @throws MillpondException.InvalidArgument the query's columns leave it out.
     */
    public val payload: Value get() = packed.payload(index, ::CborReader).whole()

    /** The bytes of its payload, one CBOR value in its deterministic encoding: a copy. */
    public val payloadBytes: ByteArray get() = packed.payload(index, ByteArray::copyOfRange)

    override fun toString(): String = "Event($key, $tags)"
}
