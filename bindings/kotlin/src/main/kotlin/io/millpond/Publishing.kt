package io.millpond

import io.millpond.internal.generated.PublishOptions as RawPublishOptions
import io.millpond.internal.generated.Published as RawPublished
import io.millpond.internal.invalid
import io.millpond.internal.unsigned
import io.millpond.payload.CborWriter
import io.millpond.payload.Value

/** An event to publish: a payload of at most 1 MiB, and at most 64 tags of at most 255 bytes. */
public class Draft private constructor(
    internal val bytes: ByteArray,
    internal val tags: List<String>,
) {
    /** @throws MillpondException.InvalidArgument the payload is NaN or has a lone surrogate. */
    public constructor(payload: Value, tags: Collection<String> = emptyList()) :
        this(encoded(payload), tags.toList())

    public companion object {
        /** Of a payload that is encoded already; its form is checked when it is published. */
        public fun cbor(bytes: ByteArray, tags: Collection<String> = emptyList()): Draft =
            Draft(bytes.copyOf(), tags.toList())

        private fun encoded(payload: Value): ByteArray = refusing {
            CborWriter().apply { value(payload) }.toByteArray()
        }
    }
}

/** When a publish is answered. */
public enum class Durability(internal val text: String) {
    /** What it stored survives a power cut. */
    Power("power"),

    /** What it stored survives the end of the process. */
    Process("process"),
}

/**
 * How to publish.
 *
 * @property durability when it is answered; after a power cut's worth without one.
 * @property idempotencyKey 1 to 255 bytes: the same published again with the same key is stored
 *   once.
 * @property expected how many events this node's stream must have.
 * @property session one user's view.
 */
public class PublishOptions(
    public val durability: Durability? = null,
    public val idempotencyKey: ByteArray? = null,
    public val expected: Long? = null,
    public val session: Session? = null,
) {
    internal fun raw() = RawPublishOptions(
        durability?.text,
        idempotencyKey,
        unsigned("expected", expected),
        session?.id,
    )
}

/**
 * Where published events stand.
 *
 * @property stream this node's own.
 * @property firstOffset offset of the first event.
 * @property firstLamport lamport of the first event.
 * @property timeMicros this node's wall clock, µs since 1970 UTC.
 * @property token what a later read must cover to see them and what they could have been based on.
 * @property replayed an earlier call with this idempotency key stored them.
 */
public class Published internal constructor(raw: RawPublished) : AbstractList<Receipt>() {
    public val stream: String = raw.stream
    public val firstOffset: Long = raw.firstOffset.toLong()
    public val firstLamport: Long = raw.firstLamport.toLong()
    public val timeMicros: Long = raw.timeMicros
    public val token: Offsets = Offsets.trusted(raw.token)
    public val replayed: Boolean = raw.replayed

    override val size: Int = raw.count.toInt()

    override fun get(index: Int): Receipt {
        if (index !in indices) throw IndexOutOfBoundsException("$index of $size events")
        val key = EventKey(firstLamport + index, stream)
        return Receipt(key, firstOffset + index, token, replayed)
    }
}

/**
 * Where one published event stands.
 *
 * @property key its place in the one order.
 * @property offset its position in the stream.
 * @property token what a later read must cover to see it.
 * @property replayed an earlier call with this idempotency key stored it.
 */
public class Receipt internal constructor(
    public val key: EventKey,
    public val offset: Long,
    public val token: Offsets,
    public val replayed: Boolean,
)

/** Drafts as the native half takes them: see `packed.rs` of the facade. */
internal fun packed(drafts: List<Draft>): ByteArray = refusing {
    val writer = CborWriter()
    writer.word(drafts.size)
    for (draft in drafts) {
        writer.word(draft.tags.size)
        for (tag in draft.tags) writer.framed { writer.raw(CborWriter.utf8(tag)) }
        writer.framed { writer.raw(draft.bytes) }
    }
    writer.toByteArray()
}

/** What Kotlin refuses is refused in the words of the table. */
private inline fun <T> refusing(work: () -> T): T = try {
    work()
} catch (refused: IllegalArgumentException) {
    throw invalid(refused.message.orEmpty())
}
